#include "config/proxy_settings.hpp"

#include <array>
#include <utility>

namespace evergres::config {
namespace {

using P = ProxySettings;
using enum ProxyKind;

constexpr std::int64_t day = 86'400'000;
constexpr std::int64_t year = 365 * day;
constexpr std::int64_t many = 1'000'000;

constexpr std::array option_list{
    ProxyOption{"enabled", &P::enabled, flag, "yes if there is a section `proxy`", "yes",
                "Whether this node has an endpoint for applications."},
    ProxyOption{"host", &P::host, ProxyKind::host, "", "127.0.0.1",
                "Address at which applications connect, 0.0.0.0 for all of IPv4, :: for all."},
    ProxyOption{"port", &P::port, ProxyKind::port, "", "5432",
                "Port that leads to the node that takes writes, wherever it is.", "", 1, 65'535},
    ProxyOption{"read_only_port", &P::read_only_port, ProxyKind::port, "", "5433",
                "Port that leads to a replica. 0: none.", "", 0, 65'535},
    ProxyOption{"threads", &P::threads, count, "1", "2",
                "How many threads serve clients. One is enough for tens of thousands of "
                "transactions a second, and PostgreSQL needs the other cores; more help where many "
                "clients log in with TLS at once. Limits hold for all threads together.",
                "", 1, 64},
    ProxyOption{"other_hosts", &P::other_hosts, hosts, "none", "[10.0.0.7]",
                "Hosts of endpoints on machines without a node. PostgreSQL of this node admits "
                "them like those of the members: with a certificate of the cluster."},
    ProxyOption{"agents", &P::agents, addresses, "that of this node", "[10.0.0.1:8009, 10.0.0.2]",
                "On a machine without a node: agents of the cluster (peer_host and peer_port), of "
                "which the endpoint learns who leads. One is enough to begin with. Such a file "
                "has no `node` and no `store`; `evergres proxy-config` writes one.",
                "", 0, 0, true},
    ProxyOption{"external", &P::external, dsn, "none",
                "host=db1,db2 user=evergres_auth sslmode=verify-full sslrootcert=/etc/db-ca.crt",
                "On a machine without a node: servers that Evergres does not run, as a connection "
                "string without a password. The endpoint looks which of them is the primary. Its "
                "user asks them for that and for the secrets of those who log in.",
                "", 0, 0, true},
    ProxyOption{"auth_password_file", &P::auth_password_file, path,
                "none: with a node beside it the password is known", "auth.password",
                "On a machine without a node: the password of the role that asks PostgreSQL for "
                "the secrets of those who log in, mode 0600, 16 to 4096 bytes.",
                "", 0, 0, true},
    ProxyOption{"probe_interval", &P::probe_interval, duration, "", "1s",
                "With `external`: how often a server is asked what it is. While no primary is "
                "known, five times as often.",
                "", 100, 600'000, true},
    ProxyOption{"probe_timeout", &P::probe_timeout, duration, "", "2s",
                "With `external`: how long such a question may take, connecting included. After "
                "the second failure in a row a server counts as gone.",
                "", 100, 600'000, true},
    ProxyOption{"handover_timeout", &P::handover_timeout, duration, "", "10min",
                "How long an endpoint that was replaced by a new process goes on serving the "
                "clients that it has.",
                "", 0, day},
    ProxyOption{"tls", &P::tls, flag, "yes", "yes",
                "Whether clients may use TLS. PostgreSQL's own TLS stays."},
    ProxyOption{"tls_required", &P::tls_required, flag, "no", "no",
                "Whether clients of other machines must use TLS."},
    ProxyOption{"tls_certificate", &P::tls_certificate, path, "one that Evergres makes and renews",
                "/etc/evergres/server.crt",
                "Certificate that clients are shown, PEM, with the chain behind it."},
    ProxyOption{"tls_certificate_key", &P::tls_certificate_key, path, "that of the certificate",
                "/etc/evergres/server.key", "Its key, PEM, mode 0600."},
    ProxyOption{"tls_client_authority", &P::tls_client_authority, path,
                "none: clients are not asked for certificates", "/etc/evergres/clients.crt",
                "Authorities of client certificates, PEM. A rule with `cert` needs it."},
    ProxyOption{"tls_names", &P::tls_names, hosts, "none", "[db.example.org]",
                "More names and addresses under which clients know this endpoint; they are "
                "written into the certificate that Evergres makes."},
    ProxyOption{"hba_file", &P::hba_file, path, "what `allow` of the cluster says",
                "proxy_hba.conf",
                "Who may log in from where, in the words of pg_hba.conf. It takes the place of "
                "`allow`; physical replication needs a line in both."},
    ProxyOption{"ident_file", &P::ident_file, path,
                "none: the common name of a certificate is the user's", "pg_ident.conf",
                "Which users a client certificate may be, in the words of pg_ident.conf. A rule of "
                "hba_file with map=NAME asks the lines of that name. It is read anew when it "
                "changes."},
    ProxyOption{"auth_file", &P::auth_file, path, "none: PostgreSQL is asked", "users.txt",
                "Users and their SCRAM secrets, as PgBouncer writes them."},
    ProxyOption{"admins", &P::admins, role_names, "none", "[postgres]",
                "Roles that may change things in the console (database `evergres`)."},
    ProxyOption{"observers", &P::observers, role_names, "none", "[monitor]",
                "Roles that may look at things in the console."},
    ProxyOption{"client_login_timeout", &P::client_login_timeout, duration, "", "15s",
                "How long a client may take to log in, without the time for which there is no "
                "leader.",
                "", 100, day},
    ProxyOption{"pool_mode", &P::pool_mode, word, "", "session",
                "For how long a client keeps its server connection: until it leaves, or until its "
                "transaction ends.",
                "session transaction"},
    ProxyOption{"pool_size", &P::pool_size, count, "", "20",
                "Server connections of one user to one database, on each port of this endpoint. "
                "Applications that are named under `applications` have pools of their own.",
                "", 1, many},
    ProxyOption{"server_limit", &P::server_limit, count, "none", "0",
                "Server connections in all. 0: no limit. Where it is reached, idle connections of "
                "other pools are closed, and pools whose clients wait take turns. Connections on "
                "which the endpoint itself asks something (secrets of roles) are not counted.",
                "", 0, many},
    ProxyOption{"client_limit", &P::client_limit, count, "", "10000",
                "Clients in all. 0: no limit.", "", 0, many},
    ProxyOption{"reset", &P::reset, word, "", "smart",
                "What a server connection is freed of before the next client has it: all that the "
                "last one may have changed, always everything, or only what would give away "
                "rights.",
                "smart always never"},
    ProxyOption{"server_lifetime", &P::server_lifetime, duration, "", "1h",
                "After this time, or up to a tenth of it earlier, a server connection is not lent "
                "again. 0: no limit.",
                "", 0, year},
    ProxyOption{"server_idle_timeout", &P::server_idle_timeout, duration, "", "10min",
                "A server connection that nobody used for so long is closed. 0: never.", "", 0,
                year},
    ProxyOption{"server_connect_timeout", &P::server_connect_timeout, duration, "", "5s",
                "How long connecting and logging in to PostgreSQL may take.", "", 100, day},
    ProxyOption{"query_wait_timeout", &P::query_wait_timeout, duration, "", "2min",
                "How long a client waits for a free server connection. 0: no limit.", "", 0, year},
    ProxyOption{"query_timeout", &P::query_timeout, duration, "none", "0s",
                "How long one request may run before it is cancelled. A commit that waits for "
                "standbys is left alone. 0: no limit.",
                "", 0, year},
    ProxyOption{"idle_transaction_timeout", &P::idle_transaction_timeout, duration, "none", "0s",
                "How long a client may be silent inside a transaction. 0: no limit.", "", 0, year},
    ProxyOption{"client_idle_timeout", &P::client_idle_timeout, duration, "none", "0s",
                "How long a client may be silent between transactions. 0: no limit.", "", 0, year},
    ProxyOption{"hold_timeout", &P::hold_timeout, duration, "", "15s",
                "How long new transactions wait while there is no leader.", "", 0, day},
    ProxyOption{"replay", &P::replay, word, "", "aborted",
                "What may be sent again after a failover, without asking: what no server began to "
                "execute, and single statements that certainly aborted, and what was declared "
                "read only. Each includes those before.",
                "refused aborted read_only"},
    ProxyOption{"max_replica_lag", &P::max_replica_lag, size, "", "16MB",
                "A replica that lacks more WAL than this is not used by the read-only port."},
    ProxyOption{"leader_may_read", &P::leader_may_read, flag, "yes", "yes",
                "Whether the read-only port leads to the leader while no replica is fit."},
    ProxyOption{"databases", &P::databases, overrides, "none", "{app: {pool_size: 40}}",
                "Other values for databases. server_limit and client_limit are of this database "
                "as a whole; they hold beside those of the user, of the application and in all."},
    ProxyOption{"users", &P::users, overrides, "none", "{batch: {query_timeout: 1h}}",
                "Other values for users. They go before those of the database."},
    ProxyOption{"applications", &P::applications, overrides, "none",
                "{reports: {pool_mode: transaction, server_limit: 5}}",
                "Other values for applications: what they call themselves (application_name) when "
                "they connect. They go before the others. One that is added counts for clients "
                "that connect after it."},
};

using O = ProxyOverride;
constexpr std::array key_list{
    OverrideKey{"pool_mode", &O::pool_mode},
    OverrideKey{"pool_size", &O::pool_size},
    OverrideKey{"server_limit", &O::server_limit},
    OverrideKey{"client_limit", &O::client_limit},
    OverrideKey{"query_timeout", &O::query_timeout},
    OverrideKey{"idle_transaction_timeout", &O::idle_transaction_timeout},
    OverrideKey{"client_idle_timeout", &O::client_idle_timeout},
    OverrideKey{"server_lifetime", &O::server_lifetime},
};

constexpr bool each_name_and_field_once() {
  for (std::size_t i = 0; i < option_list.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (option_list[i].name == option_list[j].name) return false;
      if (option_list[i].field == option_list[j].field) return false;
    }
  }
  return true;
}
static_assert(each_name_and_field_once(), "two lines have the same name or fill one field");

}  // namespace

std::span<const ProxyOption> proxy_options() {
  return option_list;
}

std::span<const OverrideKey> override_keys() {
  return key_list;
}

bool is_choice(std::string_view choices, std::string_view text) {
  while (!choices.empty()) {
    const std::size_t end = std::min(choices.find(' '), choices.size());
    if (choices.substr(0, end) == text) return true;
    choices.remove_prefix(std::min(end + 1, choices.size()));
  }
  return false;
}

std::string proxy_value_text(const ProxyOption& option) {
  switch (option.kind) {
    case flag: return "yes or no";
    case ProxyKind::host: return "a host name or an address";
    case hosts: return "a list of host names and addresses";
    case addresses: return "a list of HOST or HOST:PORT, an address of IPv6 in brackets";
    case dsn: return "a connection string as libpq reads it, in one line";
    case ProxyKind::port: return "a port";
    case count: return "a whole number";
    case size: return "a number of bytes with kB, MB or GB, or unlimited";
    case duration: return "a number with ms, s, min, h or d";
    case path: return "a path";
    case role_names: return "a list of roles";
    case overrides: return "names, each with lines of its own";
    case word: break;
  }
  std::string text;
  std::string_view rest = option.choices;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const bool is_last = end == rest.size();
    if (!text.empty()) text += is_last ? " or " : ", ";
    text += rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return text;
}

EndpointFiles endpoint_files(const ProxySettings& proxy,
                             const std::filesystem::path& state_directory) {
  if (!proxy.tls) return {};
  if (!proxy.tls_certificate.empty()) return {proxy.tls_certificate, proxy.tls_certificate_key};
  const auto own = state_directory / "tls";
  return {own / "server.crt", own / "server.key"};
}

}  // namespace evergres::config

#include "proxy/configured.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "config/reader.hpp"
#include "net/certificates.hpp"
#include "net/secret.hpp"
#include "proxy/alone.hpp"

namespace evergres::proxy {
namespace {

namespace fs = std::filesystem;

constexpr unsigned default_threads = 1;

/// The words were checked when the file was read.
template <typename Enum>
Enum meant(std::string_view word) {
  for (const auto& entry : words(static_cast<const Enum*>(nullptr))) {
    if (entry.word == word) return entry.value;
  }
  CHECK(false);
  return {};
}

ResetMode reset_mode(std::string_view word) {
  CHECK(word == "always" || word == "smart" || word == "never");
  if (word == "always") return ResetMode::always;
  return word == "smart" ? ResetMode::smart : ResetMode::never;
}

PoolOverride pool_override(const config::ProxyOverride& said) {
  PoolOverride is;
  if (said.pool_mode) is.mode = meant<PoolMode>(*said.pool_mode);
  is.pool_size = said.pool_size;
  is.server_limit = said.server_limit;
  is.client_limit = said.client_limit;
  is.query_timeout = said.query_timeout;
  is.idle_transaction_timeout = said.idle_transaction_timeout;
  is.client_idle_timeout = said.client_idle_timeout;
  is.server_lifetime = said.server_lifetime;
  return is;
}

std::map<std::string, PoolOverride> pool_overrides(const config::ProxyOverrides& said) {
  std::map<std::string, PoolOverride> are;
  for (const auto& [name, entry] : said) are.emplace(name, pool_override(entry));
  return are;
}

void set_pools(Configuration& is, const config::ProxySettings& said) {
  is.mode = meant<PoolMode>(said.pool_mode);
  is.pool_size = said.pool_size;
  is.server_limit = said.server_limit;
  is.client_limit = said.client_limit;
  is.databases = pool_overrides(said.databases);
  is.users = pool_overrides(said.users);
  is.applications = pool_overrides(said.applications);
  is.reset = reset_mode(said.reset);
  is.server_lifetime = said.server_lifetime;
  is.server_idle_timeout = said.server_idle_timeout;
  is.server_connect_timeout = said.server_connect_timeout;
  is.query_wait_timeout = said.query_wait_timeout;
  is.query_timeout = said.query_timeout;
  is.idle_transaction_timeout = said.idle_transaction_timeout;
  is.client_idle_timeout = said.client_idle_timeout;
  is.hold_timeout = said.hold_timeout;
  is.handover_timeout = said.handover_timeout;
  is.replay = meant<Replay>(said.replay);
  is.max_replica_lag = said.max_replica_lag;
  is.leader_may_read = said.leader_may_read;
}

void set_files(Configuration& is, const config::NodeSettings& node) {
  const config::ProxySettings& said = node.proxy;
  const auto own = config::endpoint_files(said, node.state_directory);
  is.certificate = own.certificate;
  is.certificate_key = own.key;
  is.client_authority = said.tls_client_authority;
  is.tls_required = said.tls_required;
  is.hba_file = said.hba_file.empty() ? node.state_directory / "proxy_hba.conf" : said.hba_file;
  is.ident_file = said.ident_file;
  is.auth_file = said.auth_file;
  const net::CertificateFiles made = net::certificate_files(node.state_directory);
  is.server_authority = made.authority;
  is.server_certificate = made.client;
  is.server_certificate_key = made.client_key;
  is.node = node.node.value;
}

/// Files that Evergres makes may come later; one that a person named has to be there.
Outcome check_files(const config::ProxySettings& said, const fs::path& file) {
  const std::array<std::pair<const char*, const fs::path*>, 6> named{
      {{"tls_certificate", &said.tls_certificate},
       {"tls_certificate_key", &said.tls_certificate_key},
       {"tls_client_authority", &said.tls_client_authority},
       {"hba_file", &said.hba_file},
       {"ident_file", &said.ident_file},
       {"auth_file", &said.auth_file}}};
  for (const auto& [option, path] : named) {
    if (path->empty() || ::access(path->c_str(), R_OK) == 0) continue;
    const Error raw = error_from_errno("could not read " + path->string(), errno);
    return Error(raw.code(), raw.message(),
                 "It is proxy." + std::string(option) + " of " + file.string() + ".",
                 "Correct the option, or make the file readable for the user that runs evergres.");
  }
  return {};
}

}  // namespace

std::string cluster_key(const net::Secret& watch_secret) {
  return net::derived_password(watch_secret, "evergres endpoint");
}

Result<Configuration> configured(const config::NodeSettings& settings, const fs::path& file) {
  const config::ProxySettings& said = settings.proxy;
  CHECK(said.enabled);
  if (auto usable = check_files(said, file); !usable) return usable.error();
  Configuration is;
  is.listen.push_back({said.host, said.port, Port::read_write});
  if (said.read_only_port != 0) {
    is.listen.push_back({said.host, said.read_only_port, Port::read_only});
  }
  is.threads = said.threads != 0 ? said.threads : default_threads;
  if (const auto zone = settings.tags.find("zone"); zone != settings.tags.end()) {
    is.zone = zone->second;
  }
  set_files(is, settings);
  if (said.alone()) {
    if (auto set = set_alone(is, settings, file); !set) return set.error();
  } else {
    const auto secret = net::load_secret(settings.secret_file);
    if (!secret) return secret.error();
    is.auth_user = net::auth_role;
    is.cluster_key = cluster_key(net::watch_secret(*secret));
    is.auth_password = net::derived_password(*secret, net::auth_purpose);
  }
  is.admins = said.admins;
  is.observers = said.observers;
  is.client_login_timeout = said.client_login_timeout;
  set_pools(is, said);
  return is;
}

Result<Configuration> read_again(const fs::path& file, const config::NodeSettings& started) {
  const auto settings = config::read_node_file(file);
  if (!settings) return settings.error();
  const auto place = [](const config::NodeSettings& is) {
    return std::tie(is.cluster, is.node, is.state_directory, is.run_directory, is.secret_file,
                    is.proxy.enabled, is.proxy.host, is.proxy.port, is.proxy.read_only_port,
                    is.proxy.threads, is.proxy.agents, is.proxy.external,
                    is.proxy.probe_interval, is.proxy.probe_timeout);
  };
  if (place(*settings) != place(started)) {
    return Error(ErrorCode::refused, "this change needs a new start of the node",
                 file.string() +
                     " says another name, place, address or number of threads of the "
                     "endpoint than it was started with.",
                 "Take the change back, or stop the node and start it again with it.");
  }
  return configured(*settings, file);
}

}  // namespace evergres::proxy

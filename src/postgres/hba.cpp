#include "postgres/hba.hpp"

#include <arpa/inet.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <optional>
#include <set>

#include "base/file.hpp"
#include "net/secret.hpp"

namespace evergres::postgres {

namespace {

/// "10.0.0.1" -> "10.0.0.1/32"; names as they are; nothing if it can be neither.
std::optional<std::string> hba_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> parsed{};
  if (::inet_pton(AF_INET, host.c_str(), parsed.data()) == 1) return host + "/32";
  if (::inet_pton(AF_INET6, host.c_str(), parsed.data()) == 1) return host + "/128";
  const bool plausible =
      !host.empty() && host.size() <= 253 && host.front() != '.' &&
      std::all_of(host.begin(), host.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_';
      });
  // The keywords of pg_hba.conf would open the line to more than one host.
  const std::array<std::string_view, 3> keywords{"all", "samehost", "samenet"};
  const bool keyword = std::find(keywords.begin(), keywords.end(), host) != keywords.end();
  if (!plausible || keyword) return std::nullopt;
  return host;
}

void line(std::string& text, std::string_view type, std::string_view database,
          std::string_view user, std::string_view address, std::string_view method) {
  text.append(type).append("  ").append(database).append("  ").append(user).append("  ");
  if (!address.empty()) text.append(address).append("  ");
  text.append(method).push_back('\n');
}

/// A name in quotes means this name and no keyword; "all" stays the keyword.
std::optional<std::string> hba_name(const std::string& name) {
  if (name == "all") return name;
  const bool plain =
      !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' ||
               c == '.' || c == '$';
      });
  if (!plain) return std::nullopt;
  return "\"" + name + "\"";
}

/// Without quotes it is the keyword of pg_hba.conf, which "all" does not include.
std::optional<std::string> hba_database(const std::string& name) {
  return name == "replication" ? name : hba_name(name);
}

/// "address/length" with a numeric address.
bool is_range(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return false;
  const std::string address = text.substr(0, slash);
  const std::string digits = text.substr(slash + 1);
  std::array<unsigned char, sizeof(in6_addr)> parsed{};
  const bool v4 = ::inet_pton(AF_INET, address.c_str(), parsed.data()) == 1;
  const bool v6 = !v4 && ::inet_pton(AF_INET6, address.c_str(), parsed.data()) == 1;
  const bool number = !digits.empty() && digits.size() <= 3 &&
                      digits.find_first_not_of("0123456789") == std::string::npos;
  return (v4 || v6) && number && std::stoi(digits) <= (v4 ? 32 : 128);
}

Outcome add_admissions(std::string& text, const std::vector<Admission>& admissions) {
  if (!admissions.empty()) text += "\n# Applications of other machines (allow).\n";
  for (const Admission& one : admissions) {
    const auto database = hba_database(one.database);
    const auto user = hba_name(one.user);
    if (one.database == "replication" && one.user == "all") {
      return Error(ErrorCode::config_invalid,
                   "\"" + one.address + " replication all\" cannot be a line of allow",
                   "Who receives WAL reads everything: replication is for one user by name.");
    }
    if (!database || !user || !is_range(one.address)) {
      return Error(
          ErrorCode::config_invalid,
          "\"" + one.address + " " + one.database + " " + one.user + "\" cannot be a line of allow",
          "It is not one range of addresses, one database and one user.");
    }
    line(text, "host", *database, *user, one.address, "scram-sha-256");
  }
  return {};
}

Error no_host(const std::string& host) {
  return Error(ErrorCode::config_invalid, "\"" + host + "\" cannot be the host of a member",
               "It is neither an address nor a host name.",
               "Correct the host in the configuration of that node.");
}

constexpr std::string_view through_tls = "scram-sha-256 clientcert=verify-ca";

/// The certificate shows that an endpoint of this cluster asks, the password for whom.
Outcome add_endpoints(std::string& text, const std::vector<std::string>& member_hosts,
                      const std::vector<Admission>& admissions, const Endpoints& endpoints) {
  std::set<std::string> hosts(member_hosts.begin(), member_hosts.end());
  hosts.insert(endpoints.other_hosts.begin(), endpoints.other_hosts.end());
  text += "\n# The endpoints ask for the secrets of those who log in.\n";
  line(text, "local", "postgres", net::auth_role, "", "scram-sha-256");
  for (const auto& host : hosts) {
    const auto address = hba_address(host);
    if (!address) return no_host(host);
    line(text, "hostssl", "postgres", net::auth_role, *address, through_tls);
  }
  line(text, "local", "all,replication", net::auth_role, "", "reject");
  line(text, "host", "all,replication", net::auth_role, "all", "reject");
  text += "\n# Applications, through the endpoints only.\n";
  line(text, "local", "all", "all", "", "scram-sha-256");
  for (const auto& host : hosts) {
    line(text, "hostssl", "all", "all", *hba_address(host), through_tls);
  }
  // Not part of `all`. Who may come to the endpoint for it, and from where, are its own rules.
  std::set<std::string> receivers;
  for (const Admission& one : admissions) {
    const auto user = hba_name(one.user);
    if (one.database == "replication" && one.user != "all" && user) receivers.insert(*user);
  }
  if (!receivers.empty()) text += "\n# Replication, through the endpoints only (allow).\n";
  for (const std::string& user : receivers) {
    line(text, "local", "replication", user, "", "scram-sha-256");
    for (const auto& host : hosts) {
      line(text, "hostssl", "replication", user, *hba_address(host), through_tls);
    }
  }
  return {};
}

}  // namespace

Result<std::string> render_hba(const Server& server, Gate gate,
                               const std::vector<std::string>& member_hosts,
                               const std::vector<Admission>& admissions,
                               const std::optional<Endpoints>& endpoints) {
  const std::string superuser = "\"" + server.superuser + "\"";
  std::string text = "# Written by evergres; every change here is overwritten. The gate is ";
  text += gate == Gate::open ? "open.\n" : "closed.\n";
  text += "\n# No superuser over TCP.\n";
  line(text, "host", "all,replication", superuser, "all", "reject");
  text += "\n# The agent of this machine.\n";
  line(text, "local", "all,replication", superuser, "", "peer map=evergres");
  text += "\n# The members.\n";
  for (const auto& host : std::set<std::string>(member_hosts.begin(), member_hosts.end())) {
    const auto address = hba_address(host);
    if (!address) return no_host(host);
    line(text, "host", "replication,postgres", replication_role, *address, "scram-sha-256");
  }
  line(text, "host", "all,replication", replication_role, "all", "reject");
  line(text, "local", "all,replication", replication_role, "", "reject");
  if (gate == Gate::open && endpoints) {
    auto added = add_endpoints(text, member_hosts, admissions, *endpoints);
    if (!added) return added.error();
  } else if (gate == Gate::open) {
    line(text, "local", "all,replication", net::auth_role, "", "reject");
    line(text, "host", "all,replication", net::auth_role, "all", "reject");
    text += "\n# Applications.\n";
    line(text, "host", "all", "all", "127.0.0.1/32", "scram-sha-256");
    line(text, "host", "all", "all", "::1/128", "scram-sha-256");
    line(text, "local", "all", "all", "", "scram-sha-256");
    if (auto added = add_admissions(text, admissions); !added) return added.error();
  }
  text += "\n# Everybody else.\n";
  line(text, "local", "all,replication", "all", "", "reject");
  line(text, "host", "all,replication", "all", "all", "reject");
  return text;
}

Result<std::string> render_endpoint_hba(const std::string& superuser,
                                        const std::vector<Admission>& admissions) {
  std::string text = "# Written by evergres; every change here is overwritten.\n\n";
  for (const std::string& role :
       {"\"" + superuser + "\"", std::string(replication_role), std::string(net::auth_role)}) {
    line(text, "host", "all,replication", role, "all", "reject");
  }
  text += "\n# Applications.\n";
  line(text, "host", "all", "all", "127.0.0.1/32", "scram-sha-256");
  line(text, "host", "all", "all", "::1/128", "scram-sha-256");
  if (auto added = add_admissions(text, admissions); !added) return added.error();
  return text;
}

std::string render_ident(const Server& server, std::string_view os_user) {
  return "# Written by evergres; every change here is overwritten.\nevergres  \"" +
         std::string(os_user) + "\"  \"" + server.superuser + "\"\n";
}

Result<std::string> os_user_name() {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  const int failed = ::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found);
  if (failed != 0) return error_from_errno("could not look up this user", failed);
  if (found == nullptr) {
    return Error(ErrorCode::not_found, "this user has no name",
                 "The user id " + std::to_string(::geteuid()) + " is not in the user database.",
                 "Run evergres as a user that has a name.");
  }
  return std::string(entry.pw_name);
}

Outcome write_gate(const Server& server, const std::filesystem::path& directory, Gate gate,
                   const std::vector<std::string>& member_hosts,
                   const std::vector<Admission>& admissions,
                   const std::optional<Endpoints>& endpoints) {
  const auto hba = render_hba(server, gate, member_hosts, admissions, endpoints);
  if (!hba) return hba.error();
  const auto user = os_user_name();
  if (!user) return user.error();
  if (auto written =
          write_file_atomically(directory / "pg_ident.conf", render_ident(server, *user), 0600);
      !written) {
    return written;
  }
  return write_file_atomically(directory / "pg_hba.conf", *hba, 0600);
}

}  // namespace evergres::postgres

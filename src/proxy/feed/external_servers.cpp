#include "proxy/feed/external_servers.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>
#include <string_view>

namespace evergres::proxy {
namespace {

constexpr std::size_t most_hosts = 16;
constexpr std::array<std::string_view, 9> understood{
    "host",        "port",    "user",   "dbname",
    "sslmode",     "sslrootcert", "sslcert", "sslkey",
    "target_session_attrs"};

using Words = std::map<std::string, std::string, std::less<>>;

Error wrong(std::string message, std::string hint) {
  return Error(ErrorCode::config_invalid, std::move(message), "", std::move(hint));
}

/// What the text says itself, without libpq's defaults and the environment.
Result<Words> words_of(const std::string& text) {
  char* problem = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(text.c_str(), &problem), PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> problem_owner(problem, PQfreemem);
  if (!options) {
    // libpq's own words may quote the text, which may hold a password.
    return wrong("it is no connection string",
                 "Write host=db1,db2 user=… sslmode=verify-full sslrootcert=FILE, or a URI.");
  }
  Words words;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) words.emplace(option->keyword, option->val);
  }
  return words;
}

std::string word_in(const Words& words, std::string_view name, std::string otherwise = "") {
  const auto found = words.find(name);
  return found == words.end() || found->second.empty() ? std::move(otherwise) : found->second;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    if (end == text.size()) return parts;
    begin = end + 1;
  }
}

/// As in libpq one port is for all hosts.
Result<std::vector<Address>> addresses_of(const Words& words) {
  const std::vector<std::string> hosts = split(word_in(words, "host"));
  const std::vector<std::string> ports = split(word_in(words, "port", "5432"));
  if (hosts.size() > most_hosts || (ports.size() != 1 && ports.size() != hosts.size())) {
    return wrong("hosts and ports do not fit together",
                 "Name at most 16 hosts, and one port for all or one for each.");
  }
  std::vector<Address> addresses;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const std::string& port = ports.size() == 1 ? ports.front() : ports[i];
    Address address{hosts[i], 5432};
    const char* const end = port.data() + port.size();
    const auto read = std::from_chars(port.data(), end, address.port);
    const bool is_port =
        port.empty() || (read.ec == std::errc() && read.ptr == end && address.port > 0 &&
                         address.port <= 65'535);
    if (hosts[i].empty() || !is_port) {
      return wrong("a host or a port is missing or impossible", "Write host=db1,db2 port=5432.");
    }
    if (std::ranges::find(addresses, address) != addresses.end()) {
      return wrong("the server " + external_name(address) + " is named twice", "Name it once.");
    }
    addresses.push_back(std::move(address));
  }
  return addresses;
}

Outcome check_words(const Words& words) {
  for (const auto& [name, value] : words) {
    if (name == "password" || name == "passfile") {
      return wrong("a connection string in a configuration file holds no password",
                   "Take it away and name a file of mode 0600 in proxy.auth_password_file.");
    }
    if (std::ranges::find(understood, name) == understood.end()) {
      return wrong("\"" + name + "\" is not understood here",
                   "host, port, user, dbname, sslmode, sslrootcert, sslcert, sslkey and "
                   "target_session_attrs are.");
    }
  }
  if (word_in(words, "user").empty()) {
    return wrong("it names no user",
                 "Name the role that may look which server is the primary, and ask for the secrets "
                 "of those who log in.");
  }
  return {};
}

Outcome set_tls(ExternalServers& servers, const Words& words) {
  const std::string mode = word_in(words, "sslmode", "verify-full");
  if (mode != "verify-full" && mode != "disable") {
    return wrong("sslmode is " + mode + ", and only verify-full and disable are possible",
                 "Anything between protects from nobody who can stand in the middle.");
  }
  servers.tls = mode == "verify-full";
  servers.authority = word_in(words, "sslrootcert");
  servers.certificate = word_in(words, "sslcert");
  servers.certificate_key = word_in(words, "sslkey");
  const bool has_files = !servers.authority.empty() || !servers.certificate.empty();
  if (servers.tls ? servers.authority.empty() : has_files) {
    return wrong(servers.tls ? "verify-full needs sslrootcert" : "files of TLS without TLS",
                 servers.tls ? "Name the file with the authority of the servers' certificates."
                             : "Take them away, or write sslmode=verify-full.");
  }
  if (servers.certificate.empty() != servers.certificate_key.empty()) {
    return wrong("sslcert and sslkey belong together", "Name both, or none of them.");
  }
  for (const auto* path : {&servers.authority, &servers.certificate, &servers.certificate_key}) {
    if (!path->empty() && !path->is_absolute()) {
      return wrong("the path " + path->string() + " is not absolute", "Write it from / on.");
    }
  }
  const bool local = std::ranges::any_of(
      servers.hosts, [](const Address& address) { return address.host.starts_with('/'); });
  if (local && servers.tls) {
    return wrong("a unix socket has no TLS", "Name host names, or write sslmode=disable.");
  }
  return {};
}

}  // namespace

std::string external_name(const Address& address) {
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

Result<ExternalServers> read_external_servers(const std::string& text) {
  const auto words = words_of(text);
  if (!words) return words.error();
  if (auto fit = check_words(*words); !fit) return fit.error();
  ExternalServers servers;
  auto addresses = addresses_of(*words);
  if (!addresses) return addresses.error();
  servers.hosts = std::move(*addresses);
  servers.user = word_in(*words, "user");
  servers.database = word_in(*words, "dbname", "postgres");
  if (auto tls = set_tls(servers, *words); !tls) return tls.error();
  const std::string wanted = word_in(*words, "target_session_attrs", "read-write");
  if (wanted != "read-write" && wanted != "primary") {
    return wrong("target_session_attrs is " + wanted,
                 "Write read-write or primary: the read-only port leads to standbys by itself.");
  }
  servers.must_write = wanted == "read-write";
  return servers;
}

}  // namespace evergres::proxy

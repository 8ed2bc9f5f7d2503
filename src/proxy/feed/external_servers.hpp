#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "proxy/io/sockets.hpp"

namespace evergres::proxy {

/// Servers that Evergres does not run, as a connection string tells them.
struct ExternalServers {
  std::vector<Address> hosts;  ///< at least one, each once
  std::string user;            ///< who looks at them, and asks for secrets
  std::string database;
  bool tls = true;                        ///< verified by authority and name; false: none
  std::filesystem::path authority;        ///< of `tls`
  std::filesystem::path certificate;      ///< ours, which servers may ask for; empty: none
  std::filesystem::path certificate_key;  ///< of `certificate`
  /// A primary whose transactions are read-only by default does not count (target_session_attrs is
  /// read-write and not primary).
  bool must_write = true;
};

/// Reads a connection string in either of libpq's forms. What it does not need is refused and not
/// ignored, and so are a password, other verifications than verify-full and hosts that are named
/// twice. Error: config_invalid; it quotes no part that could be a password.
Result<ExternalServers> read_external_servers(const std::string& text);

/// "host:port", the name that an external server has.
std::string external_name(const Address& address);

}  // namespace evergres::proxy

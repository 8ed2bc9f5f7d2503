#pragma once

#include <optional>
#include <string>

#include "proxy/login/client_login.hpp"
#include "proxy/login/server_login.hpp"
#include "proxy/wire/opening.hpp"

namespace evergres::proxy {

/// What a client needs until it is let in.
struct Entrance {
  explicit Entrance(bool tls) : opening(tls) {}
  Opening opening;
  std::optional<ClientLogin> login;
  std::optional<StartupMessage> startup;
  std::string out;
  ServerCredential credential;  ///< of a replication connection, for its server
  std::string application;  ///< application_name, which is not part of the bucket
  bool looked = false;      ///< at the first byte
  bool direct = false;      ///< TLS without being asked
  bool delayed = false;     ///< a refusal is kept back
  bool asks = false;        ///< its role's secret is being asked for
  bool admitted = false;
};

}  // namespace evergres::proxy

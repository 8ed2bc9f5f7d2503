#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "proxy/auth/secret.hpp"
#include "proxy/wire/walker.hpp"

namespace evergres::proxy {

/// Settings for the startup message of connections that ask for secrets. Nothing of a client's is
/// ever in force on such a connection (CVE-2025-12819).
std::vector<std::pair<std::string, std::string>> auth_query_settings();

/// The right that the asking role needs, in the database where it asks, and no other:
/// superusers have it, others get it by this statement, with the role's name quoted behind it.
inline constexpr std::string_view auth_query_grant =
    "GRANT SELECT (rolname, rolpassword, rolcanlogin, rolvaliduntil) ON pg_catalog.pg_authid TO ";

struct AuthLacks {};
struct AuthAnswer {
  std::optional<ScramSecret> secret;
  /// Without a secret: why, for the log. Never for the client, who hears of a wrong password.
  std::string why;
};
/// Nobody knows whether there is a secret.
struct AuthFailed {
  std::string sqlstate;
  Error error;
  bool close = false;  ///< the server did not keep to the protocol, or ended the session
};
using AuthStep = std::variant<AuthLacks, AuthAnswer, AuthFailed>;

/// Asks an idle session of ours for one role's secret and reads the answer, up to ReadyForQuery. A
/// secret is given only for a role that may log in with it now (rolcanlogin; rolvaliduntil by the
/// server's clock: CVE-2025-2291).
class AuthQuery {
 public:
  explicit AuthQuery(std::string user) : user_(std::move(user)) {}
  ~AuthQuery();
  AuthQuery(const AuthQuery&) = delete;
  AuthQuery& operator=(const AuthQuery&) = delete;

  /// Appends one implicit transaction: search_path is set for it, then pg_authid is read; the name
  /// travels as a parameter, and everything else is named with its schema.
  void ask(std::string& to) const;

  /// Consumes the front of `arrived`; the caller keeps the rest. After an answer or a failure
  /// nothing is consumed any more.
  AuthStep feed(std::string_view& arrived);

 private:
  std::optional<AuthStep> take(const Frame& frame);
  std::optional<AuthStep> finished();
  bool take_row();
  AuthFailed violation(std::string detail);

  std::string user_;
  Walker walker_{Side::backend, Phase::session};
  std::size_t taken_ = 0;
  std::size_t done_ = 0;  ///< messages of the expected answer that have come
  std::string row_;       ///< of a DataRow that comes in pieces
  std::optional<AuthAnswer> answer_;
  std::optional<AuthFailed> failed_;
  bool over_ = false;
};

}  // namespace evergres::proxy

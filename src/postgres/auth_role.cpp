#include "postgres/auth_role.hpp"

#include "net/secret.hpp"
#include "postgres/credentials.hpp"

namespace evergres::postgres {

namespace {

std::string create(const std::string& verifier) {
  return std::string("CREATE ROLE ") + net::auth_role +
         " LOGIN NOINHERIT CONNECTION LIMIT 20 PASSWORD '" + verifier + "'";
}

std::string grant() {
  return std::string(
             "GRANT SELECT (rolname, rolpassword, rolvaliduntil, rolcanlogin)"
             " ON pg_catalog.pg_authid TO ") +
         net::auth_role;
}

/// Whoever made it knows its password, and may have lent it to others.
Error not_ours() {
  return Error(ErrorCode::refused, "the role evergres_auth was made by somebody else",
               "Its password is not the one that endpoints know, so that it is not given the right "
               "to read the secrets of roles: nobody new can log in at the endpoint.",
               "Rename or drop that role. Evergres makes its own when a leader opens next.");
}

}  // namespace

std::vector<std::string> auth_role_statements(const std::string& verifier) {
  return {create(verifier), grant()};
}

Outcome make_auth_role(Session& session, std::string_view password, Instant deadline) {
  const auto found = session.query(
      "SELECT pg_catalog.has_column_privilege(oid, 'pg_catalog.pg_authid', 'rolpassword', 'SELECT')"
      "   AND pg_catalog.has_column_privilege(oid, 'pg_catalog.pg_authid', 'rolcanlogin', 'SELECT'),"
      "   rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1",
      {net::auth_role}, deadline);
  if (!found) return found.error();
  const bool exists = !found->empty();
  if (exists && found->front().front() == std::optional<std::string>("t")) return {};
  if (exists && !is_verifier_of(found->front().back().value_or(""), password)) return not_ours();
  if (!exists) {
    const auto verifier = scram_verifier(password);
    if (!verifier) return verifier.error();
    // The statement holds the verifier: it shall not be in the log.
    const auto quiet = session.query(
        "SELECT pg_catalog.set_config('log_statement', 'none', false),"
        " pg_catalog.set_config('log_min_duration_statement', '-1', false),"
        " pg_catalog.set_config('log_min_error_statement', 'panic', false)",
        deadline);
    if (!quiet) return quiet.error();
    if (const auto made = session.query(create(*verifier), deadline); !made) return made.error();
  }
  const auto granted = session.query(grant(), deadline);
  if (!granted) return granted.error();
  return {};
}

}  // namespace evergres::postgres

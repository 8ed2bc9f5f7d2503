#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "postgres/session.hpp"

/// The role under which endpoints ask for the secrets of those who log in (net::auth_role). It may
/// read four columns of pg_authid, and those in the database postgres only, because rights on
/// columns belong to a database. Nothing of it is in the databases of users.
namespace evergres::postgres {

/// What makes it, for init. `verifier`: see scram_verifier().
std::vector<std::string> auth_role_statements(const std::string& verifier);

/// Makes what is missing of it on a primary: a cluster may be older than the role. Does nothing if
/// it is there. Errors: those of Session, and `refused` if somebody else made that role: what he lent
/// it to would read the secrets of everybody.
Outcome make_auth_role(Session& session, std::string_view password, Instant deadline);

}  // namespace evergres::postgres

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "postgres/session.hpp"

namespace evergres::postgres {

/// Who may be told "committed" before a standby has flushed it, as far as PostgreSQL shows it: the
/// settings of roles and databases (pg_db_role_setting), the configuration files, and the client
/// sessions that began under them. A `SET` inside a session, or in its connection string, is shown
/// to nobody but itself.
struct WeakCommits {
  std::vector<std::string> settings;  ///< "role app in database shop: off"; at most 10
  std::uint32_t sessions = 0;         ///< connected now, by the settings that apply to them
};

/// `local_is_enough`: with durability async only `off` is weaker than the mode.
Result<WeakCommits> weak_commits(Session& session, bool local_is_enough, Instant deadline);

}  // namespace evergres::postgres

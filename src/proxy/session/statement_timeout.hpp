#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/instant.hpp"

namespace evergres::proxy {

/// The statement_timeout of a session as its client has said it: no server counts it while a
/// statement waits here. `sets` are the SET and RESET commands that are in force, in their order,
/// each ended by a zero byte; `startup` is what the startup message said, "options" among it.
/// Absent: nothing was said, nothing that is understood, or 0, which is PostgreSQL's word for none.
/// What ALTER ROLE or ALTER DATABASE say is not seen.
std::optional<Millis> statement_timeout_of(
    std::string_view sets, const std::vector<std::pair<std::string, std::string>>& startup);

}  // namespace evergres::proxy

#pragma once

#include <boost/json/value.hpp>

#include "base/result.hpp"
#include "cli/console_table.hpp"
#include "cli/place.hpp"

namespace evergres::cli {

/// What the endpoints of `place` that run on this machine say, as console_rows() takes it; each row
/// has its node as member "node". Blocks, at most three seconds for each. Errors: unreachable if
/// none answers, and what the first one answered.
Result<boost::json::value> ask_endpoints(const Place& place, ConsoleTable table);

}  // namespace evergres::cli

#pragma once

#include <boost/json/fwd.hpp>
#include <vector>

#include "cli/table.hpp"

namespace evergres::cli {

/// The tables of the endpoint's console that have a command of their own.
enum class ConsoleTable { pools, clients, servers };

/// What `evergres pools|clients|servers` print for people, with a heading. The document is what
/// they print as JSON: {"pools": [{"database": "app", "cl_active": 3, …}]}, each row with the
/// columns of the console's SHOW as members, numbers as numbers. What is missing or of another kind
/// is shown as "-". Rows that have a member "node" begin with it.
std::vector<Row> console_rows(ConsoleTable table, const boost::json::value& document);

}  // namespace evergres::cli

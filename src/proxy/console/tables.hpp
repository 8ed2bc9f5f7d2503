#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/console/command.hpp"
#include "proxy/console/snapshot.hpp"

/// The tables of SHOW: PgBouncer 1.25's columns, their order and their types (admin.c, stats.c),
/// for the programs that read them by name, by place or by type. Two tables have one column more,
/// behind the others: see columns_of().
namespace evergres::proxy {

enum class ColumnType { text, int4, int8, numeric, bytea };
struct Column {
  std::string_view name;
  ColumnType type = ColumnType::text;
};

using TableRow = std::vector<std::optional<std::string>>;

/// The version of PgBouncer whose console this is like; in front in SHOW VERSION, where programs
/// look for it.
inline constexpr std::string_view imitated_version = "1.25.0";

/// None for HELP, which is a notice. STATS ends with total_requests and DATABASES with
/// reserve_pool: Debian's prometheus-pgbouncer-exporter (1.7) cannot do without these names from
/// before PgBouncer 1.8 and 1.24.
std::span<const Column> columns_of(Show show);

/// As many values per row as there are columns.
std::vector<TableRow> rows_of(Show show, const Snapshot& snapshot);

}  // namespace evergres::proxy

#include "cli/console_table.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>
#include <span>

namespace evergres::cli {
namespace {

/// A column for people. `micros`: the member that holds the rest of a time of whole seconds.
struct ConsoleColumn {
  const char* heading;
  const char* member;
  bool right = false;
  const char* micros = nullptr;
};

constexpr std::array pool_columns{ConsoleColumn{"DATABASE", "database"},
                                  ConsoleColumn{"USER", "user"},
                                  ConsoleColumn{"MODE", "pool_mode"},
                                  ConsoleColumn{"CLIENTS", "cl_active", true},
                                  ConsoleColumn{"WAITING", "cl_waiting", true},
                                  ConsoleColumn{"LONGEST WAIT", "maxwait", true, "maxwait_us"},
                                  ConsoleColumn{"SERVERS BUSY", "sv_active", true},
                                  ConsoleColumn{"IDLE", "sv_idle", true},
                                  ConsoleColumn{"LOGIN", "sv_login", true}};
constexpr std::array client_columns{ConsoleColumn{"ID", "id", true},
                                    ConsoleColumn{"DATABASE", "database"},
                                    ConsoleColumn{"USER", "user"},
                                    ConsoleColumn{"APPLICATION", "application_name"},
                                    ConsoleColumn{"STATE", "state"},
                                    ConsoleColumn{"WAIT", "wait", true, "wait_us"},
                                    ConsoleColumn{"ADDRESS", "addr"},
                                    ConsoleColumn{"PORT", "port", true},
                                    ConsoleColumn{"SERVER", "link"},
                                    ConsoleColumn{"TLS", "tls"},
                                    ConsoleColumn{"CONNECTED", "connect_time"}};
constexpr std::array server_columns{ConsoleColumn{"ID", "id", true},
                                    ConsoleColumn{"DATABASE", "database"},
                                    ConsoleColumn{"USER", "user"},
                                    ConsoleColumn{"STATE", "state"},
                                    ConsoleColumn{"ADDRESS", "addr"},
                                    ConsoleColumn{"PORT", "port", true},
                                    ConsoleColumn{"PID", "remote_pid", true},
                                    ConsoleColumn{"CLIENT", "link"},
                                    ConsoleColumn{"TLS", "tls"},
                                    ConsoleColumn{"CONNECTED", "connect_time"}};

constexpr ConsoleColumn node_column{"NODE", "node"};

struct ConsoleLayout {
  const char* member;
  std::span<const ConsoleColumn> columns;
};

ConsoleLayout layout_of(ConsoleTable table) {
  switch (table) {
    case ConsoleTable::pools: return {"pools", pool_columns};
    case ConsoleTable::clients: return {"clients", client_columns};
    case ConsoleTable::servers: break;
  }
  return {"servers", server_columns};
}

std::string console_text(const boost::json::object& row, const ConsoleColumn& column) {
  const boost::json::value* value = row.if_contains(column.member);
  if (value == nullptr) return "-";
  if (column.micros != nullptr) {
    const boost::json::value* rest = row.if_contains(column.micros);
    if (!value->is_int64() || rest == nullptr || !rest->is_int64()) return "-";
    const double seconds = static_cast<double>(value->as_int64()) +
                           static_cast<double>(rest->as_int64()) / 1e6;
    return seconds == 0 ? "-" : fmt::format("{:.3f} s", seconds);
  }
  if (value->is_int64()) return std::to_string(value->as_int64());
  if (!value->is_string() || value->as_string().empty()) return "-";
  return shown(std::string_view(value->as_string().data(), value->as_string().size()));
}

bool tells_nodes(const boost::json::value& document, const char* member) {
  const boost::json::object* members = document.if_object();
  const boost::json::value* list = members ? members->if_contains(member) : nullptr;
  const boost::json::array* rows = list != nullptr ? list->if_array() : nullptr;
  const boost::json::object* first =
      rows != nullptr && !rows->empty() ? rows->front().if_object() : nullptr;
  return first != nullptr && first->contains(node_column.member);
}

}  // namespace

std::vector<Row> console_rows(ConsoleTable table, const boost::json::value& document) {
  const ConsoleLayout layout = layout_of(table);
  std::vector<ConsoleColumn> columns;
  if (tells_nodes(document, layout.member)) columns.push_back(node_column);
  columns.insert(columns.end(), layout.columns.begin(), layout.columns.end());
  std::vector<Row> rows(1);
  for (const ConsoleColumn& column : columns) {
    rows[0].push_back({column.heading, Colour::none, column.right});
  }
  const boost::json::object* members = document.if_object();
  const boost::json::value* list = members ? members->if_contains(layout.member) : nullptr;
  if (list == nullptr || !list->is_array()) return rows;
  for (const boost::json::value& entry : list->as_array()) {
    if (!entry.is_object()) continue;
    Row row;
    for (const ConsoleColumn& column : columns) {
      row.push_back({console_text(entry.as_object(), column), Colour::none, column.right});
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace evergres::cli

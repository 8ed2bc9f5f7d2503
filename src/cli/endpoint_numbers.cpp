#include "cli/endpoint_numbers.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "net/local_client.hpp"

namespace evergres::cli {
namespace {

constexpr Millis endpoint_patience{3000};
/// A page holds 500 rows: more than the endpoint can have.
constexpr int most_pages = 2000;

const char* table_word(ConsoleTable table) {
  switch (table) {
    case ConsoleTable::pools: return "pools";
    case ConsoleTable::clients: return "clients";
    case ConsoleTable::servers: break;
  }
  return "servers";
}

std::int64_t id_of_row(const boost::json::value& row) {
  const boost::json::object* const object = row.if_object();
  const boost::json::value* const id = object != nullptr ? object->if_contains("id") : nullptr;
  return id != nullptr && id->is_int64() ? id->get_int64() : 0;
}

Error endpoint_makes_no_sense() {
  return Error(ErrorCode::data_invalid, "the endpoint's answer makes no sense");
}

/// All rows of one endpoint, page by page, behind those that are there.
Outcome ask_endpoint_of(const KnownNode& node, ConsoleTable table, boost::json::array& rows) {
  const auto socket = node.settings.run_directory / "proxy.sock";
  std::int64_t after = 0;
  for (int page = 0; page < most_pages; ++page) {
    const boost::json::value request =
        boost::json::object{{"verb", "show"}, {"what", table_word(table)}, {"after", after}};
    auto answer = net::LocalClient::ask(socket, request, endpoint_patience);
    if (!answer) return answer.error();
    boost::json::object* const object = answer->if_object();
    boost::json::value* const list = object != nullptr ? object->if_contains("rows") : nullptr;
    const boost::json::value* const more =
        object != nullptr ? object->if_contains("more") : nullptr;
    if (list == nullptr || !list->is_array() || more == nullptr || !more->is_bool()) {
      return endpoint_makes_no_sense();
    }
    for (boost::json::value& row : list->get_array()) {
      if (!row.is_object()) return endpoint_makes_no_sense();
      after = std::max(after, id_of_row(row));
      boost::json::object entry{{"node", node.settings.node.value}};
      for (auto& member : row.get_object()) entry[member.key()] = member.value();
      rows.push_back(std::move(entry));
    }
    if (!more->get_bool()) return {};
  }
  return endpoint_makes_no_sense();
}

}  // namespace

Result<boost::json::value> ask_endpoints(const Place& place, ConsoleTable table) {
  boost::json::array rows;
  std::optional<Error> last;
  bool heard = false;
  for (const KnownNode& node : place.nodes) {
    if (!node.settings.proxy.enabled) continue;
    const Outcome asked = ask_endpoint_of(node, table, rows);
    heard = heard || asked;
    if (asked) continue;
    last = asked.error();
    const bool silent = last->code() == ErrorCode::unreachable ||
                        last->code() == ErrorCode::timed_out ||
                        last->code() == ErrorCode::not_found;
    if (!silent) return *last;
  }
  if (!heard && !last) {
    return Error(ErrorCode::not_found, "this node has no endpoint", "",
                 "proxy: in node.yaml switches it on; `evergres print options` tells how.");
  }
  if (!heard) {
    return Error(ErrorCode::unreachable, "no endpoint answers on this machine",
                 "The last one was asked at " +
                     (place.nodes.back().settings.run_directory / "proxy.sock").string() + ".",
                 "Is the node running? `evergres logs` shows what its endpoint said.");
  }
  boost::json::object document;
  document[table_word(table)] = std::move(rows);
  return boost::json::value(std::move(document));
}

}  // namespace evergres::cli

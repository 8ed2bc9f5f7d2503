#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/commands/all.hpp"
#include "cli/endpoint_numbers.hpp"
#include "cli/view.hpp"

namespace evergres::cli {
namespace {

Action add_console_table(CLI::App& parser, Session& session, ConsoleTable table) {
  const std::shared_ptr<View> view = add_view(parser, Watch::yes);
  return [&session, view, table]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    return show(session, *view, [&]() -> Result<std::string> {
      const auto document = ask_endpoints(*place, table);
      if (!document) return document.error();
      const std::vector<Row> rows = console_rows(table, *document);
      return text_in_form(view->form, lines_of(rows, session.colour), rows, *document);
    });
  };
}

}  // namespace

Action add_pools(CLI::App& parser, Session& session) {
  return add_console_table(parser, session, ConsoleTable::pools);
}

Action add_clients(CLI::App& parser, Session& session) {
  return add_console_table(parser, session, ConsoleTable::clients);
}

Action add_servers(CLI::App& parser, Session& session) {
  return add_console_table(parser, session, ConsoleTable::servers);
}

}  // namespace evergres::cli

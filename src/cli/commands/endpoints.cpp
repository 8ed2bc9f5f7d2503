#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ostream>

#include "cli/commands/all.hpp"
#include "cli/table.hpp"
#include "cli/view.hpp"
#include "cli/watching.hpp"
#include "cluster/json.hpp"

namespace evergres::cli {
namespace {

std::string state_of(const cluster::RouteNode& node, const cluster::RouteWord& word) {
  if (word.open && word.leader == node.name) return word.draining ? "hands over" : "read-write";
  if (!node.answers) return "does not answer";
  if (!node.replays) return "not replicating";
  return node.noloadbalance ? "noloadbalance" : "read-only";
}

std::vector<Row> rows_of(const cluster::RouteWord& word) {
  std::vector<Row> rows;
  rows.push_back(Row{{"NODE"}, {"SERVES"}, {"ADDRESS"}, {"ZONE"}, {"LAG"}});
  rows.back().back().right = true;
  for (const cluster::RouteNode& node : word.nodes) {
    const std::string lag = node.lag ? std::to_string(*node.lag) : "";
    rows.push_back(Row{{node.name.value},
                       {state_of(node, word)},
                       {node.host + ":" + std::to_string(node.port)},
                       {node.zone}});
    rows.back().push_back(Cell{lag, Colour::none, true});
  }
  return rows;
}

std::string title_of(const cluster::RouteWord& word) {
  const std::string who = !word.open      ? "nobody leads"
                          : word.draining ? word.leader.value + " is about to hand over"
                                          : word.leader.value + " leads";
  return fmt::format("term {}: {}, says {}\n", word.term.value, who, word.speaker.value);
}

std::string text_of(const cluster::RouteWord& word, const View& view, bool colour) {
  const auto rows = rows_of(word);
  return text_in_form(view.form, title_of(word) + lines_of(rows, colour), rows,
                      cluster::to_json(word));
}

}  // namespace

Action add_endpoints(CLI::App& parser, Session& session) {
  const std::shared_ptr<View> view = add_view(parser, Watch::no);
  const auto watch = std::make_shared<bool>(false);
  parser.add_flag("-w,--watch", *watch, "print again whenever something changes, until interrupted");
  return [&session, view, watch]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    std::uint64_t printed = 0;
    const Outcome watched = watch_an_agent(*place, [&](const cluster::RouteWord& word) {
      if (word.number != printed) session.out << text_of(word, *view, session.colour) << std::flush;
      printed = word.number;
      return *watch && session.out.good();
    });
    if (!watched) return watched.error();
    return 0;
  };
}

}  // namespace evergres::cli

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <memory>

#include "cli/agents.hpp"
#include "cli/commands/all.hpp"
#include "cli/view.hpp"

namespace evergres::cli {
namespace {

/// {"about": "election", "facts": ["…", …]}; a node adds its name. What belongs to the fact before
/// keeps its two spaces in front.
boost::json::value facts_of(const boost::json::object& request, const std::vector<Row>& rows) {
  boost::json::object value{{"about", request.at("what")}};
  if (const boost::json::value* node = request.if_contains("node")) value["node"] = *node;
  boost::json::array facts;
  for (std::size_t i = 1; i < rows.size(); ++i) facts.emplace_back(rows[i].front().text);
  value["facts"] = std::move(facts);
  return value;
}

std::vector<Row> rows_of(std::string_view text) {
  std::vector<Row> rows{{{"FACT"}}};
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) rows.push_back({{shown(text.substr(0, end))}});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return rows;
}

}  // namespace

Action add_explain(CLI::App& parser, Session& session) {
  auto name = std::make_shared<std::string>();
  CLI::App* const node = parser.add_subcommand("node", "why a node is as it is");
  node->add_option("NODE", *name, "name of the node")->required();
  CLI::App* const election =
      parser.add_subcommand("election", "who would be elected now, and why the others would not");
  const std::shared_ptr<View> of_node = add_view(*node, Watch::yes);
  const std::shared_ptr<View> of_election = add_view(*election, Watch::yes);
  parser.require_subcommand(1);
  return [&session, node, name, of_node, of_election]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    boost::json::object request{{"verb", "explain"}, {"what", "election"}};
    if (node->parsed()) {
      request["what"] = "node";
      request["node"] = *name;
    }
    const View& view = node->parsed() ? *of_node : *of_election;
    return show(session, view, [&]() -> Result<std::string> {
      const auto answer = ask_one(*place, request, std::chrono::seconds(5));
      if (!answer) return answer.error();
      const Result<std::string> text = text_of(*answer, "text");
      if (!text) return text.error();
      const std::vector<Row> rows = rows_of(*text);
      return text_in_form(view.form, *text + (text->ends_with('\n') ? "" : "\n"), rows,
                          facts_of(request, rows));
    });
  };
}

}  // namespace evergres::cli

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>
#include <ostream>

#include "cli/agents.hpp"
#include "cli/commands/all.hpp"

namespace evergres::cli {

Action add_explain(CLI::App& parser, Session& session) {
  auto name = std::make_shared<std::string>();
  CLI::App* const node = parser.add_subcommand("node", "why a node is as it is");
  node->add_option("NODE", *name, "name of the node")->required();
  parser.add_subcommand("election", "who would be elected now, and why the others would not");
  parser.require_subcommand(1);
  return [&session, node, name]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    boost::json::object request{{"verb", "explain"}, {"what", "election"}};
    if (node->parsed()) {
      request["what"] = "node";
      request["node"] = *name;
    }
    Result<boost::json::value> answer = ask_one(*place, request, std::chrono::seconds(5));
    if (!answer) return answer.error();
    Result<std::string> text = text_of(*answer, "text");
    if (!text) return text.error();
    session.out << *text << (text->ends_with('\n') ? "" : "\n");
    return 0;
  };
}

}  // namespace evergres::cli

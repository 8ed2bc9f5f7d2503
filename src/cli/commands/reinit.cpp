#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>

#include "cli/change.hpp"
#include "cli/commands/all.hpp"

namespace evergres::cli {

Action add_reinit(CLI::App& parser, Session& session) {
  auto node = std::make_shared<std::string>();
  auto wait = std::make_shared<bool>(false);
  auto change = std::make_shared<Change>();
  parser.add_option("NODE", *node, "name of the node")->required();
  parser.add_flag("--wait", *wait, "return when the node streams again");
  parser.add_flag("--force", change->force, "do not ask");
  parser.footer(
      "The data directory of the node is thrown away and copied from the leader. The node leaves "
      "the policy first, so that no acknowledged commit counts on it. The leader is refused.");
  return [&session, node, wait, change]() -> Result<int> {
    const boost::json::object request{{"verb", "reinit"}, {"node", *node}, {"wait", *wait}};
    change->question = "Throw the data directory of " + *node + " away and clone it anew?";
    if (*wait) change->patience = std::chrono::hours(24);
    return carry_out(session, request, *change);
  };
}

}  // namespace evergres::cli

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>

#include "cli/change.hpp"
#include "cli/commands/all.hpp"

namespace evergres::cli {

Action add_restart(CLI::App& parser, Session& session) {
  auto node = std::make_shared<std::string>();
  auto change = std::make_shared<Change>();
  parser.add_option("NODE", *node, "name of the node")->required();
  parser.add_flag("--wait", change->wait, "return when all nodes are back");
  parser.add_flag("--force", change->force, "do not ask");
  return [&session, node, change]() -> Result<int> {
    const boost::json::object request{{"verb", "restart"}, {"node", *node}};
    change->question = "Restart PostgreSQL on " + *node + "?";
    return carry_out(session, request, *change);
  };
}

}  // namespace evergres::cli

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>

#include "cli/change.hpp"
#include "cli/commands/all.hpp"

namespace evergres::cli {

Action add_switchover(CLI::App& parser, Session& session) {
  auto to = std::make_shared<std::string>();
  auto change = std::make_shared<Change>();
  parser.add_option("--to", *to, "the new primary; else the best replica");
  parser.add_flag("--wait", change->wait, "return when all nodes are back");
  parser.add_flag("--force", change->force, "do not ask");
  return [&session, to, change]() -> Result<int> {
    boost::json::object request{{"verb", "switchover"}, {"to", nullptr}};
    if (!to->empty()) request["to"] = *to;
    change->question =
        "Switch primary LEADER -> " + (to->empty() ? std::string("the best replica") : *to) + "?";
    return carry_out(session, request, *change);
  };
}

}  // namespace evergres::cli

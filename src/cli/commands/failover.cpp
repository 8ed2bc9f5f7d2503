#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>

#include "cli/change.hpp"
#include "cli/commands/all.hpp"

namespace evergres::cli {
namespace {

struct FailoverOptions {
  std::string to;
  bool accept_data_loss = false;
  Change change;
};

}  // namespace

Action add_failover(CLI::App& parser, Session& session) {
  auto options = std::make_shared<FailoverOptions>();
  parser.add_option("--to", options->to, "the new primary; else the best replica");
  parser.add_flag("--accept-data-loss", options->accept_data_loss,
                  "promote although acknowledged commits may be missing");
  parser.add_flag("--wait", options->change.wait, "return when all nodes are back");
  parser.add_flag("--force", options->change.force, "do not ask; with --to also to a node that is tagged nofailover");
  return [&session, options]() -> Result<int> {
    boost::json::object request{
        {"verb", "failover"}, {"to", nullptr}, {"accept_data_loss", options->accept_data_loss}};
    request["force"] = options->change.force;
    if (!options->to.empty()) request["to"] = options->to;
    options->change.question = options->accept_data_loss
                                   ? "Fail over and lose what only missing nodes have?"
                                   : "Fail over?";
    return carry_out(session, request, options->change);
  };
}

}  // namespace evergres::cli

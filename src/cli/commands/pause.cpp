#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>

#include "cli/change.hpp"
#include "cli/commands/all.hpp"

namespace evergres::cli {
namespace {

struct PauseOptions {
  bool wait = false;
  Change change;
};

Action add_verb(CLI::App& parser, Session& session, const char* verb, const char* question) {
  auto options = std::make_shared<PauseOptions>();
  parser.add_flag("--wait", options->wait, "return when every node that is heard has seen it");
  parser.add_flag("--force", options->change.force, "do not ask");
  options->change.question = question;
  return [&session, options, verb]() -> Result<int> {
    const boost::json::object request{{"verb", verb}, {"wait", options->wait}};
    return carry_out(session, request, options->change);
  };
}

}  // namespace

Action add_pause(CLI::App& parser, Session& session) {
  parser.footer(
      "While the cluster is paused nobody is promoted when the leader dies, and no data directory "
      "is rewound or cloned by itself. PostgreSQL that stops is started again, as a standby. "
      "switchover, failover, restart and reinit by hand work. A leader whose agent or supervisor "
      "is gone is still stopped when its grant ends.");
  return add_verb(parser, session, "pause", "Pause automatic failover?");
}

Action add_resume(CLI::App& parser, Session& session) {
  return add_verb(parser, session, "resume", "Resume automatic failover?");
}

}  // namespace evergres::cli

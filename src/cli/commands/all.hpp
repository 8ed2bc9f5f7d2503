#pragma once

#include "cli/session.hpp"

/// One line for each file in this folder. See Command::add.
namespace evergres::cli {

Action add_agent(CLI::App& parser, Session& session);
Action add_demo(CLI::App& parser, Session& session);
Action add_dsn(CLI::App& parser, Session& session);
Action add_explain(CLI::App& parser, Session& session);
Action add_failover(CLI::App& parser, Session& session);
Action add_help(CLI::App& parser, Session& session);
Action add_history(CLI::App& parser, Session& session);
Action add_init(CLI::App& parser, Session& session);
Action add_list(CLI::App& parser, Session& session);
Action add_print(CLI::App& parser, Session& session);
Action add_psql(CLI::App& parser, Session& session);
Action add_restart(CLI::App& parser, Session& session);
Action add_run(CLI::App& parser, Session& session);
Action add_switchover(CLI::App& parser, Session& session);
Action add_version(CLI::App& parser, Session& session);

}  // namespace evergres::cli

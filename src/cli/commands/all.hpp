#pragma once

#include "cli/session.hpp"

/// The commands of this folder. See Command::add.
namespace evergres::cli {

Action add_agent(CLI::App& parser, Session& session);
Action add_proxy(CLI::App& parser, Session& session);
Action add_clients(CLI::App& parser, Session& session);
Action add_complete(CLI::App& parser, Session& session);
Action add_completion(CLI::App& parser, Session& session);
Action add_demo(CLI::App& parser, Session& session);
Action add_dsn(CLI::App& parser, Session& session);
Action add_edit_config(CLI::App& parser, Session& session);
Action add_endpoints(CLI::App& parser, Session& session);
Action add_explain(CLI::App& parser, Session& session);
Action add_failover(CLI::App& parser, Session& session);
Action add_fence(CLI::App& parser, Session& session);
Action add_help(CLI::App& parser, Session& session);
Action add_history(CLI::App& parser, Session& session);
Action add_init(CLI::App& parser, Session& session);
Action add_list(CLI::App& parser, Session& session);
Action add_logs(CLI::App& parser, Session& session);
Action add_man(CLI::App& parser, Session& session);
Action add_pause(CLI::App& parser, Session& session);
Action add_pools(CLI::App& parser, Session& session);
Action add_print(CLI::App& parser, Session& session);
Action add_proxy_config(CLI::App& parser, Session& session);
Action add_psql(CLI::App& parser, Session& session);
Action add_reinit(CLI::App& parser, Session& session);
Action add_reload(CLI::App& parser, Session& session);
Action add_replay(CLI::App& parser, Session& session);
Action add_restart(CLI::App& parser, Session& session);
Action add_resume(CLI::App& parser, Session& session);
Action add_run(CLI::App& parser, Session& session);
Action add_servers(CLI::App& parser, Session& session);
Action add_show_config(CLI::App& parser, Session& session);
Action add_switchover(CLI::App& parser, Session& session);
Action add_topology(CLI::App& parser, Session& session);
Action add_unfence(CLI::App& parser, Session& session);
Action add_version(CLI::App& parser, Session& session);

}  // namespace evergres::cli

#include <unistd.h>

#include <array>
#include <iostream>

#include "cli/commands/all.hpp"
#include "cli/session.hpp"

namespace evergres::cli {

std::span<const Command> commands() {
  static constexpr std::array table{
      Command{"demo", "a whole cluster on this machine, to try things", add_demo},
      Command{"init", "create the cluster with this node as its first member", add_init},
      Command{"run", "run this node (what the service starts)", add_run},
      Command{"list", "the nodes, their roles and positions", add_list},
      Command{"history", "who led when, and why it changed", add_history},
      Command{"explain", "why a node is as it is, or who would be elected", add_explain},
      Command{"switchover", "move the primary in a planned way", add_switchover},
      Command{"failover", "elect a new primary when there is none", add_failover},
      Command{"restart", "restart PostgreSQL on a node", add_restart},
      Command{"psql", "psql on the current primary", add_psql},
      Command{"dsn", "the connection string for applications", add_dsn},
      Command{"print", "print the options, a sample file, the exit codes", add_print},
      Command{"version", "the version of this program", add_version},
      Command{"help", "help on a command or on exit-codes", add_help},
      Command{"agent", "the control plane; the supervisor starts it", add_agent, true},
  };
  return table;
}

bool confirmed(Session& session, std::string_view question) {
  session.out << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace evergres::cli

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
      Command{"topology", "who follows whom, and how far behind", add_topology},
      Command{"endpoints", "what this cluster tells its endpoints: who serves what", add_endpoints},
      Command{"pools", "the endpoint's pools: who waits, how many servers", add_pools},
      Command{"clients", "who is connected to the endpoint", add_clients},
      Command{"servers", "the endpoint's connections to PostgreSQL", add_servers},
      Command{"history", "who led when, and why it changed", add_history},
      Command{"explain", "why a node is as it is, or who would be elected", add_explain},
      Command{"switchover", "move the primary in a planned way", add_switchover},
      Command{"failover", "elect a new primary when there is none", add_failover},
      Command{"restart", "restart PostgreSQL on nodes, one after the other", add_restart},
      Command{"reload", "make a changed node.yaml take effect", add_reload},
      Command{"reinit", "make the data directory of a node anew", add_reinit},
      Command{"fence", "take a node out by hand", add_fence},
      Command{"unfence", "put a fenced node back", add_unfence},
      Command{"pause", "no automatic failover, for maintenance", add_pause},
      Command{"resume", "end a pause", add_resume},
      Command{"edit-config", "change the settings of the cluster", add_edit_config},
      Command{"show-config", "the configuration in force and who decided it", add_show_config},
      Command{"logs", "the logs of a node on this machine", add_logs},
      Command{"replay", "decide a journal again and compare", add_replay},
      Command{"psql", "psql on the current primary", add_psql},
      Command{"dsn", "the connection string for applications", add_dsn},
      Command{"proxy-config", "the files of an endpoint on a machine without a node",
              add_proxy_config},
      Command{"print", "print the options, a sample file, the commands, the exit codes", add_print},
      Command{"completion", "completion for bash, zsh or fish", add_completion},
      Command{"man", "the manual page", add_man},
      Command{"version", "the version of this program", add_version},
      Command{"help", "help on a command or on exit-codes", add_help},
      Command{"complete", "words for the completion", add_complete, true},
      Command{"proxy", "run the endpoint for applications; beside a node it is started by itself",
              add_proxy},
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

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/instant.hpp"

namespace evergres::supervisor {

/// Everything that keeper and supervisor must be told. They know no configuration file and no HA.
/// All paths are absolute.
struct Settings {
  std::filesystem::path data_directory;    ///< PostgreSQL's; must exist when a start is asked for
  std::filesystem::path state_directory;   ///< holds upstream.conf, PostgreSQL's PGSERVICEFILE
  std::filesystem::path run_directory;     ///< made with 0700; holds supervisor.sock
  std::filesystem::path log_directory;     ///< made if absent; postgres.log is appended to there
  std::filesystem::path postgres_program;  ///< absolute path of `postgres`

  /// What is executed as the agent, with `agent_argv` as its whole argument vector (the first is
  /// its argv[0]). An empty vector means that there is no agent.
  std::filesystem::path agent_program = "/proc/self/exe";
  std::vector<std::string> agent_argv;

  /// The same for the endpoint of this node.
  std::filesystem::path proxy_program = "/proc/self/exe";
  std::vector<std::string> proxy_argv;

  Millis silent_agent_limit{
      10'000};                   ///< two grants; an agent or supervisor silent for longer is killed
  Millis stop_deadline{30'000};  ///< of the fast stop that SIGTERM causes; then immediate
  /// How long a SIGTERM waits for the endpoint, so that its clients can end what they began, before
  /// it stops PostgreSQL.
  Millis drain_deadline{5'000};
};

}  // namespace evergres::supervisor

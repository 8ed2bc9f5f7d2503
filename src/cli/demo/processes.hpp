#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/names.hpp"
#include "base/result.hpp"
#include "cli/demo/plan.hpp"

namespace evergres::cli::demo {

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';                ///< of /proc/PID/stat: R, S, D, T (frozen), Z …
  std::string program;             ///< file name of the executable, "" if it may not be read
  std::vector<std::string> words;  ///< argv
};

/// All living processes of one node: `evergres run` and `evergres agent` with its configuration
/// file, every postgres whose working directory is its data directory, and all their descendants.
/// Nothing is remembered between calls, so that a reused process id cannot be taken for ours.
/// Programs of Evergres come first, zombies are left out.
std::vector<Process> processes_of(const Plan& plan, const NodeName& node);

/// The pure part: which of `all` belong to the node. `working_directory` says where a process is.
std::vector<Process> select_node(const std::vector<Process>& all, const std::string& config_file,
                                 const std::string& data_directory,
                                 const std::function<std::string(pid_t)>& working_directory);

/// Starts `evergres run` for the node in a session of its own, with stdio to its log; it outlives
/// the caller and its terminal. Returns when the program was executed or could not be.
Result<pid_t> start_node(const Plan& plan, const NodeName& node);

/// Sends a signal to each process of the node and says to how many.
std::size_t signal_node(const Plan& plan, const NodeName& node, int signal_number);

/// SIGKILL until no process of the node is left. timed_out after 10 s.
Outcome kill_node(const Plan& plan, const NodeName& node);

/// The keeper: the oldest ancestor among the node's processes; 0 if there is none.
pid_t keeper_of(const std::vector<Process>& processes);

/// Waits until the node has no process; false at the deadline.
bool gone(const Plan& plan, const NodeName& node, Instant deadline);

}  // namespace evergres::cli::demo

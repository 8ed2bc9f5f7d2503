#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace evergres::supervisor {

/// One process as /proc/PID/stat shows it (proc(5)).
struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t session = 0;
  char state = '?';  ///< 'Z' for a zombie
};

std::optional<Process> read_process(pid_t pid);
std::vector<Process> all_processes();

/// The children of `pid`, zombies included. From /proc/PID/task/PID/children where the kernel has
/// it, which may miss one while processes come and go: loop until nothing is left.
std::vector<pid_t> children_of(pid_t pid);

/// Sends `signal` to `child` if it is a child of `parent` at that moment; never to a recycled pid.
void signal_child(pid_t parent, pid_t child, int signal);

/// Every live process that executes a program called `postgres` in that working directory: the
/// postmaster and all its children, also those that have lost it. PostgreSQL changes to its data
/// directory early in its start (src/backend/utils/init/miscinit.c, ChangeToDataDir).
std::vector<Process> servers_in(const std::filesystem::path& data_directory);

/// Whether the environment with which the program was executed holds this "NAME=value".
bool environment_has(pid_t pid, std::string_view entry);

/// "exited 1" or "signal 9".
std::string describe_wait_status(int wait_status);

}  // namespace evergres::supervisor

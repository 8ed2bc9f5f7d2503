#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace evergres::supervisor {

/// How a child is to be executed. Its signals are reset, its stdin is /dev/null, only stdin, stdout
/// and stderr are passed on (all other descriptors of this house are close-on-exec).
struct ChildPlan {
  std::filesystem::path program;
  std::vector<std::string> argv;                ///< with argv[0]
  std::vector<std::string> environment;         ///< "NAME=value"
  int death_signal = 0;                         ///< sent by the kernel when this process dies
  std::optional<std::filesystem::path> output;  ///< stdout and stderr are appended here
  bool own_session = false;                     ///< setsid() before exec
  std::optional<int> oom_score_adj;             ///< set where allowed
};

/// Forks and executes; returns when exec has succeeded or failed. Call from the main thread: the
/// death signal is bound to the thread that forked.
Result<pid_t> spawn(const ChildPlan& plan);

/// This process's environment without what would change a child's behaviour by accident: every
/// PG… variable and NOTIFY_SOCKET.
std::vector<std::string> inherited_environment();

}  // namespace evergres::supervisor

#pragma once

#include <string>
#include <vector>

namespace evergres::supervisor {

/// Protects the calling process as far as the system allows and tells what is in force:
/// "subreaper", "memory locked" (needs CAP_IPC_LOCK or an unlimited RLIMIT_MEMLOCK), "oom
/// protected" (needs CAP_SYS_RESOURCE or a caller that already set it). Keeper and supervisor each
/// call it, because memory locks and the subreaper flag are not inherited.
std::vector<std::string> raise_guards();

inline constexpr const char* guard_oom = "oom protected";

}  // namespace evergres::supervisor

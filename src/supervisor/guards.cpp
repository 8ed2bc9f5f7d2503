#include "supervisor/guards.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <fstream>

namespace evergres::supervisor {

namespace {

constexpr int wanted_oom_score = -900;

bool may_lock_any_memory() {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY) return true;
  constexpr unsigned cap_ipc_lock = 14;  // linux/capability.h
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "CapEff:") continue;
    unsigned long long effective = 0;
    status >> std::hex >> effective;
    return ((effective >> cap_ipc_lock) & 1U) != 0;
  }
  return false;
}

/// With a limited RLIMIT_MEMLOCK a lock of future memory would make allocations fail, so it is
/// only asked for where there is no limit.
bool lock_memory() {
  return may_lock_any_memory() && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

bool protect_from_oom() {
  int now = 0;
  if (std::ifstream("/proc/self/oom_score_adj") >> now && now <= wanted_oom_score) return true;
  std::ofstream score("/proc/self/oom_score_adj");
  score << wanted_oom_score << std::flush;
  return score.good();
}

}  // namespace

std::vector<std::string> raise_guards() {
  std::vector<std::string> guards;
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) == 0) guards.emplace_back("subreaper");
  if (lock_memory()) guards.emplace_back("memory locked");
  if (protect_from_oom()) guards.emplace_back(guard_oom);
  return guards;
}

}  // namespace evergres::supervisor

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>

#include "base/instant.hpp"
#include "supervisor/settings.hpp"

namespace evergres::supervisor {

/// The agent as a child that is kept alive. It has a session of its own and carries a mark in its
/// environment, so that what it left behind (pg_basebackup, pg_rewind) is told from what
/// PostgreSQL left behind. A new agent starts only after everything of the old one is dead.
/// Single-threaded; never blocks.
class AgentProcess {
 public:
  /// `run` is the random id of this supervisor's life.
  AgentProcess(const Settings& settings, std::string run)
      : settings_(settings), run_(std::move(run)) {}

  /// Starts the agent when it is due, kills one that has been silent for too long.
  /// `postmaster` (0 if none) is no orphan of the agent.
  void tick(pid_t postmaster);
  [[nodiscard]] Instant next_tick() const;
  /// A child was waited for. True if it was the agent.
  bool reaped(pid_t pid, int wait_status);
  /// The agent has spoken.
  void alive() { heard_ = boot_now(); }
  /// This process could not listen for a while: silence in that time proves nothing.
  void forgive_silence() { heard_ = boot_now(); }
  /// SIGHUP and the like, if it runs.
  void send(int signal) const;
  /// No agent starts any more.
  void retire() { retired_ = true; }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::uint64_t restarts() const { return restarts_; }

 private:
  void start();
  /// Kills what dead agents left; true if nothing is left.
  bool kill_orphans(pid_t postmaster);
  [[nodiscard]] bool left_by_agent(pid_t orphan) const;
  [[nodiscard]] std::string mark() const { return "EVERGRES_AGENT_OF=" + run_; }

  const Settings& settings_;
  const std::string run_;
  pid_t pid_ = 0;
  bool retired_ = false;
  bool orphans_possible_ = false;
  std::uint64_t starts_ = 0;
  std::uint64_t restarts_ = 0;
  std::set<pid_t> past_sessions_;
  Instant started_;
  Instant heard_;
  Instant start_at_;
  Millis backoff_{100};
};

}  // namespace evergres::supervisor

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"

namespace evergres::supervisor {

struct ServicePlan {
  std::string name;                         ///< "agent", "proxy": in the log and in the mark
  std::filesystem::path program;            ///< executed with `argv` as its whole argument vector
  std::vector<std::string> argv;            ///< empty: there is no such service
  std::optional<Millis> silent_limit = {};  ///< one that does not speak for so long is killed
};

/// A child beside PostgreSQL that is kept alive: the agent or the endpoint. It has a session of its
/// own and carries a mark in its environment, so that what it left behind (pg_basebackup,
/// pg_rewind) is told from what others left behind. A new one starts only after everything of the
/// old one is dead, or beside one that it is to replace. Neither its life nor its death touches
/// PostgreSQL or another service. Single-threaded; never blocks.
class Service {
 public:
  /// `run` is the random id of this supervisor's life.
  Service(ServicePlan plan, std::string run) : plan_(std::move(plan)), run_(std::move(run)) {}

  /// Starts the service when it is due, kills one that has been silent for too long.
  /// `others`: children that are no orphans of it (the postmaster, other services; 0 for none).
  void tick(const std::vector<pid_t>& others);
  [[nodiscard]] Instant next_tick() const;
  /// Starts a second one beside the one that runs, which takes over from it by itself; the first
  /// then ends in its own time. If the second one fails, it is started again as ever. One that was
  /// started less than two seconds ago is replaced after those, and once however often this is
  /// called meanwhile. Does nothing while none runs: one will be started anyway.
  void replace();
  /// A child was waited for. True if it was this service.
  bool reaped(pid_t pid, int wait_status);
  /// The service has spoken.
  void alive() { heard_ = boot_now(); }
  /// This process could not listen for a while: silence in that time proves nothing.
  void forgive_silence() { heard_ = boot_now(); }
  /// SIGHUP and the like, to all that run.
  void send(int signal) const;
  /// All that run: the newest, and those that it replaces.
  [[nodiscard]] std::vector<pid_t> pids() const;
  /// It does not start any more.
  void retire() { retired_ = true; }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::uint64_t restarts() const { return restarts_; }

 private:
  void start();
  Result<pid_t> spawn_one();
  /// Kills what dead runs of it left; true if nothing is left.
  bool kill_orphans(const std::vector<pid_t>& others);
  [[nodiscard]] bool left_by_it(pid_t orphan) const;
  /// "EVERGRES_AGENT_OF=<run>".
  [[nodiscard]] std::string mark() const;

  const ServicePlan plan_;
  const std::string run_;
  pid_t pid_ = 0;
  std::set<pid_t> replaced_;  ///< that still run
  bool retired_ = false;
  bool replace_wanted_ = false;
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

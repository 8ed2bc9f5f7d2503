#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "supervisor/data_directory.hpp"
#include "supervisor/protocol.hpp"
#include "supervisor/settings.hpp"

namespace evergres::supervisor {

/// PostgreSQL on this node: its state, its grant and its end. All transitions of the state are
/// made by start(), begin_stop(), reaped() and finish_stop(). Single-threaded; nothing but start()
/// blocks. The owner waits for children, tells each to reaped() and calls tick() often enough
/// (next_tick()).
class Postmaster {
 public:
  /// `oom_protected`: whether PostgreSQL's children must be told to give the protection back.
  Postmaster(const Settings& settings, bool oom_protected)
      : settings_(settings), oom_protected_(oom_protected) {}

  /// Whether a start may begin now; then the state is `starting` until start() returns.
  Outcome begin_start();
  /// Clears survivors, prepares a standby and executes PostgreSQL. Blocks for some seconds at most.
  Result<pid_t> start(const AskStart& ask);

  /// Stops, or hastens the stop that is under way. Nothing happens in the state `stopped`.
  /// `deadline`: how long a fast stop may take.
  void stop(StopMode mode, Millis deadline, const std::string& reason);
  Outcome reload();
  Result<Grant> grant(const AskGrant& asked);
  Outcome revoke();

  /// A child was waited for. True if it was the postmaster.
  bool reaped(pid_t pid, int wait_status);
  /// Ends what has to end now: checks the grant, the deadline of a stop, survivors. `spared` are
  /// the only children of this process that a stop leaves alive: the running services (0 for none).
  void tick(const std::vector<pid_t>& spared);
  [[nodiscard]] Instant next_tick() const;

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::uint64_t start_id() const { return start_id_; }
  /// Writes its part of the status.
  void describe(Status& status) const;

 private:
  void begin_stop(const std::string& reason);
  void remember_memory();
  void become_immediate();
  void kill_postmaster();
  void check_permission();
  void sweep(const std::vector<pid_t>& spared);
  void finish_stop();
  [[nodiscard]] std::vector<std::string> environment() const;

  const Settings& settings_;
  const bool oom_protected_;

  State state_ = State::stopped;
  std::uint64_t start_id_ = 0;
  pid_t pid_ = 0;  ///< 0 once it was waited for
  std::optional<SharedMemory> memory_;
  std::optional<Grant> grant_;
  bool ever_granted_ = false;
  std::optional<Exit> exit_;
  std::string last_stop_reason_;
  Instant next_check_;

  // Of the stop under way:
  std::string reason_;
  bool asked_fast_ = false;  ///< we sent SIGINT
  bool immediate_ = false;   ///< we sent SIGQUIT
  bool killed_ = false;      ///< we sent SIGKILL
  Instant fast_until_;
  Instant kill_at_;
  Instant next_warning_;
};

}  // namespace evergres::supervisor

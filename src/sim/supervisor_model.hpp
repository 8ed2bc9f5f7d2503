#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"
#include "sim/planted.hpp"
#include "sim/postgres_model.hpp"
#include "supervisor/grant.hpp"
#include "supervisor/protocol.hpp"

namespace evergres::sim {

/// The supervisor of one machine: it starts and ends the server and its agent, and holds the grant
/// by the real rule about grants. Calls come from the same machine and take effect at once; their
/// replies are the caller's to delay.
class SupervisorModel {
 public:
  using Clock = std::function<Instant()>;
  using Told = std::function<void()>;

  SupervisorModel(Process& process, PostgresModel& postgres, Choices& choices, Clock clock,
                  const Planted& planted);

  /// The machine was switched on: a new life.
  void begin(std::string run);
  void end();

  /// The histories in `forget` go behind the signal, as in the product.
  Outcome start(const std::vector<TimelineId>& forget);
  void stop(supervisor::StopMode mode, Nanos deadline, std::function<void(bool)> done);
  void reload() { postgres_.reload(); }
  Outcome grant(const supervisor::AskGrant& asked);
  void revoke();

  [[nodiscard]] supervisor::Status status() const;
  [[nodiscard]] std::string run() const { return run_ + "/" + std::to_string(start_id_); }
  /// When the grant of a server that may be primary ended, if it did and the server still runs.
  [[nodiscard]] std::optional<Moment> overdue_since() const { return overdue_since_; }
  /// Something in the status changed.
  Told on_change;

 private:
  void postmaster_ended();
  void finish(bool clean, std::string how);
  void sweep();
  void leave_children(std::string how);
  void check_grant();
  void check_signal();

  Process& process_;
  PostgresModel& postgres_;
  Choices& choices_;
  Clock clock_;
  const Planted& planted_;
  std::string run_;
  std::uint64_t start_id_ = 0;
  supervisor::State state_ = supervisor::State::stopped;
  std::optional<supervisor::Grant> grant_;
  bool ever_granted_ = false;
  std::optional<supervisor::Exit> exit_;
  std::optional<Moment> overdue_since_;
  std::vector<std::function<void(bool)>> waiting_for_stop_;
};

}  // namespace evergres::sim

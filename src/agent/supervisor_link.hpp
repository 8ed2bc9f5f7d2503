#pragma once

#include <atomic>
#include <thread>

#include "agent/operations/operation.hpp"
#include "agent/pulse.hpp"
#include "core/grant.hpp"

namespace evergres::agent {

/// Listens to the supervisor: every change of its status reaches the control thread at once.
class SupervisorWatch {
 public:
  SupervisorWatch(const Setup& setup, Tell tell);

 private:
  void run(const std::stop_token& stop);
  Outcome listen(const std::stop_token& stop);

  const Setup& setup_;
  Tell tell_;
  std::jthread thread_;
};

/// The lease: a thread of its own that does nothing but extend the grant of our server as the
/// control thread wishes, and tell the supervisor that the control thread is alive. Nothing slow
/// can starve it, and a wish that is not renewed extends nothing: a grant is counted from the
/// evidence in the wish.
class LeaseKeeper {
 public:
  LeaseKeeper(const Setup& setup, Tell tell);

  /// From the control thread, in every round of its loop.
  void set_wish(const core::GrantWish& wish, std::uint64_t start_id);

 private:
  void run(const std::stop_token& stop);
  Outcome extend(supervisor::Client& client, const core::GrantWish& wish, std::uint64_t start_id);

  const Setup& setup_;
  Tell tell_;
  Pulse pulse_;
  std::mutex mutex_;
  core::GrantWish wish_;
  std::uint64_t start_id_ = 0;
  Instant control_alive_at_;
  Instant granted_from_;
  Term granted_term_;
  std::optional<core::GrantKind> granted_kind_;
  std::jthread thread_;
};

}  // namespace evergres::agent

#pragma once

#include <atomic>
#include <thread>

#include "agent/operations/operation.hpp"
#include "agent/pulse.hpp"
#include "supervisor/client.hpp"

namespace evergres::agent {

/// The thread that looks at PostgreSQL: over its socket while it runs, at its files while it does not.
class Observing {
 public:
  Observing(const Setup& setup, Tell tell);

  void poke() { pulse_.poke(); }
  /// How often it looks; changed by the control thread as the situation asks for it.
  void set_period(Millis period) {
    const int wanted = static_cast<int>(period.count());
    if (period_ms_.exchange(wanted) > wanted) pulse_.poke();
  }
  /// The supervisor's word about the process, from the control thread.
  void set_supervisor(const supervisor::Status& status);

 private:
  void run(const std::stop_token& stop);
  void look_at_running(const supervisor::Status& status);
  void look_at_stopped(const supervisor::Status& status);
  void look_for_removed_wal();

  const Setup& setup_;
  Tell tell_;
  Pulse pulse_;
  std::atomic<int> period_ms_{500};
  std::mutex mutex_;
  std::optional<supervisor::Status> status_;
  postgres::Observer observer_;
  std::uint64_t answered_start_ = 0;   ///< start id that has answered at least once
  std::string files_seen_of_;          ///< run and start whose files were read while stopped
  std::uintmax_t log_read_to_ = 0;
  Instant log_looked_at_;
  std::jthread thread_;
};

}  // namespace evergres::agent

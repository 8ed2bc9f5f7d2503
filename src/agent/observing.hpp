#pragma once

#include <atomic>
#include <thread>

#include "agent/endpoint_files.hpp"
#include "agent/operations/operation.hpp"
#include "agent/pulse.hpp"
#include "agent/shared_observer.hpp"
#include "agent/upstream_words.hpp"
#include "supervisor/client.hpp"

namespace evergres::agent {

/// The thread that looks at PostgreSQL: over its socket while it runs, at its files while it does
/// not.
class Observing {
 public:
  Observing(const Setup& setup, std::shared_ptr<SharedObserver> observer, Tell tell);

  void poke() { pulse_.poke(); }
  /// How often it looks; changed by the control thread as the situation asks for it.
  void set_period(Millis period) {
    const int wanted = static_cast<int>(period.count());
    if (period_ms_.exchange(wanted) > wanted) pulse_.poke();
  }
  /// What synchronous_standby_names should be; absent while an operation may be changing it.
  void set_expected_names(std::optional<std::string> names) {
    const std::lock_guard lock(mutex_);
    expected_names_ = std::move(names);
  }
  /// What postgresql.conf is rendered from; null: node.yaml alone.
  void set_settings(std::shared_ptr<const cluster::Spec> spec) {
    const std::lock_guard lock(mutex_);
    if ((spec_ ? spec_->generation : 0) != (spec ? spec->generation : 0)) seldom_due_ = true;
    spec_ = std::move(spec);
  }
  /// With durability async only `off` is weaker than the mode.
  void set_local_is_enough(bool enough) { local_is_enough_ = enough; }
  /// While an operation rewrites the data directory its files say nothing.
  void set_files_in_flux(bool in_flux) { files_in_flux_ = in_flux; }
  /// The supervisor's word about the process, from the control thread.
  void set_supervisor(const supervisor::Status& status);

 private:
  void run(const std::stop_token& stop);
  void look_at_running(const supervisor::Status& status);
  void look_at_stopped(const supervisor::Status& status);
  void note_whole();
  void look_for_removed_wal();
  /// Whether it looked.
  bool look_for_drift(std::uint64_t start_id);
  void look_seldom(std::uint64_t start_id, bool in_recovery);
  void look_for_weak_commits(postgres::Session& session, Instant deadline);
  void look_for_slots(postgres::Session& session, std::uint64_t start_id, Instant deadline);
  [[nodiscard]] bool cares_for_slots();
  void time_replies(postgres::Observation& seen);
  void bound_log();
  void sweep();

  /// The last reply of a walsender's standby: its own clock, and when we first saw it on ours.
  struct Reply {
    std::int64_t time_ms = 0;
    Instant seen;
  };

  const Setup& setup_;
  Tell tell_;
  Pulse pulse_;
  std::atomic<int> period_ms_{500};
  std::atomic<bool> files_in_flux_{false};
  std::atomic<bool> local_is_enough_{false};
  std::mutex mutex_;
  std::optional<supervisor::Status> status_;
  std::optional<std::string> expected_names_;
  std::shared_ptr<const cluster::Spec> spec_;
  Instant drift_looked_at_;
  Instant seldom_looked_at_;
  Instant swept_at_;
  std::atomic<bool> sweeping_{false};
  std::jthread sweeper_;
  std::atomic<bool> seldom_due_{false};  ///< before its time
  bool was_in_recovery_ = false;
  std::shared_ptr<SharedObserver> observer_;
  std::uint64_t answered_start_ = 0;  ///< start id that has answered at least once
  std::string files_seen_of_;         ///< run and start whose files were read while stopped
  UpstreamWords upstream_words_;
  Instant log_bounded_at_;
  CertificateKeeper certificates_;
  std::map<std::string, Reply> replies_;  ///< by pid and name of the walsender
  std::jthread thread_;
};

}  // namespace evergres::agent

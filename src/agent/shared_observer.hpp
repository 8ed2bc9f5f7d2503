#pragma once

#include <mutex>

#include "base/instant.hpp"
#include "postgres/observe.hpp"

namespace evergres::agent {

/// The connections over which our PostgreSQL is observed. One thread looks through them all the
/// time; an operation that has to look now takes them between two of its looks, since connections
/// of its own would take longer than all the rest of a fence.
class SharedObserver {
 public:
  explicit SharedObserver(postgres::Server server) : observer_(std::move(server)) {}

  /// For the thread that observes: see postgres::Observer.
  Result<postgres::Observation> observe(Instant deadline) {
    const std::lock_guard lock(mutex_);
    return observer_.observe(deadline);
  }

  /// For operations: what is seen was asked after the call. Without slots and pending settings,
  /// whose turn stays that of the other thread. `timed_out` if that one has not let go after
  /// `patience`; the connections stay as they are then.
  Result<postgres::Observation> look(Millis patience, Instant deadline);

 private:
  std::timed_mutex mutex_;
  postgres::Observer observer_;
};

}  // namespace evergres::agent

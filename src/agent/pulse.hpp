#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "base/instant.hpp"

namespace evergres::agent {

/// The clock of a background thread: it sleeps until its time has come, somebody pokes it, or it is
/// to stop.
class Pulse {
 public:
  void poke() {
    const std::lock_guard lock(mutex_);
    poked_ = true;
    changed_.notify_all();
  }

  /// False when the thread is to stop.
  bool wait(const std::stop_token& stop, Millis at_most) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, at_most, [this] { return poked_; });
    poked_ = false;
    return !stop.stop_requested();
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool poked_ = false;
};

}  // namespace evergres::agent

#pragma once

#include <signal.h>
#include <unistd.h>

#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "proxy/console/command.hpp"

namespace evergres::proxy {

/// What admins ask of the whole process in the console, kept for its main thread, which waits for
/// signals: each request sends it `wake`.
class Requests {
 public:
  using Then = std::function<void(const Outcome&)>;
  /// Blocked in every thread, as the other signals that the main thread waits for.
  static constexpr int wake = SIGUSR1;

  // Any thread.
  void reload(Then then) {
    {
      const std::lock_guard lock(mutex_);
      reloads_.push_back(std::move(then));
    }
    ::kill(::getpid(), wake);
  }
  void shut_down(Shutdown how) {
    {
      const std::lock_guard lock(mutex_);
      shutdown_ = how;
    }
    ::kill(::getpid(), wake);
  }

  // The main thread: what was asked since the last call.
  std::vector<Then> reloads() {
    const std::lock_guard lock(mutex_);
    return std::exchange(reloads_, {});
  }
  std::optional<Shutdown> shutdown() {
    const std::lock_guard lock(mutex_);
    return std::exchange(shutdown_, std::nullopt);
  }

 private:
  std::mutex mutex_;
  std::vector<Then> reloads_;
  std::optional<Shutdown> shutdown_;
};

}  // namespace evergres::proxy

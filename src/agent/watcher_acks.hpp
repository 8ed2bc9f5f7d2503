#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>

#include "base/instant.hpp"

namespace evergres::agent {

/// What the connected watchers (endpoints) have acknowledged. Any thread: the control thread notes,
/// an operation waits.
class WatcherAcks {
 public:
  void joined(std::uint64_t watcher);
  void left(std::uint64_t watcher);
  void acknowledged(std::uint64_t watcher, std::uint64_t heard, std::uint32_t busy);
  /// Word `number` says that a handover is about to begin; nothing: no word says it.
  void announced(std::optional<std::uint64_t> number);

  [[nodiscard]] bool anybody() const;

  struct Waited {
    std::size_t unheard = 0;  ///< watchers that do not obey the announcement yet
    std::uint64_t busy = 0;   ///< transactions that run through the others
    [[nodiscard]] bool over() const { return unheard == 0 && busy == 0; }
  };
  /// What is still waited for.
  [[nodiscard]] Waited waited() const;
  /// Returns when something changed since the last call of waited(), at `until`, or when stopped.
  void wait_for_change(const std::stop_token& stop, Instant until) const;

 private:
  struct Watcher {
    std::uint64_t heard = 0;
    std::uint32_t busy = 0;
  };
  void change();

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  mutable bool news_ = false;
  std::map<std::uint64_t, Watcher> watchers_;
  std::optional<std::uint64_t> announced_;
};

}  // namespace evergres::agent

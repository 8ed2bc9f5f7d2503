#include "agent/watcher_acks.hpp"

namespace evergres::agent {

void WatcherAcks::change() {
  news_ = true;
  changed_.notify_all();
}

void WatcherAcks::joined(std::uint64_t watcher) {
  const std::lock_guard lock(mutex_);
  watchers_[watcher];
  change();
}

void WatcherAcks::left(std::uint64_t watcher) {
  const std::lock_guard lock(mutex_);
  watchers_.erase(watcher);
  change();
}

void WatcherAcks::acknowledged(std::uint64_t watcher, std::uint64_t heard, std::uint32_t busy) {
  const std::lock_guard lock(mutex_);
  const auto found = watchers_.find(watcher);
  if (found == watchers_.end()) return;
  found->second.heard = heard;
  found->second.busy = busy;
  change();
}

void WatcherAcks::announced(std::optional<std::uint64_t> number) {
  const std::lock_guard lock(mutex_);
  if (announced_ == number) return;
  announced_ = number;
  change();
}

bool WatcherAcks::anybody() const {
  const std::lock_guard lock(mutex_);
  return !watchers_.empty();
}

WatcherAcks::Waited WatcherAcks::waited() const {
  const std::lock_guard lock(mutex_);
  news_ = false;
  Waited waited;
  for (const auto& [id, watcher] : watchers_) {
    if (!announced_ || watcher.heard < *announced_) {
      waited.unheard += 1;
    } else {
      waited.busy += watcher.busy;
    }
  }
  return waited;
}

void WatcherAcks::wait_for_change(const std::stop_token& stop, Instant until) const {
  std::unique_lock lock(mutex_);
  const Nanos left = until - boot_now();
  if (left > Nanos::zero()) changed_.wait_for(lock, stop, left, [this] { return news_; });
}

}  // namespace evergres::agent

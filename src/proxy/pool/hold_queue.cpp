#include "proxy/pool/hold_queue.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace evergres::proxy {

std::optional<HoldQueue::Ticket> HoldQueue::join(Instant deadline) {
  if (size_ >= most_) return std::nullopt;
  std::uint32_t at = free_;
  if (at == none) {
    at = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    free_ = slots_[at].behind;
  }
  Slot& slot = slots_[at];
  slot.deadline = deadline;
  slot.waits = true;
  slot.before = newest_;
  slot.behind = none;
  (newest_ == none ? oldest_ : slots_[newest_].behind) = at;
  newest_ = at;
  ++size_;
  earliest_deadline_ = std::min(earliest_deadline_, deadline);
  return Ticket{at, slot.generation};
}

HoldQueue::Ticket HoldQueue::take_out(std::uint32_t at) {
  Slot& slot = slots_[at];
  CHECK(slot.waits && size_ > 0);
  const Ticket ticket{at, slot.generation};
  (slot.before == none ? oldest_ : slots_[slot.before].behind) = slot.behind;
  (slot.behind == none ? newest_ : slots_[slot.behind].before) = slot.before;
  slot.waits = false;
  ++slot.generation;
  slot.behind = free_;
  free_ = at;
  --size_;
  if (size_ == 0) earliest_deadline_ = Instant{INT64_MAX};
  return ticket;
}

bool HoldQueue::leave(Ticket ticket) {
  if (ticket.slot >= slots_.size()) return false;
  const Slot& slot = slots_[ticket.slot];
  if (!slot.waits || slot.generation != ticket.generation) return false;
  take_out(ticket.slot);
  return true;
}

void HoldQueue::open(Instant now, Ramp ramp) {
  CHECK(ramp.first > 0 && ramp.step > Millis{0});
  opened_ = now;
  ramp_ = ramp;
  let_go_ = 0;
}

/// How many may have been let go since it opened: first, then 2, 4, … times as many in addition.
std::uint64_t HoldQueue::allowed(Instant now) const {
  if (!opened_ || now < *opened_) return 0;
  const auto steps = static_cast<std::uint64_t>((now - *opened_) / Nanos(ramp_.step));
  if (steps >= Ramp::steps_most) return UINT64_MAX;
  return ramp_.first * ((std::uint64_t{2} << steps) - 1);
}

bool HoldQueue::pass(Instant now) {
  if (size_ > 0 || let_go_ >= allowed(now)) return false;
  ++let_go_;
  return true;
}

void HoldQueue::expire(Instant now, std::vector<Ticket>& expired) {
  if (now < earliest_deadline_) return;
  Instant earliest{INT64_MAX};
  for (std::uint32_t at = oldest_; at != none;) {
    const std::uint32_t next = slots_[at].behind;
    if (slots_[at].deadline <= now) {
      expired.push_back(take_out(at));
    } else {
      earliest = std::min(earliest, slots_[at].deadline);
    }
    at = next;
  }
  earliest_deadline_ = earliest;
}

void HoldQueue::release(Instant now, std::size_t room, std::vector<Ticket>& released) {
  const std::uint64_t most = allowed(now);
  for (; room > 0 && size_ > 0 && let_go_ < most; --room) {
    if (slots_[oldest_].deadline <= now) break;
    released.push_back(take_out(oldest_));
    ++let_go_;
  }
}

std::optional<Instant> HoldQueue::next_wake(Instant now, std::size_t room) const {
  if (size_ == 0) return std::nullopt;
  Instant wake = earliest_deadline_;
  if (opened_ && now >= *opened_ && room > 0) {
    if (let_go_ < allowed(now)) return now;
    const auto steps = (now - *opened_) / Nanos(ramp_.step);
    wake = std::min(wake, *opened_ + Nanos(ramp_.step) * (steps + 1));
  }
  return wake;
}

}  // namespace evergres::proxy

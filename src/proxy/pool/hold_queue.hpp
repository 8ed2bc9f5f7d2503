#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/instant.hpp"

namespace evergres::proxy {

/// How those who waited are let go once there is a leader again: not all at once onto a server with
/// cold caches. `first` at once, twice as many with each `step`, everybody after `steps_most`.
struct Ramp {
  std::uint32_t first = 1;
  Millis step{100};
  static constexpr unsigned steps_most = 16;
};

/// First in, first out, each with a deadline. Knows clients by ticket only, reads no clock, starts
/// nothing. Joining and leaving take constant time, without allocation once the queue has been as
/// long before. One thread.
class HoldQueue {
 public:
  /// Valid until its holder leaves, expires or is released; then no other is equal to it.
  struct Ticket {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
    auto operator<=>(const Ticket&) const = default;
  };

  explicit HoldQueue(std::size_t most) : most_(most) {}

  /// Nothing if as many wait as may.
  std::optional<Ticket> join(Instant deadline);
  /// The client was cancelled or went away. False if it waits no longer.
  bool leave(Ticket ticket);

  /// There is an open leader; from now on release() lets go. Opening again restarts the ramp.
  void open(Instant now, Ramp ramp);
  void close() { opened_.reset(); }

  /// Whether a newcomer need not wait: open, nobody before it, and the ramp has room. Counts as one
  /// that was let go.
  bool pass(Instant now);

  /// Takes out those whose deadline is not later than `now`, oldest first.
  void expire(Instant now, std::vector<Ticket>& expired);
  /// Takes out those whose turn it is, oldest first, at most `room`. expire() comes before: nobody
  /// is let go after its deadline.
  void release(Instant now, std::size_t room, std::vector<Ticket>& released);

  /// When expire(), or release() with this `room`, will have something to do, if nothing happens
  /// before. May be too early, never too late.
  [[nodiscard]] std::optional<Instant> next_wake(Instant now, std::size_t room) const;
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;
  struct Slot {
    Instant deadline;
    std::uint32_t generation = 0;
    std::uint32_t before = none;
    std::uint32_t behind = none;  ///< of a free slot: the next free one
    bool waits = false;
  };

  Ticket take_out(std::uint32_t at);
  [[nodiscard]] std::uint64_t allowed(Instant now) const;

  std::size_t most_;
  std::size_t size_ = 0;
  std::vector<Slot> slots_;
  std::uint32_t oldest_ = none;
  std::uint32_t newest_ = none;
  std::uint32_t free_ = none;
  Instant earliest_deadline_{INT64_MAX};  ///< a lower bound
  std::optional<Instant> opened_;
  Ramp ramp_;
  std::uint64_t let_go_ = 0;  ///< since it opened
};

}  // namespace evergres::proxy

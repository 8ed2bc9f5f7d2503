#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "base/instant.hpp"

namespace evergres::sim {

/// A point of the simulated world's own time, which no node can see.
struct Moment {
  std::int64_t nanos = 0;
  auto operator<=>(const Moment&) const = default;
  friend Moment operator+(Moment at, Nanos span) { return Moment{at.nanos + span.count()}; }
  friend Nanos operator-(Moment later, Moment earlier) {
    return Nanos{later.nanos - earlier.nanos};
  }
};

/// Everything that will happen, by time and then in the order in which it was put here. One thread.
class EventQueue {
 public:
  using Action = std::function<void()>;

  [[nodiscard]] Moment now() const { return now_; }
  [[nodiscard]] std::uint64_t done() const { return done_; }
  void at(Moment when, Action action) {
    events_.push(Event{when < now_ ? now_ : when, ++sequence_, std::move(action)});
  }
  void after(Nanos span, Action action) { at(now_ + span, std::move(action)); }

  /// Runs the next event, if it is due before `end`. Otherwise only time passes, up to `end`.
  bool step(Moment end) {
    if (events_.empty() || end < events_.top().when) {
      now_ = end;
      return false;
    }
    Event event = events_.top();
    events_.pop();
    now_ = event.when;
    ++done_;
    event.action();
    return true;
  }

 private:
  struct Event {
    Moment when;
    std::uint64_t sequence = 0;
    Action action;
    bool operator<(const Event& other) const {
      return when != other.when ? other.when < when : other.sequence < sequence;
    }
  };

  Moment now_;
  std::uint64_t sequence_ = 0;
  std::uint64_t done_ = 0;
  std::priority_queue<Event> events_;
};

}  // namespace evergres::sim

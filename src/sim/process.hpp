#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "sim/event_queue.hpp"

namespace evergres::sim {

/// Something that runs, is frozen, goes on, and dies. What it planned dies with it; what it planned
/// while it is frozen, or becomes due then, happens when it goes on, in order.
class Process {
 public:
  explicit Process(EventQueue& events) : events_(&events) {}

  [[nodiscard]] bool lives() const { return alive_; }
  [[nodiscard]] bool frozen() const { return frozen_ > 0; }
  [[nodiscard]] bool acts() const { return alive_ && frozen_ == 0; }
  /// Grows with every start and every death.
  [[nodiscard]] std::uint64_t life() const { return life_; }
  [[nodiscard]] EventQueue& events() const { return *events_; }

  void start() {
    alive_ = true;
    ++life_;
    held_.clear();
  }
  void kill() {
    alive_ = false;
    ++life_;
    held_.clear();
  }
  /// Counted: a process that was frozen twice must be thawed twice.
  void freeze() { ++frozen_; }
  void thaw() {
    if (frozen_ == 0 || --frozen_ > 0) return;
    std::vector<EventQueue::Action> held;
    held.swap(held_);
    for (auto& action : held) after(Nanos{1000}, std::move(action));
  }

  /// Plans of this life. `slowness` stretches what the processor does.
  void after(Nanos span, EventQueue::Action action) {
    events_->after(span * slowness, [this, life = life_, action = std::move(action)]() mutable {
      run(life, std::move(action));
    });
  }
  /// Something that comes from outside has arrived, for whichever life there is.
  void deliver(EventQueue::Action action) { run(life_, std::move(action)); }

  std::int64_t slowness = 1;

 private:
  void run(std::uint64_t life, EventQueue::Action action) {
    if (life != life_ || !alive_) return;
    if (frozen_ > 0) {
      held_.push_back([this, life, action = std::move(action)]() mutable {
        run(life, std::move(action));
      });
      return;
    }
    action();
  }

  EventQueue* events_;
  bool alive_ = false;
  int frozen_ = 0;
  std::uint64_t life_ = 0;
  std::vector<EventQueue::Action> held_;
};

}  // namespace evergres::sim

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/instant.hpp"
#include "base/result.hpp"

namespace evergres::proxy {

/// What is told when a descriptor becomes readable, writable or is hung up.
class Watcher {
 public:
  /// On the reactor's thread. It may forget and destroy itself and others.
  struct Ready {
    bool readable = false;  ///< also at the end of the stream: read() tells
    bool writable = false;
    /// The other side will send no more, or the connection is broken. Told once, perhaps together
    /// with its last bytes: tell the Stream (Stream::hung_up()), or its end goes unnoticed.
    bool hung_up = false;
  };
  virtual void ready(Ready what) = 0;

 protected:
  ~Watcher() = default;
};

/// One thread's epoll: edge-triggered, each descriptor is added once for everything and never
/// modified. Everything but post() and stop() belongs to the thread of run().
class Reactor {
 public:
  static Result<std::unique_ptr<Reactor>> make();
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  /// Valid until forget(); then no other is equal to it.
  struct Watch {
    std::uint32_t slot = UINT32_MAX;
    std::uint32_t generation = 0;
    auto operator<=>(const Watch&) const = default;
  };
  /// Edges that came before are told too. The descriptor stays the caller's: forget() it, then
  /// close it.
  Result<Watch> watch(int descriptor, Watcher& watcher);
  /// From now on `watcher` hears nothing, also not of what epoll has already reported. Does nothing
  /// with a Watch that is not valid.
  void forget(Watch watch);
  /// The watcher is told `readable` once more after everything else that is ready now: for those
  /// who stopped reading before the descriptor was empty, so that others get their turn.
  void again(Watch watch);

  /// Calls once at `at` or up to a millisecond later, never before. Allocates: not for every
  /// transaction.
  struct Timer {
    std::int64_t at = 0;
    std::uint64_t number = 0;
    auto operator<=>(const Timer&) const = default;
  };
  Timer call_at(Instant at, std::function<void()> what);
  void cancel(Timer timer);
  /// After the events that are being handled, before the next wait. What a deferred function defers
  /// comes a turn later, so that events get theirs.
  void defer(std::function<void()> what);
  /// Called at the end of every turn, after what was deferred, and before posted functions and
  /// timers, which may take long. A turn waits once for events. As long as each look finds many it
  /// looks again without waiting, for about a millisecond; where the events of a look take longer
  /// than that it is called between them.
  void at_turn_end(std::function<void()> what);
  /// From any thread; runs on the thread of run(), in the order of the calls.
  void post(std::function<void()> what);

  /// The time when the events that are being handled were fetched: one clock reading for all.
  [[nodiscard]] Instant now() const;
  /// Memory to read into, for the duration of one callback.
  [[nodiscard]] std::span<char> scratch();
  static constexpr std::size_t scratch_bytes = 64U << 10U;

  /// Until stop(), which any thread may call, also before. What was posted before stop() still
  /// runs.
  void run();
  void stop();

 private:
  struct Impl;
  explicit Reactor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace evergres::proxy

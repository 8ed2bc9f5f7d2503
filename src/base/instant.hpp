#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>

namespace evergres {

using Millis = std::chrono::milliseconds;
using Nanos = std::chrono::nanoseconds;

/// A point on CLOCK_BOOTTIME of this machine. It runs while the machine sleeps, is the same in
/// every process, and no change of the wall clock touches it. Comparable only on one machine.
struct Instant {
  std::int64_t nanos = 0;

  auto operator<=>(const Instant&) const = default;
  friend Instant operator+(Instant at, Nanos span) { return Instant{at.nanos + span.count()}; }
  friend Instant operator-(Instant at, Nanos span) { return Instant{at.nanos - span.count()}; }
  friend Nanos operator-(Instant later, Instant earlier) {
    return Nanos{later.nanos - earlier.nanos};
  }
};

/// Reads the clock. Not for core/: there time is an input.
Instant boot_now();

/// Wall time in milliseconds since 1970, for display only; never compared to decide anything.
std::int64_t wall_now_ms();

/// "2026-11-21 06:28:24.123+00" in UTC, for display.
std::string wall_text(std::int64_t wall_ms);

}  // namespace evergres

#pragma once

#include <cstdint>
#include <vector>

#include "checks/told.hpp"

namespace evergres::checks {

/// One look at a counter that only grows; with `by` > 0 it was increased by so much and `seen` is
/// what it was afterwards. `seen` counts only if it was told ok.
struct Count {
  std::int64_t by = 0;
  std::int64_t seen = 0;
  Told told = Told::unknown;
  Span span;
};
constexpr auto fields(const Count*) {
  return std::tuple{Field{"by", &Count::by}, Field{"seen", &Count::seen},
                    Field{"told", &Count::told}, Field{"span", &Count::span}};
}

/// `last`: the counter at the end; it began with 0. Kinds: backwards (less than what somebody saw
/// before this was asked for), same (two increases saw the same value), lost, and excess (what the
/// counter has too little, or more than all that may have happened).
Anomalies check_monotonic(const std::vector<Count>& counts, std::int64_t last);

}  // namespace evergres::checks

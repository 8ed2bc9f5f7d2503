#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/planted.hpp"

namespace evergres::sim {

/// How a planted mistake was found.
struct Catch {
  std::uint64_t seeds = 0;  ///< how many were run, the one that found it included
  std::string violation;
};

/// Runs seeds from `first` on with the mistake planted until one of them breaks an invariant;
/// nothing if `most` of them do not.
std::optional<Catch> hunt(Bug bug, std::uint64_t first, std::uint64_t most);

}  // namespace evergres::sim

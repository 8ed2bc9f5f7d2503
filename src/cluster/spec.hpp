#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/cluster_settings.hpp"

namespace evergres::cluster {

/// The settings of the cluster as the store keeps them under `spec`, with their version. It changes
/// only by compare-and-set, and its generation grows by one each time.
struct Spec {
  std::uint64_t generation = 0;
  std::string changed_by;            ///< "ann@db1", as the command line said
  std::int64_t changed_wall_ms = 0;  ///< for display
  /// What was altered by hand before this generation is taken back when it is applied.
  std::uint64_t reverted = 0;
  config::ClusterSettings settings;
  auto operator<=>(const Spec&) const = default;
};

/// The value for the store, and for the copy that each node keeps.
std::string spec_text(const Spec& spec);

/// Reads what spec_text wrote. The text may be hostile: whatever this version does not understand
/// whole (size, shape, an unknown option, a value out of range) is data_invalid, with all problems
/// in the detail, so that nobody obeys half of a document.
Result<Spec> parse_spec(std::string_view text);

}  // namespace evergres::cluster

#pragma once

#include <string>

#include "cluster/status.hpp"

namespace evergres::cli::demo {

/// What a cluster of `nodes` nodes still lacks to be up, as words for a progress line; "" if a
/// leader leads, every other node streams and all of them are voters.
std::string lacks(const cluster::ClusterStatus& status, std::size_t nodes);

}  // namespace evergres::cli::demo

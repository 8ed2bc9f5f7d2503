#pragma once

#include <string>

#include "base/result.hpp"
#include "config/node_settings.hpp"

namespace evergres::cli {

/// What `init` did.
struct NewCluster {
  std::string cluster_id;
  std::string system_id;
};

/// Creates the cluster with this node as its only member (PROTOCOL 1, Bootstrap): claims the record
/// by compare-and-set, runs initdb beside the data directory, writes the identity by
/// compare-and-set and moves the directory in place. Blocks; at most 3 minutes. A run of the same
/// node that was interrupted is continued. Errors: already_exists if the record or the data exist,
/// refused if another node has claimed, and those of the store and of initdb.
Result<NewCluster> initialise_cluster(const config::NodeSettings& settings);

}  // namespace evergres::cli

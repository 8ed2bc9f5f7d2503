#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "cluster/status.hpp"

/// Which nodes a rolling restart is about, and in which order.
namespace evergres::cli {

struct RollingChoice {
  std::vector<std::string> names;  ///< empty: all
  std::string role;                ///< "leader", "standby" or "" for both
  bool pending = false;            ///< only where a setting waits for a restart
};

/// The nodes in the order of their restart, each once: replicas, voters, the leader last. If what
/// waits lowers a limit of which a standby may not have less than its primary, the leader is first.
/// Errors: not_found for a name that the status does not have; refused if a chosen node is silent,
/// if limits are both raised and lowered, or if a node that must be first is not among them.
Result<std::vector<std::string>> rolling_order(const cluster::ClusterStatus& status,
                                               const RollingChoice& choice);

/// One line for people: what the restart of these nodes does.
std::string rolling_impact(const cluster::ClusterStatus& status,
                           const std::vector<std::string>& names);

}  // namespace evergres::cli

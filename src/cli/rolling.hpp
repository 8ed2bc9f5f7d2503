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
  bool pending = false;            ///< asked of the agents, not decided here
};

/// The nodes in the order of their restart: replicas, voters, the leader last; each once. Errors:
/// not_found for a name that the status does not have; refused if a chosen node is silent.
Result<std::vector<std::string>> rolling_order(const cluster::ClusterStatus& status,
                                               const RollingChoice& choice);

/// One line for people: what the restart of these nodes does.
std::string rolling_impact(const cluster::ClusterStatus& status,
                           const std::vector<std::string>& names);

}  // namespace evergres::cli

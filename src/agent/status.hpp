#pragma once

#include "agent/knowledge.hpp"
#include "cluster/status.hpp"

namespace evergres::agent {

/// The cluster as this agent sees it, for people.
cluster::ClusterStatus status_of(const Knowledge& knowledge, const std::string& cluster_name);

}  // namespace evergres::agent

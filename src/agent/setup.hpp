#pragma once

#include "agent/agent.hpp"
#include "agent/operations/operation.hpp"

namespace evergres::agent {

/// Finds PostgreSQL's programs, reads the secret, derives the replication password.
Result<Setup> make_setup(const config::NodeSettings& settings);

/// The part of preflight() that asks the store: that it holds this cluster, that the data directory
/// belongs to it, and that no other living node uses this name. Waits while the store is locked.
Outcome check_store(const Setup& setup, const Progress& progress);

}  // namespace evergres::agent

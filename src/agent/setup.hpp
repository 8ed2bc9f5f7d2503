#pragma once

#include "agent/operations/operation.hpp"

namespace evergres::agent {

/// Finds PostgreSQL's programs, reads the secret, derives the replication password.
Result<Setup> make_setup(const config::NodeSettings& settings);

}  // namespace evergres::agent

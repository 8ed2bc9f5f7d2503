#pragma once

#include "base/result.hpp"
#include "config/node_settings.hpp"

namespace evergres::agent {

/// What must hold before a node starts, checked by `evergres run` in the foreground: programs, data
/// directory, ports, secret, store, and that no other node uses this name. An Error is a refusal;
/// nothing was changed.
Outcome preflight(const config::NodeSettings& settings);

/// The whole life of the agent process; returns its exit status. The supervisor runs already.
int run_agent(const config::NodeSettings& settings);

}  // namespace evergres::agent

#pragma once

#include <functional>
#include <string>

#include "agent/services.hpp"
#include "base/result.hpp"
#include "config/node_settings.hpp"

namespace evergres::agent {

/// Says what is being waited for.
using Progress = std::function<void(const std::string&)>;
void say_on_stderr(const std::string& text);

/// What must hold before a node starts, checked by `evergres run` in the foreground: programs, data
/// directory, ports, secret, store, and that no other node uses this name. An Error is a refusal;
/// nothing was changed. A store that is locked is waited for, without end: PostgreSQL does not run
/// yet, and the lock says nothing against this node. SIGTERM ends the wait.
Outcome preflight(const config::NodeSettings& settings, const Progress& progress = say_on_stderr);

/// The whole life of the agent process; returns its exit status. The supervisor runs already.
/// `service`, if there is one, shows this agent to others.
int run_agent(const config::NodeSettings& settings, Service service = {});

}  // namespace evergres::agent

#pragma once

#include <sys/types.h>

#include "supervisor/settings.hpp"

namespace evergres::supervisor {

/// Exit status of a supervisor that could not begin: its socket or its directories are not usable.
inline constexpr int exit_could_not_begin = 2;

inline constexpr Millis sign_of_life_interval{500};

/// The whole life of the supervisor process; returns its exit status. Called by the keeper in the
/// child that it forked. Starts the agent and keeps it alive, serves the socket (protocol.hpp),
/// starts and stops PostgreSQL, ends it when its grant ends.
///
/// `keeper` is the parent; when it is gone everything is stopped at once. A byte is written to
/// `life_fd` (non-blocking) once the socket can be connected to, and then about every
/// `sign_of_life_interval` for as long as the loop turns.
///
/// SIGTERM and SIGINT end the endpoint (which has `drain_deadline` for its clients), stop
/// PostgreSQL fast (both at once and immediately at the second signal), then the agent, and end the
/// supervisor with 0. SIGHUP is passed to agent and endpoint.
int run_supervisor(const Settings& settings, pid_t keeper, int life_fd);

}  // namespace evergres::supervisor

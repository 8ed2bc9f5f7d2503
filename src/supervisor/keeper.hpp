#pragma once

#include "supervisor/settings.hpp"

namespace evergres::supervisor {

/// The whole life of `evergres run`; returns its exit status. Call it from the main thread of a
/// process with one thread and no children; it blocks and keeps SIGCHLD, SIGTERM, SIGINT, SIGHUP
/// and SIGUSR2.
///
/// The keeper becomes a child subreaper, forks the supervisor and forwards SIGTERM, SIGINT,
/// SIGHUP (read files anew) and SIGUSR2 (replace the endpoint's process) to it. A supervisor that shows no life for `silent_agent_limit`, but at least 10 s, is
/// killed. One that dies unasked is replaced, but only after every process that it
/// left behind (PostgreSQL, the agent, their children) was killed and waited for. If the keeper
/// dies, the supervisor ends everything.
///
/// Returns 0 after an orderly stop, 1 if the supervisor could not begin at all (the reason is on
/// stderr). Tells systemd READY=1 and STOPPING=1 if NOTIFY_SOCKET is set.
int run_keeper(const Settings& settings);

}  // namespace evergres::supervisor

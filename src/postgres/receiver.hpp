#pragma once

#include <sys/types.h>

#include <string_view>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "postgres/server.hpp"

namespace evergres::postgres {

/// Whether a process title is a walreceiver's: "postgres: [cluster: ]walreceiver [activity]". It
/// also matches a session of a role named `walreceiver`; terminating that by mistake is the
/// harmless side.
bool is_receiver_title(std::string_view title);

/// The walreceiver processes whose parent is this postmaster, from /proc and not from the view: the
/// view hides a receiver that has not begun to stream. Zombies do not count.
Result<std::vector<pid_t>> receiver_processes(pid_t postmaster);

/// Ends replication into this server. The caller has replaced the service file by the empty one
/// before. SIGTERMs every walreceiver (never SIGKILL: the postmaster would crash with it) until two
/// scans 5 ms apart find none. Success means: nothing of the old upstream is or will be written. A
/// receiver sets its title before it reads the service file, so one that the first scan cannot see
/// by its title yet will read the empty file; one that read the old file is seen. `timed_out` means
/// unknown; `not_found` that the postmaster is gone.
Outcome cut_receiver(pid_t postmaster, Instant deadline);

}  // namespace evergres::postgres

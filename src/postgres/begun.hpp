#pragma once

#include <filesystem>
#include <vector>

#include "base/names.hpp"
#include "base/result.hpp"
#include "postgres/server.hpp"

namespace evergres::postgres {

/// The timelines that began on this server, ascending: it was promoted onto them, by its agent or
/// by somebody else. Those of evergres.begun, which names the node so that a copy says nothing, and
/// one that is not noted yet: every start of ours writes standby.signal, and a promotion makes the
/// first segment of its timeline, removes the signal and then writes the history file, each durably
/// (xlog.c, StartupXLOG, 14 to 18). So where the signal is absent the newest history file is of a
/// promotion here, unless newer segments say that a promotion was cut off in between: then it is of
/// the parent, and nothing began. Of a stopped server, or one that runs as a standby.
/// `data_invalid` if the file is damaged.
Result<std::vector<TimelineId>> timelines_begun(const Server& server);

/// Whether standby.signal is gone: a promotion began since the start. Nothing but its certain
/// absence is absence.
Result<bool> signal_is_absent(const Server& server);

/// Keeps what timelines_begun() finds, durably: before each start, which writes standby.signal.
Outcome note_timelines_begun(const Server& server);

/// Forgets those that are not among `held`, the ones that its WAL went through: what is streamed
/// of them from now on began elsewhere. Before the server attaches to anybody.
Outcome keep_timelines_begun(const Server& server, const std::vector<TimelineId>& held);

/// For a data directory that was copied from another server, before anything of it is started.
Outcome forget_timelines_begun(const std::filesystem::path& data);

}  // namespace evergres::postgres

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/lsn.hpp"
#include "base/names.hpp"
#include "base/result.hpp"
#include "postgres/control_file.hpp"
#include "postgres/server.hpp"
#include "postgres/wal_end.hpp"

namespace evergres::postgres {

/// One line of a timeline history file: the timeline was left at this position.
struct HistoryStep {
  TimelineId parent;
  Lsn switch_lsn;
  auto operator<=>(const HistoryStep&) const = default;
};

/// The line that marks a placeholder. The supervisor removes such files before a start.
inline constexpr std::string_view reserved_mark = "# evergres reserved";

/// Oldest first. Comments and blank lines are skipped; ids must grow (timeline.c
/// readTimeLineHistory). Positions need not: a standby that had fetched the history of timeline 3
/// and was promoted before it got to where that one leaves timeline 2 writes "2 until there" and
/// "3 until here" (xlog.c names recoveryTargetTLI as the parent), and has nothing of timeline 3.
Result<std::vector<HistoryStep>> parse_history(std::string_view text);

/// "00000003.history".
std::string history_file_name(TimelineId timeline);

/// The history of a timeline from pg_wal; empty for timeline 1. `not_found` if the file is absent.
Result<std::vector<HistoryStep>> read_history(const Server& server, TimelineId timeline);

/// The highest timeline id that any file in pg_wal names (history files, placeholders, segments,
/// partial segments); nothing if there are none. A new timeline must be above it.
Result<std::optional<TimelineId>> newest_timeline(const Server& server);

/// Makes the next promotion of a server on `parent` use the id `wanted`: PostgreSQL takes the first
/// id above its own without a history file (timeline.c findNewestTimeLine), so every free id
/// between gets a placeholder. It names no ancestors: a server that rescans timelines reads it as
/// "not a child" and stays where it is. Durable; a file that is there stays, also one that a
/// promotion writes in the same moment. `already_exists` if `wanted` has a history file, `usage` if
/// more than 2000 would be needed.
Outcome reserve_history(const Server& server, TimelineId parent, TimelineId wanted);

/// Placeholders between the newest timeline of a clone and its parent: pg_basebackup fetches the
/// history of that timeline alone, and a standby that comes from the parent asks its upstream for
/// all files in between (walreceiver.c WalRcvFetchTimeLineHistoryFiles).
Outcome reserve_below_newest(const Server& server);

/// A start in recovery follows the newest timeline, which PostgreSQL seeks above that of the last
/// checkpoint and of the least end of recovery, up to the first id without a file. If what is
/// recovered is not on its way, each start ends with "requested timeline is not a child of this
/// server's history" (xlogrecovery.c). These are the timelines, from the newest down to one that
/// can be followed, whose histories must go before: the upstream has them, and nothing of the WAL
/// here is on them. None if only placeholders are in the way, which every start removes. What
/// cannot be read ends the search, PostgreSQL says more about it.
/// With `end`, where all WAL here ends, also those that the WAL passed by, and whatever is newer:
/// recovery reads on beyond the place where they leave its timeline, and a promotion names the one
/// that is followed as its parent. That need not be the newest: what comes later and is no child of
/// it is not adopted (xlogrecovery.c rescanLatestTimeLine). The placeholders below the lowest of
/// them too: a start would seek WAL of the last one for ever.
Result<std::vector<TimelineId>> what_is_no_child(const Server& server, const ControlFile& control,
                                                 const std::optional<WalEnd>& end = {});

/// Removes the history files of timelines above `newest` from pg_wal of a stopped server, durably:
/// a rewound server must not take a timeline of its former life for the latest one.
Outcome forget_timelines_above(const Server& server, TimelineId newest);

/// The timelines that files in pg_wal name, ascending.
struct WalFiles {
  std::vector<TimelineId> histories;  ///< with a history file, placeholders among them
  std::vector<TimelineId> segments;   ///< with a segment, also a partial one
};
Result<WalFiles> wal_files(const Server& server);

/// The timelines whose history file in pg_wal is a placeholder, ascending.
Result<std::vector<TimelineId>> reserved_histories(const Server& server);

}  // namespace evergres::postgres

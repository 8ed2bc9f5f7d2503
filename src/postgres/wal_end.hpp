#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/instant.hpp"
#include "base/lsn.hpp"
#include "base/names.hpp"
#include "base/result.hpp"
#include "postgres/control_file.hpp"
#include "postgres/server.hpp"

namespace evergres::postgres {

/// One line of pg_waldump about a record.
struct WalRecordLine {
  Lsn begin;
  std::uint32_t total_bytes = 0;  ///< with full-page images
  bool is_switch = false;         ///< XLOG SWITCH: the rest of the segment belongs to it
};
std::optional<WalRecordLine> parse_record_line(std::string_view line);

/// Where a record of this length ends, page headers included and rounded up to 8: the LSN that
/// PostgreSQL would report as flushed after it.
Lsn end_of_record(const WalRecordLine& record, std::uint32_t block_bytes,
                  std::uint32_t segment_bytes);

/// The end of valid WAL of one timeline, read offline with pg_waldump. `from` is where a record
/// begins or ends (a checkpoint, the replay position); it is the answer if no valid record follows.
/// For a stopped server or one whose receiver was cut. A missing first segment is `not_found`,
/// anything that pg_waldump says which is not an end of WAL is `postgres_failed`.
Result<Lsn> end_of_wal(const Server& server, TimelineId timeline, Lsn from, Instant deadline,
                       const std::stop_token& stop = {});

/// Where the WAL in pg_wal ends, and on which timeline.
struct WalEnd {
  TimelineId timeline;
  Lsn lsn;
};

/// The same along the timelines: a server that replays `timeline` at `from` may already hold WAL of
/// a descendant that it has not replayed (a paused replay, a restart, a control file that is older
/// than a switch of timelines). The newest descendant with a valid record behind its beginning
/// counts, as recovery_target_timeline = latest would choose it; else `timeline` itself.
/// Placeholder histories are no descendants. A history file that cannot be read is an Error: the
/// end is unknown.
Result<WalEnd> end_along_timelines(const Server& server, TimelineId timeline, Lsn from,
                                   Instant deadline, const std::stop_token& stop = {});

/// Of which timeline the last byte before `received` is, on a standby that replays `replayed` at
/// `replay` and flushed up to `received` by streaming.
Result<TimelineId> timeline_of_received(const Server& server, TimelineId replayed, Lsn replay,
                                        Lsn received, Instant deadline);

/// The end of the WAL of a server that is stopped, from its control file (read after the stop). Of
/// one that was stopped cleanly as a primary it is the end of the shutdown checkpoint, and no
/// program is run.
Result<WalEnd> end_of_stopped(const Server& server, const ControlFile& control, Instant deadline,
                              const std::stop_token& stop = {});

}  // namespace evergres::postgres

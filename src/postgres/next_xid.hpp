#pragma once

#include <cstdint>
#include <optional>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "postgres/session.hpp"

namespace evergres::postgres {

/// The first transaction id, with its epoch (xid8), that a promoted server gives out on its
/// timeline; every id below it was given out, or skipped, before the promotion. Asked as soon as
/// possible after a promotion.
///
/// What is asked is the end of a snapshot. It is the next id as long as no transaction with an id
/// has ended since (procarray.c, GetSnapshotData; xlog.c, StartupXLOG). One that has ended wrote a
/// record about it: the answer is given only if there is no room for one between the end of the
/// promotion's own record, which the control file names until the next checkpoint is complete, and
/// what has been written since. So it does not matter who is connected, nor what came and went.
///
/// Nothing: it is not certain, because something was written, or the server is still in recovery or
/// was not promoted in this start. A checkpoint or a look of the background writer at that very
/// moment has the same effect.
Result<std::optional<std::uint64_t>> next_xid(Session& session, Instant deadline);

}  // namespace evergres::postgres

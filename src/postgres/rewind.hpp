#pragma once

#include <functional>
#include <span>
#include <stop_token>
#include <string>

#include "base/instant.hpp"
#include "base/lsn.hpp"
#include "base/names.hpp"
#include "base/result.hpp"
#include "core/position.hpp"
#include "postgres/settings.hpp"
#include "postgres/standstill.hpp"
#include "postgres/upstream.hpp"

namespace evergres::postgres {

using OnProgress = std::function<void(const std::string& text)>;

struct RewindRequest {
  Upstream source;          ///< a primary that checkpointed on its timeline
  Incarnation incarnation;  ///< the new one; the caller has replaced it and written the sentinel
  Configuration configuration;
  int major = 0;
  std::vector<std::string> slots = {};  ///< to remove: they belong to WAL that goes
};

/// The beginning of pg_rewind, without a change: the source is reached, the place where our WAL
/// leaves its own is found, with the checkpoint before it, and what would be copied is known.
/// Refused unless the server was stopped cleanly. Whoever asks this first gives nothing up for a
/// source that is gone, or that cannot be rewound to.
Outcome rehearse_rewind(const Server& server, const Upstream& source, const OnProgress& on_progress,
                        Instant deadline, const std::stop_token& stop = {});

/// pg_rewind of the stopped server.data. Refused unless it was stopped cleanly (start once without
/// upstream otherwise) and both the new incarnation and the sentinel are on disk. Afterwards
/// incarnation and configuration are our own again (pg_rewind copies the source's), slots named
/// evg_* and those of the request are gone. The sentinel stays in every case: a rewound server is
/// consistent only once it has streamed up to where the source was, and the caller removes it then.
/// After a failure the next rung of the ladder is a clone.
Outcome rewind(const Server& server, const RewindRequest& request, const OnProgress& on_progress,
               Instant deadline, const std::stop_token& stop = {});

/// What pg_rewind waits for from each of its lines on; it lives as long as the program.
std::span<const CopyStage> rewind_stages();

/// Copies what is in pg_wal of `parts`, each up to its end, from `from` on, into
/// state_dir/tails/<timeline of the first>-<lsn>/, durably, so that what a rewind throws away can
/// still be looked at. At most the 3 newest tails are kept; one that fails half-way is removed.
Outcome keep_tail(const Server& server, std::span<const core::Position> parts, Lsn from,
                  Instant deadline);

}  // namespace evergres::postgres

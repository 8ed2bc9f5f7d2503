#pragma once

#include "core/quorum.hpp"
#include "postgres/server.hpp"

namespace evergres::agent {

/// Adds to a fence's answer which timelines its WAL went through, from the history files in pg_wal,
/// and the highest timeline id that was ever seen there. If one of them cannot be read, is absent
/// or makes no sense, the answer loses its position and says why: an end of WAL without its lineage
/// could be taken for more than it is, and acknowledged commits be dropped for it. Blocks on the
/// disk.
void add_lineage(core::Fenced& fenced, const postgres::Server& server);

}  // namespace evergres::agent

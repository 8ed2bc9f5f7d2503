#pragma once

#include <string_view>

namespace evergres::proxy {

/// Whether a server could take whoever calls itself so in application_name for one of the standbys
/// that acknowledge commits: the names of our receivers begin with "evg_", and a server that does
/// not lead waits for "~nobody". Case does not count (syncrep.c, SyncRepGetStandbyPriority).
bool is_voter_name(std::string_view application_name);

}  // namespace evergres::proxy

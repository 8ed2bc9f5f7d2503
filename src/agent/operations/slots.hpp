#pragma once

#include <string>
#include <vector>

#include "agent/operations/operation.hpp"

namespace evergres::agent {

bool has_logical_slots(const core::Wanted& wanted);

/// On a server that was just promoted, before it admits writers: the declared logical slots are
/// made anew, unless nobody else led since they were used here. Gives up at the deadline: the
/// opening does not wait for longer. Returns what the history has to say, also logged.
std::vector<std::string> renew_logical_slots(Hands& hands, Instant deadline);

/// The permanent slots that Evergres made on this server, as far as is noted.
std::vector<std::string> names_of_made_slots(const Hands& hands);

/// Before a start: if PostgreSQL would refuse it because wal_level is not logical any more and a
/// logical slot of ours is here, that slot is removed.
Outcome remove_what_refuses_the_start(Hands& hands, const postgres::Configuration& configuration);

}  // namespace evergres::agent

#pragma once

#include "agent/operations/operation.hpp"

namespace evergres::agent {

/// Once a new leader is open its clients connect, all at once. What nobody waits for lets them go
/// first for this long: on few cores, or one disk, it would hold up every one of them.
inline constexpr Millis head_start{100};

/// What is left of it on the leader that opened `term` in this run of the agent; zero for any
/// other.
Nanos left_after_opening(const TermTimes& times, Term term, Instant now);

/// The same on the leader that stopped for its handover, from the moment at which it learns that
/// the next one is open. Zero for every other node, and long after the handover.
Nanos left_after_handover(const core::Situation& situation, Instant now);

/// Lets `left` pass. Error cancelled if something more urgent comes up.
Outcome let_clients_go_first(Hands& hands, Nanos left);

}  // namespace evergres::agent

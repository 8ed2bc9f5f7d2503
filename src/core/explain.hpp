#pragma once

#include <string>
#include <vector>

#include "core/situation.hpp"

namespace evergres::core {

/// "DEGRADED: …" if commits are held by fewer nodes than wanted; empty otherwise.
std::string degraded_text(const Situation& s);

/// Several lines about one node: its role, its position, whether it could lead and why not.
std::string explain_node(const Situation& s, const NodeName& node);

/// Several lines about a failover if it had to happen now, or the one that is under way: who is in
/// charge, what every recorded policy needs, who answers what, which rule decides here.
std::string explain_election(const Situation& s);

/// What an operator's failover with accepted loss may lose: bytes and seconds, as far as known.
std::string loss_at_risk(const Situation& s);

}  // namespace evergres::core

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/situation.hpp"

/// Cascading: a node that is tagged `replicatefrom` streams from a standby instead of the leader.
/// It never votes, is fenced as every node is, and falls back to the leader when that standby does
/// not stream (decision 0027).
namespace evergres::core {

/// The standby that our tag names, if it can be streamed from now.
struct WishedUpstream {
  std::optional<Seat> seat;
  bool worth_waiting = false;  ///< it is about to stream: no need for the leader meanwhile
  std::string why_not;         ///< a sentence without a full stop; empty without such a tag
};
WishedUpstream wished_upstream(const Situation& s);

/// Whether `node` streams from somebody else than us in the term of the record: then its WAL need
/// not be kept here.
bool streams_elsewhere(const Situation& s, const NodeName& node);

/// Nodes whose tag names this one as their upstream, heard or not: their slots here are kept.
std::vector<NodeName> tagged_to_follow_us(const Situation& s);

/// The nodes that want to stream from this standby.
std::vector<NodeName> followers_of_this_standby(const Situation& s);

/// The standby to clone from: tagged `clonefrom`, streaming, close behind the leader. Nothing after
/// a failed try: then the leader.
std::optional<NodeName> clone_source(const Situation& s);

}  // namespace evergres::core

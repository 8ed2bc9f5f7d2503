#include "core/cascade.hpp"

#include <algorithm>

#include "core/intent.hpp"
#include "core/view.hpp"

namespace evergres::core {
namespace {

constexpr Millis patience{5000};             ///< for a standby that is about to stream
constexpr Millis between_two_tries{30'000};  ///< of the standby after it had failed
constexpr std::uint64_t close_behind = 1U << 20U;
constexpr std::uint64_t fresh_enough = 16U << 20U;

bool waited(const Situation& s, Millis span) {
  return s.server.not_receiving_since && s.now - *s.server.not_receiving_since >= span;
}

/// It streams in the term of the record, so that all it has is the leader's.
bool is_attached(const Situation& s, const Heartbeat& said) {
  return said.server == ServerState::standby && said.receiving && said.upstream &&
         said.upstream->term == s.record->term && !said.seat.incarnation.empty();
}

/// Whether the way from `node` up to the leader is free of us.
bool leads_to_the_leader(const Situation& s, NodeName node) {
  for (std::size_t step = 0; step <= s.peers.size(); ++step) {
    if (node == s.me) return false;
    if (node == s.record->leader->node) return true;
    const Heartbeat* said = fresh_word(s, node);
    if (said == nullptr || !is_attached(s, *said)) return false;
    node = said->upstream->node;
  }
  return false;
}

bool was_repointed_lately(const Situation& s) {
  const auto last = s.attempts.find(Follow::kind);
  return last != s.attempts.end() && last->second.term == s.record->term && s.server.upstream &&
         s.now - last->second.ended < between_two_tries;
}

/// A standby that is behind us would refuse us.
bool is_not_behind_us(const Situation& s, const Heartbeat& said) {
  return said.position && s.server.position &&
         bytes_between(said.position->lsn, s.server.position->lsn) <= close_behind;
}

}  // namespace

WishedUpstream wished_upstream(const Situation& s) {
  const Tags tags = tags_of(s, s.me);
  if (!streams_voteless(s) || s.record->phase != Phase::leading) return {};
  const NodeName& name = *tags.replicatefrom;
  const NodeName& leader = s.record->leader->node;
  if (name == s.me || leader == s.me || leader == name) return {};
  const Heartbeat* said = fresh_word(s, name);
  if (said == nullptr) return {std::nullopt, false, name.value + " is not heard"};
  const bool ours = s.server.upstream && s.server.upstream->term == s.record->term;
  const bool points_there = ours && s.server.upstream->node == name;
  if (!is_attached(s, *said)) {
    const bool begins = said->server == ServerState::standby && !ours && !waited(s, patience);
    return {std::nullopt, begins, name.value + " does not stream itself"};
  }
  if (!leads_to_the_leader(s, name))
    return {std::nullopt, false, name.value + " does not stream from the leader, but from us"};
  if (points_there) {
    if (s.server.receiving || !waited(s, patience)) return {said->seat, false, ""};
    return {std::nullopt, false, name.value + " gives us no WAL"};
  }
  if (was_repointed_lately(s))
    return {std::nullopt, false, name.value + " is tried again in a while"};
  if (!is_not_behind_us(s, *said)) return {std::nullopt, false, name.value + " is behind us"};
  return {said->seat, false, ""};
}

bool streams_elsewhere(const Situation& s, const NodeName& node) {
  const Heartbeat* said = fresh_word(s, node);
  return said != nullptr && said->tags && said->tags->replicatefrom && said->receiving &&
         said->upstream && said->upstream->term == s.record->term && said->upstream->node != s.me;
}

std::vector<NodeName> tagged_to_follow_us(const Situation& s) {
  std::vector<NodeName> nodes;
  for (const auto& [name, peer] : s.peers) {
    if (tags_of(s, name).replicatefrom == s.me) nodes.push_back(name);
  }
  return nodes;
}

std::vector<NodeName> followers_of_this_standby(const Situation& s) {
  std::vector<NodeName> nodes = tagged_to_follow_us(s);
  std::erase_if(nodes, [&](const NodeName& node) { return !is_heard(s, s.peers.at(node)); });
  return nodes;
}

std::optional<NodeName> clone_source(const Situation& s) {
  const auto tried = s.attempts.find(Clone::kind);
  if (tried != s.attempts.end() && tried->second.failures > 0) return std::nullopt;
  const Heartbeat* leader = fresh_word(s, s.record->leader->node);
  if (leader == nullptr || !leader->position) return std::nullopt;
  std::optional<NodeName> best;
  std::uint64_t least = fresh_enough;
  for (const auto& [name, peer] : s.peers) {
    const Heartbeat* said = fresh_word(s, name);
    if (said == nullptr || !said->tags || !said->tags->clonefrom || !said->position) continue;
    if (!is_attached(s, *said) || !leads_to_the_leader(s, name)) continue;
    const std::uint64_t behind = bytes_between(said->position->lsn, leader->position->lsn);
    if (behind >= least) continue;
    best = name;
    least = behind;
  }
  return best;
}

}  // namespace evergres::core

#include <algorithm>

#include "core/view.hpp"

namespace evergres::core {
namespace {

/// How old the position in a heartbeat of a version may be that does not say it: a leader's agent
/// looks at its server twice a second, and waits a second for its answer.
constexpr Millis oldest_look{1500};

/// A node may claim any age of what it heard; beyond this they are all alike.
constexpr Millis oldest_age{std::chrono::hours{24}};

Millis lease_of(const Situation& s) {
  if (!s.record->lease_ms) return s.tuning.grant_length;
  return Millis{static_cast<std::int64_t>(*s.record->lease_ms)};
}

/// A word of whoever leads under the current policy, not older than a lease when that leader
/// renewed for the last time that is known.
bool says_something(const Situation& s, const LastWord& word) {
  const Policy& lost = s.record->policy.current;
  if (word.leader != lost.leader || word.term != lost.term) return false;
  return !s.renewed_since || word.heard_at >= *s.renewed_since - lease_of(s);
}

/// Whether an operator would let this node take over by itself, or it led last.
bool may_take_over(const Situation& s, const NodeName& node) {
  if (hand_fence(*s.record, node) != nullptr) return false;
  return !tags_of(s, node).nofailover || s.record->policy.current.leader.node == node;
}

/// The position that would be chosen among these nodes, as they say now.
std::optional<Position> best_position(const Situation& s, const std::vector<Seat>& seats) {
  const TimelineTree tree(s.record->lineage);
  std::optional<Position> best;
  const auto note = [&](const std::optional<Position>& position) {
    if (!position) return;
    const bool better = !best || rank_of(*position, tree, s.record->lineage) >
                                     rank_of(*best, tree, s.record->lineage);
    if (better) best = position;
  };
  for (const Seat& seat : seats) {
    if (!may_take_over(s, seat.node)) continue;
    if (seat.node == s.me) {
      note(s.server.position);
    } else if (const Heartbeat* said = fresh_word(s, seat.node)) {
      note(said->position);
    }
  }
  return best;
}

}  // namespace

void note_last_word(Situation& s, const Heartbeat& said, Instant alive_at) {
  if (!s.record || !said.position) return;
  const Record& record = *s.record;
  const bool leads =
      record.phase == Phase::leading && record.leader == said.seat && said.term == record.term;
  auto& word = s.last_word;
  // Also when it does not lead any more: its WAL only grows, until it is another incarnation.
  const bool led =
      word && word->leader == said.seat && word->position.timeline == said.position->timeline;
  if (!leads && !led) return;
  const Term term = leads ? record.term : word->term;
  const bool further = !led || word->term != term || said.position->lsn >= word->position.lsn;
  if (!further) return;
  // While its server does not answer its agent repeats what it saw before, however long ago.
  if (said.server == ServerState::primary) {
    const Millis age = std::clamp(said.position_age.value_or(oldest_look), Millis{0}, oldest_age);
    word = LastWord{said.seat, term, *said.position, alive_at - age};
  } else if (led && word->term == term) {
    word->position = *said.position;
  }
}

std::optional<LastWord> furthest_word(const Situation& s) {
  if (!s.record) return std::nullopt;
  std::optional<LastWord> furthest;
  const auto key = [](const LastWord& word) { return std::pair{word.position.lsn, word.heard_at}; };
  const auto consider = [&](const LastWord& word) {
    if (!says_something(s, word)) return;
    if (!furthest || key(word) > key(*furthest)) furthest = word;
  };
  if (s.last_word) consider(*s.last_word);
  for (const auto& [name, peer] : s.peers) {
    if (!peer.said || !peer.said->last_word || !peer.alive_at) continue;
    LastWord told = *peer.said->last_word;
    const Millis age = peer.said->last_word_age.value_or(Millis{0});
    told.heard_at = *peer.alive_at - std::clamp(age, Millis{0}, oldest_age);
    consider(told);
  }
  return furthest;
}

std::optional<LastWord> last_word_of_the_unread(const Situation& s) {
  if (!s.record) return std::nullopt;
  for (const Fenced& answer : fenced_answers(s)) {
    if (answer.seat == s.record->policy.current.leader && answer.position) return std::nullopt;
  }
  return furthest_word(s);
}

std::optional<Instant> lease_end(const Situation& s) {
  if (!s.record || !s.record->lease_ms || !s.renewed_since) return std::nullopt;
  return *s.renewed_since + Millis{static_cast<std::int64_t>(*s.record->lease_ms)} + lease_margin;
}

bool lease_has_ended(const Situation& s) {
  const auto end = lease_end(s);
  return end && s.now >= *end;
}

std::vector<std::string> what_a_failover_lacks(const Situation& s, const std::vector<Seat>& seats) {
  const Record& record = *s.record;
  if (covers_all(record.policy, seats)) return {};
  if (!only_async_is_uncovered(record.policy, seats)) return what_is_missing(record.policy, seats);
  std::vector<std::string> sentences;
  if (!is_majority(record, seats)) {
    sentences.push_back("durability async needs promises of more than half of the " +
                        std::to_string(record.members.size()) + " members, " +
                        std::to_string(seats.size()) + " could promise");
  }
  const auto best = best_position(s, seats);
  if (!best) {
    sentences.emplace_back("no position of a node that could lead is known");
  } else if (const Loss loss =
                 possible_loss(record, furthest_word(s), *best, TimelineTree(record.lineage));
             !is_tolerable(loss, record)) {
    sentences.push_back(too_much(loss, record));
  }
  return sentences;
}

}  // namespace evergres::core

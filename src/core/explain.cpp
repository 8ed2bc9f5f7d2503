#include "core/explain.hpp"

#include <algorithm>
#include <cstdio>

#include "core/decide.hpp"
#include "core/view.hpp"

namespace evergres::core {
namespace {

bool is_voter(const Policy& policy, const Seat& seat) {
  return std::find(policy.voters.begin(), policy.voters.end(), seat) != policy.voters.end();
}

std::string position_text(const std::optional<Position>& position) {
  if (!position) return "position unknown";
  return position->lsn.text() + " on timeline " + std::to_string(position->timeline.value);
}

std::string seconds_text(Nanos span) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(span.count()) / 1e9);
  return text;
}

/// The seats that could be fenced if the leader vanished now: all other nodes that are heard.
std::vector<Seat> seats_without_the_leader(const Situation& s) {
  std::vector<Seat> seats;
  const NodeName leader = s.record->leader ? s.record->leader->node : NodeName{};
  if (const auto seat = my_seat(s); seat && s.me != leader) seats.push_back(*seat);
  for (const auto& [name, peer] : s.peers) {
    const Heartbeat* said = fresh_word(s, name);
    if (said != nullptr && name != leader) seats.push_back(said->seat);
  }
  return seats;
}

std::string peer_line(const Situation& s, const NodeName& name, const Peer& peer) {
  std::string line = "  " + name.value + ": ";
  if (peer.refused) return line + "its agent's port refuses connections";
  if (!peer.said || !peer.alive_at) return line + "never heard";
  if (!is_heard(s, peer)) return line + "silent for " + seconds_text(s.now - *peer.alive_at);
  const Heartbeat& said = *peer.said;
  line += std::string(word_of(said.server)) + ", " + position_text(said.position) + ", promise " +
          std::to_string(said.promise.term.value);
  if (said.fenced) line += ", fenced for term " + std::to_string(said.fenced->term.value);
  return line +
         (said.sees_somebody_in_charge ? ", sees somebody in charge" : ", sees nobody in charge");
}

std::optional<std::string> state_in_the_way(const Situation& s, const NodeName& node) {
  if (node == s.me) {
    if (s.server.rebuilding) return "it is being rebuilt";
    if (s.server.state != ServerState::standby) {
      return "its PostgreSQL is " + std::string(word_of(s.server.state)) +
             (s.server.trouble.empty() ? "" : " (" + s.server.trouble + ")");
    }
    return std::nullopt;
  }
  const auto found = s.peers.find(node);
  if (found == s.peers.end()) return "no node of this name is known";
  const Peer& peer = found->second;
  if (!peer.said || peer.refused || !is_heard(s, peer)) return "its agent is not heard";
  if (peer.said->term != s.record->term) return "it has not seen the current record yet";
  if (peer.said->server != ServerState::standby) {
    return "its PostgreSQL is " + std::string(word_of(peer.said->server)) +
           (peer.said->trouble.empty() ? "" : " (" + peer.said->trouble + ")");
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> why_not_inherit(const Situation& s, const NodeName& node,
                                           bool insisted) {
  if (!s.record) return "the record is not known";
  if (s.record->leader && s.record->leader->node == node && s.record->phase == Phase::leading)
    return std::nullopt;
  if (const HandFence* fence = hand_fence(*s.record, node)) {
    return "it is fenced by " + fence->who + (fence->why.empty() ? "" : " (" + fence->why + ")");
  }
  if (tags_of(s, node).nofailover && !insisted) return "it is tagged nofailover";
  if (auto state = state_in_the_way(s, node)) return state;
  const Heartbeat* said = node == s.me ? nullptr : fresh_word(s, node);
  const auto seat = node == s.me ? my_seat(s) : std::optional<Seat>(said->seat);
  if (!seat) return "it has no data directory";
  const Policy& current = s.record->policy.current;
  const bool async = current.mode == Durability::async;
  if (current.voters.empty() && !async)
    return "commits are on " + current.leader.node.value + " alone";
  if (!async && !is_voter(current, *seat)) {
    const auto wish = why_not_vote(tags_of(s, node));
    return (wish ? *wish : std::string("it is not a voter yet")) +
           ", so it may lack acknowledged commits";
  }
  const bool receiving = node == s.me ? s.server.receiving : said->receiving;
  if (s.record->phase == Phase::leading && !receiving) return "it does not receive WAL";
  return std::nullopt;
}

std::optional<std::string> why_not_lead(const Situation& s, const NodeName& node) {
  if (auto reason = why_not_inherit(s, node)) return reason;
  if (s.record->leader && s.record->leader->node == node && s.record->phase == Phase::leading)
    return std::nullopt;
  const auto missing = what_a_failover_lacks(s, seats_without_the_leader(s));
  if (!missing.empty()) return missing.front();
  return std::nullopt;
}

namespace {

/// Members that no operator keeps from voting; those that must not lead only as far as wanted.
std::size_t standbys_that_should_vote(const Situation& s, const Policy& policy) {
  std::size_t willing = 0;
  std::size_t reluctant = 0;
  for (const NodeName& member : s.record->members) {
    if (member == policy.leader.node || why_not_voter(s, member)) continue;
    (tags_of(s, member).nofailover ? reluctant : willing) += 1;
  }
  const std::size_t wanted = std::max(s.wanted.acknowledgements, 1U);
  return willing >= wanted ? willing : std::min(willing + reluctant, wanted);
}

}  // namespace

std::string degraded_text(const Situation& s) {
  if (!s.record) return {};
  const Policy* policy = newest_policy(*s.record);
  if (policy == nullptr) return {};
  if (policy->mode == Durability::async) return {};
  if (acknowledges_nothing(*policy)) {
    return "DEGRADED: strict, and fewer than " + std::to_string(s.wanted.acknowledgements) +
           " standbys could vote; writes wait";
  }
  // Only the leader sees who acknowledges: to the others everybody would look silent.
  if (policy->mode == Durability::strict && policy->leader.node == s.me) {
    const std::string held = wanted_policy(s).held_back;
    if (!held.empty()) return "DEGRADED: " + held + "; writes may wait";
  }
  if (policy->voters.empty()) {
    if (s.wanted.acknowledgements == 0) return {};
    return "DEGRADED: commits are on " + policy->leader.node.value + " alone; nobody else may lead";
  }
  if (policy->k < s.wanted.acknowledgements) {
    return "DEGRADED: commits wait for " + std::to_string(policy->k) + " of " +
           std::to_string(s.wanted.acknowledgements) + " wanted acknowledgements";
  }
  if (const std::size_t could = standbys_that_should_vote(s, *policy);
      policy->voters.size() < could) {
    return "DEGRADED: " + std::to_string(policy->voters.size()) + " of " + std::to_string(could) +
           " standbys are voters";
  }
  return {};
}

namespace {

std::string wishes_about(const Situation& s, const NodeName& node) {
  std::string text;
  if (const HandFence* fence = hand_fence(*s.record, node)) {
    text += "  fenced by " + fence->who + " at " + wall_text(fence->wall_ms) +
            (fence->why.empty() ? "" : ": " + fence->why) + "\n";
  }
  if (const auto wish = why_not_vote(tags_of(s, node))) text += "  never votes: " + *wish + "\n";
  return text;
}

std::string kept_text(const Slot& slot) {
  return std::to_string(slot.retained_bytes) + " bytes of WAL" +
         (slot.restart ? " from " + slot.restart->text() : "") +
         (slot.wal_status.empty() ? "" : ", " + slot.wal_status) +
         (slot.active ? ", in use" : ", not in use") + (slot.note.empty() ? "" : "; " + slot.note);
}

/// WAL is kept by whole segments; larger ones than PostgreSQL's default only make this careful.
constexpr std::uint64_t wal_segment = 16U << 20U;

/// The permanent slots of this standby, which a consumer would go on with.
std::string own_slots(const Situation& s, const std::vector<Slot>& of_leader) {
  std::string text;
  if (!s.server.slots) return text;
  for (const Slot& slot : *s.server.slots) {
    if (!slot.ours) continue;
    text += "  slot " + slot.name + " here: " + kept_text(slot) + "\n";
    for (const Slot& theirs : of_leader) {
      const bool gap = theirs.name == slot.name && theirs.restart && slot.restart &&
                       theirs.restart->value / wal_segment < slot.restart->value / wal_segment;
      if (gap)
        text += "    its consumer has confirmed " + theirs.restart->text() +
                " only: a failover to this node now would leave a gap\n";
    }
  }
  return text;
}

/// What the leader keeps for this node; of the leader all other slots.
std::string slots_about(const Situation& s, const NodeName& node) {
  std::string text;
  const auto* slots = leader_slots(s);
  if (slots == nullptr) return text;
  const bool leads = s.record->leader->node == node;
  const std::string& leader = s.record->leader->node.value;
  bool has_slot = leads;
  for (const Slot& slot : *slots) {
    if (slot.name == slot_name(node)) {
      has_slot = true;
      text += "  " + leader + " keeps for it: " + kept_text(slot) + "\n";
    } else if (leads && !slot.name.starts_with("evg_")) {
      text += "  slot " + slot.name + ": " + kept_text(slot) + "\n";
    }
  }
  if (!leads && node == s.me) text += own_slots(s, *slots);
  if (!has_slot && s.wanted.member_slot_limit) {
    text += "  " + leader +
            " keeps no WAL for it: it was silent and beyond member_slot_limit, or "
            "streams elsewhere; back, it may have to be rewound or cloned\n";
  }
  return text;
}

}  // namespace

std::string explain_node(const Situation& s, const NodeName& node) {
  if (!s.record) return "The record is not known: " + s.store_trouble + "\n";
  std::string text = node.value + "\n";
  const bool leads = s.record->leader && s.record->leader->node == node;
  text += "  role: " +
          std::string(leads ? "the record's leader, phase " + std::string(word_of(s.record->phase))
                            : "standby") +
          "\n";
  if (const std::string degraded = degraded_text(s); leads && !degraded.empty())
    text += "  commits: " + degraded + "\n";
  if (node == s.me) {
    text += "  server: " + std::string(word_of(s.server.state)) + ", " +
            position_text(s.server.position) + "\n";
    if (!s.server.trouble.empty()) text += "  trouble: " + s.server.trouble + "\n";
    text += "  decision: " + describe(decide(s)) + "\n";
  } else if (const auto found = s.peers.find(node); found != s.peers.end()) {
    text += peer_line(s, node, found->second) + "\n";
  }
  text += wishes_about(s, node);
  text += slots_about(s, node);
  const auto reason = why_not_lead(s, node);
  text += reason ? "  could not lead now: " + *reason + "\n" : "  could lead now\n";
  return text;
}

namespace {

/// Enough nodes are here. Whether one of them may lead, too, is up to the operators.
std::string who_may_lead(const Situation& s) {
  const NodeName leader = s.record->leader ? s.record->leader->node : NodeName{};
  std::string kept_out;
  for (const Seat& seat : seats_without_the_leader(s)) {
    const bool fenced = hand_fence(*s.record, seat.node) != nullptr;
    if (!fenced && !tags_of(s, seat.node).nofailover)
      return "enough nodes are here for a loss-free failover";
    kept_out += (kept_out.empty() ? "" : ", ") + seat.node.value +
                (fenced ? " is fenced by an operator" : " is tagged nofailover");
  }
  return "enough nodes are here to be sure of every commit, but nobody may lead: " + kept_out;
}

}  // namespace

std::string explain_election(const Situation& s) {
  if (!s.record) return "The record is not known: " + s.store_trouble + "\n";
  const Record& record = *s.record;
  std::string text =
      "term " + std::to_string(record.term.value) + ", phase " + std::string(word_of(record.phase));
  if (record.leader) text += ", leader " + record.leader->node.value;
  if (!record.why.empty()) text += "; begun because " + record.why;
  const Verdict in_charge = somebody_in_charge(s);
  text += "\n" + std::string(in_charge.yes ? "in charge: yes, " : "in charge: nobody, ") +
          in_charge.why + "\n";
  if (record.paused) text += "paused: nobody is promoted without an operator's failover\n";
  text += "a failover must cover:\n  current: " + describe(record.policy.current) + "\n";
  for (const Policy& policy : record.policy.unproven)
    text += "  unproven: " + describe(policy) + "\n";
  const auto seats = seats_without_the_leader(s);
  const auto missing = what_a_failover_lacks(s, seats);
  if (covers_all(record.policy, seats)) {
    text += "without the leader: " + who_may_lead(s) + "\n";
  } else if (missing.empty()) {
    text += "without the leader: a failover loses what max_loss allows, once its lease has ended\n";
  }
  for (const std::string& sentence : missing) text += "without the leader: " + sentence + "\n";
  text += "nodes, as seen from " + s.me.value + ":\n";
  for (const auto& [name, peer] : s.peers) text += peer_line(s, name, peer) + "\n";
  text += "  " + s.me.value + " (here): " + std::string(word_of(s.server.state)) + ", " +
          position_text(s.server.position) + ", promise " + std::to_string(s.promise.term.value) +
          "\n";
  for (const Fenced& answer : fenced_answers(s)) {
    text += "fenced: " + answer.seat.node.value + " at " + position_text(answer.position) + "\n";
  }
  for (const Fenced& answer : foreign_answers(s)) {
    text += "off the lineage: " + answer.seat.node.value + " at " + position_text(answer.position) +
            "; at most what it had before counts\n";
  }
  const Decision decision = decide(s);
  text += "decision here: " + describe(decision) + "\n";
  for (const std::string& fact : decision.facts) text += "  " + fact + "\n";
  return text;
}

std::string loss_at_risk(const Situation& s) {
  if (!s.record) return "unknown: the record is not known";
  const auto missing = what_is_missing(s.record->policy, seats_without_the_leader(s));
  if (missing.empty()) return "0 bytes: enough nodes are here for a loss-free failover";
  std::optional<Lsn> leader_end;
  std::optional<Lsn> best;
  std::optional<Instant> leader_seen;
  const auto note = [&](const NodeName& node, const std::optional<Position>& position,
                        std::optional<Instant> seen) {
    if (!position) return;
    const bool leads = s.record->policy.current.leader.node == node;
    if (leads) {
      leader_end = position->lsn;
      leader_seen = seen;
    } else if (!best || *best < position->lsn) {
      best = position->lsn;
    }
  };
  note(s.me, s.server.position, s.now);
  for (const auto& [name, peer] : s.peers) {
    if (peer.said) note(name, peer.said->position, peer.alive_at);
  }
  std::string text;
  if (leader_end && best) {
    text = std::to_string(bytes_between(*best, *leader_end)) +
           " bytes that the last known leader position is ahead";
  } else {
    text = "an unknown number of bytes";
  }
  if (leader_seen)
    text += ", and whatever it wrote in the " + seconds_text(s.now - *leader_seen) +
            " since it was last heard";
  for (const std::string& sentence : missing) text += "; dropped: " + sentence;
  return text;
}

}  // namespace evergres::core

#include "core/view.hpp"

#include <algorithm>

#include "core/cascade.hpp"
#include "core/intent.hpp"

namespace evergres::core {
namespace {

Millis age(const Situation& s, Instant at) {
  return std::chrono::duration_cast<Millis>(s.now - at);
}

const Peer* find_peer(const Situation& s, const NodeName& node) {
  const auto found = s.peers.find(node);
  return found == s.peers.end() ? nullptr : &found->second;
}

/// Without its agent's port and without its WAL stream a node's processes are gone: no need to
/// wait.
bool looks_dead(const Situation& s, const Peer& peer) {
  return peer.refused && !s.server.receiving;
}

/// A peer of which nothing was ever heard gets as long as one that fell silent, from our own start.
bool still_has_time(const Situation& s, const Peer* peer) {
  const Instant since = peer != nullptr && peer->alive_at ? *peer->alive_at : s.started_at;
  return age(s, since) < s.tuning.suspect_after;
}

Verdict i_lead(const Situation& s) {
  if (s.server.state == ServerState::unknown) return {true, "our own server was not looked at yet"};
  const Verdict entitled = entitled_to_be_primary(s);
  if (entitled.yes && s.server.state == ServerState::primary) return {true, "we lead"};
  return {false, "we are the leader of the record, but our server does not serve as primary"};
}

Verdict leader_in_charge(const Situation& s, const Seat& leader) {
  if (leader.node == s.me) return i_lead(s);
  const Peer* peer = find_peer(s, leader.node);
  const std::string name = leader.node.value;
  if (peer != nullptr && peer->said && is_heard(s, *peer) && !peer->refused) {
    const Heartbeat& said = *peer->said;
    if (said.term != s.record->term || said.revision < s.revision) {
      return {true, name + " is heard, but speaks of another record than ours"};
    }
    if (said.leads == Leads::no) return {false, name + " says that it does not serve as leader"};
    return {true, name + " is heard"};
  }
  if (peer != nullptr && looks_dead(s, *peer)) {
    return {false, name + " refuses connections and its WAL stream is cut"};
  }
  if (still_has_time(s, peer)) return {true, name + " has been silent for less than suspect_after"};
  return {false, name + " has been silent for longer than suspect_after"};
}

Verdict claimant_in_charge(const Situation& s) {
  const Record& record = *s.record;
  if (record.claimant == s.me) {
    if (claim_is_mine(s)) return {true, "we hold the claim"};
    return {false, "our claim of this term is of an earlier run of the agent"};
  }
  const Peer* peer = find_peer(s, record.claimant);
  const std::string name = record.claimant.value;
  if (peer != nullptr && peer->refused)
    return {false, name + " held the claim and refuses connections"};
  if (peer != nullptr && peer->said && is_heard(s, *peer)) {
    const Heartbeat& said = *peer->said;
    if (said.agent != record.claim) return {false, name + " held the claim and was restarted"};
    if (!said.store_ok) return {false, name + " holds the claim but cannot use the store"};
    return {true, name + " holds the claim and is heard"};
  }
  if (still_has_time(s, peer)) return {true, name + " has been silent for less than suspect_after"};
  return {false, name + " holds the claim and has been silent for longer than suspect_after"};
}

}  // namespace

std::optional<Seat> my_seat(const Situation& s) {
  if (!s.server.incarnation) return std::nullopt;
  return Seat{s.me, *s.server.incarnation};
}

bool record_names_me(const Situation& s) {
  const auto seat = my_seat(s);
  return s.record && seat && s.record->leader == seat;
}

bool is_open_leader(const Situation& s) {
  return s.record->phase == Phase::leading && record_names_me(s) && claim_is_mine(s) &&
         s.server.state == ServerState::primary && entitled_to_be_primary(s).yes;
}

bool claim_is_mine(const Situation& s) {
  return s.record && !s.agent.empty() && s.record->claim == s.agent;
}

bool is_heard(const Situation& s, const Peer& peer) {
  return peer.said && peer.alive_at && age(s, *peer.alive_at) < s.tuning.suspect_after;
}

const Heartbeat* fresh_word(const Situation& s, const NodeName& node) {
  const Peer* peer = find_peer(s, node);
  if (peer == nullptr || peer->refused || !is_heard(s, *peer) || !s.record) return nullptr;
  return peer->said->term == s.record->term ? &*peer->said : nullptr;
}

bool leads_as_heard(const Situation& s) {
  const Heartbeat* said = fresh_word(s, s.record->leader->node);
  return said != nullptr && said->leads == Leads::yes;
}

bool store_works(const Situation& s) {
  return s.store_trouble.empty() && s.store_read_at && age(s, *s.store_read_at) < Millis{2500};
}

Verdict somebody_in_charge(const Situation& s) {
  if (!s.record) return {true, "the record is not known"};
  switch (s.record->phase) {
    case Phase::vacant: return {false, "nobody leads and nobody is at work on it"};
    case Phase::leading: return leader_in_charge(s, *s.record->leader);
    case Phase::electing:
    case Phase::handover: break;
  }
  return claimant_in_charge(s);
}

std::vector<Seat> seats_behind_me(const Situation& s) {
  std::vector<Seat> seats;
  if (!s.record) return seats;
  const bool readable = s.server.state == ServerState::standby ||
                        s.server.state == ServerState::stopped ||
                        s.server.state == ServerState::starting;
  if (const auto seat = my_seat(s); seat && readable && !s.server.rebuilding)
    seats.push_back(*seat);
  for (const auto& [name, peer] : s.peers) {
    const Heartbeat* said = fresh_word(s, name);
    if (said == nullptr || said->sees_somebody_in_charge || said->seat.incarnation.empty())
      continue;
    if (said->server == ServerState::absent || said->system_id != s.record->system_id) continue;
    seats.push_back(said->seat);
  }
  return seats;
}

std::vector<NodeName> hearing_each_other_without_us(const Situation& s) {
  const auto hears = [](const Peer& peer, const NodeName& node) {
    return std::find(peer.card_hears.begin(), peer.card_hears.end(), node) != peer.card_hears.end();
  };
  std::vector<NodeName> alive;
  for (const auto& [name, peer] : s.peers) {
    const Instant since = peer.alive_at ? *peer.alive_at : s.started_at;
    if (age(s, since) < s.tuning.voter_timeout) return {};
    const bool moves = peer.card_moved && age(s, *peer.card_moved) < s.tuning.voter_timeout;
    if (moves && !hears(peer, s.me)) alive.push_back(name);
  }
  std::vector<NodeName> connected;
  for (const NodeName& name : alive) {
    const bool hears_another = std::any_of(alive.begin(), alive.end(), [&](const NodeName& other) {
      return other != name && hears(s.peers.at(name), other) && hears(s.peers.at(other), name);
    });
    if (hears_another) connected.push_back(name);
  }
  return connected;
}

bool others_suffice_without_us(const Situation& s) {
  const auto others = hearing_each_other_without_us(s);
  std::vector<Seat> seats;
  const auto note = [&](const Policy& policy) {
    for (const Seat& voter : policy.voters) seats.push_back(voter);
    seats.push_back(policy.leader);
  };
  note(s.record->policy.current);
  for (const Policy& policy : s.record->policy.unproven) note(policy);
  std::erase_if(seats, [&](const Seat& seat) {
    return std::find(others.begin(), others.end(), seat.node) == others.end();
  });
  return covers_all(s.record->policy, seats);
}

namespace {

std::vector<Fenced> raw_answers_of_the_term(const Situation& s) {
  std::vector<Fenced> answers;
  if (!s.record) return answers;
  if (s.fenced && s.fenced->term == s.record->term) answers.push_back(*s.fenced);
  for (const auto& [name, peer] : s.peers) {
    if (peer.refused || !is_heard(s, peer) || !peer.said->fenced) continue;
    if (peer.said->fenced->term == s.record->term) answers.push_back(*peer.said->fenced);
  }
  return answers;
}

std::vector<Fenced> answers_of_the_term(const Situation& s) {
  std::vector<Fenced> answers = raw_answers_of_the_term(s);
  for (Fenced& answer : answers) leave_out_the_unreached(answer, s.record->lineage);
  return answers;
}

/// Whether somebody else has a timeline of one of these ids: then the ids say nothing.
bool is_taken(const std::vector<TimelineId>& ids, const Fenced& by,
              const std::vector<Fenced>& answers, const std::vector<Lineage>& lineage) {
  const auto has = [&](TimelineId id) { return std::ranges::find(ids, id) != ids.end(); };
  // A leader that went on from a timeline of nobody has made its id known as a parent.
  const auto known = [&](const Lineage& given) {
    return has(given.timeline) || (has(given.parent) && given.node != by.seat.node);
  };
  if (std::ranges::any_of(lineage, known)) return true;
  return std::ranges::any_of(answers, [&](const Fenced& other) {
    return other.seat != by.seat && std::ranges::any_of(other.history, has, &Fork::timeline);
  });
}

}  // namespace

std::vector<Fenced> fenced_answers(const Situation& s) {
  std::vector<Fenced> answers;
  const std::vector<Fenced> given = answers_of_the_term(s);
  for (const Fenced& answer : given) {
    const auto& lineage = s.record->lineage;
    const bool taken = is_taken(unasked_timelines(answer, lineage), answer, given, lineage);
    const Fenced counted = taken ? before_unasked(answer, lineage) : answer;
    if (!TimelineTree(lineage).contradicts(counted.history)) answers.push_back(counted);
  }
  return answers;
}

bool began_what_another_has(const Situation& s) {
  if (!s.record || !s.fenced || s.fenced->term != s.record->term) return false;
  const auto& lineage = s.record->lineage;
  return is_taken(unasked_timelines(*s.fenced, lineage), *s.fenced, answers_of_the_term(s),
                  lineage);
}

std::vector<Fenced> foreign_answers(const Situation& s) {
  std::vector<Fenced> answers = answers_of_the_term(s);
  std::erase_if(answers, [&](const Fenced& each) { return !is_foreign(each, s.record->lineage); });
  return answers;
}

Verdict entitled_to_be_primary(const Situation& s) {
  if (!s.record) return {false, "the record is not known"};
  if (!record_names_me(s))
    return {false, "the record does not name this incarnation of " + s.me.value};
  const bool granted = s.server.grant && s.server.grant->term.value <= s.record->term.value;
  if (!granted) return {false, "the supervisor holds no grant"};
  if (s.record->phase == Phase::handover) {
    if (claim_is_mine(s)) return {true, "we hand over"};
    return {false, "our handover was begun by an earlier run of the agent"};
  }
  if (s.server.grant->term != s.record->term) return {false, "our grant is of an older term"};
  if (s.record->phase == Phase::leading) return {true, "we lead"};
  if (s.record->phase == Phase::electing && claim_is_mine(s)) return {true, "we were chosen"};
  return {false, "the promotion belongs to an earlier run of the agent"};
}

bool failed_in_this_term(const Situation& s, const std::string& kind) {
  const auto found = s.attempts.find(kind);
  return found != s.attempts.end() && s.record && found->second.term == s.record->term &&
         found->second.ending != Ending::done;
}

Tags tags_of(const Situation& s, const NodeName& node) {
  if (node == s.me) return s.tags.value_or(Tags{});
  const Peer* peer = find_peer(s, node);
  return peer != nullptr && peer->said ? peer->said->tags.value_or(Tags{}) : Tags{};
}

bool counts_node(const Policy& policy, const NodeName& node) {
  return policy.leader.node == node ||
         std::any_of(policy.voters.begin(), policy.voters.end(),
                     [&](const Seat& voter) { return voter.node == node; });
}

bool any_policy_counts(const Situation& s, const NodeName& node) {
  if (!s.record) return false;
  const PolicyBook& book = s.record->policy;
  return counts_node(book.current, node) ||
         std::any_of(book.unproven.begin(), book.unproven.end(),
                     [&](const Policy& policy) { return counts_node(policy, node); });
}

bool streams_voteless(const Situation& s) {
  if (!tags_of(s, s.me).replicatefrom) return false;
  const Policy* policy = s.record ? newest_policy(*s.record) : nullptr;
  const bool kept = policy != nullptr && policy->mode == Durability::strict;
  return !kept || !counts_node(*policy, s.me);
}

std::optional<std::string> why_not_voter(const Situation& s, const NodeName& node) {
  if (s.record && hand_fence(*s.record, node) != nullptr) return "it is fenced by an operator";
  return why_not_vote(tags_of(s, node));
}

bool is_to_be_made_anew(const Situation& s, const NodeName& node) {
  const auto& request = s.record->request;
  return request && request->kind == RequestKind::reinit && request->to == node;
}

bool others_acknowledge_enough(const Situation& s, const NodeName& node, const Policy& policy) {
  const auto streams = [&](const Seat& voter) {
    const bool mine = my_seat(s) == voter;
    const Heartbeat* said = mine ? nullptr : fresh_word(s, voter.node);
    if (!mine && (said == nullptr || said->seat != voter)) return false;
    const auto& upstream = mine ? s.server.upstream : said->upstream;
    const bool receiving = mine ? s.server.receiving : said->receiving;
    const bool leaves =
        hand_fence(*s.record, voter.node) != nullptr || is_to_be_made_anew(s, voter.node);
    return !leaves && receiving && upstream && !upstream->voteless.value_or(false) &&
           upstream->node == policy.leader.node && upstream->term == policy.term;
  };
  const auto others =
      std::count_if(policy.voters.begin(), policy.voters.end(),
                    [&](const Seat& voter) { return voter.node != node && streams(voter); });
  return static_cast<std::uint32_t>(others) >= policy.k;
}

bool others_acknowledge_enough(const Situation& s, const NodeName& node) {
  return others_acknowledge_enough(s, node, s.record->policy.current);
}

const std::vector<Slot>* leader_slots(const Situation& s) {
  if (!s.record || s.record->phase != Phase::leading) return nullptr;
  const NodeName& leader = s.record->leader->node;
  const Heartbeat* said = leader == s.me ? nullptr : fresh_word(s, leader);
  if (leader == s.me)
    return s.server.state == ServerState::primary && s.server.slots ? &*s.server.slots : nullptr;
  return said != nullptr && said->slots ? &*said->slots : nullptr;
}

std::vector<NodeName> nodes_without_slot(const Situation& s) {
  const auto& have = s.server.slots_of;
  std::vector<NodeName> missing;
  for (const auto& [name, peer] : s.peers) {
    if (streams_elsewhere(s, name)) continue;
    // The slot of an absent node was dropped for its limit; a new one would only fill up again.
    // That of one whose commits count was not dropped so: without it they would not be kept for it.
    const bool released = s.wanted.member_slot_limit && !is_heard(s, peer);
    if (released && !any_policy_counts(s, name)) continue;
    if (std::find(have.begin(), have.end(), name) == have.end()) missing.push_back(name);
  }
  return missing;
}

bool may_try(const Situation& s, const std::string& kind, Millis pause) {
  const auto found = s.attempts.find(kind);
  if (found == s.attempts.end() || found->second.failures == 0) return true;
  // A fence is what a new term waits for: what kept one of an older term from it does not count.
  const bool older = s.record && found->second.term != s.record->term;
  if (older && kind == Fence::kind) return true;
  Millis wait = pause;
  for (std::uint32_t i = 1; i < found->second.failures && wait < Millis{30'000}; ++i) wait *= 2;
  return age(s, found->second.ended) >= std::min(wait, Millis{30'000});
}

TimelineId leader_timeline(const Record& record) {
  return record.lineage.empty() ? TimelineId{1} : record.lineage.back().timeline;
}

const Policy* newest_policy(const Record& record) {
  if (!record.leader) return nullptr;
  const auto is_of_the_leader = [&](const Policy& policy) {
    return policy.leader == *record.leader && policy.term == record.term;
  };
  for (auto entry = record.policy.unproven.rbegin(); entry != record.policy.unproven.rend();
       ++entry) {
    if (is_of_the_leader(*entry)) return &*entry;
  }
  return is_of_the_leader(record.policy.current) ? &record.policy.current : nullptr;
}

}  // namespace evergres::core

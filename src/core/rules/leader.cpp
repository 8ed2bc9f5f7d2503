#include <algorithm>

#include "core/cascade.hpp"
#include "core/rules/rules.hpp"

namespace evergres::core {
namespace {

/// The heir of a switchover without a wish: of the voters that could lead now the one of the
/// highest priority, then one in our zone, then the first. With async, which has no voters, it is a
/// member; among equals the most advanced.
std::optional<NodeName> some_heir(const Situation& s) {
  const Policy* policy = newest_policy(*s.record);
  if (policy == nullptr) return std::nullopt;
  const std::string zone = tags_of(s, s.me).zone;
  const auto key = [&](const NodeName& node) {
    const Tags tags = tags_of(s, node);
    return std::pair{tags.failover_priority, !zone.empty() && tags.zone == zone};
  };
  std::optional<NodeName> heir;
  if (policy->mode == Durability::async) {
    const auto whole_key = [&](const NodeName& node) {
      const Heartbeat* said = fresh_word(s, node);
      const bool known = said != nullptr && said->position;
      return std::tuple{!tags_of(s, node).replicatefrom, key(node),
                        known ? said->position->lsn : Lsn{}};
    };
    for (const NodeName& member : s.record->members) {
      if (why_not_inherit(s, member)) continue;
      if (!heir || whole_key(member) > whole_key(*heir)) heir = member;
    }
    return heir;
  }
  for (const Seat& voter : policy->voters) {
    if (why_not_inherit(s, voter.node)) continue;
    if (!heir || key(voter.node) > key(*heir)) heir = voter.node;
  }
  return heir;
}

/// In a pause a leader that hears nobody stays, and an operator's failover is for those who live on
/// without it (decision 0022): it is theirs to carry out.
bool is_for_the_others(const Situation& s, const Request& request) {
  if (request.kind != RequestKind::failover || !s.record->paused) return false;
  const auto heard = [&](const auto& peer) { return is_heard(s, peer.second); };
  const auto lives = [&](const auto& peer) {
    const auto& moved = peer.second.card_moved;
    return moved && s.now - *moved < s.tuning.voter_timeout;
  };
  return std::ranges::none_of(s.peers, heard) && std::ranges::any_of(s.peers, lives);
}

/// With strict the newest policy stays until k voters are there: a node that it waits for would
/// wait to be taken out of it.
bool can_be_spared(const Situation& s, const NodeName& node) {
  const Policy* newest = newest_policy(*s.record);
  return newest == nullptr || newest->mode != Durability::strict ||
         others_acknowledge_enough(s, node, *newest);
}

}  // namespace

// A restarted agent takes over the leadership that its server never lost.
Judgement resume_our_own_leadership(const Situation& s) {
  if (s.record->phase != Phase::leading || !record_names_me(s) || claim_is_mine(s))
    return std::nullopt;
  if (s.server.state != ServerState::primary || !entitled_to_be_primary(s).yes) return std::nullopt;
  return Answer{
      ResumeLeadership{s.record->term}, "our server still holds the grant of this term", {}};
}

// A leader that hears nobody while the others hear each other lets them elect.
Judgement step_down_when_cut_off(const Situation& s) {
  if (!is_open_leader(s) || s.record->paused) return std::nullopt;
  const Policy* policy = newest_policy(*s.record);
  if (policy == nullptr || policy->voters.empty()) return std::nullopt;
  const auto others = hearing_each_other_without_us(s);
  if (others.empty()) return std::nullopt;
  return Answer{Vacate{s.record->term, s.me.value + " was cut off from the other nodes"},
                "we hear nobody, while " + others.front().value + " and " + others.back().value +
                    " hear each other",
                {}};
}

// The open leader admits applications, and a standby that streams from it admits readers; both
// admit every member that they know.
Judgement open_the_gate(const Situation& s) {
  const bool as_it_should_be = s.server.gate_open && !s.server.gate_outdated;
  if (as_it_should_be || s.server.cold || !may_try(s, OpenGate::kind, Millis{500}))
    return std::nullopt;
  if (s.server.gate_open && (is_open_leader(s) || s.server.state == ServerState::standby)) {
    return Answer{OpenGate{s.record->term}, "the address of a member is new", {}};
  }
  if (is_open_leader(s))
    return Answer{OpenGate{s.record->term}, "the barrier of this term is proven", {}};
  const bool serves_reads = s.record->phase == Phase::leading && !record_names_me(s) &&
                            s.server.state == ServerState::standby && s.server.receiving &&
                            s.server.upstream && s.server.upstream->term == s.record->term;
  if (!serves_reads) return std::nullopt;
  return Answer{
      OpenGate{s.record->term}, "we stream from the open leader and may serve readers", {}};
}

// The leader keeps WAL for every node it knows, also for one that is only about to clone.
Judgement give_every_node_a_slot(const Situation& s) {
  if (!is_open_leader(s) || !may_try(s, MakeSlots::kind, Millis{1000})) return std::nullopt;
  MakeSlots change{nodes_without_slot(s)};
  for (const NodeName& node : s.server.slots_of) {
    if (streams_elsewhere(s, node)) change.drop.push_back(node);
  }
  if (!change.nodes.empty()) return Answer{change, "nodes without a slot here are known", {}};
  if (change.drop.empty()) return std::nullopt;
  return Answer{change, "a cascaded node streams from another one", {}};
}

bool lacks_voters(const Situation& s) {
  const Policy* policy = newest_policy(*s.record);
  if (policy == nullptr) policy = &s.record->policy.current;
  return policy->voters.size() < s.wanted.acknowledgements;
}

// The slot of a node that no policy counts and that is further behind than its limit is dropped.
Judgement release_the_wal_of_stragglers(const Situation& s) {
  const auto& limit = s.wanted.member_slot_limit;
  if (!is_open_leader(s) || !limit || !s.server.slots) return std::nullopt;
  if (!may_try(s, ReleaseSlots::kind, Millis{10'000})) return std::nullopt;
  ReleaseSlots release{{}, *limit};
  std::vector<std::string> facts;
  for (const NodeName& node : s.server.slots_of) {
    const auto slot =
        std::find_if(s.server.slots->begin(), s.server.slots->end(),
                     [&](const Slot& one) { return one.name == slot_name(node) && !one.logical; });
    if (slot == s.server.slots->end() || slot->retained_bytes <= *limit) continue;
    if (any_policy_counts(s, node)) continue;  // its commits are worth more than the disk
    // One that streams may be what the policy waits for: to cut it off would keep it away for ever.
    if (slot->active && lacks_voters(s)) continue;
    release.nodes.push_back(node);
    facts.push_back(node.value + " is " + std::to_string(slot->retained_bytes) + " bytes behind, " +
                    (slot->active ? "streaming" : "absent") + "; it may need a clone or a rewind");
  }
  if (release.nodes.empty()) return std::nullopt;
  return Answer{release,
                "more than member_slot_limit, " + std::to_string(*limit) +
                    " bytes, is kept for nodes that no policy counts",
                facts};
}

// An operator's switchover or restart of the leader is a handover.
Judgement hand_over_on_request(const Situation& s) {
  if (!is_open_leader(s) || !s.record->request) return std::nullopt;
  // Each attempt holds back clients for a while.
  if (!may_try(s, BeginHandover::kind, Millis{2000})) return std::nullopt;
  const Request& request = *s.record->request;
  const bool restart = request.kind == RequestKind::restart;
  const bool reinit = request.kind == RequestKind::reinit;
  if ((restart || reinit) && request.to != s.me) {
    // Its own agent does it; a node that cannot answer must not block every later request.
    const auto found = request.to ? s.peers.find(*request.to) : s.peers.end();
    if (found == s.peers.end() || !is_heard(s, found->second)) {
      return Answer{ClearRequest{request.id},
                    "the node to " + std::string(word_of(request.kind)) + " is not heard",
                    {}};
    }
    if (!reinit || can_be_spared(s, *request.to)) return std::nullopt;
    return Answer{ClearRequest{request.id},
                  request.to->value + " cannot be spared: with strict, writes would wait for it",
                  {}};
  }
  if (reinit)
    return Answer{ClearRequest{request.id}, "the leader cannot be cloned from itself", {}};
  if (is_for_the_others(s, request)) return std::nullopt;
  const std::optional<NodeName> heir = request.to ? request.to : some_heir(s);
  if (!restart && (!heir || *heir == s.me)) {
    return Answer{ClearRequest{request.id}, "no other node could lead now", {}};
  }
  if (!restart) {
    if (const auto reason = why_not_inherit(s, *heir, request.force.value_or(false))) {
      return Answer{ClearRequest{request.id}, heir->value + " cannot take over: " + *reason, {}};
    }
  }
  const std::string why = restart ? "an operator asked for a restart of " + s.me.value
                                  : "an operator asked for a switchover to " + heir->value;
  return Answer{BeginHandover{s.record->term, *heir, why}, why, {}};
}

// The mode that the operator wants is recorded before any policy has it.
Judgement record_the_wanted_durability(const Situation& s) {
  if (!is_open_leader(s) || !s.wanted.durability) return std::nullopt;
  const Durability recorded = s.record->durability.value_or(Durability::quorum);
  const Durability wanted = *s.wanted.durability;
  const bool same_loss =
      wanted != Durability::async || s.record->max_loss_bytes == s.wanted.max_loss_bytes;
  if (wanted == recorded && same_loss) return std::nullopt;
  // Of before a reload that made grants shorter: the lease would end before it does.
  const auto& grant = s.server.grant;
  if (grant && grant->deadline > s.now + s.tuning.grant_length) return std::nullopt;
  if (!may_try(s, RecordDurability::kind, Millis{1000})) return std::nullopt;
  return Answer{
      RecordDurability{s.record->term, wanted, s.wanted.max_loss_bytes, s.tuning.grant_length},
      wanted == recorded ? "the operator changed max_loss"
                         : "the operator wants durability " + std::string(word_of(wanted)) +
                               ", the record says " + std::string(word_of(recorded)),
      {}};
}

// A silent voter leaves the policy, a caught-up member enters it.
Judgement settle_the_policy(const Situation& s) {
  if (!is_open_leader(s) || !may_try(s, ChangePolicy::kind, Millis{300})) return std::nullopt;
  const WantedPolicy wanted = wanted_policy(s);
  const bool settled =
      wanted.policy == s.record->policy.current && s.record->policy.unproven.empty();
  if (settled) return std::nullopt;
  std::string why = wanted.why.empty() ? "a recorded policy is not proven yet" : wanted.why;
  const Policy next = next_step(s.record->policy, wanted.policy);
  if (next != wanted.policy) why += "; on the way to \"" + describe(wanted.policy) + "\"";
  return Answer{ChangePolicy{s.record->term, next, why}, why, {}};
}

// The settings of the cluster are written on every node, and PostgreSQL reads them again.
Judgement apply_the_settings(const Situation& s) {
  const auto due = s.server.settings_due;
  if (!due || s.record->phase != Phase::leading) return std::nullopt;
  const bool follows = s.server.state == ServerState::standby && !s.server.cold &&
                       !record_names_me(s) && s.server.receiving && somebody_in_charge(s).yes;
  if (!is_open_leader(s) && !follows) return std::nullopt;
  if (!may_try(s, ApplySettings::kind, Millis{1000})) return std::nullopt;
  return Answer{ApplySettings{*due},
                "generation " + std::to_string(*due) + " of the settings is not in force here",
                {}};
}

// A leader that comes back shows the end of its WAL under the fence: that is what was lost.
Judgement note_what_was_lost(const Situation& s) {
  if (!is_open_leader(s) || !may_try(s, RecordLoss::kind, Millis{1000})) return std::nullopt;
  for (const Loss& loss : unmeasured_losses(*s.record)) {
    for (const Fenced& answer : fenced_answers(s)) {
      if (answer.seat != loss.leader || !answer.position) continue;
      TimelineTree tree(s.record->lineage);
      tree.learn(answer.history);
      return Answer{
          RecordLoss{s.record->term, measured_loss(*s.record, loss, *answer.position, tree)},
          loss.leader.node.value + " shows how much of its WAL was given up",
          {}};
    }
  }
  return std::nullopt;
}

// After a checkpoint on its timeline the leader lets diverged nodes rewind.
Judgement allow_rewinds(const Situation& s) {
  if (!is_open_leader(s) || s.record->rewind_ready) return std::nullopt;
  if (!may_try(s, AllowRewinds::kind, Millis{1000})) return std::nullopt;
  return Answer{
      AllowRewinds{s.record->term}, "nobody can rewind from us before we checkpointed", {}};
}

// A node that follows the leader becomes a member.
Judgement add_a_member(const Situation& s) {
  if (!is_open_leader(s)) return std::nullopt;
  for (const auto& [name, peer] : s.peers) {
    if (std::binary_search(s.record->members.begin(), s.record->members.end(), name)) continue;
    const Heartbeat* said = fresh_word(s, name);
    if (said == nullptr || said->system_id != s.record->system_id || !said->receiving) continue;
    if (!said->upstream || said->upstream->term != s.record->term) continue;
    if (said->upstream->node != s.me && !streams_elsewhere(s, name)) continue;
    return Answer{AddMember{name}, name.value + " streams from " + said->upstream->node.value, {}};
  }
  return std::nullopt;
}

}  // namespace evergres::core

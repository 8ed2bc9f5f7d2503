#include <algorithm>

#include "core/rules/rules.hpp"

namespace evergres::core {
namespace {

/// Of one that answered in this term and does not count.
constexpr const char* foreign_words = "its history contradicts the recorded lineage";

bool is_chosen(const Situation& s) {
  return s.record->phase == Phase::electing && record_names_me(s) && claim_is_mine(s);
}

bool waited(const Situation& s, Millis span) {
  return s.claimed_at && s.now - *s.claimed_at >= span;
}

/// Standbys that are heard and have not answered the fence of this term yet.
std::vector<std::string> still_to_answer(const Situation& s) {
  std::vector<std::string> names;
  for (const auto& [name, peer] : s.peers) {
    if (peer.refused || !is_heard(s, peer) || peer.said->server != ServerState::standby) continue;
    if (!peer.said->fenced || peer.said->fenced->term != s.record->term)
      names.push_back(name.value);
  }
  return names;
}

bool heir_is_ready(const Situation& s, const std::vector<Fenced>& answers) {
  const NodeName& heir = *s.record->heir;
  return std::any_of(answers.begin(), answers.end(), [&](const Fenced& answer) {
    return answer.seat.node == heir && answer.position && answer.can_run;
  });
}

std::optional<NodeName> preferred(const Record& record) {
  if (record.heir) return record.heir;
  const bool names_a_leader = record.request && (record.request->kind == RequestKind::switchover ||
                                                 record.request->kind == RequestKind::failover);
  if (names_a_leader) return record.request->to;
  return std::nullopt;
}

/// Whom an operator wants although it is tagged nofailover: an heir was checked when it was named.
std::optional<NodeName> insisted_on(const Record& record) {
  if (record.heir) return record.heir;
  const bool insists = record.request && record.request->kind == RequestKind::failover &&
                       record.request->force.value_or(false);
  return insists ? record.request->to : std::nullopt;
}

std::map<NodeName, Tags> all_tags(const Situation& s) {
  std::map<NodeName, Tags> tags{{s.me, tags_of(s, s.me)}};
  for (const auto& [name, peer] : s.peers) tags[name] = tags_of(s, name);
  return tags;
}

bool loss_accepted(const Record& record) {
  return record.request && record.request->kind == RequestKind::failover &&
         record.request->accept_data_loss;
}

ChooseLeader as_intent(const Choice& choice, const Record& record, bool replace_book) {
  ChooseLeader intent;
  intent.term = record.term;
  intent.leader = choice.leader;
  intent.agent = choice.agent;
  intent.position = choice.position;
  intent.policy = choice.policy;
  intent.timeline = choice.timeline;
  intent.learned = choice.learned;
  intent.facts = choice.facts;
  intent.loss = choice.loss;
  if (intent.loss) intent.loss->silent_ms = 0;  // it grows, and an intent must not change by itself
  intent.replace_book = replace_book;
  return intent;
}

/// Whether whoever led under the current policy is starting its PostgreSQL, in crash recovery
/// perhaps: it comes up with everything. That is not waited for longer than a promotion may take.
bool leader_is_coming_up(const Situation& s) {
  const Seat& leader = s.record->policy.current.leader;
  if (waited(s, s.tuning.promote_timeout)) return false;
  if (leader.node == s.me) {
    return my_seat(s) == leader && s.server.state == ServerState::starting;
  }
  const auto found = s.peers.find(leader.node);
  if (found == s.peers.end() || found->second.refused || !is_heard(s, found->second)) return false;
  const Heartbeat& said = *found->second.said;  // also if it has not seen this term yet
  return said.seat == leader && said.server == ServerState::starting;
}

/// P' without the voters that died or do not attach: before the barrier a policy change follows the
/// same rule as after it. The last one stays as long as it may be leading, or electing, elsewhere.
Policy without_the_silent(const Situation& s, Policy policy) {
  std::vector<Seat> attached;
  bool all_may_leave = true;
  for (const Seat& voter : policy.voters) {
    const Heartbeat* said = fresh_word(s, voter.node);
    const bool follows = said != nullptr && said->seat == voter && said->receiving &&
                         said->upstream && said->upstream->node == s.me &&
                         said->upstream->term == s.record->term &&
                         !said->upstream->voteless.value_or(false);
    if (follows) attached.push_back(voter);
    if (!follows && !may_be_the_last_to_leave(s, voter.node)) all_may_leave = false;
  }
  if (attached.empty() && !all_may_leave) return policy;
  // With strict a smaller k is no way out: it opens, and its writes wait.
  if (policy.mode == Durability::strict && attached.size() < policy.k) {
    if (!all_may_leave) return policy;
    attached.clear();
  }
  policy.voters = attached;
  policy.k = std::min<std::uint32_t>(policy.k, static_cast<std::uint32_t>(attached.size()));
  return policy;
}

/// Of every other node, in case it has not answered.
std::map<NodeName, std::string> why_no_answer(const Situation& s) {
  std::map<NodeName, std::string> why;
  for (const auto& [name, peer] : s.peers) {
    const bool heard = is_heard(s, peer);
    const bool answered = heard && peer.said->fenced && peer.said->fenced->term == s.record->term;
    why[name] = peer.refused ? "no agent runs there"
                : !heard     ? "it is not heard"
                : answered   ? foreign_words
                             : "it is heard, but not fenced in this term";
  }
  return why;
}

/// Who goes first: nodes that could lead before those that could not, then by name. Everybody
/// computes the same order, so that usually only one takes the term.
Millis own_turn(const Situation& s, const std::vector<Seat>& seats) {
  std::uint32_t before_me = 0;
  const bool i_run = s.server.state == ServerState::standby;
  for (const Seat& seat : seats) {
    if (seat.node == s.me) continue;
    const Heartbeat* said = fresh_word(s, seat.node);
    const bool runs = said != nullptr && said->server == ServerState::standby;
    const bool earlier = runs == i_run ? seat.node < s.me : runs;
    before_me += earlier ? 1U : 0U;
  }
  Millis turn{150 * before_me};
  // The budget delays a flapping cluster, it never forbids.
  constexpr std::uint32_t budget_per_minute = 15;
  if (s.recent_terms > budget_per_minute) {
    turn += Millis{std::min<std::uint32_t>(500 * (s.recent_terms - budget_per_minute), 5000)};
  }
  return turn;
}

}  // namespace

// In a planned handover the leader stops fast, without waiting for anybody but its heir.
Judgement stop_for_the_handover(const Situation& s) {
  if (s.record->phase != Phase::handover || !record_names_me(s) || !claim_is_mine(s))
    return std::nullopt;
  if (s.fenced && s.fenced->term == s.record->term) return std::nullopt;
  const bool to_stop = s.server.state == ServerState::primary ||
                       (s.server.state == ServerState::stopped && s.record->heir != s.me);
  if (!to_stop) return std::nullopt;
  if (failed_in_this_term(s, StopForHandover::kind) &&
      s.now - s.attempts.at(StopForHandover::kind).ended < Millis{100}) {
    return Answer{StayPut{}, "the stop for the handover has just failed", {}};
  }
  return Answer{
      StopForHandover{s.record->term, s.record->claim, *s.record->heir}, s.record->why, {}};
}

// While the leader stops for it the heir makes the slots that it will need as leader; the next
// leader's are dropped when this node follows after all.
Judgement prepare_to_inherit(const Situation& s) {
  if (s.record->phase != Phase::handover || s.record->heir != s.me || record_names_me(s))
    return std::nullopt;
  if (s.server.state != ServerState::standby || s.server.cold) return std::nullopt;
  const auto missing = nodes_without_slot(s);
  if (missing.empty() || !may_try(s, MakeSlots::kind, Millis{1000})) return std::nullopt;
  return Answer{MakeSlots{missing}, s.record->leader->node.value + " stops to hand over to us", {}};
}

// The coordinator chooses the most advanced of enough fenced nodes and records its policy.
Judgement choose_the_leader(const Situation& s) {
  const Record& record = *s.record;
  const bool electing = record.phase == Phase::electing && !record.leader;
  if (!claim_is_mine(s) || (!electing && record.phase != Phase::handover)) return std::nullopt;
  const auto answers = fenced_answers(s);
  if (!electing && !waited(s, Millis{3000}) && !heir_is_ready(s, answers)) return std::nullopt;
  const ElectionInput input{.record = record,
                            .answers = answers,
                            .wanted_k = s.wanted.acknowledgements,
                            .preferred = preferred(record),
                            .accept_data_loss = loss_accepted(record),
                            .tags = all_tags(s),
                            .insisted_on = insisted_on(record),
                            .why_no_answer = why_no_answer(s),
                            .lease_ended = lease_has_ended(s),
                            .leader_is_coming_up = leader_is_coming_up(s),
                            .word = furthest_word(s)};
  const auto seats = counting_seats(answers, record.term, record.system_id);
  const bool covered = covers_all(record.policy, seats);
  // An accepted loss still waits a moment for everybody who might hold more.
  if (!covered && loss_accepted(record) && !waited(s, Millis{3000})) {
    return Answer{StayPut{}, "the loss is accepted, but others may still answer", {}};
  }
  const Elected elected = choose(input);
  if (!elected.choice) {
    // Our own server may have to be started or fenced first: leave the word to the next rules.
    if (s.server.state == ServerState::stopped) return std::nullopt;
    return Answer{StayPut{},
                  covered ? "no node that may lead is sure to hold every acknowledged commit"
                          : "not enough nodes are fenced to be sure of every acknowledged commit",
                  elected.otherwise.missing};
  }
  // Whoever holds more may only have to be started.
  if (loss_accepted(record) && !elected.complete && !waited(s, Millis{3000})) {
    return Answer{StayPut{}, "the loss is accepted, but who holds more may still lead", {}};
  }
  // So may our own server, which the fence itself may have started anew (decision 0059).
  const bool starts = s.server.state == ServerState::starting;
  if (!elected.complete && starts && !waited(s, Millis{10'000})) {
    return Answer{
        StayPut{}, "our own server starts, and may hold more than whoever could lead", {}};
  }
  const auto late = still_to_answer(s);
  if (!late.empty() && !waited(s, Millis{1000})) {
    return Answer{StayPut{}, "enough nodes are fenced; waiting a moment for the others", late};
  }
  const bool replaces = !elected.complete && loss_accepted(record);
  std::string why = elected.choice->leader.node.value;
  if (elected.complete) {
    why += " holds everything that was acknowledged";
  } else {
    why += " holds the most of those that could lead, and ";
    why += replaces ? "an operator accepted the loss" : "max_loss allows the loss";
  }
  return Answer{as_intent(*elected.choice, record, replaces), why, elected.choice->facts};
}

// A chosen node whose promotion failed gives the leadership back.
Judgement give_up_a_failed_promotion(const Situation& s) {
  if (!is_chosen(s)) return std::nullopt;
  const bool lost_server =
      s.server.state == ServerState::stopped || s.server.state == ServerState::absent;
  const bool failed =
      failed_in_this_term(s, Promote::kind) && s.server.state != ServerState::primary;
  // Started again since it was chosen: its answer is void, and only another term reads it anew.
  const bool answered = s.fenced && s.fenced->term == s.record->term;
  const bool restarted = s.server.state == ServerState::standby && !answered;
  // Promoted by hand since it was chosen: nobody could tell its WAL from that of the other.
  const bool forged = s.server.state == ServerState::standby && began_what_another_has(s);
  // The same before it was asked to: its barrier can never hold on an id that nobody was given, and
  // its gate may have been open.
  const bool elsewhere =
      s.server.position && s.server.position->timeline != leader_timeline(*s.record);
  const bool astray =
      s.server.state == ServerState::primary && (elsewhere || !s.server.asked_to_promote);
  if (!lost_server && !failed && !restarted && !forged && !astray) return std::nullopt;
  if (!may_try(s, Vacate::kind, Millis{200})) {
    if (!astray) return std::nullopt;
    return Answer{
        StayPut{}, "our server is primary, and not by our promotion: it leads nobody", {}};
  }
  if (forged || astray) {
    return Answer{Vacate{s.record->term, s.me.value + " was promoted by hand after it was chosen"},
                  forged ? "our server began a timeline whose id another has"
                         : "our server is primary, and not by our promotion",
                  {}};
  }
  return Answer{Vacate{s.record->term, s.me.value + " could not be promoted"},
                lost_server || restarted ? "our server died while it was to be promoted"
                                         : "the promotion failed",
                {}};
}

// The chosen node promotes its fenced server under its policy.
Judgement promote_when_chosen(const Situation& s) {
  if (!is_chosen(s) || s.server.state != ServerState::standby) return std::nullopt;
  const Policy* policy = newest_policy(*s.record);
  if (policy == nullptr || !s.fenced || s.fenced->term != s.record->term) return std::nullopt;
  return Answer{Promote{s.record->term, *policy, leader_timeline(*s.record)},
                "we were chosen to lead term " + std::to_string(s.record->term.value),
                {}};
}

// A promoted node serves only after a commit of its own was acknowledged under its policy.
Judgement prove_the_barrier(const Situation& s) {
  if (!is_chosen(s) || s.server.state != ServerState::primary) return std::nullopt;
  const Policy* newest = newest_policy(*s.record);
  if (newest == nullptr) return std::nullopt;
  if (!may_try(s, ProveBarrier::kind, Millis{200}))
    return Answer{StayPut{}, "the barrier failed; it is tried again in a moment", {}};
  Policy policy = *newest;
  if (failed_in_this_term(s, ProveBarrier::kind)) policy = without_the_silent(s, policy);
  const std::string why = policy == *newest ? "our server is primary; nothing is acknowledged yet"
                                            : "voters fell silent before the barrier";
  return Answer{ProveBarrier{s.record->term, policy, leader_timeline(*s.record)}, why, {}};
}

namespace {

/// A pause keeps a dead leader in its place until an operator says otherwise. An election that is
/// already under way (an operator's switchover that failed half-way) goes on.
bool pause_forbids_it(const Record& record) {
  const bool asked = record.request && record.request->kind == RequestKind::failover;
  return record.paused && record.phase == Phase::leading && !asked;
}

}  // namespace

// When nobody is in charge and enough nodes say so, take the next term.
Judgement campaign_when_nobody_is_in_charge(const Situation& s) {
  const Verdict in_charge = somebody_in_charge(s);
  if (in_charge.yes || pause_forbids_it(*s.record) || !store_works(s) || !my_seat(s))
    return std::nullopt;
  const auto seats = seats_behind_me(s);
  const auto missing = what_a_failover_lacks(s, seats);
  if (!missing.empty() && !loss_accepted(*s.record)) {
    if (s.server.state != ServerState::standby) return std::nullopt;
    const bool lossy = only_async_is_uncovered(s.record->policy, seats);
    return Answer{StayPut{},
                  in_charge.why + (lossy ? "; a failover without it has to wait, as explain says"
                                         : "; a failover has to wait for more nodes"),
                  missing};
  }
  if (!covers_all(s.record->policy, seats) && some_async(s.record->policy) && !lease_has_ended(s)) {
    if (s.server.state != ServerState::standby) return std::nullopt;
    return Answer{StayPut{}, in_charge.why + "; its lease has not ended yet", {}};
  }
  if (others_suffice_without_us(s)) {
    if (s.server.state != ServerState::standby) return std::nullopt;
    return Answer{
        StayPut{}, "we hear nobody, while the others hear each other and suffice to elect", {}};
  }
  const Millis turn = own_turn(s, seats);
  if (!s.nobody_in_charge_since || s.now - *s.nobody_in_charge_since < turn ||
      !may_try(s, ClaimTerm::kind, Millis{100})) {
    return s.server.state == ServerState::standby
               ? Judgement(Answer{StayPut{}, in_charge.why + "; others may go first", {}})
               : std::nullopt;
  }
  return Answer{ClaimTerm{s.record->term, in_charge.why}, in_charge.why, {}};
}

}  // namespace evergres::core

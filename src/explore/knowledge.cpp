#include <algorithm>

#include "core/grant.hpp"
#include "core/view.hpp"
#include "explore/world.hpp"

/// World: what an agent sees in one state of its node, decides, and tells the others.
namespace evergres::explore {
namespace {

using core::Situation;

// Time is a choice here: how old a thing is stands in the state, as far as a rule may ask, and
// grows whenever it likes. What only spares time (pauses between attempts, turns) is over.
constexpr std::int64_t second = 1'000'000'000;
constexpr Instant now{1000 * second};
constexpr Instant ago(std::int64_t millis) {
  return Instant{now.nanos - millis * 1'000'000};
}
constexpr Instant long_ago = ago(60'000);

/// By the steps of View::silence.
constexpr std::array heard_at{ago(100), ago(2000), ago(10'000)};
/// By the steps of Agent::claimed.
constexpr std::array claimed_at{ago(0), ago(100), ago(2000), ago(4000)};

core::Attempt failure(Byte term, std::uint32_t times) {
  return {core::Ending::failed, Term{term}, ago(40'000), times, "it failed"};
}

void note_attempts(Situation& s, const Agent& agent) {
  const auto note = [&](const char* kind, Byte term, std::uint32_t times) {
    if (term != 0 && times != 0) s.attempts[kind] = failure(term, times);
  };
  note(core::Fence::kind, agent.fence_failed_in, agent.fence_failures);
  note(core::Promote::kind, agent.promote_failed_in, 1);
  note(core::ProveBarrier::kind, agent.barrier_failed_in, 1);
  note(core::Rewind::kind, agent.rewind_failed_in, 1);
}

}  // namespace

std::uint64_t Beat::digest() const {
  Digest digest;
  digest.add(said);
  digest.add(record);
  return digest.value();
}

std::uint64_t Order::digest() const {
  Digest digest;
  digest.add(core::describe(intent));
  return digest.value();
}

NodeName World::name_of(std::size_t node) const {
  return NodeName{"n" + std::to_string(node + 1)};
}

std::size_t World::index_of(const NodeName& name) const {
  return static_cast<std::size_t>(name.value.at(1) - '1');
}

core::Seat World::seat_of(std::size_t node, Byte incarnation) const {
  return {name_of(node), Incarnation{"i" + std::to_string(incarnation)}};
}

namespace {

Claim claim_of(Byte code) {
  if (code == 0) return {};
  return Claim{"n" + std::to_string(code / 32 + 1) + "-run" + std::to_string(code % 32)};
}

void see_state(core::Server& seen, const Server& own) {
  seen.state = own.state;
  seen.rebuilding = own.rebuilding != 0;
  seen.asked_to_promote = own.asked != 0;
  if (own.grant != 0) {
    seen.grant = core::Grant{own.grant == 1 ? core::GrantKind::promote : core::GrantKind::lead,
                             Term{own.grant_term}, now + std::chrono::seconds(4)};
  }
  if (own.runs()) seen.position = core::Position{TimelineId{own.timeline}, Lsn{own.flushed}};
  seen.receiving = own.receiving != 0;
  if (!seen.receiving) seen.not_receiving_since = ago(10'000);
  seen.diverged = own.diverged != 0;
  seen.wal_removed = own.wal_gone != 0;
  // Readers on standbys are not looked at.
  seen.gate_open = own.state != core::ServerState::primary || own.gate != 0;
}

}  // namespace

/// What is known of the others: their last words, their cards, their walreceivers here.
void World::see_others(Situation& s, const Node& node) const {
  const Agent& agent = node.agent;
  const Server& own = node.server;
  s.started_at = long_ago;
  for (std::size_t other = 0; other < plan_.nodes; ++other) {
    if (other == node.me) continue;
    const View& view = agent.views[other];
    core::Peer& peer = s.peers[name_of(other)];
    // Slots are always as the rules want them.
    const bool keeps = own.state == core::ServerState::primary ||
                       (s.record && s.record->phase == core::Phase::handover);
    if (keeps) s.server.slots_of.push_back(name_of(other));
    if (view.beat != 0) {
      peer.said = beats_[view.beat].said;
      peer.alive_at = heard_at[view.silence];
    } else {
      s.started_at = std::max(s.started_at, heard_at[view.silence]);
    }
    peer.refused = view.refused != 0;
    peer.card_moved = view.stale_card != 0 ? ago(10'000) : ago(100);
    for (std::size_t third = 0; third < plan_.nodes; ++third) {
      if (((view.card_hears >> third) & 1U) != 0) peer.card_hears.push_back(name_of(third));
    }
    const Sender& sender = own.senders[other];
    if (own.state != core::ServerState::primary || sender.incarnation == 0) continue;
    s.server.senders.push_back(
        {core::application_name(seat_of(other, sender.incarnation), Term{sender.term}),
         sender.streams != 0, Lsn{sender.end}, Millis{100}});
  }
}

Situation World::situation_of(const Node& node) const {
  const Agent& agent = node.agent;
  const Server& own = node.server;
  Situation s;
  s.now = now;
  s.me = name_of(node.me);
  s.agent = claim_of(static_cast<Byte>(node.me * 32 + agent.run));
  s.wanted.acknowledgements = plan_.acknowledgements;
  s.tags = core::Tags{};
  s.promise = {Term{agent.promise_term}, claim_of(agent.promise_claim)};
  if (agent.record != 0) s.record = records_[agent.record];
  // Words of others are marked as new as our record, or older: that is all a rule compares.
  s.revision = Revision{plan_.exact ? agent.revision : std::min<std::uint64_t>(agent.revision, 1)};
  s.store_read_at = agent.away != 0 ? ago(10'000) : ago(100);
  if (agent.away != 0) s.store_trouble = "the store does not answer";
  see_state(s.server, own);
  if (own.state != core::ServerState::absent) {
    s.server.incarnation = seat_of(node.me, own.incarnation).incarnation;
    s.server.system_id = SystemId{77};
  }
  if (own.upstream != 0)
    s.server.upstream = core::Upstream{name_of(own.upstream - 1U), Term{own.upstream_term}};
  if (agent.fenced != 0) s.fenced = answers_[agent.fenced];
  see_others(s, node);
  if (agent.claimed != 0) s.claimed_at = claimed_at[agent.claimed];
  if (!core::somebody_in_charge(s).yes) s.nobody_in_charge_since = long_ago;
  if (s.record && core::is_open_leader(s)) s.leading_since = long_ago;
  if (agent.order != 0) {
    s.operation = core::Operation{std::string(kind_of(orders_[agent.order].intent)),
                                  Term{agent.order_term}, ago(200)};
  }
  note_attempts(s, agent);
  return s;
}

core::Heartbeat World::heartbeat_of(const Situation& s) const {
  core::Heartbeat beat;
  beat.node = s.me;
  beat.agent = s.agent;
  if (const auto seat = core::my_seat(s)) beat.seat = *seat;
  beat.system_id = s.server.system_id;
  beat.revision = s.revision;
  beat.term = s.record ? s.record->term : Term{};
  beat.promise = s.promise;
  beat.store_ok = core::store_works(s);
  beat.server = s.server.state;
  const bool leads = s.record && s.record->phase == core::Phase::leading &&
                     core::record_names_me(s) && s.server.state == core::ServerState::primary &&
                     core::entitled_to_be_primary(s).yes;
  beat.leads = leads ? core::Leads::yes : core::Leads::no;
  beat.sees_somebody_in_charge = core::somebody_in_charge(s).yes;
  beat.fenced = s.fenced;
  beat.position = s.server.position;
  beat.receiving = s.server.receiving;
  beat.upstream = s.server.upstream;
  beat.tags = s.tags;
  return beat;
}

/// Planted mistakes of deciding: what is shown is not what is true.
void World::twist(Situation& s) const {
  if (!s.record) return;
  const bool leads = s.record->phase == core::Phase::leading && core::record_names_me(s);
  if (plan_.planted == Planted::lsn_without_term) {
    for (core::Lineage& entry : s.record->lineage) entry.term = Term{0};
  }
  if (plan_.planted != Planted::too_few_fenced || leads) return;
  const auto loosen = [](core::Policy& policy) {
    policy.k = std::max(policy.k, static_cast<std::uint32_t>(policy.voters.size()));
  };
  loosen(s.record->policy.current);
  for (core::Policy& policy : s.record->policy.unproven) loosen(policy);
}

const Known& World::know(std::uint32_t node) {
  if (known_.size() <= node) known_.resize(std::max<std::size_t>(node + 1, known_.size() * 2));
  if (known_[node].beat != 0) return known_[node];
  Situation s = situation_of(nodes_[node]);
  twist(s);
  const core::GrantWish wish = core::grant_wish(s);
  core::Decision decision = core::decide(s);
  ++rules_seen[decision.rule];
  // Facts are for people: two orders that differ in nothing else are one.
  if (auto* choice = std::get_if<core::ChooseLeader>(&decision.intent)) choice->facts.clear();
  Known known;
  Beat beat{heartbeat_of(s), nodes_[node].agent.record};
  beat.said.revision = Revision{nodes_[node].agent.revision};
  known.beat = beats_.number(beat);
  known.order = orders_.number(Order{std::move(decision.intent)});
  known.wishes_grant = wish.kind && wish.counted_from + wish.length > s.now ? 1 : 0;
  known.revoke = wish.revoke ? 1 : 0;
  for (const core::Rule& rule : core::rules()) {
    if (rule.name == decision.rule)
      known.rule = static_cast<std::uint16_t>(&rule - core::rules().data());
  }
  known_[node] = known;
  return known_[node];
}

std::uint32_t World::beat_of(std::uint32_t node) {
  return know(node).beat;
}

}  // namespace evergres::explore

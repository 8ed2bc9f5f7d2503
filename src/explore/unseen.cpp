#include "explore/world.hpp"

/// World: what nobody will ever look at is dropped from a state, so that states that differ in
/// nothing else are one (decision 0052). Each line here leans on how the rules ask: what is read
/// only of a word of the own term is dropped from an older word, because terms never go back. The
/// test DroppingIsNoLoss steps through states with and without it, and compares.
namespace evergres::explore {
namespace {

using core::Heartbeat;
using core::ServerState;

/// What may be asked of a sender that is heard, whatever record it speaks of.
void keep_of_heard(Heartbeat& kept, const Heartbeat& said, const Ear& ear) {
  kept.agent = said.agent;
  kept.seat = said.seat;
  kept.store_ok = said.store_ok;
  kept.server = said.server;
  if (said.fenced && said.fenced->term.value >= ear.term) kept.fenced = said.fenced;
}

/// What is asked only if it speaks of the same term.
void keep_of_fresh(Heartbeat& kept, const Heartbeat& said, const Ear& ear, const NodeName& me) {
  kept.leads = said.leads;
  kept.sees_somebody_in_charge = said.sees_somebody_in_charge;
  kept.receiving = said.receiving;
  kept.revision = Revision{ear.newest != 0 && ear.of_leader != 0 ? 1U : 0U};
  const bool follows_us = kept.receiving && kept.upstream && kept.upstream->node == me;
  if (follows_us && said.position) {  // whether it has caught up, its walsender tells
    kept.position = core::Position{said.position->timeline, Lsn{}};
  }
}

}  // namespace

/// What is remembered of a heartbeat, as far as it will ever be asked for.
std::uint32_t World::remembered(std::uint32_t beat, const Ear& ear) {
  const std::uint64_t flags = ear.node + 4U * ear.newest + 8U * ear.heard + 16U * ear.of_leader;
  const std::uint64_t key = (std::uint64_t{beat} << 16U) | (std::uint64_t{ear.term} << 8U) | flags;
  const auto [known, fresh] = remembered_.try_emplace(key, 0U);
  if (!fresh) return known->second;
  const Heartbeat& said = beats_[beat].said;
  Heartbeat kept;
  kept.node = said.node;
  kept.system_id = said.system_id;
  kept.tags = said.tags;
  if (said.promise.term.value > ear.term) kept.promise.term = said.promise.term;
  if (said.upstream && said.upstream->term.value >= ear.term) kept.upstream = said.upstream;
  const bool same_term = said.term.value >= ear.term;
  if (same_term && (ear.heard != 0 || kept.upstream)) kept.term = said.term;
  if (kept.upstream) kept.seat = said.seat;  // a voter of ours confirms our grant also when silent
  if (ear.heard != 0) keep_of_heard(kept, said, ear);
  if (ear.heard != 0 && same_term) keep_of_fresh(kept, said, ear, name_of(ear.node));
  known->second = beats_.number(Beat{std::move(kept), 0});
  return known->second;
}

Ear World::ear_of(const Node& node, std::size_t other) const {
  const Agent& agent = node.agent;
  const View& view = agent.views[other];
  Ear ear;
  ear.node = static_cast<Byte>(node.me);
  ear.heard = view.silence == 0 && view.refused == 0 ? 1 : 0;
  if (agent.record == 0) return ear;
  const core::Record& record = records_[agent.record];
  ear.term = static_cast<Byte>(record.term.value);
  const bool leads = record.phase == core::Phase::leading && index_of(record.leader->node) == other;
  ear.of_leader = leads ? 1 : 0;
  return ear;
}

std::uint32_t World::as_heard(const Node& node, std::size_t other, std::uint32_t beat) {
  if (plan_.exact) return beat;
  Ear ear = ear_of(node, other);
  const auto revision = beats_[beat].said.revision.value;
  ear.newest = node.agent.revision != 0 && revision >= node.agent.revision ? 1 : 0;
  return remembered(beat, ear);
}

/// A new record was learned: no word that was heard before speaks of it.
void World::outdate_words(Node& node) {
  if (plan_.exact) return;
  for (std::size_t other = 0; other < plan_.nodes; ++other) {
    View& view = node.agent.views[other];
    if (view.beat != 0) view.beat = remembered(view.beat, ear_of(node, other));
  }
}

bool World::is_news(const Node& node, std::size_t other, std::uint32_t beat) {
  const View& view = node.agent.views[other];
  if ((view.silence | view.refused | view.stale_card | view.card_hears) != 0) return true;
  const Beat& word = beats_[beat];
  if (word.record != 0 && word.said.revision.value > node.agent.revision) return true;
  return as_heard(node, other, beat) != view.beat;
}

void World::drop_the_unseen_of_view(Node& node, std::size_t other) const {
  View& view = node.agent.views[other];
  // Whom it hears is asked only of a card that moves, and of one that hears us nothing else.
  const auto hears_us = static_cast<Byte>(view.card_hears & (1U << node.me));
  if (hears_us != 0) view.card_hears = hears_us;
  if (view.stale_card != 0 || plan_.nodes == 2) view.card_hears = 0;
}

void World::drop_the_unseen_of_agent(Node& node) const {
  Agent& agent = node.agent;
  agent.promise_claim = 0;
  if (agent.record == 0) return;
  const core::Record& record = records_[agent.record];
  const auto term = static_cast<Byte>(record.term.value);
  if (agent.fenced != 0 && answers_[agent.fenced].term < record.term) agent.fenced = 0;
  for (Byte* failed : {&agent.fence_failed_in, &agent.promote_failed_in, &agent.barrier_failed_in,
                       &agent.rewind_failed_in}) {
    if (*failed < term) *failed = 0;
  }
  // How old a claim is: while somebody is to be chosen, or stops for its heir.
  const bool electing = record.phase == core::Phase::electing;
  if (!electing && record.phase != core::Phase::handover) agent.claimed = 0;
  if (electing && agent.claimed == 3) agent.claimed = 2;
}

void World::drop_the_unseen(Node& node) {
  if (plan_.exact) return;
  drop_the_unseen_of_agent(node);
  for (std::size_t other = 0; other < plan_.nodes; ++other) {
    View& view = node.agent.views[other];
    drop_the_unseen_of_view(node, other);
    if (view.beat == 0) continue;
    Ear ear = ear_of(node, other);
    ear.newest = beats_[view.beat].said.revision.value != 0 ? 1 : 0;
    view.beat = remembered(view.beat, ear);
  }
  Server& own = node.server;
  if (own.state == ServerState::stopped || own.state == ServerState::absent) {
    own.names = 0;  // a start forgets them
    own.senders = {};
  }
}

std::uint32_t World::beat_from(const World& other, std::uint32_t beat) {
  if (beat == 0) return 0;
  Beat copy = other.beats_[beat];
  if (copy.record != 0) copy.record = records_.number(other.records_[copy.record]);
  copy.said.promise.claim = Claim{};
  // Whoever hears it learns its record as well.
  if (copy.said.fenced && copy.said.fenced->term < copy.said.term) copy.said.fenced.reset();
  return beats_.number(copy);
}

std::uint32_t World::node_from(const World& other, std::uint32_t number) {
  Node node = other.nodes_[number];
  Agent& agent = node.agent;
  if (node.server.names != 0) node.server.names = policy_number(other.policies_[node.server.names]);
  if (agent.record != 0) agent.record = records_.number(other.records_[agent.record]);
  if (agent.fenced != 0) agent.fenced = answers_.number(other.answers_[agent.fenced]);
  if (agent.order != 0) agent.order = orders_.number(other.orders_[agent.order]);
  for (std::size_t from = 0; from < plan_.nodes; ++from) {
    View& view = agent.views[from];
    if (view.beat != 0) view.beat = as_heard(node, from, beat_from(other, view.beat));
  }
  drop_the_unseen(node);
  return nodes_.number(node);
}

State World::taken_from(const World& other, const State& state) {
  State taken = state;
  for (std::size_t i = 0; i < plan_.nodes; ++i) taken.nodes[i] = node_from(other, state.nodes[i]);
  taken.record = records_.number(other.records_[state.record]);
  taken.letter = beat_from(other, state.letter);
  return taken;
}

}  // namespace evergres::explore

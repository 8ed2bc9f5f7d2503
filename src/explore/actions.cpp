#include "explore/hand.hpp"

#include <algorithm>

/// World: what may happen in a state, and that it happens.
namespace evergres::explore {

using core::ServerState;

namespace {

/// Whether a voter of what this agent waits for does not stream, or as another incarnation: then
/// waiting is in vain.
bool waits_in_vain(const Node& node, const core::Intent& order) {
  const core::Policy* policy = nullptr;
  if (const auto* barrier = std::get_if<core::ProveBarrier>(&order)) policy = &barrier->policy;
  if (const auto* change = std::get_if<core::ChangePolicy>(&order)) policy = &change->policy;
  if (policy == nullptr || node.agent.step < 2) return false;
  return !std::all_of(policy->voters.begin(), policy->voters.end(), [&](const core::Seat& voter) {
    const auto from = static_cast<std::size_t>(voter.node.value.at(1) - '1');
    const Sender& sender = node.server.senders.at(from);
    return sender.streams != 0 && sender.term == policy->term.value &&
           voter.incarnation.value == "i" + std::to_string(sender.incarnation);
  });
}

/// What waits in vain gives up some time; anything else that waits only as a fault. A leader that
/// hands over gives up to send its last WAL.
bool may_give_up(const Node& node, const core::Intent& decided, const core::Intent& order,
                 const Budget& left) {
  if (waits_in_vain(node, order)) return left.proofs > 0;
  if (left.failures == 0) return false;
  if (node.agent.order == 0) return std::holds_alternative<core::StopForHandover>(decided);
  const bool early = std::holds_alternative<core::Fence>(order) ||  // its receiver does not end
                     std::holds_alternative<core::Rewind>(order);
  return node.agent.step >= (early ? 1 : 2);
}

/// Collects the actions of one node.
class Listing {
 public:
  Listing(std::vector<Action>& into, std::size_t node) : list_(into), node_(node) {}
  void add(What what, std::size_t other = 0) {
    list_.push_back({what, static_cast<Byte>(node_), static_cast<Byte>(other)});
  }

 private:
  std::vector<Action>& list_;
  std::size_t node_;
};

void list_server(Listing& list, const State& state, const Node& node, const Known& known,
                 const std::array<const Node*, most_nodes>& all) {
  const Server& own = node.server;
  const Budget& left = state.left;
  const auto cut = [&](std::size_t other) {
    return other != node.me && (state.cut_off == node.me + 1 || state.cut_off == other + 1);
  };
  if (own.state == ServerState::starting) list.add(What::ready);
  if (own.state == ServerState::standby && own.promotes_to != 0) list.add(What::promoted);
  if (own.state == ServerState::standby && own.upstream != 0) {
    const Server& other = all[own.upstream - 1U]->server;
    const bool reached = !cut(own.upstream - 1U) && other.runs();
    if (reached) list.add(What::receive);
    const bool more = reached && own.attached != 0 && other.flushed > own.length;
    if (more && left.unflushed > 0 && own.flushed == own.length) list.add(What::receive_only);
    if (own.attached != 0 && !reached) list.add(What::stream_breaks);
    if (own.flushed < own.length) list.add(What::flush);
    if (own.receiving == 0 && own.wal_gone == 0 && left.removals > 0) list.add(What::remove_wal);
  }
  const bool may_be_primary =
      own.state == ServerState::primary || (own.asked != 0 && own.state == ServerState::standby);
  const bool renewed = node.agent.alive != 0 && known.wishes_grant != 0 && known.revoke == 0;
  if (may_be_primary && (own.grant == 0 || !renewed)) list.add(What::grant_ends);
  if (own.state == ServerState::primary && own.grant != 0 && left.writes > 0) list.add(What::write);
  const bool lives = own.runs() || own.state == ServerState::starting;
  if (lives && left.servers > 0) list.add(What::kill_server);
  if (left.machines > 0 && (lives || node.agent.alive != 0)) list.add(What::kill_machine);
}

}  // namespace

/// What the agent of one node hears, or does not hear, of the others.
void World::list_peers(const State& state, const Node& node,
                       const std::array<const Node*, most_nodes>& all, std::vector<Action>& list) {
  Listing mine(list, node.me);
  for (std::size_t other = 0; other < plan_.nodes; ++other) {
    if (other == node.me) continue;
    const bool cut = state.cut_off == node.me + 1 || state.cut_off == other + 1;
    const bool there = !cut && all[other]->agent.alive != 0;
    const View& view = node.agent.views[other];
    if (there && is_news(node, other, known_[state.nodes[other]].beat)) mine.add(What::hear, other);
    if (!cut && !there && view.refused == 0) mine.add(What::refuse, other);
    if (view.silence < 2 && (!there || state.left.doubts > 0)) mine.add(What::doubt, other);
    if (view.silence == 2) mine.add(What::look_at_card, other);
    if (there && state.letter == 0 && state.left.letters > 0) mine.add(What::delay, other);
  }
}

void World::actions(const State& state, std::vector<Action>& list) {
  list.clear();
  std::array<const Node*, most_nodes> all{};
  for (std::size_t i = 0; i < plan_.nodes; ++i) know(state.nodes[i]);
  for (std::size_t i = 0; i < plan_.nodes; ++i) all[i] = &nodes_[state.nodes[i]];
  const Budget& left = state.left;
  for (std::size_t i = 0; i < plan_.nodes; ++i) {
    Listing mine(list, i);
    const Node& node = *all[i];
    const Known& known = known_[state.nodes[i]];
    list_server(mine, state, node, known, all);
    const bool asks = left.wishes > 0 && !records_[state.record].request;
    if (asks) mine.add(What::ask_switchover);
    if (asks) mine.add(What::ask_restart);
    if (asks) mine.add(What::ask_reinit);
    const bool by_hand = core::hand_fence(records_[state.record], name_of(i)) != nullptr;
    if (!by_hand && left.hands > 0) mine.add(What::fence_by_hand);
    if (by_hand) mine.add(What::put_back);
    if (state.cut_off == 0 && left.cuts > 0) mine.add(What::cut_off);
    if (state.cut_off == 0 && left.deserts > 0) mine.add(What::isolate);
    if (state.cut_off == i + 1) mine.add(What::mend);
    if (node.agent.alive == 0) {
      if (left.returns > 0) mine.add(What::restart_agent);
      continue;
    }
    const bool idle =
        node.agent.order == 0 && std::holds_alternative<core::StayPut>(orders_[known.order].intent);
    const bool waits =
        node.agent.order == 0 && std::holds_alternative<core::Wait>(orders_[known.order].intent);
    if (!idle && !waits) {
      mine.add(What::think);
      if (left.replies > 0) mine.add(What::think_unheard);
    }
    if (may_give_up(node, orders_[known.order].intent, orders_[node.agent.order].intent, left))
      mine.add(What::give_up);
    if (node.agent.away == 0 && node.agent.revision != state.revision) mine.add(What::read);
    if (node.agent.claimed == 1 || node.agent.claimed == 2) mine.add(What::wait);
    if (left.agents > 0) mine.add(What::kill_agent);
    list_peers(state, node, all, list);
  }
  if (state.letter == 0) return;
  list.push_back({What::deliver_late, static_cast<Byte>(state.letter_way & 3U),
                  static_cast<Byte>(state.letter_way >> 2U)});
  // One that never comes: as long as another could still be put aside it stands in its way.
  if (plan_.exact || left.letters > 0) list.push_back({What::lose, 0, 0});
}

namespace {

bool spend(Byte& left) {
  if (left == 0) return false;
  if (left != endless) --left;
  return true;
}

/// Faults that need nothing but their budget.
void harm(Move& move, State& state, Action action) {
  const std::size_t i = action.node;
  Budget& left = state.left;
  Agent& agent = move.agent(i);
  switch (action.what) {
    case What::kill_server:
      move.kill(i);
      spend(left.servers);
      break;
    case What::kill_agent:
      move.end_agent(i);
      spend(left.agents);
      break;
    case What::kill_machine:
      move.end_agent(i);
      move.kill(i);
      move.server(i).length = move.server(i).flushed;
      spend(left.machines);
      break;
    case What::cut_off:
      state.cut_off = static_cast<Byte>(i + 1);
      spend(left.cuts);
      break;
    case What::isolate:
      state.cut_off = static_cast<Byte>(i + 1);
      agent.away = 1;
      spend(left.deserts);
      break;
    case What::mend:
      state.cut_off = 0;
      agent.away = 0;
      break;
    case What::ask_switchover:
      move.ask(core::RequestKind::switchover, i);
      spend(left.wishes);
      break;
    case What::ask_restart:
      move.ask(core::RequestKind::restart, i);
      spend(left.wishes);
      break;
    case What::ask_reinit:
      move.ask(core::RequestKind::reinit, i);
      spend(left.wishes);
      break;
    case What::fence_by_hand:
      if (move.fence_by_hand(i)) spend(left.hands);
      break;
    case What::put_back: move.put_back(i); break;
    case What::remove_wal:
      move.end_stream(i);
      move.server(i).wal_gone = 1;
      spend(left.removals);
      break;
    default: break;
  }
}

/// What PostgreSQL and its supervisor do. False: it is not one of these.
bool serve(Move& move, State& state, Action action) {
  const std::size_t i = action.node;
  Server& own = move.server(i);
  switch (action.what) {
    case What::ready: own.state = ServerState::standby; return true;
    case What::promoted: move.promoted(i); return true;
    case What::receive: move.receive(i, true); return true;
    case What::receive_only:
      move.receive(i, false);
      spend(state.left.unflushed);
      return true;
    case What::flush:
      own.flushed = own.length;
      move.report(i);
      return true;
    case What::stream_breaks: move.end_stream(i); return true;
    case What::grant_ends: move.kill(i); return true;
    case What::write:
      move.append(own);
      spend(state.left.writes);
      return true;
    default: return false;
  }
}

}  // namespace

/// What an agent is told, or not.
bool World::tell(Move& move, State& state, Action action) {
  const std::size_t i = action.node;
  const std::size_t other = action.other;
  Agent& agent = move.agent(i);
  switch (action.what) {
    case What::read: move.learn(agent, i, state.record, state.revision); return true;
    case What::hear: move.hear(i, other, beat_of(state.nodes[other]), false); return true;
    case What::doubt:
      // Of a node that cannot be heard anyway it costs nothing.
      if (move.linked(i, other) && move.agent(other).alive != 0) spend(state.left.doubts);
      move.doubt(i, other);
      return true;
    case What::refuse: agent.views[other].refused = 1; return true;
    case What::look_at_card: move.look_at_card(i, other); return true;
    case What::wait: ++agent.claimed; return true;
    case What::restart_agent:
      move.restart_agent(i);
      spend(state.left.returns);
      return true;
    case What::delay:
      state.letter = beat_of(state.nodes[other]);
      state.letter_way = static_cast<Byte>(other * 4 + i);
      state.letter_left = 2;
      spend(state.left.letters);
      return true;
    case What::deliver_late:
      if (agent.alive != 0) move.hear(i, other, state.letter, true);
      if (--state.letter_left == 0) state.letter = state.letter_way = 0;
      return true;
    case What::lose: state.letter = state.letter_way = state.letter_left = 0; return true;
    default: return false;
  }
}

/// False: it is none of an agent's steps, or has no such outcome.
bool World::think(Move& move, State& state, Action action) {
  const std::size_t i = action.node;
  const Known known = know(state.nodes[i]);
  if (known.revoke != 0) move.server(i).grant = move.server(i).grant_term = 0;
  Fate fate = Fate::well;
  if (action.what == What::give_up) {
    fate = Fate::gives_up;
    const bool vain = waits_in_vain(move.node(i), orders_[move.agent(i).order].intent);
    if (!spend(vain ? state.left.proofs : state.left.failures)) return false;
  }
  if (action.what == What::think_unheard) fate = Fate::unheard;
  Hand(*this, move, i, fate).perform(known.order);
  return fate != Fate::unheard || (move.has_put && spend(state.left.replies));
}

bool World::apply(State& state, Action action) {
  const State before = state;
  Move move(*this, state);
  const bool thinks = action.what == What::think || action.what == What::think_unheard ||
                      action.what == What::give_up;
  if (thinks) {
    if (!think(move, state, action)) {
      state = before;
      return false;
    }
  } else if (!serve(move, state, action) && !tell(move, state, action)) {
    harm(move, state, action);
  }
  move.finish();
  return !(state == before);
}

/// Whatever waits in vain gives up.
What World::next_step(const State& state, std::size_t node) const {
  const Node& of = node_of(state, node);
  return waits_in_vain(of, orders_[of.agent.order].intent) ? What::give_up : What::think;
}

void World::calm_round(State& state) {
  state.left = Budget{.proofs = endless};
  state.letter = state.letter_way = state.letter_left = 0;
  for (Byte i = 0; i < plan_.nodes; ++i) {
    if (core::hand_fence(record_of(state), name_of(i)) != nullptr)
      apply(state, {What::put_back, i, 0});
  }
  if (state.cut_off != 0) apply(state, {What::mend, static_cast<Byte>(state.cut_off - 1), 0});
  std::vector<Action> list;
  for (Byte i = 0; i < plan_.nodes; ++i) {
    if (nodes_[state.nodes[i]].agent.alive == 0) apply(state, {What::restart_agent, i, 0});
    for (Byte other = 0; other < plan_.nodes; ++other) {
      if (other != i && nodes_[state.nodes[other]].agent.alive != 0)
        apply(state, {What::hear, i, other});
    }
    if (nodes_[state.nodes[i]].agent.revision != state.revision) apply(state, {What::read, i, 0});
    actions(state, list);
    for (const Action action : list) {
      if (action.node != i) continue;
      const bool by_itself = action.what == What::ready || action.what == What::promoted ||
                             action.what == What::stream_breaks ||
                             action.what == What::grant_ends || action.what == What::wait;
      if (by_itself) apply(state, action);
    }
    for (std::size_t n = 0; n < longest_wal && apply(state, {What::receive, i, 0}); ++n) {
    }
    apply(state, {next_step(state, i), i, 0});
  }
}

}  // namespace evergres::explore

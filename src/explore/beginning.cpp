#include <algorithm>

#include "core/transition.hpp"
#include "explore/hand.hpp"

/// World: where a walk begins. The way there is a fixed one, and looked at as any other.
namespace evergres::explore {

/// init has run on the first node; the rest follows by itself.
void World::come_up(State& state) {
  core::Record record = core::claim_bootstrap(ClusterId{"c"}, name_of(0), Claim{"init"});
  record =
      *core::finish_bootstrap(record, Claim{"init"}, SystemId{77}, seat_of(0, 1), plan_.durability);
  state.record = record_number(record);
  state.revision = 1;
  for (std::size_t i = 0; i < plan_.nodes; ++i) {
    Node node;
    node.me = static_cast<std::uint32_t>(i);
    node.agent.alive = node.agent.run = 1;
    if (i == 0) {
      node.server.incarnation = node.server.length = node.server.flushed = 1;
      node.server.wal[0] = 1;
      node.server.state = core::ServerState::stopped;
    }
    state.nodes[i] = nodes_.number(node);
  }
  State before;
  for (int round = 0; round < 300 && !(before == state); ++round) {
    before = state;
    calm_round(state);
  }
  if (const auto what = missing(state); !what.empty()) complain("it never came up: " + what);
}

State World::begin() {
  State state;
  come_up(state);
  for (std::size_t leg = 0; leg < plan_.way.size() && violation.empty(); ++leg) {
    if (!go_on(state, plan_.way[leg]))
      complain("leg " + std::to_string(leg + 1) + " of the way leads nowhere");
  }
  state.left = plan_.faults;
  return state;
}

/// True when the leg has reached what it is for.
bool World::go_on(State& state, const Leg& leg) {
  Leg at_once = leg;
  at_once.reached = nullptr;
  for (const Action action : leg.acts) {
    const State before = state;
    step(state, action, at_once);
    if (state == before) complain("nothing came of an act of the way");
  }
  if (leg.reached == nullptr || leg.reached(*this, state)) return true;
  constexpr int most_turns = 100;
  for (int round = 0; round < most_turns && violation.empty(); ++round) {
    for (const Byte node : leg.who) {
      if (turn(state, node, leg)) return true;
    }
  }
  return false;
}

bool World::step(State& state, Action action, const Leg& leg) {
  const State before = state;
  if (!apply(state, action)) return false;
  way.push_back(describe(before, action));
  return leg.reached != nullptr && leg.reached(*this, state);
}

/// Everything that one node learns and does without faults, once. Who takes no part is not heard,
/// and whoever cannot be heard is silent from then on.
bool World::turn(State& state, Byte node, const Leg& leg) {
  std::vector<Action> list;
  for (Byte other = 0; other < plan_.nodes; ++other) {
    if (other == node) continue;
    const bool linked = state.cut_off != node + 1 && state.cut_off != other + 1;
    const bool there = linked && node_of(state, other).agent.alive != 0;
    const bool takes_part = std::find(leg.who.begin(), leg.who.end(), other) != leg.who.end();
    if (there && takes_part) list.push_back({What::hear, node, other});
    if (there) continue;
    if (linked) list.push_back({What::refuse, node, other});
    for (Byte silence = node_of(state, node).agent.views[other].silence; silence < 2; ++silence)
      list.push_back({What::doubt, node, other});
  }
  const Agent& agent = node_of(state, node).agent;
  if (agent.away == 0 && agent.revision != state.revision) list.push_back({What::read, node, 0});
  std::vector<Action> possible;
  actions(state, possible);
  for (const Action action : possible) {
    const bool by_itself = action.what == What::ready || action.what == What::promoted ||
                           action.what == What::stream_breaks || action.what == What::grant_ends ||
                           action.what == What::wait;
    if (action.node == node && by_itself) list.push_back(action);
  }
  const Byte upstream = node_of(state, node).server.upstream;
  const bool streams =
      upstream != 0 && std::find(leg.who.begin(), leg.who.end(), upstream - 1) != leg.who.end();
  if (streams) list.insert(list.end(), longest_wal, Action{What::receive, node, 0});
  for (const Action action : list) {
    if (step(state, action, leg)) return true;
  }
  return node_of(state, node).agent.alive != 0 &&
         step(state, {next_step(state, node), node, 0}, leg);
}

}  // namespace evergres::explore

#include "explore/world.hpp"

#include <algorithm>
#include <array>

#include "core/transition.hpp"
#include "explore/hand.hpp"

namespace evergres::explore {

using core::ServerState;

std::string_view word_of_action(What what) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(What::count)> words{
      "think",
      "think, the reply is lost",
      "give up",
      "read the record",
      "hear",
      "hear nothing",
      "is refused",
      "look at the card",
      "wait",
      "PostgreSQL is ready",
      "is promoted",
      "receive and flush",
      "receive",
      "flush",
      "stream breaks",
      "grant ends",
      "client writes",
      "PostgreSQL is killed",
      "agent is killed",
      "machine is killed",
      "agent starts",
      "is cut off",
      "is isolated",
      "cut is mended",
      "message is late",
      "late message arrives",
      "late message is lost",
      "switchover is asked for",
      "restart is asked for",
      "clone is asked for",
      "is fenced by hand",
      "is put back",
      "needs WAL that is gone"};
  return words[static_cast<std::size_t>(what)];
}

World::World(Plan plan, std::size_t expected) : plan_(std::move(plan)), nodes_(expected) {
  // Number 0 means none.
  records_.number({});
  answers_.number({});
  beats_.number({});
  orders_.number({});
  policies_.number({});
  small_policies_.emplace_back();
  known_.resize(1024);
}

std::uint32_t World::record_number(core::Record record) {
  // For people; a state is the same whatever it is called.
  record.why = "why";
  record.facts.clear();
  return records_.number(record);
}

std::uint32_t World::policy_number(const core::Policy& policy) {
  const auto [number, fresh] = policies_.put(policy);
  if (!fresh) return number;
  SmallPolicy small;
  small.k = static_cast<Byte>(policy.k);
  small.term = static_cast<Byte>(policy.term.value);
  small.nothing = core::acknowledges_nothing(policy);
  for (const core::Seat& voter : policy.voters) {
    small.voters.emplace_back(static_cast<Byte>(index_of(voter.node)),
                              static_cast<Byte>(std::stoi(voter.incarnation.value.substr(1))));
  }
  small_policies_.push_back(small);
  return number;
}

bool World::holds(const Server& server, const State& state) const {
  for (std::size_t place = 0; place < state.acknowledged.size(); ++place) {
    const Byte end = state.acknowledged[place];
    if (end == 0) continue;
    if (server.length < end || place_of_timeline(server.wal[end - 1U]) != place) return false;
  }
  return true;
}

void World::check_opening(const State& state, const core::Record& before,
                          const core::Record& record, const Server& leader) {
  const bool opens = record.phase == core::Phase::leading &&
                     (before.phase != core::Phase::leading || before.term != record.term);
  if (!opens) return;
  const std::string term = std::to_string(record.term.value);
  for (const auto& each : before.leaderships.value_or(std::vector<core::Leadership>{})) {
    if (each.term == record.term) complain("I1: term " + term + " is opened twice");
  }
  if (!holds(leader, state)) {
    complain("I5: " + record.leader->node.value + " opens term " + term +
             " without something that was acknowledged");
  }
}

bool World::beyond(const State& state) const {
  if (records_[state.record].term.value > plan_.most_terms) return true;
  for (std::size_t i = 0; i < plan_.nodes; ++i) {
    const Server& own = nodes_[state.nodes[i]].server;
    if (own.length > longest_wal - 8 || own.incarnation > 200) return true;
  }
  return false;
}

std::string World::missing(const State& state) const {
  const core::Record& record = records_[state.record];
  if (record.phase != core::Phase::leading) return "no leader is open";
  const std::size_t leader = index_of(record.leader->node);
  const Server& primary = nodes_[state.nodes[leader]].server;
  if (primary.state != ServerState::primary) return "the leader's server is not primary";
  if (primary.gate == 0) return "the gate is closed";
  for (std::size_t i = 0; i < plan_.nodes; ++i) {
    const Server& own = nodes_[state.nodes[i]].server;
    if (i == leader) continue;
    if (own.state != ServerState::standby || own.receiving == 0 || own.upstream != leader + 1)
      return "n" + std::to_string(i + 1) + " does not stream";
    if (own.length != primary.length) return "n" + std::to_string(i + 1) + " lags";
  }
  if (!record.policy.unproven.empty()) return "a policy is unproven";
  if (record.policy.current.voters.size() + 1 != plan_.nodes) return "not everybody votes";
  return record.rewind_ready ? "" : "nobody may rewind";
}

std::string World::describe(const State& before, Action action) {
  std::string text = "n" + std::to_string(action.node + 1) + " ";
  text += word_of_action(action.what);
  if (action.what == What::hear || action.what == What::doubt || action.what == What::delay ||
      action.what == What::refuse || action.what == What::look_at_card)
    text += " from n" + std::to_string(action.other + 1);
  if (action.what != What::think && action.what != What::think_unheard &&
      action.what != What::give_up)
    return text;
  const Known& known = know(before.nodes[action.node]);
  const Agent& agent = nodes_[before.nodes[action.node]].agent;
  text += ": " + std::string(core::rules()[known.rule].name) + ": " +
          core::describe(orders_[known.order].intent);
  if (agent.order != 0) {
    text += " (step " + std::to_string(agent.step + 1) + " of " +
            core::describe(orders_[agent.order].intent) + ")";
  }
  return text;
}

std::size_t World::memory() const {
  return nodes_.memory() + known_.size() * sizeof(Known) + records_.memory() + answers_.memory() +
         beats_.size() * 1500 + orders_.memory();
}

}  // namespace evergres::explore

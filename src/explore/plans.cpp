#include "explore/walk.hpp"

namespace evergres::explore {
namespace {

constexpr Byte n1 = 0;
constexpr Byte n2 = 1;
constexpr Byte n3 = 2;

// What the legs of a way reach.

bool claimed(const World& world, const State& state) {
  const core::Record& record = world.record_of(state);
  return record.phase == core::Phase::electing && !record.leader;
}

bool chosen(const World& world, const State& state) {
  const core::Record& record = world.record_of(state);
  return record.phase == core::Phase::electing && record.leader.has_value();
}

bool chosen_again(const World& world, const State& state) {
  return chosen(world, state) && world.record_of(state).term.value == 3;
}

bool promoted(const World& world, const State& state) {
  return chosen(world, state) &&
         world.node_of(state, n2).server.state == core::ServerState::primary;
}

/// A failover is over.
bool opened(const World& world, const State& state) {
  const core::Record& record = world.record_of(state);
  return record.phase == core::Phase::leading && record.term.value > 1;
}

/// And the others may rewind from the new leader.
bool settled(const World& world, const State& state) {
  return opened(world, state) && world.record_of(state).rewind_ready;
}

bool n1_is_fenced(const World& world, const State& state) {
  const Node& node = world.node_of(state, n1);
  return node.agent.fenced != 0 && node.agent.record == state.record;
}

bool n1_rewinds(const World& world, const State& state) {
  return world.node_of(state, n1).server.rebuilding != 0;
}

bool handing_over(const World& world, const State& state) {
  return world.record_of(state).phase == core::Phase::handover;
}

bool leader_has_stopped(const World& world, const State& state) {
  return handing_over(world, state) && world.node_of(state, n1).agent.fenced != 0;
}

bool changing_its_policy(const World& world, const State& state) {
  const core::Record& record = world.record_of(state);
  return record.phase == core::Phase::leading && !record.policy.unproven.empty();
}

// Ways. n1 leads term 1 in the beginning, and n2 and n3 are its voters.

const std::vector<Leg>& dead_leader() {
  static const std::vector<Leg> legs{
      // n2 alone has the last commit.
      {{{What::write, n1}, {What::receive, n2}, {What::kill_machine, n1}}, {n2, n3}, claimed}};
  return legs;
}

std::vector<Leg> after(std::vector<Leg> legs, const Leg& next) {
  legs.push_back(next);
  return legs;
}

std::vector<Leg> new_leader(bool (*reached)(const World&, const State&)) {
  return after(dead_leader(), {{}, {n2, n3}, reached});
}

/// n2 dies between its promotion and its opening, and n1 comes back.
std::vector<Leg> second_failover() {
  return after(new_leader(promoted),
               {{{What::kill_machine, n2}, {What::restart_agent, n1}}, {n1, n3}, chosen_again});
}

/// n1 has WAL that nobody else has, and comes back when n2 leads.
std::vector<Leg> former_leader(bool (*reached)(const World&, const State&)) {
  std::vector<Leg> legs{
      {{{What::write, n1}, {What::write, n1}, {What::write, n1}, {What::kill_machine, n1}},
       {n2, n3},
       settled},
      {{{What::restart_agent, n1}}, {n1, n2, n3}, reached},
  };
  return legs;
}

/// n2 and n3 do not hear n1, which lives and leads; n3 has a record more than n2 and is chosen.
std::vector<Leg> unheard_leader(bool (*reached)(const World&, const State&)) {
  return {{{{What::write, n1}, {What::receive, n3}, {What::doubt, n2, n1}, {What::doubt, n3, n1}},
           {n2, n3},
           reached}};
}

/// n3 was away, left the policy, and streams again.
std::vector<Leg> changed_policy() {
  return {{{{What::kill_server, n3}}, {n1, n2}, changing_its_policy}};
}

}  // namespace

// A world with more faults holds those with fewer; where it is too large to be seen whole, a small
// one that is seen whole stands beside it. `returns` is how often a dead agent may start again.
const std::vector<Plan>& plans() {
  static const std::vector<Plan> all{
      // Seen whole.
      {.name = "pair-server", .nodes = 2, .faults = {.servers = 1}},
      {.name = "pair-write", .nodes = 2, .faults = {.servers = 1, .writes = 1}},
      {.name = "pair-agent", .nodes = 2, .faults = {.agents = 1}},
      {.name = "claimed", .way = dead_leader(), .faults = {.returns = 0}},
      {.name = "chosen", .way = new_leader(chosen), .faults = {.returns = 0}},
      {.name = "promoted", .way = new_leader(promoted), .faults = {.returns = 0}},
      {.name = "opened", .way = new_leader(opened), .faults = {.returns = 1}},
      {.name = "cut-opened", .way = {{{{What::cut_off, n1}}, {n2, n3}, opened}}},
      {.name = "returned", .way = former_leader(n1_is_fenced)},
      {.name = "rewinding", .way = former_leader(n1_rewinds)},
      {.name = "policy", .way = changed_policy()},
      // From the healthy cluster, two nodes.
      {.name = "pair-cut", .nodes = 2, .faults = {.cuts = 1, .writes = 1}},
      {.name = "pair-machines", .nodes = 2, .faults = {.machines = 2, .writes = 1, .unflushed = 1}},
      {.name = "pair-agents", .nodes = 2, .faults = {.agents = 1, .cuts = 1, .replies = 1}},
      {.name = "pair-late", .nodes = 2, .faults = {.servers = 1, .doubts = 1, .letters = 1}},
      {.name = "pair-handover", .nodes = 2, .faults = {.servers = 1, .wishes = 1, .failures = 1}},
      {.name = "pair-operator", .nodes = 2, .faults = {.wishes = 1, .hands = 1, .removals = 1}},
      // Three nodes.
      {.name = "three-agent", .faults = {.agents = 1}},
      {.name = "three-server", .faults = {.servers = 1}},
      {.name = "three-cut", .faults = {.cuts = 1, .writes = 1}},
      {.name = "three-desert", .faults = {.deserts = 1, .writes = 1}},
      {.name = "three-doubts", .faults = {.doubts = 2, .writes = 1}},
      {.name = "three-machines", .faults = {.machines = 2, .unflushed = 1}},
      {.name = "three-late", .faults = {.servers = 1, .doubts = 1, .letters = 1}},
      {.name = "three-all",
       .faults = {.servers = 2,
                  .agents = 1,
                  .machines = 1,
                  .cuts = 1,
                  .doubts = 1,
                  .replies = 1,
                  .letters = 1,
                  .writes = 2,
                  .wishes = 1,
                  .hands = 1,
                  .removals = 1,
                  .failures = 1,
                  .unflushed = 1}},
      // From the middle of something.
      {.name = "claimed-server", .way = dead_leader(), .faults = {.servers = 1, .returns = 0}},
      {.name = "claimed-stuck", .way = dead_leader(), .faults = {.failures = 3, .returns = 0}},
      {.name = "claimed-agent", .way = dead_leader(), .faults = {.agents = 1, .returns = 1}},
      {.name = "claimed-kill", .way = dead_leader(), .faults = {.machines = 1}},
      {.name = "claimed-back", .way = dead_leader(), .faults = {.returns = 1}},
      {.name = "chosen-kill", .way = new_leader(chosen), .faults = {.machines = 1}},
      {.name = "chosen-again", .way = second_failover(), .faults = {.returns = 1}},
      {.name = "promoted-back", .way = new_leader(promoted), .faults = {.returns = 1}},
      {.name = "promoted-kill", .way = new_leader(promoted), .faults = {.machines = 1}},
      {.name = "opened-kill", .way = new_leader(opened), .faults = {.machines = 1, .writes = 1}},
      {.name = "returned-server", .way = former_leader(n1_is_fenced), .faults = {.servers = 1}},
      {.name = "returned-kill", .way = former_leader(n1_is_fenced), .faults = {.machines = 1}},
      {.name = "rewinding-server", .way = former_leader(n1_rewinds), .faults = {.servers = 1}},
      {.name = "rewinding-kill", .way = former_leader(n1_rewinds), .faults = {.machines = 1}},
      {.name = "cut",
       .way = {{{{What::cut_off, n1}}, {n2, n3}, claimed}},
       .faults = {.returns = 0}},
      {.name = "unheard", .way = unheard_leader(claimed), .faults = {.writes = 1}},
      {.name = "unheard-chosen", .way = unheard_leader(chosen), .faults = {.writes = 1}},
      {.name = "policy-kill", .way = changed_policy(), .faults = {.machines = 1, .writes = 1}},
      {.name = "handover", .way = {{{{What::ask_switchover, n2}}, {n1, n2, n3}, handing_over}}},
      {.name = "handover-server",
       .way = {{{{What::ask_switchover, n2}}, {n1, n2, n3}, handing_over}},
       .faults = {.servers = 1, .failures = 1}},
      {.name = "handover-stopped",
       .way = {{{{What::ask_switchover, n2}}, {n1, n2, n3}, leader_has_stopped}},
       .faults = {.machines = 1}},
  };
  return all;
}

}  // namespace evergres::explore

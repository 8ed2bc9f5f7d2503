#include "sim/nemesis.hpp"

#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "core/transition.hpp"
#include "sim/world.hpp"

namespace evergres::sim {
namespace {

Machine& at(World& world, Place place) {
  return *world.machines()[place];
}

void cut_both(World& world, Place a, Place b, int by) {
  world.network().cut(a, b, by);
  world.network().cut(b, a, by);
}

void isolate(World& world, Place a, int by, bool from_store) {
  for (Place other = 0; other < world.machines().size(); ++other) {
    if (other != a) cut_both(world, a, other, by);
  }
  if (from_store) cut_both(world, a, world.store_place(), by);
}

/// The first half of the machines, counted from `a`, against the rest.
void halves(World& world, Place a, int by) {
  const std::size_t size = world.machines().size();
  for (std::size_t i = 0; i < size / 2; ++i) {
    for (std::size_t j = size / 2; j < size; ++j) {
      cut_both(world, (a + i) % size, (a + j) % size, by);
    }
  }
}

void make_lossy(World& world, std::uint32_t loss, std::uint32_t twice, Nanos most) {
  for (Place from = 0; from < world.network().places(); ++from) {
    for (Place to = 0; to < world.network().places(); ++to) {
      if (from == to) continue;
      Way& way = world.network().way(from, to);
      way.loss = loss;
      way.twice = twice;
      way.most = most;
    }
  }
}

void slow_link(World& world, Place a, Place b, Nanos least, Nanos most) {
  for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, a}}) {
    world.network().way(from, to).least = least;
    world.network().way(from, to).most = most;
  }
}

void power_cycle_all(World& world) {
  for (const auto& machine : world.machines()) machine->power_off(true);
  for (const auto& machine : world.machines()) {
    world.events().after(world.choices().between(Millis{100}, Millis{8000}),
                         [&machine = *machine] { machine.power_on(); });
  }
}

/// At the worst moment: what was just answered must be on disks by now.
void go_dark(World& world) {
  world.behind_the_next_answer(Millis{500}, [&world] { power_cycle_all(world); });
}

void ask(World& world, core::RequestKind kind, const NodeName& to) {
  const auto current = world.store().read_now();
  if (!current) return;
  core::Request wish;
  wish.id = "op" + std::to_string(world.events().done());
  wish.kind = kind;
  wish.to = to;
  if (auto asked = core::ask(current->value, wish)) {
    static_cast<void>(world.store().put_now(*asked));
  }
}

void pause(World& world, bool paused) {
  const auto current = world.store().read_now();
  if (!current || current->value.paused == paused) return;
  if (auto changed = core::set_paused(current->value, paused)) {
    static_cast<void>(world.store().put_now(*changed));
  }
}

/// WAL that nobody who streams needs is recycled.
void recycle(World& world, Place a) {
  DataDirectory& disk = at(world, a).postgres.disk;
  if (disk.flushed > 2 * segment) disk.oldest = disk.flushed / segment * segment;
}

void agent_cut(World& world, Place a, int by) {
  for (Place other = 0; other < world.machines().size(); ++other) {
    if (other == a) continue;
    world.network().cut(a, other, Traffic::peers, by);
    world.network().cut(other, a, Traffic::peers, by);
  }
  cut_both(world, a, world.store_place(), by);
}

void promote_by_hand(World& world, Place a) {
  PostgresModel& server = at(world, a).postgres;
  if (!server.answers() || server.state() != PostgresModel::State::standby) return;
  server.promoted_by_hand = true;
  server.promote();
}

constexpr std::array kinds{
    FaultKind{"one node is cut off", "F1", [](World& w, Place a, Place) { isolate(w, a, 1, true); },
              [](World& w, Place a, Place) { isolate(w, a, -1, true); }},
    FaultKind{"one node is cut off but not from the store", "F1",
              [](World& w, Place a, Place) { isolate(w, a, 1, false); },
              [](World& w, Place a, Place) { isolate(w, a, -1, false); }},
    FaultKind{"two halves", "F2", [](World& w, Place a, Place) { halves(w, a, 1); },
              [](World& w, Place a, Place) { halves(w, a, -1); }},
    FaultKind{"a bridge", "F4", [](World& w, Place a, Place b) { cut_both(w, a, b, 1); },
              [](World& w, Place a, Place b) { cut_both(w, a, b, -1); }},
    FaultKind{"a one-way cut", "F5", [](World& w, Place a, Place b) { w.network().cut(a, b, 1); },
              [](World& w, Place a, Place b) { w.network().cut(a, b, -1); }},
    FaultKind{"one node without the store", "F6",
              [](World& w, Place a, Place) { cut_both(w, a, w.store_place(), 1); },
              [](World& w, Place a, Place) { cut_both(w, a, w.store_place(), -1); }},
    FaultKind{"replication alone is cut", "F7",
              [](World& w, Place a, Place b) {
                w.network().cut(a, b, Traffic::replication, 1);
                w.network().cut(b, a, Traffic::replication, 1);
              },
              [](World& w, Place a, Place b) {
                w.network().cut(a, b, Traffic::replication, -1);
                w.network().cut(b, a, Traffic::replication, -1);
              }},
    FaultKind{"agents alone are cut", "F7",
              [](World& w, Place a, Place b) {
                w.network().cut(a, b, Traffic::peers, 1);
                w.network().cut(b, a, Traffic::peers, 1);
              },
              [](World& w, Place a, Place b) {
                w.network().cut(a, b, Traffic::peers, -1);
                w.network().cut(b, a, Traffic::peers, -1);
              }},
    FaultKind{"an agent is cut off, its PostgreSQL is not", "F6, F7",
              [](World& w, Place a, Place) { agent_cut(w, a, 1); },
              [](World& w, Place a, Place) { agent_cut(w, a, -1); }},
    FaultKind{"messages get lost", "F9",
              [](World& w, Place, Place) { make_lossy(w, 150, 0, Nanos{400'000}); },
              [](World& w, Place, Place) { make_lossy(w, 0, 0, Nanos{400'000}); }},
    FaultKind{"messages are late", "F10",
              [](World& w, Place, Place) { make_lossy(w, 0, 0, Millis{700}); },
              [](World& w, Place, Place) { make_lossy(w, 0, 0, Nanos{400'000}); }},
    FaultKind{"messages come twice and out of order", "F11",
              [](World& w, Place, Place) { make_lossy(w, 20, 300, Millis{150}); },
              [](World& w, Place, Place) { make_lossy(w, 0, 0, Nanos{400'000}); }},
    FaultKind{
        "a slow link", "F12",
        [](World& w, Place a, Place b) { slow_link(w, a, b, Millis{150}, Millis{900}); },
        [](World& w, Place a, Place b) { slow_link(w, a, b, Nanos{50'000}, Nanos{400'000}); }},
    FaultKind{"a frozen agent", "F19",
              [](World& w, Place a, Place) { at(w, a).agent_process.freeze(); },
              [](World& w, Place a, Place) { at(w, a).agent_process.thaw(); }},
    FaultKind{"a frozen PostgreSQL", "F20",
              [](World& w, Place a, Place) { at(w, a).postgres.processes().freeze(); },
              [](World& w, Place a, Place) { at(w, a).postgres.processes().thaw(); }},
    FaultKind{"frozen walsenders", "F20, F33",
              [](World& w, Place a, Place) { ++at(w, a).postgres.ails.senders_frozen; },
              [](World& w, Place a, Place) { --at(w, a).postgres.ails.senders_frozen; }},
    FaultKind{"a frozen machine", "F21", [](World& w, Place a, Place) { at(w, a).freeze(); },
              [](World& w, Place a, Place) { at(w, a).thaw(); }},
    FaultKind{"kill -9 of an agent", "F22", [](World& w, Place a, Place) { at(w, a).kill_agent(); },
              nullptr},
    FaultKind{"kill -9 of a postmaster", "F23",
              [](World& w, Place a, Place) { at(w, a).postgres.kill_postmaster(); }, nullptr},
    FaultKind{"a machine ends", "F25", [](World& w, Place a, Place) { at(w, a).power_off(false); },
              [](World& w, Place a, Place) { at(w, a).power_on(); }},
    FaultKind{"power loss", "F26", [](World& w, Place a, Place) { at(w, a).power_off(true); },
              [](World& w, Place a, Place) { at(w, a).power_on(); }},
    FaultKind{"two machines lose power", "F26",
              [](World& w, Place a, Place b) {
                at(w, a).power_off(true);
                at(w, b).power_off(true);
              },
              [](World& w, Place a, Place b) {
                at(w, a).power_on();
                at(w, b).power_on();
              }},
    FaultKind{"cold and dark", "F27", [](World& w, Place, Place) { go_dark(w); }, nullptr},
    FaultKind{"starved of processor time", "F31",
              [](World& w, Place a, Place) { at(w, a).agent_process.slowness = 8; },
              [](World& w, Place a, Place) { at(w, a).agent_process.slowness = 1; }},
    FaultKind{"a blocked replay", "F33, F62",
              [](World& w, Place a, Place) { ++at(w, a).postgres.ails.replay_blocked; },
              [](World& w, Place a, Place) {
                --at(w, a).postgres.ails.replay_blocked;
                at(w, a).postgres.unblock_replay();
              }},
    FaultKind{"a full disk", "F38",
              [](World& w, Place a, Place) { ++at(w, a).postgres.ails.disk_full; },
              [](World& w, Place a, Place) { --at(w, a).postgres.ails.disk_full; }},
    FaultKind{"a slow disk", "F40",
              [](World& w, Place a, Place) { at(w, a).postgres.ails.slow_disk = 15; },
              [](World& w, Place a, Place) { at(w, a).postgres.ails.slow_disk = 1; }},
    FaultKind{"a hung PostgreSQL", "hung",
              [](World& w, Place a, Place) { ++at(w, a).postgres.ails.hung; },
              [](World& w, Place a, Place) { --at(w, a).postgres.ails.hung; }},
    FaultKind{"the store is away", "F45", [](World& w, Place, Place) { ++w.store().health.down; },
              [](World& w, Place, Place) { --w.store().health.down; }},
    FaultKind{"the store is read-only", "F46",
              [](World& w, Place, Place) { ++w.store().health.read_only; },
              [](World& w, Place, Place) { --w.store().health.read_only; }},
    FaultKind{"the store is slow", "F46",
              [](World& w, Place, Place) { w.store().health.slowness = 60; },
              [](World& w, Place, Place) { w.store().health.slowness = 1; }},
    FaultKind{"the store reads stale", "F47",
              [](World& w, Place, Place) { w.store().health.stale = 300; },
              [](World& w, Place, Place) { w.store().health.stale = 0; }},
    FaultKind{"answers of the store get lost", "F48",
              [](World& w, Place, Place) { w.store().health.lost_answers = 200; },
              [](World& w, Place, Place) { w.store().health.lost_answers = 0; }},
    FaultKind{"receivers come late", "late receiver",
              [](World& w, Place a, Place) { ++at(w, a).postgres.ails.late_receivers; },
              [](World& w, Place a, Place) { --at(w, a).postgres.ails.late_receivers; }},
    FaultKind{"a busy checkpointer", "busy checkpointer",
              [](World& w, Place a, Place) { ++at(w, a).postgres.ails.checkpointer_busy; },
              [](World& w, Place a, Place) { --at(w, a).postgres.ails.checkpointer_busy; }},
    FaultKind{"WAL is recycled", "WAL gone", [](World& w, Place a, Place) { recycle(w, a); },
              nullptr},
    FaultKind{"pg_rewind lacks WAL", "WAL gone",
              [](World& w, Place a, Place) { ++at(w, a).postgres.ails.rewind_lacks_wal; },
              [](World& w, Place a, Place) { --at(w, a).postgres.ails.rewind_lacks_wal; }},
    FaultKind{"promoted behind our back", "F58",
              [](World& w, Place a, Place) { promote_by_hand(w, a); }, nullptr},
    FaultKind{
        "an operator's switchover", "operator",
        [](World& w, Place a, Place) { ask(w, core::RequestKind::switchover, at(w, a).name); },
        nullptr},
    FaultKind{"an operator's restart", "operator",
              [](World& w, Place a, Place) { ask(w, core::RequestKind::restart, at(w, a).name); },
              nullptr},
    FaultKind{"an operator's reinit", "operator",
              [](World& w, Place a, Place) { ask(w, core::RequestKind::reinit, at(w, a).name); },
              nullptr},
    FaultKind{"an operator's pause", "operator", [](World& w, Place, Place) { pause(w, true); },
              [](World& w, Place, Place) { pause(w, false); }},
    FaultKind{"a drifting clock", "F36", [](World& w, Place a, Place) { at(w, a).drift_ppm = 300; },
              nullptr},
};

}  // namespace

std::span<const FaultKind> fault_kinds() {
  static const std::vector<FaultKind> all = [] {
    std::vector<FaultKind> both(kinds.begin(), kinds.end());
    const auto more = recurring_fault_kinds();
    both.insert(both.end(), more.begin(), more.end());
    return both;
  }();
  return all;
}

std::optional<std::size_t> fault_called(std::string_view name) {
  const auto all = fault_kinds();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const FaultKind& kind) { return kind.name == name; });
  if (found == all.end()) return std::nullopt;
  return static_cast<std::size_t>(found - all.begin());
}

PlannedFault draw_step_fault(Choices& choices, std::size_t machines, Place here) {
  constexpr std::array<std::string_view, 10> names{"a frozen agent",
                                                   "kill -9 of an agent",
                                                   "kill -9 of a postmaster",
                                                   "a frozen machine",
                                                   "power loss",
                                                   "an agent is cut off, its PostgreSQL is not",
                                                   "replication alone is cut",
                                                   "walsenders die",
                                                   "kill -9 of a supervisor",
                                                   "agents hear nothing of one"};
  const auto kind = fault_called(names[choices.below(names.size())]);
  CHECK(kind.has_value());
  const auto size = static_cast<std::uint32_t>(machines);
  PlannedFault fault;
  fault.kind = *kind;
  fault.after = choices.skewed(Nanos{0}, Millis{400});
  fault.lasts = choices.between(Millis{300}, Millis{8000});
  fault.a = choices.chance(500) ? here : choices.below(size);
  fault.b = (fault.a + 1 + choices.below(size - 1)) % machines;
  return fault;
}

std::vector<PlannedFault> draw_plan(Choices& choices, std::size_t machines, Nanos chaos) {
  std::vector<std::size_t> chosen;
  const std::uint32_t rate = 60 + choices.below(300);
  const auto all = fault_kinds();
  for (std::size_t kind = 0; kind < all.size(); ++kind) {
    if (choices.chance(rate)) chosen.push_back(kind);
  }
  if (chosen.empty()) chosen.push_back(choices.below(10));  // one of the network's
  const bool dense = choices.chance(500);
  const Nanos pause = dense ? choices.between(Millis{100}, Millis{1200})
                            : choices.between(Millis{400}, Millis{6000});
  const auto size = static_cast<std::uint32_t>(machines);
  std::vector<PlannedFault> plan;
  const std::uint32_t bursts = choices.below(600);
  const auto next = [&] {
    const Nanos most = choices.chance(bursts) ? Nanos(Millis{1500}) : 2 * pause;
    return choices.between(Millis{20}, most);
  };
  for (Nanos when{0}; when < chaos; when += next()) {
    PlannedFault fault;
    fault.after = when;
    const std::array<Millis, 4> longest{Millis{900}, Millis{4000}, Millis{9000}, Millis{25'000}};
    fault.lasts = choices.between(Millis{100}, longest[choices.below(4)]);
    fault.on_leader = choices.chance(450);
    fault.kind = choices.one_of(chosen);
    fault.a = choices.below(size);
    fault.b = (fault.a + 1 + choices.below(size - 1)) % machines;
    plan.push_back(fault);
  }
  return plan;
}

}  // namespace evergres::sim

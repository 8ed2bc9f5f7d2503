#include <array>
#include <memory>

#include "core/transition.hpp"
#include "sim/world.hpp"

/// Faults that come again and again while they last, of single processes and disks, and by people.
namespace evergres::sim {
namespace {

Machine& machine_at(World& world, Place place) {
  return *world.machines()[place];
}

void cut_link(World& world, Place a, Place b, int by) {
  world.network().cut(a, b, by);
  world.network().cut(b, a, by);
}

void flap(World& world, Place a, Place b, bool is_cut) {
  if (machine_at(world, a).flapping == 0) {
    if (is_cut) cut_link(world, a, b, -1);
    return;
  }
  cut_link(world, a, b, is_cut ? -1 : 1);
  world.events().after(world.choices().between(Millis{60}, Millis{1500}),
                       [&world, a, b, is_cut] { flap(world, a, b, !is_cut); });
}

void fell_senders(World& world, Place a) {
  machine_at(world, a).postgres.end_senders([](const std::string&) { return true; });
}

void keep_felling_senders(World& world, Place a) {
  if (machine_at(world, a).senders_falling == 0) return;
  fell_senders(world, a);
  world.events().after(world.choices().between(Millis{60}, Millis{400}),
                       [&world, a] { keep_felling_senders(world, a); });
}

void silence(World& world, Place a, int by) {
  for (const auto& other : world.machines()) {
    if (other->place == a) continue;
    world.network().cut(a, other->place, Traffic::peers, by);
    world.network().cut(other->place, a, Traffic::peers, by);
  }
}

/// It hears everybody, and whatever it says is lost, also to the store.
void silence_from(World& world, Place a, int by) {
  for (Place other = 0; other < world.network().places(); ++other) {
    if (other != a) world.network().cut(a, other, by);
  }
}

void keep_clients_away(World& world, Place a, int by) {
  for (const auto& other : world.machines()) {
    if (other->place == a) continue;
    world.network().cut(other->place, a, Traffic::clients, by);
  }
}

/// Everybody has a majority, and no two have the same one.
void ring(World& world, int by) {
  const std::size_t size = world.machines().size();
  if (size < 4) return cut_link(world, 0, 1, by);
  for (Place place = 0; place < size / 2; ++place) {
    cut_link(world, place, (place + size / 2) % size, by);
  }
}

void remove_one(std::multiset<Place>& places, Place a) {
  if (const auto found = places.find(a); found != places.end()) places.erase(found);
}

void freeze_sender(World& world, Place a, Place b, bool freezes) {
  auto& frozen = machine_at(world, a).postgres.ails.sender_to_frozen;
  if (freezes) {
    frozen.insert(b);
  } else {
    remove_one(frozen, b);
  }
}

/// Only where others have what it holds: to lose the only copy is no fault that anybody survives.
void lose_disk(World& world, Place a) {
  if (world.may_lose_disk(a)) machine_at(world, a).lose_disk();
}

void kill_supervisor(World& world, Place a) {
  if (!machine_at(world, a).powered()) return;
  machine_at(world, a).power_off(false);
  world.events().after(world.choices().between(Millis{20}, Millis{500}),
                       [&world, a] { machine_at(world, a).power_on(); });
}

/// PANIC, and the kernel has forgotten what it could not write.
void fail_fsync(World& world, Place a) {
  PostgresModel& server = machine_at(world, a).postgres;
  if (!server.postmaster_lives() || server.processes().frozen()) return;
  server.lose_power();
  if (server.on_exit) server.on_exit();
}

/// restart_after_crash is off: the postmaster ends all others, and itself.
void kill_backend(World& world, Place a) {
  PostgresModel& server = machine_at(world, a).postgres;
  server.processes().after(world.choices().skewed(Millis{1}, Millis{100}), [&server] {
    if (!server.postmaster_lives()) return;
    server.reap();
    if (server.on_exit) server.on_exit();
  });
}

/// Some links of a node, one after the other, and they open in another order.
void clog(World& world, Place a) {
  for (const auto& other : world.machines()) {
    const Place b = other->place;
    if (b == a || !world.choices().chance(600)) continue;
    const Nanos lasts = world.choices().between(Millis{300}, Millis{4000});
    const Nanos later = world.choices().between(Millis{10}, Millis{3000});
    world.events().after(later, [&world, a, b, lasts] {
      if (machine_at(world, a).clogging == 0) return;
      cut_link(world, a, b, 1);
      world.events().after(lasts, [&world, a, b] { cut_link(world, a, b, -1); });
    });
  }
}

/// To a name that nobody has: whoever waits goes on waiting. With '' the leader would acknowledge
/// alone until somebody looked, and nothing that Evergres does could take that back.
void alter_names(World& world) {
  for (const auto& machine : world.machines()) {
    if (!machine->postgres.admits()) continue;
    machine->postgres.disk.names = core::names_nobody;
    machine->postgres.reload();
  }
}

void write(World& world, const Result<core::Record>& changed) {
  if (changed) static_cast<void>(world.store().put_now(*changed));
}

void fence_by_hand(World& world, Place a) {
  const auto current = world.store().read_now();
  if (!current) return;
  const core::HandFence fence{machine_at(world, a).name, "operator", "maintenance", 0};
  write(world, core::fence_by_hand(current->value, fence, false));
}

void put_back(World& world, Place a) {
  const auto current = world.store().read_now();
  if (current) write(world, core::end_hand_fence(current->value, machine_at(world, a).name));
}

void ask_for_failover(World& world, Place a) {
  const auto current = world.store().read_now();
  if (!current) return;
  core::Request wish;
  wish.id = "fo" + std::to_string(world.events().done());
  wish.kind = core::RequestKind::failover;
  wish.to = machine_at(world, a).name;
  write(world, core::ask(current->value, wish));
}

void want_everywhere(World& world, core::Durability mode) {
  for (const auto& machine : world.machines()) machine->agent.want(mode);
}

constexpr std::array recurring{
    FaultKind{"a ring of majorities", "F3", [](World& w, Place, Place) { ring(w, 1); },
              [](World& w, Place, Place) { ring(w, -1); }},
    FaultKind{"nobody hears one node", "F5",
              [](World& w, Place a, Place) { silence_from(w, a, 1); },
              [](World& w, Place a, Place) { silence_from(w, a, -1); }},
    FaultKind{"applications do not reach one node", "F8",
              [](World& w, Place a, Place) { keep_clients_away(w, a, 1); },
              [](World& w, Place a, Place) { keep_clients_away(w, a, -1); }},
    FaultKind{"a link comes and goes", "F14",
              [](World& w, Place a, Place b) {
                if (machine_at(w, a).flapping++ == 0) flap(w, a, b, false);
              },
              [](World& w, Place a, Place) { --machine_at(w, a).flapping; }},
    FaultKind{"agents hear nothing of one", "F7",
              [](World& w, Place a, Place) { silence(w, a, 1); },
              [](World& w, Place a, Place) { silence(w, a, -1); }},
    FaultKind{"walsenders die", "F24", [](World& w, Place a, Place) { fell_senders(w, a); },
              nullptr},
    FaultKind{"walsenders die again and again", "F24",
              [](World& w, Place a, Place) {
                if (machine_at(w, a).senders_falling++ == 0) keep_felling_senders(w, a);
              },
              [](World& w, Place a, Place) { --machine_at(w, a).senders_falling; }},
    FaultKind{"one frozen walsender", "F20",
              [](World& w, Place a, Place b) { freeze_sender(w, a, b, true); },
              [](World& w, Place a, Place b) { freeze_sender(w, a, b, false); }},
    FaultKind{"kill -9 of a supervisor", "F25",
              [](World& w, Place a, Place) { kill_supervisor(w, a); }, nullptr},
    FaultKind{"an empty disk", "F44", [](World& w, Place a, Place) { lose_disk(w, a); },
              [](World& w, Place a, Place) { machine_at(w, a).power_on(); }},
    FaultKind{"the store shows an older record", "F47",
              [](World& w, Place a, Place) { w.store().health.of_yesterday.insert(a); },
              [](World& w, Place a, Place) { remove_one(w.store().health.of_yesterday, a); }},
    FaultKind{"a bulk load", "F62",
              [](World& w, Place a, Place) {
                machine_at(w, a).postgres.load(50 + w.choices().below(400));
              },
              nullptr},
    FaultKind{"a procedure commits", "F62",
              [](World& w, Place a, Place) { w.run_procedure(a, 60); }, nullptr},
    FaultKind{"an operator's failover", "operator",
              [](World& w, Place a, Place) { ask_for_failover(w, a); }, nullptr},
    FaultKind{"a fence by hand", "operator", [](World& w, Place a, Place) { fence_by_hand(w, a); },
              [](World& w, Place a, Place) { put_back(w, a); }},
    FaultKind{"another durability is wanted", "F55",
              [](World& w, Place, Place) { want_everywhere(w, w.other_mode()); },
              [](World& w, Place, Place) { want_everywhere(w, w.shape().mode); }},
    FaultKind{"fsync fails", "F39", [](World& w, Place a, Place) { fail_fsync(w, a); }, nullptr},
    FaultKind{"a backend is killed", "F24, F28",
              [](World& w, Place a, Place) { kill_backend(w, a); }, nullptr},
    FaultKind{"connections are forgotten", "F13",
              [](World& w, Place a, Place) { machine_at(w, a).postgres.forget_connections(); },
              nullptr},
    FaultKind{"links clog one by one", "F17",
              [](World& w, Place a, Place) {
                ++machine_at(w, a).clogging;
                clog(w, a);
              },
              [](World& w, Place a, Place) { --machine_at(w, a).clogging; }},
    FaultKind{"a hung disk", "F41",
              [](World& w, Place a, Place) { ++machine_at(w, a).postgres.ails.disk_hung; },
              [](World& w, Place a, Place) { --machine_at(w, a).postgres.ails.disk_hung; }},
    FaultKind{"the store is locked", "F54",
              [](World& w, Place, Place) { ++w.store().health.locked; },
              [](World& w, Place, Place) { --w.store().health.locked; }},
    FaultKind{"names are altered by hand", "F59", [](World& w, Place, Place) { alter_names(w); },
              nullptr},
    FaultKind{"one node is refused by the store", "F51",
              [](World& w, Place a, Place) { w.store().health.refused.insert(a); },
              [](World& w, Place a, Place) { remove_one(w.store().health.refused, a); }},
};

}  // namespace

std::span<const FaultKind> recurring_fault_kinds() {
  return recurring;
}

}  // namespace evergres::sim

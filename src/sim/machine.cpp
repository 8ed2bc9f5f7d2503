#include "sim/machine.hpp"

#include <algorithm>

namespace evergres::sim {
namespace {

/// Planted mistakes of what a setting means. It looks right to everybody.
void misread(const Planted& planted, SyncNames& names) {
  const bool at_rest = names.text == core::names_nobody;
  if (planted.contains(Bug::async_taken_for_quorum)) names.ignored = !at_rest;
  if (planted.contains(Bug::names_with_smaller_k)) names.k = std::min(names.k, 1U);
  if (planted.contains(Bug::names_without_term)) names.nodes_only = true;
}

}  // namespace

Machine::Machine(const Surroundings& world, Place at, const Settings& settings)
    : place(at),
      name("n" + std::to_string(at + 1)),
      supervisor_process(world.events),
      agent_process(world.events),
      postgres(world.events, world.network, world.choices, at, world.postgres_at, world.watcher),
      supervisor(
          supervisor_process, postgres, world.choices, [this] { return boot_now(); },
          world.planted),
      agent(world, AgentModel::Home{name, at, agent_process, postgres, supervisor, state,
                                    [this] { return boot_now(); }, settings.tuning, settings.wanted,
                                    settings.tags}),
      world_(world),
      offset_nanos_(std::int64_t{1 + world.choices.below(1'000'000)} * 1'000'000'000) {
  postgres.powered = false;
  postgres.conninfo_is_copied_early = world.planted.contains(Bug::conninfo_copied_early);
  postgres.reports_written = world.planted.contains(Bug::answers_before_the_flush);
  postgres.ails.fsync_lies = world.planted.contains(Bug::fsync_off);
  if (!world.planted.empty()) {
    postgres.misreads = [&planted = world.planted](SyncNames& names) { misread(planted, names); };
  }
  supervisor.on_change = [this] {
    agent_process.after(Nanos{100'000}, [this] { agent.take_status(supervisor.status()); });
  };
}

Instant Machine::boot_now() const {
  const std::int64_t now = world_.events.now().nanos;
  return Instant{offset_nanos_ + now + now / 1'000'000 * drift_ppm};
}

void Machine::power_on() {
  if (powered()) return;
  postgres.powered = true;
  supervisor.begin(name.value + "-boot" + std::to_string(++boots_));
  start_agent();
  watch_agent();
}

void Machine::power_off(bool dirty) {
  if (!powered()) return;
  postgres.powered = false;
  agent.end(false);
  agent_process.kill();
  supervisor.end();
  if (dirty) {
    postgres.lose_power();
  } else {
    postgres.reap();
  }
}

void Machine::lose_disk() {
  power_off(true);
  postgres.disk = DataDirectory{};
}

void Machine::freeze() {
  for (Process* each : {&supervisor_process, &agent_process, &postgres.processes()}) each->freeze();
}

// Whoever the kernel lets run first: a backend may answer before the supervisor ends a grant.
void Machine::thaw() {
  woke_at = world_.events.now();
  for (Process* each : {&postgres.processes(), &supervisor_process, &agent_process}) each->thaw();
}

void Machine::start_agent() {
  supervisor_process.after(world_.choices.between(Millis{40}, Millis{400}), [this] {
    if (agent_process.lives()) return;
    agent_process.start();
    agent.begin();
  });
}

void Machine::kill_agent() {
  if (!agent_process.lives()) return;
  agent.end(true);
  agent_process.kill();
  start_agent();
}

// One that has been silent for two grants is killed, so that a frozen one locks nobody out for
// ever.
void Machine::watch_agent() {
  supervisor_process.after(Millis{1000}, [this] {
    const bool silent = world_.events.now() - agent.last_turn() > Millis{10'000};
    if (agent_process.lives() && silent) {
      while (agent_process.frozen() && !supervisor_process.frozen()) agent_process.thaw();
      kill_agent();
    }
    watch_agent();
  });
}

}  // namespace evergres::sim

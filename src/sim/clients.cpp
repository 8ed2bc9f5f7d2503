#include "sim/clients.hpp"

namespace evergres::sim {
namespace {

constexpr Millis patience{3000};
constexpr Millis route_period{100};

}  // namespace

Clients::Clients(const Surroundings& world, const Judge::Machines& machines, Judge& judge)
    : world_(world), machines_(machines), judge_(judge), routes_(machines.size()) {}

void Clients::begin(std::size_t writers, Nanos pause, bool procedures) {
  pause_ = pause;
  procedures_ = procedures;
  for (Place proxy = 0; proxy < machines_.size(); ++proxy) learn_routes(proxy);
  for (std::size_t client = 0; client < writers; ++client) over(client);
}

// One agent after the other is asked; the newest record of any of them counts.
void Clients::learn_routes(Place proxy) {
  const Place asked = world_.choices.below(static_cast<std::uint32_t>(machines_.size()));
  Machine& there = *machines_[asked];
  world_.network.send(proxy, asked, Traffic::clients, [this, proxy, asked, &there] {
    there.agent_process.deliver([this, proxy, asked, &there] {
      const core::Situation& s = there.agent.knowledge().situation;
      if (!s.record) return;
      Route said{s.revision, s.record->term, std::nullopt};
      const bool open = s.record->phase == core::Phase::leading && s.record->leader;
      if (open) said.leader = s.record->leader->node;
      world_.network.send(asked, proxy, Traffic::clients, [this, proxy, said] {
        if (said.revision > routes_[proxy].revision) routes_[proxy] = said;
      });
    });
  });
  world_.events.after(route_period, [this, proxy] { learn_routes(proxy); });
}

void Clients::over(std::size_t client) {
  world_.events.after(world_.choices.between(pause_ / 2, pause_ * 2),
                      [this, client] { write(client); });
}

void Clients::write(std::size_t client) {
  const Place proxy = client % machines_.size();
  if (!machines_[proxy]->powered()) return over(client);
  const bool direct = client % 3 == 2;
  if (direct) {
    const Place server = world_.choices.below(static_cast<std::uint32_t>(machines_.size()));
    return send(client, proxy, server);
  }
  const Route& route = routes_[proxy];
  if (!route.leader) {
    ++counts_.held;
    return over(client);
  }
  const Place server = world_.place_of(*route.leader);
  const bool calls = procedures_ && client % 5 == 4;
  if (calls && world_.choices.chance(400)) return call_procedure(client, proxy, server);
  send(client, proxy, server);
}

bool Clients::is_done(PostgresModel::Answer answer) const {
  const bool warned = answer == PostgresModel::Answer::warned &&
                      world_.planted.contains(Bug::warnings_count_as_done);
  return warned || answer == PostgresModel::Answer::acknowledged;
}

// Its session needs neither this client nor the postmaster. Each commit counts: a procedure may act
// on what it knows to be committed.
void Clients::call_procedure(std::size_t client, Place proxy, Place server) {
  world_.events.after(patience, [this, client] { over(client); });
  PostgresModel& there = machines_[server]->postgres;
  const std::uint32_t commits = 5 + world_.choices.below(40);
  world_.network.send(proxy, server, Traffic::clients, [this, server, &there, commits] {
    there.processes().deliver([this, server, commits] { run_procedure(server, commits); });
  });
}

void Clients::run_procedure(Place server, std::uint32_t commits) {
  if (machines_[server]->postgres.admits()) commit_again(server, commits);
}

void Clients::commit_again(Place server, std::uint32_t left) {
  PostgresModel& there = machines_[server]->postgres;
  const bool local = world_.planted.contains(Bug::commits_locally);
  const auto done = [this, server, &there, left](PostgresModel::Answer answer, std::uint64_t record,
                                                 std::uint64_t lsn) {
    if (!is_done(answer)) return;
    judge_.acknowledged(server, record, lsn);
    ++counts_.acknowledged;
    const Nanos pause = world_.choices.skewed(Millis{2}, Millis{60});
    if (left > 0) there.processes().after(pause, [=, this] { commit_again(server, left - 1); });
  };
  there.commit_in_session(done, local);
}

// Drivers with a time limit cancel what they waited for. Only where that is a matter of one
// machine: elsewhere the request would need the network that may be why nobody answers.
void Clients::cancel_later(Place server, std::uint64_t record) {
  PostgresModel& there = machines_[server]->postgres;
  there.processes().after(patience, [&there, record] { there.cancel(record); });
}

// I16 by construction: a proxy sends only to the open leader of the highest term that it knows.
// What PostgreSQL answers counts from the moment in which it answers: the client may read it.
void Clients::send(std::size_t client, Place proxy, Place server) {
  struct Open {
    bool over = false;
  };
  auto open = std::make_shared<Open>();
  const auto end = [this, client, open](std::uint64_t& count) {
    if (open->over) return;
    open->over = true;
    ++count;
    over(client);
  };
  world_.events.after(patience, [this, end] { end(counts_.unknown); });
  PostgresModel& there = machines_[server]->postgres;
  const auto back = [this, end, proxy, server](std::uint64_t& count) {
    world_.network.send(server, proxy, Traffic::clients, [end, &count] { end(count); });
  };
  world_.network.send(proxy, server, Traffic::clients, [this, proxy, server, &there, back] {
    if (!there.processes().lives()) {
      if (there.powered) back(counts_.refused);
      return;
    }
    there.processes().deliver([this, proxy, server, &there, back] {
      if (!there.admits()) return back(counts_.refused);
      const auto done = [this, server, back](PostgresModel::Answer answer, std::uint64_t record,
                                             std::uint64_t lsn) {
        if (!is_done(answer)) return;
        judge_.acknowledged(server, record, lsn);
        back(counts_.acknowledged);
      };
      const bool local = world_.planted.contains(Bug::commits_locally);
      const std::uint64_t record = there.commit_in_session(done, local);
      if (proxy == server) cancel_later(server, record);
    });
  });
}

}  // namespace evergres::sim

#include "sim/clients.hpp"

#include <utility>

namespace evergres::sim {
namespace {

constexpr Millis patience{3000};
constexpr Millis route_period{100};

}  // namespace

Clients::Clients(const Surroundings& world, const Judge::Machines& machines, Judge& judge)
    : world_(world),
      machines_(machines),
      judge_(judge),
      routes_(machines.size()),
      open_(machines.size()) {}

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
        if (said.revision <= routes_[proxy].revision) return;
        routes_[proxy] = said;
        close_older(proxy);
      });
    });
  });
  world_.events.after(route_period, [this, proxy] { learn_routes(proxy); });
}

// Nobody may be answered along a route of a term that is over (I16). What was under way may have
// been done, or may be yet.
void Clients::close_older(Place proxy) {
  if (world_.planted.contains(Bug::old_routes_stay_open)) return;
  const bool denied = world_.planted.contains(Bug::closed_counts_as_failed);
  std::vector<Open> open;
  open.swap(open_[proxy]);
  for (const Open& asked : open) {
    if (asked->over) continue;
    if (*asked->term < routes_[proxy].term) {
      tell(asked, denied ? checks::Told::failed : checks::Told::unknown, counts_.closed);
    } else {
      open_[proxy].push_back(asked);
    }
  }
}

void Clients::tell(const Open& asked, checks::Told told, std::uint64_t& count) {
  if (asked->over) return;
  const Term known = routes_[asked->proxy].term;
  if (told == checks::Told::ok && asked->term && *asked->term < known) {
    judge_.complain("I16: a client was answered along a route of term " +
                    std::to_string(asked->term->value) + " by a proxy that knew of term " +
                    std::to_string(known.value));
  }
  asked->over = true;
  writes_[asked->write].told = told;
  ++count;
  over(asked->client);
}

std::size_t Clients::new_write() {
  writes_.push_back({"w" + std::to_string(writes_.size()), checks::Told::unknown});
  return writes_.size() - 1;
}

checks::Anomalies Clients::anomalies(const Wal& found) const {
  std::vector<std::string> there;
  for (const WalRecord& record : found) {
    const auto write = write_of_.find(record.id);
    if (write != write_of_.end()) there.push_back(writes_[write->second].id);
  }
  return checks::check_set(writes_, there);
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
    return send(client, proxy, server, std::nullopt);
  }
  const Route& route = routes_[proxy];
  if (!route.leader) {
    ++counts_.held;
    return over(client);
  }
  const Place server = world_.place_of(*route.leader);
  const bool calls = procedures_ && client % 5 == 4;
  if (calls && world_.choices.chance(400)) return call_procedure(client, proxy, server);
  send(client, proxy, server, route.term);
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
  const std::size_t write = new_write();
  const auto done = [this, server, &there, left, write](PostgresModel::Answer answer,
                                                        std::uint64_t record, std::uint64_t lsn) {
    if (!is_done(answer)) return;
    judge_.acknowledged(server, record, lsn);
    writes_[write].told = checks::Told::ok;
    ++counts_.acknowledged;
    const Nanos pause = world_.choices.skewed(Millis{2}, Millis{60});
    if (left > 0) there.processes().after(pause, [=, this] { commit_again(server, left - 1); });
  };
  const std::uint64_t record = there.commit_in_session(done, local);
  if (record != 0) write_of_[record] = write;
}

// Drivers with a time limit cancel what they waited for. Only where that is a matter of one
// machine: elsewhere the request would need the network that may be why nobody answers.
void Clients::cancel_later(Place server, std::uint64_t record) {
  PostgresModel& there = machines_[server]->postgres;
  there.processes().after(patience, [&there, record] { there.cancel(record); });
}

// I16: a proxy sends only to the open leader of the highest term that it knows. What PostgreSQL
// answers counts from the moment in which it answers: the client may read it.
void Clients::send(std::size_t client, Place proxy, Place server, std::optional<Term> term) {
  const auto asked = std::make_shared<Asked>(Asked{client, new_write(), proxy, term});
  if (term) {
    std::erase_if(open_[proxy], [](const Open& each) { return each->over; });
    open_[proxy].push_back(asked);
  }
  world_.events.after(patience,
                      [this, asked] { tell(asked, checks::Told::unknown, counts_.unknown); });
  PostgresModel& there = machines_[server]->postgres;
  const auto came = std::make_shared<bool>(false);  // a stream has nothing twice
  world_.network.send(proxy, server, Traffic::clients, [this, asked, server, &there, came] {
    if (std::exchange(*came, true)) return;
    if (there.processes().lives()) {
      there.processes().deliver([this, asked, server] { ask(asked, server); });
    } else if (there.powered) {
      world_.network.send(server, asked->proxy, Traffic::clients,
                          [this, asked] { tell(asked, checks::Told::failed, counts_.refused); });
    }
  });
}

void Clients::ask(const Open& asked, Place server) {
  PostgresModel& there = machines_[server]->postgres;
  const auto back = [this, asked, server](checks::Told told, std::uint64_t& count) {
    world_.network.send(server, asked->proxy, Traffic::clients,
                        [this, asked, told, &count] { tell(asked, told, count); });
  };
  if (!there.admits()) return back(checks::Told::failed, counts_.refused);
  const auto done = [this, server, back](PostgresModel::Answer answer, std::uint64_t record,
                                         std::uint64_t lsn) {
    if (!is_done(answer)) return;
    judge_.acknowledged(server, record, lsn);
    back(checks::Told::ok, counts_.acknowledged);
  };
  const bool local = world_.planted.contains(Bug::commits_locally);
  const std::uint64_t record = there.commit_in_session(done, local);
  if (record != 0) write_of_[record] = asked->write;
  if (asked->proxy == server) cancel_later(server, record);
}

}  // namespace evergres::sim

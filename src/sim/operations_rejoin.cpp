#include "core/view.hpp"
#include "sim/hands.hpp"

/// How a node follows, rewinds, clones.
namespace evergres::sim {
namespace {

std::string receiver_name(const core::Seat& seat, Term term, bool voteless) {
  return voteless ? core::voteless_name(seat, term) : core::application_name(seat, term);
}

core::Upstream known_upstream(const NodeName& node, Term term, bool voteless) {
  core::Upstream upstream{node, term};
  if (voteless) upstream.voteless = true;
  return upstream;
}

Incarnation fresh_incarnation(Hands& hands) {
  if (hands.planted(Bug::same_incarnation_after_rewind)) {
    return Incarnation{"i-" + hands.situation().me.value};
  }
  return Incarnation{"i" + std::to_string(hands.world().watcher.next_record())};
}

/// A new life begins, on disk, before anything of the old one is overwritten.
Task<Incarnation> begin_rebuild(Hands& hands) {
  auto writing = hands.write_file();
  co_await writing;
  DataDirectory& disk = hands.postgres().disk;
  const Incarnation fresh = fresh_incarnation(hands);
  hands.world().destroys(hands.postgres().place());
  disk.sentinel = true;
  disk.kind = DataDirectory::Kind::rebuilding;
  disk.incarnation = fresh;
  hands.learn([fresh](agent::Knowledge& k) {
    k.situation.server.rebuilding = true;
    k.situation.fenced.reset();
    k.situation.server.incarnation = fresh;
  });
  co_return fresh;
}

/// A standby can be cloned as well, but not rewound to.
bool is_reached(Hands& hands, Place source, bool may_be_standby = false) {
  PostgresModel& other = *hands.world().postgres_at(source);
  const Place own = hands.postgres().place();
  return hands.world().network.linked(own, source, Traffic::replication) && other.answers() &&
         (may_be_standby || other.state() == PostgresModel::State::primary);
}

/// The source can be reached all the time.
Task<Outcome> read_from(Hands& hands, Place source, Nanos takes, bool may_be_standby = false) {
  constexpr int parts = 5;
  for (int part = 0; part < parts; ++part) {
    auto copying = hands.pause_for(takes / parts);
    co_await copying;
    if (hands.stopped()) co_return Error(ErrorCode::cancelled, "the operation was given up");
    if (!is_reached(hands, source, may_be_standby) || hands.postgres().ails.disk_full > 0) {
      co_return Error(ErrorCode::postgres_failed, "the copy broke off");
    }
  }
  co_return Outcome{};
}

void learn_rebuilt(Hands& hands, const Incarnation& fresh) {
  hands.learn([fresh, at = hands.now()](agent::Knowledge& k) {
    agent::forget_server_run(k);
    k.situation.server.incarnation = fresh;
    k.situation.server.system_id = SystemId{77};
    k.situation.server.rebuilding = false;
    k.situation.server.state = core::ServerState::stopped;
    k.situation.attempts.erase(core::StartServer::kind);
    k.server_changed_at = at;
  });
}

}  // namespace

// Only the service file changes; a receiver that runs is ended, and the startup process looks anew.
Task<Outcome> follow(core::Follow intent, Hands& hands) {
  const auto& s = hands.situation();
  const core::Seat seat{s.me, s.server.incarnation.value_or(Incarnation{})};
  const ServiceFile file{hands.world().place_of(intent.upstream.node),
                         receiver_name(seat, intent.term, intent.voteless)};
  auto writing = hands.write_file();
  co_await writing;
  if (const auto& fenced = s.fenced; fenced && fenced->begun) {
    std::erase_if(hands.postgres().disk.begun, [&](TimelineId id) {
      return std::ranges::find(*fenced->begun, id) == fenced->begun->end();
    });
  }
  hands.postgres().disk.upstream = file;
  if (!hands.postgres().processes().frozen()) hands.postgres().end_receiver();
  const auto learned = known_upstream(intent.upstream.node, intent.term, intent.voteless);
  hands.learn([learned, at = hands.now()](agent::Knowledge& k) {
    note_own_upstream(k, learned);
    core::Server& server = k.situation.server;
    server.receiving = false;
    server.receiving_since.reset();
    server.not_receiving_since = at;
    server.wal_removed = server.diverged = false;
    server.off_branch.reset();
    k.server_changed_at = at;
    server.slots_of.clear();
    k.slots_changed_at = at;
  });
  hands.postgres().disk.slots.clear();
  hands.postgres().processes().after(Nanos{200'000},
                                     [own = &hands.postgres()] { own->wake_startup(); });
  co_return Outcome{};
}

Task<Outcome> rewind(core::Rewind intent, Hands& hands) {
  auto stopping = stop_and_learn(hands, supervisor::StopMode::fast, Millis{60'000});
  const auto stopped = co_await stopping;
  if (!stopped) co_return stopped.error();
  if (!*stopped) {
    co_return Error(ErrorCode::postgres_failed, "the server did not stop cleanly");
  }
  const Place source = hands.world().place_of(intent.leader.node);
  auto rehearsing = hands.pause_for(hands.choices().between(Millis{50}, Millis{500}));
  co_await rehearsing;
  if (hands.stopped()) co_return Error(ErrorCode::cancelled, "the operation was given up");
  if (!is_reached(hands, source) || hands.postgres().ails.rewind_lacks_wal > 0) {
    co_return Error(ErrorCode::postgres_failed, "pg_rewind found no common checkpoint");
  }
  auto beginning = begin_rebuild(hands);
  const Incarnation fresh = co_await beginning;
  auto copying = read_from(hands, source, hands.choices().between(Millis{200}, Millis{1500}));
  const Outcome copied = co_await copying;
  if (!copied) co_return copied;
  hands.postgres().disk.become_copy_of(hands.world().postgres_at(source)->disk);
  hands.postgres().disk.names = core::names_nobody;
  const bool voteless = core::streams_voteless(hands.situation());
  const core::Seat seat{hands.situation().me, fresh};
  const ServiceFile file{source, receiver_name(seat, intent.term, voteless)};
  auto starting = start_as_standby(hands, file);
  const Outcome started = co_await starting;
  if (!started) co_return started;
  hands.postgres().disk.sentinel = false;
  const auto learned = known_upstream(intent.leader.node, intent.term, voteless);
  hands.learn([learned](agent::Knowledge& k) {
    note_own_upstream(k, learned);
    k.situation.server.rebuilding = false;
  });
  co_return Outcome{};
}

Task<Outcome> clone(core::Clone intent, Hands& hands) {
  const auto state = hands.situation().server.state;
  if (state != core::ServerState::absent && state != core::ServerState::stopped) {
    auto stopping = stop_and_learn(hands, supervisor::StopMode::fast, Millis{10'000});
    const auto stopped = co_await stopping;
    if (!stopped) co_return stopped.error();
  }
  if (!intent.request_id.empty()) {
    auto clearing = hands.change_record([&](core::Record record) {
      return core::begin_reinit(std::move(record), intent.term, hands.situation().me,
                                intent.request_id);
    });
    const auto cleared = co_await clearing;
    if (!cleared) co_return cleared.error();
  }
  // The copy is made beside the old directory and exchanged for it in one step, unless that was
  // given up before.
  const bool given_up = !intent.request_id.empty() || hands.situation().server.rebuilding ||
                        state == core::ServerState::absent;
  Incarnation fresh;
  if (given_up) {
    auto beginning = begin_rebuild(hands);
    fresh = co_await beginning;
    hands.postgres().disk.wal.clear();
    hands.postgres().disk.histories.clear();
  } else {
    hands.learn([](agent::Knowledge& k) { k.situation.fenced.reset(); });
    fresh = fresh_incarnation(hands);
  }
  const Place source = hands.world().place_of(intent.from.value_or(intent.leader.node));
  auto copying = read_from(hands, source, hands.choices().between(Millis{500}, Millis{5000}),
                           intent.from.has_value());
  const Outcome copied = co_await copying;
  if (!copied) co_return copied;
  DataDirectory copy;
  copy.become_copy_of(hands.world().postgres_at(source)->disk);
  // It is synced, and then exchanged for what is there.
  auto syncing = hands.pause_for(hands.choices().between(Millis{0}, Millis{3000}));
  co_await syncing;
  if (hands.stopped()) co_return Error(ErrorCode::cancelled, "the operation was given up");
  hands.world().replaces(hands.postgres().place(), copy);
  hands.postgres().disk.become_copy_of(copy);
  hands.postgres().disk.reserve_below_newest();
  hands.postgres().disk.names = core::names_nobody;
  hands.postgres().disk.incarnation = fresh;
  hands.postgres().disk.sentinel = false;
  learn_rebuilt(hands, fresh);
  auto starting = start_as_standby(hands, std::nullopt);
  const Outcome started = co_await starting;
  co_return started;
}

}  // namespace evergres::sim

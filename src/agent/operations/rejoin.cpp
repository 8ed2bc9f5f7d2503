#include <algorithm>

#include "agent/operations/head_start.hpp"
#include "agent/operations/operation.hpp"
#include "agent/operations/slots.hpp"
#include "core/cascade.hpp"
#include "core/transition.hpp"
#include "core/view.hpp"
#include "postgres/begun.hpp"
#include "postgres/clone.hpp"
#include "postgres/data_directory.hpp"
#include "postgres/history.hpp"
#include "postgres/promotion.hpp"
#include "postgres/receiver.hpp"
#include "postgres/rewind.hpp"

namespace evergres::agent {
namespace {

constexpr Millis rebuild_deadline{24 * 3600 * 1000};

/// A node that never votes streams under a name that no policy can count.
std::string receiver_name(const core::Seat& seat, Term term, bool voteless) {
  return voteless ? core::voteless_name(seat, term) : core::application_name(seat, term);
}

core::Upstream known_upstream(const NodeName& node, Term term, bool voteless) {
  core::Upstream upstream{node, term};
  if (voteless) upstream.voteless = true;
  return upstream;
}

/// A new life begins, on disk, before anything of the old one is overwritten.
Result<Incarnation> begin_rebuild(Hands& hands, const char* method, bool data_exists) {
  const Incarnation fresh{random_hex(4)};
  auto sentinel = postgres::write_rebuilding(hands.server(), postgres::Rebuilding{method, fresh});
  if (!sentinel) return sentinel.error();
  if (data_exists) {
    auto replaced = postgres::replace_incarnation(hands.server().data, hands.situation().me, fresh);
    if (!replaced) return replaced.error();
  }
  hands.learn([fresh, data_exists](Knowledge& k) {
    k.situation.server.rebuilding = true;
    k.situation.fenced.reset();
    if (data_exists) k.situation.server.incarnation = fresh;
  });
  return fresh;
}

/// The copy is made beside the data directory and exchanged for it in one step: until then what is
/// there counts for what it holds, and is started again if the copy fails. An operator who wants it
/// anew has given it up, and what a rewind had begun is worth nothing.
Result<Incarnation> incarnation_of_the_copy(Hands& hands, const core::Clone& intent,
                                            bool data_exists) {
  const bool given_up = !intent.request_id.empty() || hands.situation().server.rebuilding;
  if (!data_exists || given_up) return begin_rebuild(hands, "clone", data_exists);
  // What was read of it must not be told of the copy.
  hands.learn([](Knowledge& k) { k.situation.fenced.reset(); });
  return Incarnation{random_hex(4)};
}

void learn_rebuilt(Hands& hands, const Incarnation& fresh) {
  const SystemId system = hands.situation().record->system_id;
  hands.learn([fresh, system](Knowledge& k) {
    forget_server_run(k);
    k.situation.server.incarnation = fresh;
    k.situation.server.system_id = system;
    k.situation.server.rebuilding = false;
    k.situation.server.state = core::ServerState::stopped;
    k.situation.server.trouble.clear();
    k.situation.attempts.erase(core::StartServer::kind);
    k.server_changed_at = boot_now();
  });
}

/// A clone that fails may have put its copy in place before (what it replaced cannot be removed).
void learn_what_is_there(Hands& hands) {
  const auto there = postgres::read_incarnation(hands.server().data, hands.situation().me);
  if (!there || !*there) return;
  hands.learn([there = **there](Knowledge& k) { k.situation.server.incarnation = there; });
}

postgres::OnProgress teller(Hands& hands) {
  return [&hands](const std::string& text) { hands.progress(text); };
}

/// What the rewind throws away: all on our way from where the leader's WAL parts from it.
void keep_what_goes(Hands& hands) {
  const auto& s = hands.situation();
  if (!s.fenced || !s.fenced->position) return;
  core::TimelineTree tree(s.record->lineage);
  tree.learn(s.fenced->history);
  const core::Position end = tree.normalised(*s.fenced->position);
  const core::Position leader = core::end_of(core::leader_timeline(*s.record));
  const Lsn from = core::where_they_part(end, leader, tree).value_or(end.lsn);
  const auto kept = postgres::keep_tail(hands.server(), core::way_to(end, tree), from,
                                        boot_now() + Millis{60'000});
  if (!kept) hands.progress("the tail could not be kept: " + kept.error().message());
}

}  // namespace

// Only the service file changes: name and address of the upstream cannot disagree.
Outcome carry_out(const core::Follow& intent, Hands& hands) {
  const core::Seat seat{hands.situation().me,
                        hands.situation().server.incarnation.value_or(Incarnation{})};
  auto upstream =
      hands.upstream_to(intent.upstream.node, receiver_name(seat, intent.term, intent.voteless));
  if (!upstream) return upstream.error();
  if (const auto& fenced = hands.situation().fenced; fenced && fenced->begun) {
    auto kept = postgres::keep_timelines_begun(hands.server(), *fenced->begun);
    if (!kept) return kept;
  }
  if (auto written = postgres::write_upstream(hands.server(), *upstream); !written) return written;
  const auto pid = hands.known.supervisor.postmaster_pid;
  if (pid) {
    auto receivers = postgres::receiver_processes(*pid);
    if (receivers && !receivers->empty()) {
      auto cut = postgres::cut_receiver(*pid, boot_now() + Millis{5000});
      if (!cut && cut.error().code() != ErrorCode::timed_out) return cut;
    }
  }
  const auto learned = known_upstream(intent.upstream.node, intent.term, intent.voteless);
  hands.learn([learned](Knowledge& k) {
    learn_upstream(k, learned);
    core::Server& server = k.situation.server;
    server.receiving = false;
    server.receiving_since.reset();
    server.not_receiving_since = boot_now();
    // What the last upstream said of us.
    server.wal_removed = server.diverged = false;
    server.off_branch.reset();
    k.server_changed_at = boot_now();
  });
  // A SIGHUP ends the startup process's pause between two receivers (its latch is set; PostgreSQL
  // 14 to 18), up to wal_retrieve_retry_interval of a failover.
  auto woken = hands.ask_supervisor(supervisor::AskReload{}, Millis{2000});
  if (!woken) hands.progress("the receiver comes a little later: " + woken.error().message());
  // The barrier of a chosen leader waits for our stream, and then its clients for its processors.
  // What comes now may come later; whatever is more urgent ends the pause, not this.
  const auto& record = hands.situation().record;
  if (record && record->phase == core::Phase::electing)
    static_cast<void>(let_clients_go_first(hands, head_start));
  // Slots of a time when this server led would hold its WAL for ever; those of nodes that are to
  // stream from this standby stay.
  const auto followers = core::tagged_to_follow_us(hands.situation());
  std::vector<std::string> keep;
  keep.reserve(followers.size());
  for (const NodeName& node : followers) keep.push_back(core::slot_name(node));
  auto session = postgres::Session::connect(hands.server(), {}, boot_now() + sql_deadline);
  if (!session) return {};
  auto dropped = postgres::drop_member_slots(*session, keep, boot_now() + sql_deadline);
  if (!dropped) hands.progress("old slots stay: " + dropped.error().message());
  hands.learn([followers](Knowledge& k) {
    const auto before = k.situation.server.slots_of;
    for (const NodeName& node : before) {
      const bool stays = std::find(followers.begin(), followers.end(), node) != followers.end();
      if (!stays) learn_slot(k, node, false);
    }
  });
  return {};
}

// A crashed server must first reach the end of its WAL without upstream and stop cleanly: it runs
// so already, fenced; pg_rewind refuses it otherwise (PROTOCOL section 8).
Outcome carry_out(const core::Rewind& intent, Hands& hands) {
  auto source =
      hands.upstream_to(intent.leader.node, "evergres_rewind_" + hands.situation().me.value);
  if (!source) return source.error();
  keep_what_goes(hands);
  hands.progress("stopping before the rewind");
  auto stopped = stop_and_learn(hands, supervisor::StopMode::fast, Millis{60'000});
  if (!stopped) return stopped.error();
  if (!*stopped)
    return Error(ErrorCode::postgres_failed, "the server did not stop cleanly before the rewind");
  // Nothing is given up for a source that is gone, or that cannot be rewound to.
  hands.progress("asking " + intent.leader.node.value + " where our WAL leaves its own");
  auto rehearsed = postgres::rehearse_rewind(hands.server(), *source, teller(hands),
                                             boot_now() + rebuild_deadline, hands.stop);
  if (!rehearsed) return rehearsed;
  if (hands.stop.stop_requested()) return Error(ErrorCode::cancelled, "the rewind was given up");
  auto fresh = begin_rebuild(hands, "rewind", true);
  if (!fresh) return fresh.error();
  postgres::RewindRequest request;
  request.source = *source;
  request.incarnation = *fresh;
  request.configuration = hands.configuration(core::names_nobody);
  request.major = hands.setup.major;
  request.slots = names_of_made_slots(hands);
  hands.progress("rewinding from " + intent.leader.node.value);
  auto done = postgres::rewind(hands.server(), request, teller(hands),
                               boot_now() + rebuild_deadline, hands.stop);
  if (!done) return done;
  auto forgotten = postgres::forget_timelines_above(
      hands.server(), core::leader_timeline(*hands.situation().record));
  if (!forgotten) return forgotten;
  const core::Seat seat{hands.situation().me, *fresh};
  source->application_name =
      receiver_name(seat, intent.term, core::streams_voteless(hands.situation()));
  hands.progress("streaming up to where " + intent.leader.node.value + " was");
  if (auto started = start_streaming(hands, *source); !started) return started;
  if (auto removed = postgres::remove_rebuilding(hands.server()); !removed) return removed;
  const auto learned =
      known_upstream(intent.leader.node, intent.term, core::streams_voteless(hands.situation()));
  hands.learn([learned](Knowledge& k) {
    learn_upstream(k, learned);
    k.situation.server.rebuilding = false;
  });
  return {};
}

Outcome carry_out(const core::Clone& intent, Hands& hands) {
  const NodeName source_node = intent.from.value_or(intent.leader.node);
  auto source = hands.upstream_to(source_node, "evergres_clone_" + hands.situation().me.value);
  if (!source) return source.error();
  // What a clone that failed left behind needs room, and goes before the server is stopped.
  auto swept = postgres::set_copies_aside(hands.server());
  if (swept) swept = postgres::remove_replaced(hands.server(), hands.stop);
  if (!swept) hands.progress(swept.error().message());
  const bool data_exists = hands.situation().server.state != core::ServerState::absent;
  const auto state = hands.situation().server.state;
  if (state != core::ServerState::absent && state != core::ServerState::stopped) {
    auto stopped = stop_and_learn(hands, supervisor::StopMode::fast, Millis{10'000});
    if (!stopped) return stopped.error();
  }
  // The server is stopped, so that no policy takes it in again from here on; and a reinit that dies
  // half-way must not be repeated for ever.
  if (!intent.request_id.empty()) {
    auto cleared = hands.change_record([&](core::Record record) {
      return core::begin_reinit(std::move(record), intent.term, hands.situation().me,
                                intent.request_id);
    });
    if (!cleared) return cleared.error();
  }
  auto fresh = incarnation_of_the_copy(hands, intent, data_exists);
  if (!fresh) return fresh.error();
  postgres::CloneRequest request;
  request.source = *source;
  request.incarnation = *fresh;
  // Only the leader is sure to have a slot for us; pg_basebackup makes its own elsewhere.
  if (!intent.from) request.slot = core::slot_name(hands.situation().me);
  request.configuration = hands.configuration(core::names_nobody);
  request.major = hands.setup.major;
  hands.progress("cloning from " + source_node.value);
  auto done = postgres::clone(hands.server(), request, teller(hands), boot_now() + rebuild_deadline,
                              hands.stop);
  if (!done) {
    learn_what_is_there(hands);
    return done;
  }
  if (auto removed = postgres::remove_rebuilding(hands.server()); !removed) return removed;
  learn_rebuilt(hands, *fresh);
  return start_as_standby(hands, false);
}

}  // namespace evergres::agent

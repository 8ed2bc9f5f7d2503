#include "sim/hands.hpp"

#include <algorithm>

/// The fence, and the leader's own in a handover.
namespace evergres::sim {

core::Fenced fenced_answer(Hands& hands, Term term, std::uint64_t end, bool can_run) {
  const DataDirectory& disk = hands.postgres().disk;
  core::Fenced fenced;
  fenced.term = term;
  fenced.seat = core::Seat{hands.situation().me, disk.incarnation};
  fenced.system_id = SystemId{77};
  fenced.agent = hands.situation().agent;
  fenced.position = core::Position{disk.timeline_at(end), Lsn{end}};
  fenced.history = disk.history_of(fenced.position->timeline);
  const auto known = disk.what_began();
  fenced.begun.emplace();
  for (const core::Fork& fork : fenced.history) {
    if (known.begun.contains(fork.timeline) && !hands.planted(Bug::forget_what_began)) {
      fenced.begun->push_back(fork.timeline);
    }
  }
  fenced.newest_timeline = disk.highest_id();
  if (!known.begun.empty()) {
    fenced.newest_timeline = std::max(fenced.newest_timeline, *known.begun.rbegin());
  }
  fenced.can_run = can_run;
  return fenced;
}

namespace {

/// SIGTERM to every walreceiver process until none was there twice, 5 ms apart.
Task<Outcome> cut_receiver(Hands& hands, Instant deadline) {
  for (int quiet = 0; quiet < 2;) {
    if (hands.now() >= deadline) co_return Error(ErrorCode::timed_out, "a receiver does not end");
    if (!hands.postgres().postmaster_lives()) {
      co_return Error(ErrorCode::not_found, "the postmaster is gone");
    }
    quiet = hands.postgres().receiver_process() ? 0 : quiet + 1;
    if (hands.postgres().receiver_process() && !hands.postgres().processes().frozen()) {
      hands.postgres().end_receiver();
    }
    auto pause = hands.pause_for(Millis{5});
    co_await pause;
  }
  co_return Outcome{};
}

Task<Result<core::Fenced>> fence_running(Hands& hands, Term term) {
  const std::uint64_t early = hands.postgres().disk.end();
  if (!hands.planted(Bug::skip_the_fence)) {
    auto writing = hands.write_file();
    co_await writing;
    hands.postgres().disk.upstream.reset();
    hands.learn([](agent::Knowledge& k) { note_own_upstream(k, std::nullopt); });
    if (hands.planted(Bug::read_before_the_cut)) {
      auto pause = hands.pause_for(hands.choices().between(Millis{40}, Millis{1200}));
      co_await pause;
    }
    auto cutting = cut_receiver(hands, hands.now() + Millis{3000});
    const Outcome cut = co_await cutting;
    if (!cut) co_return cut.error();
  }
  auto connecting = hands.connect(hands.now() + Millis{3000});
  const Outcome connected = co_await connecting;
  if (!connected) co_return Error(ErrorCode::postgres_failed, connected.error().message());
  if (hands.postgres().state() != PostgresModel::State::standby) {
    co_return Error(ErrorCode::refused, "PostgreSQL is not in recovery");
  }
  const bool too_early = hands.planted(Bug::read_before_the_cut);
  const std::uint64_t end = too_early ? early : hands.postgres().disk.end();
  co_return fenced_answer(hands, term, end, true);
}

/// Recovery follows a timeline that the WAL here passed by, and a promotion would name that one as
/// the parent.
Task<Outcome> leave_what_was_passed_by(Hands& hands) {
  if (hands.postgres().disk.what_is_no_child(true).empty()) co_return Outcome{};
  if (hands.planted(Bug::promotes_past_a_fork)) co_return Outcome{};
  auto stopping = stop_and_learn(hands, supervisor::StopMode::immediate, Nanos{0});
  const auto stopped = co_await stopping;
  if (!stopped) co_return stopped.error();
  hands.learn([](agent::Knowledge& k) { k.situation.attempts.erase(core::Fence::kind); });
  // What was begun by hand meanwhile is for others to see.
  auto starting = begin_start(hands, std::nullopt, hands.postgres().disk.signal);
  const Outcome started = co_await starting;
  if (!started) co_return started;
  co_return Error(ErrorCode::cancelled, "recovery followed a timeline that the WAL had passed by");
}

Task<Result<core::Fenced>> read_offline(Hands& hands, Term term) {
  auto reading = hands.pause_for(hands.choices().skewed(Millis{10}, Millis{600}));
  co_await reading;
  if (hands.supervisor().status().state != supervisor::State::stopped) {
    co_return Error(ErrorCode::refused, "PostgreSQL is not stopped");
  }
  co_return fenced_answer(hands, term, hands.postgres().disk.end(), false);
}

}  // namespace

// Promise, cut, read: each step durable or verified before the next (PROTOCOL 5.3).
Task<Outcome> fence(core::Fence intent, Hands& hands) {
  auto promising = make_promise(hands, intent.term, intent.claim);
  const Outcome promised = co_await promising;
  if (!promised) co_return promised;
  const bool is_stopped = hands.situation().server.state == core::ServerState::stopped;
  auto fencing = is_stopped ? read_offline(hands, intent.term) : fence_running(hands, intent.term);
  const auto fenced = co_await fencing;
  if (!fenced) co_return fenced.error();
  if (!is_stopped) {
    auto leaving = leave_what_was_passed_by(hands);
    const Outcome left = co_await leaving;
    if (!left) co_return left;
  }
  hands.mark(Mark::Kind::promise,
             "fenced, WAL ends at " + std::to_string(fenced->position->lsn.value) +
                 " of timeline " + std::to_string(fenced->position->timeline.value));
  const std::uint64_t start_id = hands.known.supervisor.start_id;
  hands.learn([answer = *fenced, start_id, at = hands.now()](agent::Knowledge& k) {
    if (k.supervisor.start_id != start_id) return;  // it is about an earlier run of the server
    k.situation.fenced = answer;
    k.situation.server.receiving = false;
    k.situation.server.receiving_since.reset();
    k.situation.server.position = answer.position;
    k.server_changed_at = at;
  });
  co_return Outcome{};
}

// The checkpoint comes before the term: it is the long part of a fast stop, and clients still
// write.
Task<Outcome> begin_handover(core::BeginHandover intent, Hands& hands) {
  auto checkpointing = checkpoint(hands, Millis{3000});
  const Outcome checkpointed = co_await checkpointing;
  if (!checkpointed) co_return checkpointed;
  const auto& s = hands.situation();
  const core::Seat seat{s.me, s.server.incarnation.value_or(Incarnation{})};
  auto changing = hands.change_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.after) return Error(ErrorCode::conflict, "another term has begun");
    return core::begin_handover(std::move(record), seat, s.agent, intent.heir, intent.why);
  });
  const auto changed = co_await changing;
  if (!changed) co_return changed.error();
  hands.learn([at = hands.now()](agent::Knowledge& k) { k.situation.claimed_at = at; });
  const std::string prefix = "evg_" + intent.heir.value + "_";
  hands.postgres().end_senders([&](const std::string& name) { return !name.starts_with(prefix); });
  co_return Outcome{};
}

Task<Outcome> stop_for_handover(core::StopForHandover intent, Hands& hands) {
  auto promising = make_promise(hands, intent.term, intent.claim);
  const Outcome promised = co_await promising;
  if (!promised) co_return promised;
  if (hands.situation().server.state == core::ServerState::primary) {
    auto stopping = stop_and_learn(hands, supervisor::StopMode::fast, Millis{1000});
    const auto stopped = co_await stopping;
    if (!stopped) co_return stopped.error();
  }
  auto reading = read_offline(hands, intent.term);
  const auto fenced = co_await reading;
  if (!fenced) co_return fenced.error();
  hands.learn([answer = *fenced](agent::Knowledge& k) {
    if (k.situation.server.state != core::ServerState::stopped) return;
    k.situation.fenced = answer;
    k.situation.server.position = answer.position;
  });
  co_return Outcome{};
}

}  // namespace evergres::sim

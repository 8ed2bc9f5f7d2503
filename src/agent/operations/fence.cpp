#include "agent/operations/lineage.hpp"
#include "agent/operations/operation.hpp"
#include "agent/shared_observer.hpp"
#include "postgres/history.hpp"
#include "postgres/receiver.hpp"
#include "postgres/wal_end.hpp"

namespace evergres::agent {
namespace {

/// The durable end of a running standby whose receiver is gone. What streaming flushed is exact
/// once it has passed the replay position: a receiver attaches only after all local WAL was
/// replayed, and begins at the start of a segment. Before that the end is read from the files, and
/// of which timeline it is, is read there in any case: replay may stand before a switch that was
/// received.
Result<core::Position> end_of_standby(Hands& hands, const postgres::Observation& seen) {
  const Lsn replay = seen.replay.value_or(Lsn{});
  const Instant deadline = boot_now() + Millis{60'000};
  if (seen.receive && *seen.receive >= replay) {
    auto timeline = postgres::timeline_of_received(hands.server(), seen.timeline, replay,
                                                   *seen.receive, deadline);
    if (!timeline) return timeline.error();
    return core::Position{*timeline, *seen.receive};
  }
  auto end =
      postgres::end_along_timelines(hands.server(), seen.timeline, replay, deadline, hands.stop);
  if (!end) return end.error();
  return core::Position{end->timeline, end->lsn};
}

/// Whether recovery follows a timeline that the WAL here passed by: a promotion would name that one
/// as the parent, and who is on it would seem to hold nothing that we lack. So it streamed from a
/// server that stayed on the old timeline, after it had fetched that history from another one.
Result<bool> follows_what_was_passed_by(const Hands& hands, const core::Position& end) {
  const auto& server = hands.server();
  const auto files = postgres::wal_files(server);
  if (!files) return files.error();
  if (files->histories.empty() || files->histories.back() <= end.timeline) return false;
  const auto control = postgres::read_control_file(server, server.data, boot_now() + sql_deadline);
  if (!control) return control.error();
  const auto passed_by =
      postgres::what_is_no_child(server, *control, postgres::WalEnd{end.timeline, end.lsn});
  if (!passed_by) return passed_by.error();
  return !passed_by->empty();
}

/// It is fenced as it runs then, and answers for a timeline that it is on.
Outcome leave_what_was_passed_by(Hands& hands, const core::Position& end) {
  const auto follows = follows_what_was_passed_by(hands, end);
  if (!follows) return follows.error();
  if (!*follows) return {};
  hands.progress("restarting: recovery follows a timeline that the WAL has passed by");
  if (auto restarted = restart_without_what_was_passed_by(hands, end); !restarted) return restarted;
  return Error(ErrorCode::cancelled, "recovery followed a timeline that the WAL had passed by",
               "PostgreSQL was started anew without the history of that one.",
               "It is fenced once more.");
}

/// How our server stands now. Over the connections that are there already, or over new ones if
/// those do not answer, or if the observing thread does not let go of them.
Result<postgres::Observation> look_now(Hands& hands) {
  constexpr Millis patience{250};
  if (hands.known.observer != nullptr) {
    auto seen = hands.known.observer->look(patience, boot_now() + Millis{1000});
    if (seen) return seen;
  }
  return postgres::Observer(hands.server()).look(boot_now() + Millis{3000});
}

Result<core::Fenced> fence_running(Hands& hands, Term term) {
  const auto& server = hands.server();
  if (auto cleared = postgres::write_upstream(server, std::nullopt); !cleared)
    return cleared.error();
  hands.learn([](Knowledge& k) { learn_upstream(k, std::nullopt); });
  const auto pid = hands.known.supervisor.postmaster_pid;
  if (!pid) return Error(ErrorCode::refused, "PostgreSQL is not running any more");
  const bool answers = !hands.situation().server.cold;
  const auto cut = postgres::cut_receiver(*pid, boot_now() + Millis{3000});
  if (!cut) return cut.error();
  if (!answers) {  // no SQL: its files tell
    auto cold = read_offline(hands, term);
    if (cold) cold->can_run = cold->position.has_value();
    if (cold) add_lineage(*cold, server);
    return cold;
  }
  auto seen = look_now(hands);
  if (!seen) {
    // No time-out: a slow disk is no reason to stop a server at once, as a stuck receiver is.
    return Error(ErrorCode::postgres_failed, seen.error().message(), seen.error().detail());
  }
  if (!seen->in_recovery)
    return Error(ErrorCode::refused, "PostgreSQL is not in recovery, it cannot be fenced so");
  core::Fenced fenced = answer_without_position(hands, term, seen->system_id);
  auto end = end_of_standby(hands, *seen);
  if (end) {
    fenced.position = *end;
    fenced.can_run = true;
    add_lineage(fenced, server);
  } else {
    fenced.why_no_position = end.error().one_line();
  }
  return fenced;
}

}  // namespace

// Promise, cut, read: in this order, each step durable or verified before the next (PROTOCOL 5.3).
Outcome carry_out(const core::Fence& intent, Hands& hands) {
  if (auto promised = make_promise(hands, intent.term, intent.claim); !promised) return promised;
  crash_point(hands, "promise");
  const bool stopped = hands.situation().server.state == core::ServerState::stopped;
  auto fenced = stopped ? read_offline(hands, intent.term) : fence_running(hands, intent.term);
  if (!fenced) return fenced.error();
  if (stopped) add_lineage(*fenced, hands.server());
  if (!stopped && fenced->position) {
    if (auto left = leave_what_was_passed_by(hands, *fenced->position); !left) return left;
  }
  const std::uint64_t start_id = hands.known.supervisor.start_id;
  hands.learn([answer = *fenced, start_id](Knowledge& k) {
    if (k.supervisor.start_id != start_id) return;  // it is about an earlier run of the server
    k.situation.fenced = answer;
    k.situation.server.receiving = false;
    k.situation.server.receiving_since.reset();
    if (answer.position) k.situation.server.position = answer.position;
    k.server_changed_at = boot_now();
    k.times.note("fence", boot_now());
  });
  crash_point(hands, "fence");
  // It is an answer, but one that elects and follows nobody: said aloud, and repeated with pauses.
  if (!stopped && !fenced->position) {
    return Error(ErrorCode::postgres_failed, "fenced, but the end of the WAL is not known",
                 fenced->why_no_position);
  }
  return {};
}

}  // namespace evergres::agent

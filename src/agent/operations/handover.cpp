#include <future>

#include "agent/operations/drain.hpp"
#include "agent/operations/operation.hpp"
#include "agent/promise_file.hpp"
#include "core/transition.hpp"
#include "postgres/history.hpp"
#include "postgres/promotion.hpp"

namespace evergres::agent {
namespace {

/// A session's first look at the catalogues takes longest, and clients wait from the notice on:
/// what is asked then is asked once before.
Outcome warm_up(Hands& hands, postgres::Session& session) {
  if (auto opened = hands.store(); !opened) return opened.error();
  if (auto asked = warm_up_drain(session); !asked) return asked;
  auto ended = postgres::terminate_other_senders(session, "", boot_now() + sql_deadline);
  if (!ended) return ended.error();
  return {};
}

/// A frozen standby would hold up a fast stop for a minute: only the heir's walsender may stay. And
/// the one over which we observe: a server that is silent to us is not stopped at once.
Outcome cut_other_senders(postgres::Session& session, const NodeName& heir) {
  auto ended = postgres::terminate_other_senders(session, "evg_" + heir.value + "_",
                                                 boot_now() + sql_deadline);
  if (!ended) return ended.error();
  return {};
}

}  // namespace

// The checkpoint comes before the term: it is the long part of a fast stop, and clients still
// write. So do the last transactions of clients: from the new term on the other nodes fence
// themselves, and commits might be acknowledged by nobody any more.
Outcome carry_out(const core::BeginHandover& intent, Hands& hands) {
  const auto& s = hands.situation();
  const core::Seat seat{s.me, s.server.incarnation.value_or(Incarnation{})};
  // In the new term nothing goes on without the promise of this node: clients would wait for it.
  if (auto could = try_promise(hands.setup.settings.state_directory); !could) return could;
  auto session = postgres::Session::connect(hands.server(), {}, boot_now() + sql_deadline);
  if (!session) return session.error();
  hands.progress("checkpoint before the handover");
  if (auto done = postgres::checkpoint(*session, boot_now() + Millis{600'000}, hands.stop); !done)
    return done;
  if (auto ready = warm_up(hands, *session); !ready) return ready;
  const HandoverNotice notice(hands);
  auto drained = let_transactions_end(hands, *session, notice);
  if (!drained) return drained.error();
  if (hands.stopped()) return hands.cancelled();
  auto changed = hands.change_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.after) return Error(ErrorCode::conflict, "another term has begun");
    return core::begin_handover(std::move(record), seat, s.agent, intent.heir, intent.why);
  });
  if (!changed) return changed.error();
  hands.learn([term = changed->term, text = *drained](Knowledge& k) {
    k.situation.claimed_at = boot_now();
    k.drained = {term, text};
  });
  crash_point(hands, "term");
  // The promise of the term is due before the stop; it is on disk while the senders end.
  auto promising =
      std::async(std::launch::async, [&] { return make_promise(hands, changed->term, s.agent); });
  // Without it the fast stop below still ends in time, as an immediate one.
  if (auto cut = cut_other_senders(*session, intent.heir); !cut)
    hands.progress(cut.error().message());
  return promising.get();
}

// F = {L}: this node is its own fence. It is stopped, and the end of its WAL is read.
Outcome carry_out(const core::StopForHandover& intent, Hands& hands) {
  if (auto promised = make_promise(hands, intent.term, intent.claim); !promised) return promised;
  if (hands.situation().server.state == core::ServerState::primary) {
    auto stopped = stop_and_learn(hands, supervisor::StopMode::fast, Millis{1000});
    if (!stopped) return stopped.error();
  }
  auto fenced = read_offline(hands, intent.term);
  if (!fenced) return fenced.error();
  hands.learn([answer = *fenced](Knowledge& k) {
    if (k.situation.server.state != core::ServerState::stopped) return;
    k.situation.fenced = answer;
    if (answer.position) k.situation.server.position = answer.position;
    k.times.note("fence", boot_now());
  });
  crash_point(hands, "stopped");
  return {};
}

}  // namespace evergres::agent

#include <csignal>
#include <future>
#include <thread>

#include <spdlog/spdlog.h>

#include "agent/kept_session.hpp"
#include "agent/operations/head_start.hpp"
#include "agent/operations/operation.hpp"
#include "agent/operations/slots.hpp"
#include "agent/promise_file.hpp"
#include "base/file.hpp"
#include "core/transition.hpp"
#include "postgres/auth_role.hpp"
#include "postgres/begun.hpp"
#include "postgres/history.hpp"
#include "postgres/next_xid.hpp"
#include "postgres/probe.hpp"
#include "postgres/promotion.hpp"
#include "postgres/slots.hpp"

namespace evergres::agent {
namespace {

/// The opening waits this long for logical slots; usually they are there before its proof.
constexpr Millis logical_slots_deadline{1000};

/// The run of PostgreSQL that is asked, as promise_file remembers it.
std::string run_of_server(const Hands& hands) {
  return hands.known.supervisor.supervisor_run + "/" +
         std::to_string(hands.known.supervisor.start_id);
}

/// The record, read now, still names this run of the agent; the instant before the reading is what
/// a grant may be counted from.
Result<Instant> confirm_choice(Hands& hands, Term term) {
  auto store = hands.store();
  if (!store) return store.error();
  const Instant asked_at = boot_now();
  auto read = (*store)->read_record(store_deadline);
  if (!read) return read.error();
  const bool ours =
      *read && (*read)->value.term == term && (*read)->value.claim == hands.situation().agent;
  if (!ours) return Error(ErrorCode::conflict, "the record does not name us any more");
  return asked_at;
}

std::vector<std::string> slots_of_others(const Hands& hands) {
  std::vector<std::string> slots;
  for (const auto& [name, card] : hands.known.cards) {
    if (name != hands.situation().me) slots.push_back(core::slot_name(name));
  }
  return slots;
}

// A consumer's place is worth less than a leader: permanent slots give way.
Outcome make_slots_of_others(Hands& hands, postgres::Session& session, Instant deadline) {
  const auto dropped = postgres::create_member_slots_first(session, slots_of_others(hands),
                                                           names_of_made_slots(hands), deadline);
  if (!dropped) return dropped.error();
  for (const std::string& name : *dropped) {
    spdlog::warn(
        "max_replication_slots has no room: the permanent slot {} was dropped for those "
        "of the nodes",
        name);
  }
  return {};
}

/// Part of every promotion, and the probe is another operation: what takes an id comes later.
void learn_next_xid(Hands& hands, postgres::Session& session, Term term) {
  const auto next = postgres::next_xid(session, boot_now() + sql_deadline);
  if (!next) {
    spdlog::warn("the next transaction id of term {} is not known: {}", term.value,
                 next.error().one_line());
  } else if (!*next) {
    spdlog::info(
        "the next transaction id of term {} is not certain: something was written before "
        "it was read",
        term.value);
  }
  std::optional<NextXid> read;
  if (next && *next) read = NextXid{term, **next};
  hands.learn([read](Knowledge& k) { k.next_xid = read; });
}

std::optional<std::uint64_t> next_xid_of(const Hands& hands, Term term) {
  const auto& read = hands.known.next_xid;
  if (!read || read->term != term) return std::nullopt;
  return read->id;
}

/// From here on the server may become primary at any time, whatever is answered: persisted before.
Outcome note_promotion(Hands& hands) {
  auto noted = note_asked_to_promote(hands.setup.settings.state_directory, run_of_server(hands));
  if (!noted) return noted;
  hands.learn([](Knowledge& k) { k.situation.server.asked_to_promote = true; });
  crash_point(hands, "names");
  return {};
}

Error not_primary_yet() {
  return Error(ErrorCode::timed_out,
               "PostgreSQL was asked to promote itself and has not become primary",
               "It may still become one, so it has to be stopped.");
}

/// Somebody may have promoted the server before, onto an id that nobody was given (decision 0058).
Outcome check_timeline(postgres::Session& session, TimelineId given) {
  const auto began = postgres::timeline_of_primary(session, boot_now() + sql_deadline);
  if (!began || *began == given) return {};  // the barrier asks for its history
  return Error(ErrorCode::conflict,
               "the server began timeline " + std::to_string(began->value) + ", and was given " +
                   std::to_string(given.value),
               "Somebody else promoted it.");
}

Outcome ask_to_promote(Hands& hands, postgres::Session& session, const core::Promote& intent) {
  if (auto noted = note_promotion(hands); !noted) return noted;
  if (auto ended = postgres::terminate_blocking_backends(session, boot_now() + sql_deadline);
      !ended) {
    return ended.error();
  }
  hands.progress("promoting on timeline " + std::to_string(intent.timeline.value));
  auto promotion = postgres::promote(session, boot_now() + hands.setup.settings.promote_timeout);
  if (!promotion) return promotion.error();
  if (*promotion != postgres::Promotion::promoted) return not_primary_yet();
  if (auto checked = check_timeline(session, intent.timeline); !checked) return checked;
  learn_next_xid(hands, session, intent.term);
  return {};
}

/// Where the new timeline began, as PostgreSQL wrote it.
Result<core::Fork> fork_of(Hands& hands, TimelineId timeline) {
  auto history = postgres::read_history(hands.server(), timeline);
  if (!history) return history.error();
  if (history->empty()) {
    return Error(ErrorCode::postgres_failed,
                 "timeline " + std::to_string(timeline.value) + " has no history");
  }
  return core::Fork{timeline, history->back().parent, history->back().switch_lsn};
}

/// For the phases in the history.
void note_step(Hands& hands, const char* name) {
  hands.learn([name, now = boot_now()](Knowledge& k) { k.times.note(name, now); });
}

/// What people read about this term. After the opening: nobody waits for it.
void write_history(Hands& hands, const core::Record& record, const core::Fork& fork,
                   const TermTimes& times, const std::vector<std::string>& of_slots) {
  auto store = hands.store();
  if (!store) return;
  cluster::HistoryEntry entry;
  entry.term = record.term.value;
  entry.timeline = fork.timeline.value;
  entry.switch_lsn = fork.at.text();
  entry.kind = record.kind;
  entry.from = hands.situation().record->policy.current.leader.node.value;
  entry.to = record.leader ? record.leader->node.value : "";
  entry.reason = record.why;
  entry.facts = record.facts;
  entry.facts.insert(entry.facts.end(), of_slots.begin(), of_slots.end());
  if (record.loss && record.loss->term == record.term) {
    entry.lost = cluster::lost_tail(*record.loss);
    entry.from = entry.lost->leader;  // the policy may name one that was chosen and never led
  }
  entry.wall_ms = wall_now_ms();
  entry.phases = times.phases();
  auto put = (*store)->append_history(entry, store_deadline);
  if (!put)
    hands.learn([text = put.error().one_line()](Knowledge& k) { k.recent_errors.push_back(text); });
}

/// Who was promoted by hand meanwhile may have let applications in: no names that acknowledge
/// anything may come, the leadership is given back (give_up_a_failed_promotion).
Outcome check_standby(const Hands& hands) {
  const auto promoted = postgres::signal_is_absent(hands.server());
  if (!promoted) return promoted.error();
  if (!*promoted) return {};
  return Error(ErrorCode::conflict, "the server was promoted before it was asked to",
               "Its standby.signal is gone: somebody else promoted it.");
}

/// A standby without SQL: the signal file of pg_ctl does it. Its resting names are in force until
/// the barrier writes the policy's, so nothing can be acknowledged before.
Outcome promote_cold(Hands& hands, const core::Promote& intent) {
  const auto pid = hands.known.supervisor.postmaster_pid;
  if (!pid) return Error(ErrorCode::refused, "PostgreSQL is not running any more");
  if (auto closed = set_gate(hands, postgres::Gate::closed); !closed) return closed;
  if (auto checked = check_standby(hands); !checked) return checked;
  if (auto noted = note_promotion(hands); !noted) return noted;
  if (auto asked = write_file_durably(hands.server().data / "promote", "", 0600); !asked)
    return asked;
  if (::kill(*pid, SIGUSR1) != 0) return error_from_errno("could not signal the postmaster", errno);
  hands.progress("promoting on timeline " + std::to_string(intent.timeline.value));
  const Instant until = boot_now() + hands.setup.settings.promote_timeout;
  while (boot_now() < until && !hands.stopped()) {
    auto session = postgres::Session::connect(hands.server(), {}, boot_now() + Millis{1000});
    if (session) {
      auto rows = session->query("SELECT pg_is_in_recovery()", boot_now() + sql_deadline);
      const bool primary =
          rows && !rows->empty() && rows->front().front() == std::optional<std::string>("f");
      if (primary) {
        if (auto checked = check_timeline(*session, intent.timeline); !checked) return checked;
        learn_next_xid(hands, *session, intent.term);
        return make_slots_of_others(hands, *session, boot_now() + sql_deadline);
      }
    }
    std::this_thread::sleep_for(Millis{10});
  }
  return not_primary_yet();
}

/// The same by SQL: gate closed and names in force, nobody inside, slots for all, nothing that
/// blocks the replay. One session does all of it: the first that shows the names.
Outcome promote_warm(Hands& hands, const core::Promote& intent, Instant deadline) {
  const auto hosts = member_hosts(hands.known);
  auto closed =
      postgres::write_gate(hands.server(), hands.server().data, postgres::Gate::closed, hosts);
  if (!closed) return closed;
  hands.learn([hosts](Knowledge& k) {
    k.situation.server.gate_open = false;
    k.gate_hosts = hosts;
  });
  if (auto checked = check_standby(hands); !checked) return checked;
  // Alone the names are written only after the promotion: '' must not be in force anywhere else.
  const std::string of_policy = core::synchronous_standby_names(intent.policy);
  const std::string names = of_policy.empty() ? core::names_nobody : of_policy;
  const postgres::SafetySettings safety = hands.safety(names);
  if (auto written = postgres::write_safety(hands.server(), safety); !written) return written;
  // One reload brings both; the postmaster has read both when a new connection shows the names.
  if (auto asked = hands.ask_supervisor(supervisor::AskReload{}, Millis{2000}); !asked)
    return asked.error();
  auto session = postgres::session_that_shows(hands.server(), safety, deadline);
  if (!session) return session.error();
  hands.learn([names](Knowledge& k) { k.applied_names = names; });
  if (auto ended = postgres::terminate_clients(*session, deadline); !ended) return ended.error();
  note_step(hands, "names");
  if (auto slots = make_slots_of_others(hands, *session, deadline); !slots) return slots;
  note_step(hands, "slots");
  if (auto promoted = ask_to_promote(hands, *session, intent); !promoted) return promoted;
  if (hands.known.promoted_over != nullptr) {
    hands.known.promoted_over->keep(intent.term, hands.known.supervisor.start_id,
                                    std::move(*session));
  }
  return {};
}

std::optional<postgres::Session> session_of_promotion(Hands& hands, Term term) {
  if (hands.known.promoted_over == nullptr) return std::nullopt;
  return hands.known.promoted_over->take(term, hands.known.supervisor.start_id);
}

}  // namespace

// The record still names us, the timeline is reserved, the supervisor's grant is there: only then
// may the server be asked.
Outcome carry_out(const core::Promote& intent, Hands& hands) {
  auto asked_at = confirm_choice(hands, intent.term);
  if (!asked_at) return asked_at.error();
  const auto& fenced = hands.situation().fenced;
  const TimelineId parent = fenced && fenced->position ? fenced->position->timeline : TimelineId{1};
  if (auto reserved = postgres::reserve_history(hands.server(), parent, intent.timeline); !reserved)
    return reserved;
  // Many ids on a slow disk take long, and what was read before is too old for a grant.
  if (boot_now() - *asked_at > Millis{1000}) asked_at = confirm_choice(hands, intent.term);
  if (!asked_at) return asked_at.error();
  const Instant deadline = boot_now() + Millis{20'000};
  if (auto granted = ask_grant(hands, supervisor::GrantKind::promote, intent.term, *asked_at);
      !granted)
    return granted;
  auto promoted = hands.situation().server.cold ? promote_cold(hands, intent)
                                                : promote_warm(hands, intent, deadline);
  if (!promoted) return promoted;
  std::vector<NodeName> with_slots;
  for (const auto& [name, card] : hands.known.cards) {
    if (name != hands.situation().me) with_slots.push_back(name);
  }
  hands.learn([timeline = intent.timeline, with_slots](Knowledge& k) {
    for (const NodeName& node : with_slots) learn_slot(k, node, true);
    k.situation.server.state = core::ServerState::primary;
    k.situation.server.slots.reset();
    if (k.situation.server.position) k.situation.server.position->timeline = timeline;
    k.server_changed_at = boot_now();
    k.times.note("promotion", boot_now());
  });
  crash_point(hands, "promote");
  return {};
}

namespace {

/// The grant to lead, then the gate.
Outcome admit_clients(Hands& hands, Term term, Instant asked_at) {
  if (auto granted = ask_grant(hands, supervisor::GrantKind::lead, term, asked_at); !granted)
    return granted;
  return set_gate(hands, postgres::Gate::open);
}

}  // namespace

// Prove P', record the open leadership, then the grant, the gate, and what people read about it.
Outcome carry_out(const core::ProveBarrier& intent, Hands& hands) {
  const auto& s = hands.situation();
  const core::Policy* newest = nullptr;
  for (const core::Policy& policy : s.record->policy.unproven) {
    if (policy == intent.policy) newest = &policy;
  }
  if (newest == nullptr && s.record->policy.current != intent.policy) {
    auto proposed = hands.change_record([&](core::Record record) {
      return core::propose_policy(std::move(record), s.agent, intent.policy);
    });
    if (!proposed) return proposed.error();
  }
  postgres::ProofRequest request;
  const std::string names = core::synchronous_standby_names(intent.policy);
  request.safety = hands.safety(names);
  for (const core::Policy& policy : s.record->policy.unproven) {
    if (policy.term != intent.term) continue;
    for (auto& name : voter_names(policy)) request.voters.push_back(std::move(name));
  }
  request.new_voters = voter_names(intent.policy);
  request.k = intent.policy.k;
  request.leaving_empty =
      false;  // nothing else than the resting names was in force before the promotion
  hands.learn([names](Knowledge& k) { k.applied_names = names; });
  // The voters are not there yet: it is opened before they are waited for. Whether it can be is for
  // write_record to say: it is no failure of the voters.
  static_cast<void>(hands.store());
  // Beside the proof: without declared logical slots, or once they are there, nothing waits.
  auto renewing = std::async(
      has_logical_slots(s.wanted) ? std::launch::async : std::launch::deferred,
      [&hands] { return renew_logical_slots(hands, boot_now() + logical_slots_deadline); });
  auto proof =
      postgres::prove(hands.server(), request, boot_now() + hands.setup.settings.voter_timeout,
                      hands.stop, session_of_promotion(hands, intent.term));
  if (!proof) return proof.error();
  const Instant proven_at = boot_now();
  const auto next_xid = next_xid_of(hands, intent.term);
  auto fork = fork_of(hands, intent.timeline);
  if (!fork) return fork.error();
  crash_point(hands, "barrier");
  const auto of_slots = renewing.get();
  const Instant asked_at = boot_now();
  auto opened = hands.write_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.term) return Error(ErrorCode::conflict, "another term has begun");
    return core::open_leadership(std::move(record), s.agent, intent.policy, *fork, next_xid);
  });
  if (!opened) return opened.error();
  const Instant recorded_at = boot_now();
  crash_point(hands, "open");
  // Endpoints connect as soon as they are told: a knock at a closed gate costs a login and a pause.
  Outcome admits = admit_clients(hands, intent.term, asked_at);
  hands.learn_written(*opened);
  if (!admits) return admits;
  TermTimes times = hands.known.times;
  times.note("barrier", proven_at);
  times.note("record", recorded_at);
  times.note("opening", boot_now());
  hands.learn([times](Knowledge& k) {
    k.times = times;
    k.server_changed_at = boot_now();  // a look from before the names were written says nothing
  });
  write_history(hands, opened->value, *fork, times, of_slots);
  return {};
}

Outcome carry_out(const core::OpenGate&, Hands& hands) {
  return set_gate(hands, postgres::Gate::open);
}

// Slot by slot: one that cannot be made or dropped keeps nobody from learning of the others.
Outcome carry_out(const core::MakeSlots& intent, Hands& hands) {
  auto session = postgres::Session::connect(hands.server(), {}, boot_now() + sql_deadline);
  if (!session) return session.error();
  Outcome outcome;
  for (const NodeName& node : intent.nodes) {
    auto made =
        postgres::create_member_slot(*session, core::slot_name(node), boot_now() + sql_deadline);
    if (made) hands.learn([node](Knowledge& k) { learn_slot(k, node, true); });
    if (!made && outcome) outcome = std::move(made);
  }
  for (const NodeName& node : intent.drop) {
    auto dropped =
        postgres::drop_physical_slot(*session, core::slot_name(node), boot_now() + sql_deadline);
    if (dropped) hands.learn([node](Knowledge& k) { learn_slot(k, node, false); });
    if (!dropped && outcome) outcome = std::move(dropped);
  }
  return outcome;
}

Outcome carry_out(const core::AllowRewinds& intent, Hands& hands) {
  const Nanos left = left_after_opening(hands.known.times, intent.term, boot_now());
  if (auto waited = let_clients_go_first(hands, left); !waited) return waited;
  auto session = postgres::Session::connect(hands.server(), {}, boot_now() + sql_deadline);
  if (!session) return session.error();
  hands.progress("checkpoint");
  if (auto done = postgres::checkpoint(*session, boot_now() + Millis{600'000}, hands.stop); !done)
    return done;
  auto changed = hands.change_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.term) return Error(ErrorCode::conflict, "another term has begun");
    return core::set_rewind_ready(std::move(record), hands.situation().agent);
  });
  if (!changed) return changed.error();
  // A cluster that is older than this role gets it here, where nobody waits for it.
  const auto made =
      postgres::make_auth_role(*session, hands.server().auth_password, boot_now() + sql_deadline);
  if (!made) {
    hands.learn(
        [text = made.error().one_line()](Knowledge& k) { k.recent_errors.push_back(text); });
  }
  return {};
}

}  // namespace evergres::agent

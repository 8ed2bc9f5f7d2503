#include "proxy/outcome/outcome.hpp"

namespace evergres::proxy {
namespace {

constexpr std::string_view serialization_failure = "40001";
constexpr std::string_view resolution_unknown = "08007";
constexpr std::string_view cannot_connect_now = "57P03";
constexpr std::string_view admin_shutdown = "57P01";
constexpr std::string_view query_canceled = "57014";
constexpr std::string_view too_many = "53300";

Verdict aborted(Action action, std::string_view because) {
  return {action, serialization_failure, because};
}

Verdict unknown(std::string_view because) {
  return {Action::fail_statement, resolution_unknown, because};
}

constexpr Verdict nothing{};
constexpr Verdict resolve{Action::resolve, {}, "It may have committed."};

constexpr Verdict state_is_lost{
    Action::end_session, admin_shutdown,
    "What the session had on its server (temporary tables, advisory locks, open cursors) is lost."};
/// Listening again on the next leader would hide the gap: a client that stays connected believes
/// that it was told everything.
constexpr Verdict deaf_for_a_while{
    Action::end_session, admin_shutdown,
    "Notifications may have been lost; only a new connection tells its client so."};
constexpr Verdict cut{Action::cut, {}, "Half of a message was passed on; nothing can follow it."};
constexpr Verdict wait{Action::hold, {}, "No server has begun to execute it."};

Verdict transaction_is_over() {
  return aborted(Action::fail_transaction,
                 "The transaction was open and no COMMIT had been sent, so that it was rolled "
                 "back.");
}

Verdict batch_is_unknown() {
  return unknown("Some of the statements that were sent together may have committed.");
}

Verdict statement_aborted() {
  return aborted(Action::fail_statement, "The statement was rolled back.");
}

/// Standings for which it does not matter how the server went away; nothing for the others.
bool same_for_every_end(Standing standing, Verdict& verdict) {
  switch (standing) {
    case Standing::idle:
    case Standing::resolving:
    case Standing::told_aborted: verdict = nothing; return true;
    case Standing::idle_listening: verdict = deaf_for_a_while; return true;
    case Standing::idle_with_state: verdict = state_is_lost; return true;
    case Standing::login:
    case Standing::held:
    case Standing::begin_deferred:
    case Standing::behind_unsent: verdict = wait; return true;
    case Standing::output_in_message: verdict = cut; return true;
    case Standing::transaction_idle:
    case Standing::transaction_busy: verdict = transaction_is_over(); return true;
    case Standing::read_only_output:
    case Standing::copy_in: verdict = statement_aborted(); return true;
    case Standing::output_at_boundary:
    case Standing::commit_sent:
    case Standing::copy_in_done: verdict = resolve; return true;
    case Standing::batch_sent:
      verdict = batch_is_unknown();
      return true;
    case Standing::two_phase_sent:
      verdict = unknown("pg_prepared_xacts shows whether the transaction is still prepared.");
      return true;
    case Standing::replication:
      verdict = {Action::end_session, admin_shutdown, "Replication belongs to one server."};
      return true;
    default: return false;
  }
}

Verdict replay_or(bool allowed, Verdict otherwise, std::string_view because) {
  return allowed ? Verdict{Action::replay, {}, because} : otherwise;
}

Verdict on_lost(Standing standing, Replay replay) {
  Verdict verdict;
  if (same_for_every_end(standing, verdict)) return verdict;
  switch (standing) {
    case Standing::read_only_sent:
      return replay_or(replay >= Replay::read_only, statement_aborted(),
                       "It was declared read only and nothing was passed on.");
    case Standing::transaction_first_sent:
      return replay_or(replay >= Replay::aborted, transaction_is_over(),
                       "No COMMIT had been sent and nothing was passed on.");
    case Standing::behind_sent:
      // The answers of the parts before it may be what was lost.
      return unknown("It was sent behind others and may have committed.");
    default: return resolve;  // statement_sent
  }
}

Verdict on_shut_down(Standing standing, Replay replay) {
  Verdict verdict;
  if (same_for_every_end(standing, verdict)) return verdict;
  switch (standing) {
    case Standing::transaction_first_sent:
      return replay_or(replay >= Replay::aborted, transaction_is_over(),
                       "No COMMIT had been sent and nothing was passed on.");
    case Standing::behind_sent:
      // FATAL is a server's last word and answers the part before this one.
      return aborted(Action::fail_statement, "The server ended before it began with it.");
    default:  // read_only_sent, statement_sent
      return replay_or(replay >= Replay::aborted, statement_aborted(),
                       "The server interrupted the statement, which rolls it back.");
  }
}

/// The server accepted no session: what was meant for it is as if it had never been sent.
Verdict on_not_executed(Standing standing, Replay replay) {
  switch (standing) {
    case Standing::read_only_sent:
    case Standing::statement_sent:
    case Standing::batch_sent:
    case Standing::transaction_first_sent:
    case Standing::behind_sent:
      return {Action::replay, {}, "The server refused before it executed anything."};
    default: return on_lost(standing, replay);
  }
}

/// The server lives, is in recovery, and has answered with an error. A standby commits nothing; of
/// several statements the words of the error may also be those of a RAISE behind a commit.
Verdict on_not_primary(Standing standing) {
  switch (standing) {
    case Standing::read_only_sent:
    case Standing::statement_sent:
    case Standing::transaction_first_sent:
      return {Action::replay, {}, "The server is no primary and refused."};
    case Standing::transaction_idle:
    case Standing::transaction_busy:
      return aborted(Action::fail_transaction, "The server is no primary any more.");
    case Standing::batch_sent: return batch_is_unknown();
    case Standing::read_only_output:
    case Standing::output_at_boundary:
    case Standing::commit_sent:
    case Standing::two_phase_sent:
    case Standing::copy_in:
    case Standing::copy_in_done:
      return aborted(Action::fail_statement, "The server is no primary and refused.");
    case Standing::login:
    case Standing::held:
    case Standing::begin_deferred:
    case Standing::behind_unsent: return wait;
    case Standing::idle_with_state: return state_is_lost;
    case Standing::idle_listening: return deaf_for_a_while;
    case Standing::output_in_message: return cut;
    default: return nothing;  // behind_sent is answered for itself
  }
}

Verdict on_sync_wait_cancelled(Standing standing) {
  switch (standing) {
    case Standing::statement_sent:
    case Standing::batch_sent:
    case Standing::output_at_boundary:
    case Standing::commit_sent:
    case Standing::two_phase_sent:
    case Standing::copy_in:
    case Standing::copy_in_done:
    case Standing::behind_sent:
    case Standing::read_only_sent:
    case Standing::read_only_output:
      return {Action::withhold, resolution_unknown,
              "It committed on the server, but the wait for its standbys was cancelled: a failover "
              "may still lose it."};
    case Standing::output_in_message: return cut;
    default: return nothing;
  }
}

/// Whoever waits here is told `sqlstate`, in the shape that fits where it stands.
Verdict end_of_wait(Standing standing, std::string_view sqlstate, std::string_view because) {
  switch (standing) {
    case Standing::login: return {Action::end_session, sqlstate, because};
    case Standing::held:
    case Standing::behind_unsent: return {Action::fail_statement, sqlstate, because};
    case Standing::begin_deferred: return {Action::fail_transaction, sqlstate, because};
    default: return nothing;
  }
}

Verdict on_cancel(Standing standing) {
  switch (standing) {
    case Standing::read_only_sent:
    case Standing::read_only_output:
    case Standing::transaction_first_sent:
    case Standing::transaction_busy:
    case Standing::copy_in:
    case Standing::replication: return {Action::cancel, {}, "It cannot be waiting for standbys."};
    case Standing::statement_sent:
    case Standing::batch_sent:
    case Standing::output_at_boundary:
    case Standing::output_in_message:
    case Standing::behind_sent:
      return {Action::cancel_unless_committing, {}, "It may be waiting for standbys."};
    case Standing::login: return nothing;
    case Standing::resolving: return unknown("Its fate was being found out when it was cancelled.");
    default:
      return end_of_wait(standing, query_canceled, "It was cancelled on the user's request.");
  }
}

Verdict on_drain_expires(Standing standing) {
  switch (standing) {
    case Standing::transaction_idle:
    case Standing::transaction_busy:
    case Standing::transaction_first_sent:
      return aborted(Action::fail_transaction,
                     "The transaction took longer than the switchover could wait.");
    case Standing::copy_in:
      return aborted(Action::fail_statement, "COPY took longer than the switchover could wait.");
    case Standing::idle_listening: return deaf_for_a_while;
    case Standing::idle_with_state: return state_is_lost;
    case Standing::replication:
      return {Action::end_session, admin_shutdown, "Replication belongs to one server."};
    case Standing::login:
    case Standing::held:
    case Standing::begin_deferred:
    case Standing::behind_unsent: return wait;
    // What may be committing is told by the server, or by its end.
    default: return nothing;
  }
}

Verdict on_client_gone(Standing standing) {
  switch (standing) {
    case Standing::statement_sent:
    case Standing::batch_sent:
    case Standing::output_at_boundary:
    case Standing::commit_sent:
    case Standing::two_phase_sent:
    case Standing::copy_in_done:
    case Standing::behind_sent: return {Action::let_finish, {}, "It may be committing."};
    case Standing::read_only_sent:
    case Standing::read_only_output:
    case Standing::output_in_message:
    case Standing::transaction_first_sent:
    case Standing::transaction_idle:
    case Standing::transaction_busy:
    case Standing::copy_in:
    case Standing::replication: return {Action::roll_back, {}, "Nobody waits for the rest."};
    default: return {Action::leave, {}, "Nothing of it runs on a server."};
  }
}

Verdict on_leader_opens(Standing standing) {
  switch (standing) {
    case Standing::login:
    case Standing::held:
    case Standing::begin_deferred: return {Action::send, {}, "There is an open leader."};
    case Standing::resolving: return resolve;
    default: return nothing;
  }
}

}  // namespace

Verdict decide_outcome(Standing standing, Event event, Replay replay) {
  switch (event) {
    case Event::lost: return on_lost(standing, replay);
    case Event::shut_down: return on_shut_down(standing, replay);
    case Event::not_executed: return on_not_executed(standing, replay);
    case Event::not_primary: return on_not_primary(standing);
    case Event::sync_wait_cancelled: return on_sync_wait_cancelled(standing);
    case Event::hold_expired:
      if (standing == Standing::resolving)
        return unknown("Its fate could not be found out in time.");
      return end_of_wait(standing, cannot_connect_now, "No primary became available in time.");
    case Event::statement_timeout:
      if (standing == Standing::login) return nothing;
      if (standing == Standing::resolving)
        return unknown("Its fate could not be found out in time.");
      return end_of_wait(standing, query_canceled, waited_beyond_statement_timeout);
    case Event::cancel_requested: return on_cancel(standing);
    case Event::drain_begins: {
      const Verdict verdict = on_drain_expires(standing);
      return verdict.action == Action::hold ? verdict : nothing;
    }
    case Event::drain_expires: return on_drain_expires(standing);
    case Event::buffer_full: return {Action::stop_reading, {}, "What waits here is bounded."};
    case Event::queue_full:
      return end_of_wait(standing, too_many, "Too many clients wait for a primary.");
    case Event::client_gone: return on_client_gone(standing);
    case Event::leader_opens: return on_leader_opens(standing);
  }
  return nothing;
}

Verdict after_fate(Standing standing, Fate fate, Replay replay) {
  if (fate == Fate::unknown) return unknown("Whether it committed could not be found out.");
  if (fate == Fate::aborted) {
    return replay_or(standing == Standing::statement_sent && replay >= Replay::aborted,
                     aborted(Action::fail_statement, "It was rolled back."),
                     "It was rolled back and nothing was passed on.");
  }
  if (standing == Standing::commit_sent) {
    return {Action::succeed, {}, "It committed; only the server's word for it was lost."};
  }
  // The success alone would be no answer: rows or their number are missing.
  return unknown("It committed, but its result was lost. Do not send it again.");
}

}  // namespace evergres::proxy

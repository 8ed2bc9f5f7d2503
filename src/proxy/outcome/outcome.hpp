#pragma once

#include <array>
#include <string_view>

#include "base/field.hpp"
#include "proxy/outcome/fate.hpp"

/// What a client is told when its server, its turn or its patience ends. One pure function over
/// everything that can happen; tests/proxy/outcome/outcomes.golden shows all of it. Truth before
/// comfort: nobody is told that something failed which may have happened, or the reverse.
namespace evergres::proxy {

/// Where a client stands. "Sent" is what has left for a server; "relayed" what has left for the
/// client.
enum class Standing {
  idle,             ///< between transactions, nothing of it on any server
  idle_listening,   ///< idle, but for LISTEN
  idle_with_state,  ///< idle, with a temporary table, an advisory lock, a WITH HOLD cursor, …
  login,            ///< not let in yet
  held,             ///< has a request of which nothing was sent, or that was certainly not executed
  begin_deferred,   ///< the same in a transaction whose BEGIN we answered and nobody executed
  read_only_sent,   ///< one statement, declared read only or on the read-only port; none relayed
  read_only_output,    ///< the same, some messages relayed
  statement_sent,      ///< one statement outside a transaction; not CALL, DO, COPY; not listening;
                       ///< nothing relayed
  batch_sent,          ///< several statements in one Query, CALL, DO: may commit in the middle
  output_at_boundary,  ///< as statement_sent, also COPY OUT: whole messages were relayed
  output_in_message,   ///< in or outside a transaction: a message was relayed in part
  transaction_first_sent,  ///< BEGIN and the first statement after it; nothing relayed
  transaction_idle,        ///< in a transaction, it is the client's turn
  transaction_busy,        ///< in a transaction, no COMMIT sent
  commit_sent,             ///< COMMIT or END of a transaction
  two_phase_sent,          ///< PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED
  copy_in,                 ///< COPY FROM STDIN outside a transaction, CopyDone not sent
  copy_in_done,            ///< the same, CopyDone sent
  behind_sent,    ///< part of a pipeline: sent, behind another part that is not answered yet
  behind_unsent,  ///< part of a pipeline that waits behind another one
  resolving,      ///< the fate of its commit is being found out
  told_aborted,   ///< its transaction is over, it has not rolled back yet; no server
  replication,    ///< streams WAL
};
constexpr auto words(const Standing*) {
  return std::array{Word{"idle", Standing::idle},
                    Word{"idle_listening", Standing::idle_listening},
                    Word{"idle_with_state", Standing::idle_with_state},
                    Word{"login", Standing::login},
                    Word{"held", Standing::held},
                    Word{"begin_deferred", Standing::begin_deferred},
                    Word{"read_only_sent", Standing::read_only_sent},
                    Word{"read_only_output", Standing::read_only_output},
                    Word{"statement_sent", Standing::statement_sent},
                    Word{"batch_sent", Standing::batch_sent},
                    Word{"output_at_boundary", Standing::output_at_boundary},
                    Word{"output_in_message", Standing::output_in_message},
                    Word{"transaction_first_sent", Standing::transaction_first_sent},
                    Word{"transaction_idle", Standing::transaction_idle},
                    Word{"transaction_busy", Standing::transaction_busy},
                    Word{"commit_sent", Standing::commit_sent},
                    Word{"two_phase_sent", Standing::two_phase_sent},
                    Word{"copy_in", Standing::copy_in},
                    Word{"copy_in_done", Standing::copy_in_done},
                    Word{"behind_sent", Standing::behind_sent},
                    Word{"behind_unsent", Standing::behind_unsent},
                    Word{"resolving", Standing::resolving},
                    Word{"told_aborted", Standing::told_aborted},
                    Word{"replication", Standing::replication}};
}

enum class Event {
  lost,       ///< the connection to the server ended without an ErrorResponse of class FATAL. Also
              ///< after a WARNING 57P01 or 57P02: a backend that is told to quit at once, or that
              ///< waits for standbys, says so whatever it has committed (postgres.c quickdie,
              ///< syncrep.c). Also when we end it because its term is over
  shut_down,  ///< ErrorResponse, FATAL, 57P01: raised where a statement can be interrupted
  not_executed,         ///< the server refused when we connected: 57P03, 53300
  not_primary,          ///< is_refusal_of_a_standby(), by a server whose last word about
                        ///< in_hot_standby was "on". Of another one the words prove nothing
  sync_wait_cancelled,  ///< is_cancelled_sync_wait()
  hold_expired,         ///< waited for a leader for hold_timeout
  statement_timeout,    ///< the session's own, which no server counts while it waits here
  cancel_requested,     ///< by the client
  drain_begins,         ///< a planned switchover: nothing new begins on the old leader
  drain_expires,        ///< its drain_timeout is over, the old leader is about to stop
  buffer_full,          ///< what waits here for the client has reached its bound
  queue_full,           ///< no more may wait
  client_gone,
  leader_opens,  ///< there is an open leader of the highest term again
};
constexpr auto words(const Event*) {
  return std::array{Word{"lost", Event::lost},
                    Word{"shut_down", Event::shut_down},
                    Word{"not_executed", Event::not_executed},
                    Word{"not_primary", Event::not_primary},
                    Word{"sync_wait_cancelled", Event::sync_wait_cancelled},
                    Word{"hold_expired", Event::hold_expired},
                    Word{"statement_timeout", Event::statement_timeout},
                    Word{"cancel_requested", Event::cancel_requested},
                    Word{"drain_begins", Event::drain_begins},
                    Word{"drain_expires", Event::drain_expires},
                    Word{"buffer_full", Event::buffer_full},
                    Word{"queue_full", Event::queue_full},
                    Word{"client_gone", Event::client_gone},
                    Word{"leader_opens", Event::leader_opens}};
}

enum class Action {
  nothing,       ///< it goes on as it is
  hold,          ///< wait for an open leader, first in first out
  send,          ///< the wait is over: its turn comes in the order of arrival
  replay,        ///< hold, then send the same bytes again; now it stands at held or begin_deferred
  resolve,       ///< find out the fate of the commit, then after_fate(); now it is resolving
  succeed,       ///< tell the success that the server could not tell any more
  withhold,      ///< send ERROR in the place of the success that the server tells
  fail_statement,    ///< ERROR, ReadyForQuery 'I'; the session goes on
  fail_transaction,  ///< ERROR, ReadyForQuery 'E'; then 25P02 for all but ROLLBACK and COMMIT
  end_session,       ///< FATAL, close
  cut,               ///< close without a word: half of a message was relayed
  cancel,            ///< pass the cancel request on
  cancel_unless_committing,  ///< the same, if a look at the server shows that it does not wait for
                             ///< standbys. A cancel that comes between is told: see withhold
  stop_reading,              ///< from the client, until there is room
  leave,                     ///< forget the client; its server, if any, goes through the reset
  let_finish,                ///< forget the client; its server finishes first
  roll_back,                 ///< forget the client; its server rolls back, or is closed
};
constexpr auto words(const Action*) {
  return std::array{Word{"nothing", Action::nothing},
                    Word{"hold", Action::hold},
                    Word{"send", Action::send},
                    Word{"replay", Action::replay},
                    Word{"resolve", Action::resolve},
                    Word{"succeed", Action::succeed},
                    Word{"withhold", Action::withhold},
                    Word{"fail_statement", Action::fail_statement},
                    Word{"fail_transaction", Action::fail_transaction},
                    Word{"end_session", Action::end_session},
                    Word{"cut", Action::cut},
                    Word{"cancel", Action::cancel},
                    Word{"cancel_unless_committing", Action::cancel_unless_committing},
                    Word{"stop_reading", Action::stop_reading},
                    Word{"leave", Action::leave},
                    Word{"let_finish", Action::let_finish},
                    Word{"roll_back", Action::roll_back}};
}

/// What may be sent a second time without asking. Each includes those before.
enum class Replay {
  refused,    ///< what no server began to execute
  aborted,    ///< and single statements and first statements that certainly aborted
  read_only,  ///< and what was declared read only, whatever became of it
};
constexpr auto words(const Replay*) {
  return std::array{Word{"refused", Replay::refused}, Word{"aborted", Replay::aborted},
                    Word{"read_only", Replay::read_only}};
}

struct Verdict {
  Action action = Action::nothing;
  std::string_view sqlstate = {};  ///< of what the client is sent
  std::string_view because = {};   ///< a sentence; the error's detail where one is sent
};

/// Of the verdict on Event::statement_timeout, whose code is that of a cancel request.
inline constexpr std::string_view waited_beyond_statement_timeout =
    "It waited for longer than statement_timeout.";

/// Pure, total: some verdict for each pair, also for those that cannot meet.
Verdict decide_outcome(Standing standing, Event event, Replay replay);

/// What follows from the fate, for whoever was told to `resolve` from `standing`.
Verdict after_fate(Standing standing, Fate fate, Replay replay);

}  // namespace evergres::proxy

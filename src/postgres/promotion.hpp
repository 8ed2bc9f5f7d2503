#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "postgres/session.hpp"
#include "postgres/settings.hpp"

namespace evergres::postgres {

/// Asks the postmaster to read its files again. Returns before it has.
Outcome reload(Session& session, Instant deadline);

/// The safety settings that a new connection does not show as they should be, as "fsync is off
/// instead of on"; empty if all are in force. hot_standby is left out: a start may overrule it.
Result<std::vector<std::string>> differing_safety(const Server& server,
                                                  const SafetySettings& safety, Instant deadline);
/// The same, as `fresh` shows it: it must have been opened after the settings were written.
Result<std::vector<std::string>> differing_safety(Session& fresh, const SafetySettings& safety,
                                                  Instant deadline);

/// A session that shows exactly these values: after they were written and a reload was asked for,
/// it opens new connections until one does. `refused`, with the differences, if that does not
/// happen before the deadline.
Result<Session> session_that_shows(const Server& server, const SafetySettings& safety,
                                   Instant deadline);

/// Writes postgresql.auto.conf, reloads, and opens new connections until one shows exactly these
/// values. `refused`, with the differences, if that does not happen before the deadline. Sessions
/// and walsenders that exist adopt it later: prove() waits for them.
Outcome set_names(const Server& server, Session& session, const SafetySettings& safety,
                  Instant deadline);

/// On a standby whose replay waits for a lock, a snapshot or a buffer pin: terminates the client
/// backends in a transaction that are not the agent's. Returns how many were asked to end; 0 if
/// replay does not wait.
Result<int> terminate_blocking_backends(Session& session, Instant deadline);

/// Ends every client session that is not the agent's, so that nobody who came in before the gate
/// was closed stays. Returns how many were asked to end.
Result<int> terminate_clients(Session& session, Instant deadline);

/// On a primary: ends the walsenders whose application_name does not begin with `kept`, and that
/// are not the agent's own, which send nothing. Returns how many were asked to end; none for "".
Result<int> terminate_other_senders(Session& session, const std::string& kept, Instant deadline);

/// A physical slot that reserves WAL from now on. One that exists is left alone, unless its WAL is
/// lost and nobody uses it (wal_status, active of pg_replication_slots): that one is made anew, or
/// no standby could be cloned through it. Works on standbys.
Outcome create_member_slot(Session& session, const std::string& name, Instant deadline);
/// All of them; the first error ends it.
Outcome create_member_slots(Session& session, const std::vector<std::string>& names,
                            Instant deadline);
/// The same; where max_replication_slots has no room (SQLSTATE 53400), the idle ones of `spare` are
/// dropped and it is tried once more. Returns which were dropped.
Result<std::vector<std::string>> create_member_slots_first(Session& session,
                                                           const std::vector<std::string>& names,
                                                           const std::vector<std::string>& spare,
                                                           Instant deadline);
/// Drops the idle slots named evg_* that are not in `keep`: on a server that does not lead they
/// would hold WAL for ever. Returns the dropped names; one that cannot be dropped keeps no other
/// from it, and its error is returned at the end.
Result<std::vector<std::string>> drop_member_slots(Session& session,
                                                   const std::vector<std::string>& keep,
                                                   Instant deadline);

enum class Promotion {
  promoted,  ///< it accepts writes
  unknown,   ///< asked, and not seen to be a primary: it may become one at any time later
};
/// pg_promote(false), then looks each 5 ms. An Error means that it was certainly not asked;
/// everything after the question is `unknown`. Persist "asked to promote" before.
Result<Promotion> promote(Session& session, Instant deadline);

/// On which a primary writes.
Result<TimelineId> timeline_of_primary(Session& session, Instant deadline);

/// An immediate CHECKPOINT; after a promotion it lets others rewind from here.
/// When `stop` is requested it is left alone, and goes on.
Outcome checkpoint(Session& session, Instant deadline, const std::stop_token& stop = {});

}  // namespace evergres::postgres

#include "postgres/promotion.hpp"

#include <algorithm>
#include <charconv>

#include "postgres/cells.hpp"
#include "postgres/look_again.hpp"
#include "postgres/slots.hpp"

namespace evergres::postgres {

namespace {

constexpr Millis between_looks{2};

Result<int> count_of(const Result<Rows>& rows) {
  if (!rows) return rows.error();
  return static_cast<int>(rows->size());
}

}  // namespace

Outcome reload(Session& session, Instant deadline) {
  const auto rows = session.query("SELECT pg_reload_conf()", deadline);
  if (!rows) return rows.error();
  if (rows->empty() || !is_true(rows->front().front())) {
    return Error(ErrorCode::postgres_failed, "PostgreSQL did not take the reload");
  }
  return {};
}

Result<std::vector<std::string>> differing_safety(const Server& server,
                                                  const SafetySettings& safety, Instant deadline) {
  auto fresh = Session::connect(server, {}, deadline);
  if (!fresh) return fresh.error();
  return differing_safety(*fresh, safety, deadline);
}

Result<std::vector<std::string>> differing_safety(Session& fresh, const SafetySettings& safety,
                                                  Instant deadline) {
  std::string values;
  std::vector<std::string> parameters;
  for (const auto& [name, value] : safety_values(safety)) {
    if (name == "hot_standby") continue;
    const auto number = parameters.size();
    values += (values.empty() ? "($" : ", ($") + std::to_string(number + 1) + "::text, $" +
              std::to_string(number + 2) + "::text)";
    parameters.push_back(name);
    parameters.push_back(value);
  }
  const auto rows = fresh.query(
      "SELECT name || ' is ' || quote_literal(current_setting(name)) || ' instead of '"
      "       || quote_literal(value)"
      "  FROM (VALUES " +
          values +
          ") wanted(name, value)"
          " WHERE current_setting(name) <> value",
      parameters, deadline);
  if (!rows) return rows.error();
  std::vector<std::string> differing;
  for (const auto& row : *rows) differing.push_back(row.front().value_or(""));
  return differing;
}

Result<Session> session_that_shows(const Server& server, const SafetySettings& safety,
                                   Instant deadline) {
  for (;;) {
    auto fresh = Session::connect(server, {}, deadline);
    if (!fresh) return fresh;
    const auto differing = differing_safety(*fresh, safety, deadline);
    if (!differing) return differing.error();
    if (differing->empty()) return fresh;
    if (boot_now() >= deadline) {
      return Error(ErrorCode::refused, "the safety settings are not in force",
                   "They are written, but on a new connection " + differing->front() + ".",
                   "Look for an error about the configuration in the log of PostgreSQL.");
    }
    look_again_after(between_looks);
  }
}

Outcome set_names(const Server& server, Session& session, const SafetySettings& safety,
                  Instant deadline) {
  if (auto written = write_safety(server, safety); !written) return written;
  if (auto asked = reload(session, deadline); !asked) return asked;
  auto shown = session_that_shows(server, safety, deadline);
  if (!shown) return shown.error();
  return {};
}

// Here and below: the function is the view pg_stat_activity without its joins, which cost a new
// session more than all the rest.
Result<int> terminate_blocking_backends(Session& session, Instant deadline) {
  return count_of(
      session.query("SELECT pg_terminate_backend(b.pid)"
                    "  FROM pg_stat_get_activity(NULL) r, pg_stat_get_activity(NULL) b"
                    " WHERE r.backend_type = 'startup'"
                    "   AND (r.wait_event_type IN ('Lock', 'BufferPin')"
                    "        OR r.wait_event LIKE 'RecoveryConflict%')"
                    "   AND b.backend_type = 'client backend'"
                    "   AND NOT (b.usesysid = quote_ident(current_user)::regrole"
                    "            AND b.application_name = 'evergres agent')"
                    "   AND b.xact_start IS NOT NULL",
                    deadline));
}

Result<int> terminate_clients(Session& session, Instant deadline) {
  return count_of(
      session.query("SELECT pg_terminate_backend(pid) FROM pg_stat_get_activity(NULL)"
                    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                    "   AND NOT (usesysid = quote_ident(current_user)::regrole"
                    "            AND application_name = 'evergres agent')",
                    deadline));
}

Result<int> terminate_other_senders(Session& session, const std::string& kept, Instant deadline) {
  return count_of(
      session.query("SELECT pg_terminate_backend(pid)"
                    "  FROM pg_stat_get_wal_senders() JOIN pg_stat_get_activity(NULL) a USING (pid)"
                    " WHERE NOT starts_with(a.application_name, $1)"
                    "   AND NOT (a.usesysid = quote_ident(current_user)::regrole"
                    "            AND a.application_name = 'evergres agent' AND a.client_port = -1)",
                    {kept}, deadline));
}

Outcome create_member_slot(Session& session, const std::string& name, Instant deadline) {
  const auto found = session.query(
      "SELECT NOT active AND coalesce(wal_status, 'lost') = 'lost' FROM pg_replication_slots WHERE "
      "slot_name = $1",
      {name}, deadline);
  if (!found) return found.error();
  if (!found->empty()) {
    if (!is_true(found->front().front())) return {};
    if (auto dropped = drop_physical_slot(session, name, deadline); !dropped) return dropped;
  }
  const auto made =
      session.query("SELECT pg_create_physical_replication_slot($1, true)", {name}, deadline);
  if (!made) return made.error().while_doing("could not create the replication slot " + name);
  return {};
}

Outcome create_member_slots(Session& session, const std::vector<std::string>& names,
                            Instant deadline) {
  // Usually all are there: one question for all, and to the function rather than the view.
  const auto there = session.query(
      "SELECT slot_name FROM pg_get_replication_slots()"
      " WHERE active OR coalesce(wal_status, 'lost') <> 'lost'",
      deadline);
  if (!there) return there.error();
  for (const auto& name : names) {
    const auto is_it = [&](const Row& row) { return row.front() == name; };
    if (std::any_of(there->begin(), there->end(), is_it)) continue;
    if (auto made = create_member_slot(session, name, deadline); !made) return made;
  }
  return {};
}

Result<std::vector<std::string>> create_member_slots_first(Session& session,
                                                           const std::vector<std::string>& names,
                                                           const std::vector<std::string>& spare,
                                                           Instant deadline) {
  std::vector<std::string> dropped;
  const auto made = create_member_slots(session, names, deadline);
  if (made) return dropped;
  if (made.error().one_line().find("SQLSTATE 53400") == std::string::npos) return made.error();
  for (const auto& name : spare) {  // one that is in use stays: another one may make room
    if (drop_slot(session, name, deadline)) dropped.push_back(name);
  }
  if (dropped.empty()) return made.error();
  if (auto again = create_member_slots(session, names, deadline); !again) return again.error();
  return dropped;
}

Result<std::vector<std::string>> drop_member_slots(Session& session,
                                                   const std::vector<std::string>& keep,
                                                   Instant deadline) {
  const auto rows = session.query(
      "SELECT slot_name FROM pg_replication_slots"
      " WHERE slot_type = 'physical' AND NOT active AND slot_name LIKE 'evg\\_%'",
      deadline);
  if (!rows) return rows.error();
  std::vector<std::string> dropped;
  Outcome outcome;
  for (const auto& row : *rows) {
    const std::string name = row.front().value_or("");
    if (std::find(keep.begin(), keep.end(), name) != keep.end()) continue;
    auto gone = drop_physical_slot(session, name, deadline);
    if (gone) dropped.push_back(name);
    if (!gone && outcome) outcome = std::move(gone);
  }
  if (!outcome) return outcome.error();
  return dropped;
}

Result<Promotion> promote(Session& session, Instant deadline) {
  // A session that is broken already, or a primary, is noticed here: nothing was asked then.
  const auto before = session.query("SELECT pg_is_in_recovery()", deadline);
  if (!before) return before.error();
  if (before->empty()) return Error(ErrorCode::data_invalid, "PostgreSQL gave no answer");
  if (!is_true(before->front().front())) return Promotion::promoted;
  if (!session.query("SELECT pg_promote(false)", deadline)) return Promotion::unknown;
  while (boot_now() < deadline) {
    const auto rows = session.query("SELECT pg_is_in_recovery()", deadline);
    if (!rows || rows->empty()) return Promotion::unknown;
    if (!is_true(rows->front().front())) return Promotion::promoted;
    look_again_after(between_looks);
  }
  return Promotion::unknown;
}

Result<TimelineId> timeline_of_primary(Session& session, Instant deadline) {
  const auto rows = session.query("SELECT pg_walfile_name(pg_current_wal_insert_lsn())", deadline);
  if (!rows) return rows.error();
  const std::string name = rows->empty() ? "" : rows->front().front().value_or("");
  TimelineId timeline;
  const auto read = std::from_chars(
      name.data(), name.data() + std::min<std::size_t>(name.size(), 8), timeline.value, 16);
  if (read.ec != std::errc{} || name.size() != 24) {
    return Error(ErrorCode::data_invalid, "PostgreSQL named no WAL segment", name);
  }
  return timeline;
}

Outcome checkpoint(Session& session, Instant deadline, const std::stop_token& stop) {
  // It may take longer than the statement_timeout of the session; the deadline here is what counts.
  if (const auto rows = session.query("SET statement_timeout = 0", deadline); !rows) {
    return rows.error();
  }
  if (auto sent = session.send("CHECKPOINT", deadline); !sent) return sent;
  while (!stop.stop_requested() && boot_now() < deadline) {
    auto rows = session.finish(std::min(deadline, boot_now() + Millis{100}));
    if (!rows) return rows.error();
    if (*rows) return {};
  }
  if (!stop.stop_requested()) return Error(ErrorCode::timed_out, "the checkpoint takes too long");
  return Error(ErrorCode::cancelled, "the checkpoint was left alone",
               "It goes on in the background.");
}

}  // namespace evergres::postgres

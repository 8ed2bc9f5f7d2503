#include "postgres/slots.hpp"

#include <algorithm>

#include "base/file.hpp"
#include "postgres/cells.hpp"
#include "postgres/look_again.hpp"

namespace evergres::postgres {
namespace {

/// Less would be used up before PostgreSQL began.
constexpr Millis least_time_for_logical{80};
constexpr std::size_t columns = 8;

Error exists(const std::string& name) {
  return Error(ErrorCode::conflict, "a replication slot " + name + " exists already");
}

Result<bool> slot_exists(Session& session, const std::string& name, Instant deadline) {
  const auto rows = session.query("SELECT 1 FROM pg_get_replication_slots() WHERE slot_name = $1",
                                  {name}, deadline);
  if (!rows) return rows.error();
  return !rows->empty();
}

/// Drops this slot if it is one of those that the SQL condition `which` names.
Outcome drop_one_of(Session& session, const std::string& name, const std::string& which,
                    Instant deadline) {
  const auto found = session.query(
      "SELECT active FROM pg_get_replication_slots() WHERE slot_name = $1 AND " + which, {name},
      deadline);
  if (!found) return found.error();
  if (found->empty()) return {};
  if (is_true(found->front().front()))
    return Error(ErrorCode::conflict, "the replication slot " + name + " is still in use");
  const auto gone = session.query("SELECT pg_drop_replication_slot($1)", {name}, deadline);
  if (!gone) return gone.error().while_doing("could not drop the replication slot " + name);
  return {};
}

}  // namespace

Result<std::vector<SlotFacts>> list_slots(Session& session, Instant deadline) {
  const auto rows = session.query(
      "SELECT r.slot_name, r.slot_type = 'logical', r.active, d.datname, r.restart_lsn,"
      "       greatest(pg_wal_lsn_diff(e.ends, r.restart_lsn), 0)::bigint, r.wal_status,"
      "       r.plugin"
      "  FROM pg_get_replication_slots() r"
      "  LEFT JOIN pg_database d ON d.oid = r.datoid"
      " CROSS JOIN (SELECT CASE WHEN pg_is_in_recovery()"
      "                         THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())"
      "                         ELSE pg_current_wal_flush_lsn() END AS ends) e"
      " WHERE NOT r.temporary ORDER BY 1",
      deadline);
  if (!rows) return rows.error();
  std::vector<SlotFacts> slots;
  for (const Row& row : *rows) {
    if (row.size() != columns) {
      return Error(ErrorCode::data_invalid, "PostgreSQL answered about its slots in another shape");
    }
    SlotFacts slot;
    slot.name = row[0].value_or("");
    slot.logical = is_true(row[1]);
    slot.active = is_true(row[2]);
    slot.database = row[3].value_or("");
    slot.restart = lsn_of(row[4]);
    slot.retained_bytes = number_of<std::uint64_t>(row[5]).value_or(0);
    slot.wal_status = row[6].value_or("");
    slot.plugin = row[7].value_or("");
    slots.push_back(std::move(slot));
  }
  return slots;
}

Outcome make_physical_slot(Session& session, const std::string& name, Instant deadline) {
  const auto found = slot_exists(session, name, deadline);
  if (!found) return found.error();
  if (*found) return exists(name);
  const auto made =
      session.query("SELECT pg_create_physical_replication_slot($1, true)", {name}, deadline);
  if (!made) return made.error().while_doing("could not create the replication slot " + name);
  return {};
}

// A slot that is not finished when its statement is cancelled vanishes with it. The server's own
// timeout comes a quarter of the time before our deadline: a slot that was made after we gave up
// would never be noted as ours. To connect and to look have a quarter each at most.
Result<Lsn> make_logical_slot(const Server& server, const std::string& name,
                              const std::string& database, const std::string& plugin,
                              Instant deadline) {
  const Instant began = boot_now();
  const auto left = std::chrono::duration_cast<Millis>(deadline - began);
  if (left < least_time_for_logical) {
    return Error(ErrorCode::timed_out, "could not create the replication slot " + name,
                 "There was not enough time left for it.");
  }
  const Millis quarter = left / 4;
  SessionOptions options;
  options.database = database;
  auto session = Session::connect(server, options, began + quarter);
  if (!session) return session.error().while_doing("could not create the replication slot " + name);
  const auto found = slot_exists(*session, name, began + 2 * quarter);
  if (!found) return found.error();
  if (*found) return exists(name);
  const auto until = std::chrono::duration_cast<Millis>(began + 3 * quarter - boot_now());
  const auto limited = session->query("SELECT set_config('statement_timeout', $1, false)",
                                      {std::to_string(std::max(until, Millis{1}).count())},
                                      deadline);
  if (!limited) return limited.error();
  const auto made = session->query(
      "SELECT lsn FROM pg_create_logical_replication_slot($1, $2)", {name, plugin}, deadline);
  if (!made) return made.error().while_doing("could not create the replication slot " + name);
  const auto begins = made->empty() ? std::nullopt : lsn_of(made->front().front());
  if (!begins) return Error(ErrorCode::data_invalid, "the new slot " + name + " has no position");
  return *begins;
}

// PostgreSQL, slot.c, ReplicationSlotOnDisk: behind 16 bytes of header and 64 of name stands the
// database, which only a logical slot has.
bool is_logical_on_disk(const std::filesystem::path& directory) {
  constexpr std::size_t begins = 80;
  constexpr std::size_t ends = begins + 4;
  const auto state = read_file_if_present(directory / "state");
  if (!state || !*state || (*state)->size() < ends) return false;
  const std::string database = (*state)->substr(begins, ends - begins);
  return std::any_of(database.begin(), database.end(), [](char c) { return c != '\0'; });
}

Outcome advance_slot(Session& session, const std::string& name, Lsn to, Instant deadline) {
  const auto moved = session.query(
      "SELECT pg_replication_slot_advance(slot_name, $2::pg_lsn) FROM pg_replication_slots"
      " WHERE slot_name = $1 AND slot_type = 'physical' AND NOT active"
      "   AND restart_lsn < $2::pg_lsn",
      {name, to.text()}, deadline);
  if (!moved) return moved.error().while_doing("could not advance the replication slot " + name);
  return {};
}

Outcome drop_slot(Session& session, const std::string& name, Instant deadline) {
  return drop_one_of(session, name, "true", deadline);
}

Outcome drop_physical_slot(Session& session, const std::string& name, Instant deadline) {
  return drop_one_of(session, name, "slot_type = 'physical'", deadline);
}

Outcome drop_used_slot(Session& session, const std::string& name, Instant deadline) {
  for (;;) {
    const auto ended = session.query(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
        " WHERE slot_name = $1 AND active_pid IS NOT NULL",
        {name}, deadline);
    if (!ended) return ended.error();
    auto dropped = drop_slot(session, name, deadline);
    if (dropped || boot_now() >= deadline) return dropped;
    look_again_after(Millis{2});
  }
}

}  // namespace evergres::postgres

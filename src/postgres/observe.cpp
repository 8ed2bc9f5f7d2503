#include "postgres/observe.hpp"

#include <boost/json.hpp>

#include "postgres/cells.hpp"

namespace evergres::postgres {

namespace {

constexpr const char* statement = "observe";
constexpr unsigned seldom = 10;

/// One row per walsender, or one row without any. The functions of a primary fail in recovery and
/// the other way round, hence the CASEs. pg_stat_get_activity() is the view without its joins.
constexpr const char* observe_sql = R"(
SELECT f.in_recovery,
       CASE WHEN NOT f.in_recovery THEN pg_current_wal_flush_lsn() END,
       pg_last_wal_receive_lsn(),
       CASE WHEN f.in_recovery THEN pg_last_wal_replay_lsn() END,
       CASE WHEN f.in_recovery THEN pg_is_wal_replay_paused() END,
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()),
       current_setting('synchronous_standby_names'),
       CASE WHEN $1::boolean THEN
         (SELECT json_agg(json_build_array(p.name, current_setting(p.name),
                   (SELECT s.setting FROM pg_file_settings s WHERE s.name = p.name
                    ORDER BY s.seqno DESC LIMIT 1)) ORDER BY p.name)
            FROM pg_settings p WHERE p.pending_restart AND p.name <> 'hot_standby') END,
       w.pid, w.status, w.received_tli, w.flushed_lsn, w.latest_end_lsn,
       (extract(epoch FROM clock_timestamp() - w.last_msg_receipt_time) * 1000)::bigint,
       w.sender_host, w.sender_port, w.slot_name,
       current_setting('server_version_num'),
       to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', f.form),
       to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', f.form),
       q.waits, q.oldest,
       CASE WHEN $1::boolean THEN coalesce(
         (SELECT json_agg(r.slot_name ORDER BY r.slot_name) FROM pg_get_replication_slots() r
           WHERE r.slot_type = 'physical' AND r.slot_name LIKE 'evg\_%'
             AND (r.active OR coalesce(r.wal_status, 'lost') <> 'lost')), '[]') END,
       s.pid, s.application_name, s.state, s.sync_state, s.sent_lsn, s.flush_lsn, s.replay_lsn,
       (extract(epoch FROM clock_timestamp() - s.reply_time) * 1000)::bigint,
       s.usename, host(s.client_addr), s.sync_priority
  FROM (SELECT pg_is_in_recovery() AS in_recovery,
               'YYYY-MM-DD HH24:MI:SS.US"+00:00"' AS form) f
 CROSS JOIN (SELECT count(*) AS waits, max(extract(epoch FROM clock_timestamp() - a.query_start))
                    AS oldest
               FROM pg_stat_get_activity(NULL) a WHERE a.wait_event = 'SyncRep') q
  LEFT JOIN pg_stat_wal_receiver w ON true
  LEFT JOIN pg_stat_replication s ON true)";

constexpr std::size_t first_of_sender = 23;
constexpr std::size_t observe_columns = first_of_sender + 11;

std::optional<ReceiverFacts> receiver_of(const Row& row) {
  const auto pid = number_of<pid_t>(row[8]);
  if (!pid) return std::nullopt;
  ReceiverFacts receiver;
  receiver.pid = *pid;
  receiver.status = row[9].value_or("");
  if (const auto timeline = number_of<std::uint32_t>(row[10]); timeline && *timeline != 0) {
    receiver.timeline = TimelineId{*timeline};
  }
  receiver.flushed = lsn_of(row[11]);
  receiver.latest_end = lsn_of(row[12]);
  receiver.latest_message_age_ms = number_of<std::int64_t>(row[13]);
  receiver.sender_host = row[14].value_or("");
  receiver.sender_port = number_of<int>(row[15]).value_or(0);
  receiver.slot = row[16].value_or("");
  return receiver;
}

std::optional<SenderFacts> sender_of(const Row& row) {
  const auto cell = [&row](std::size_t index) { return row[first_of_sender + index]; };
  const auto pid = number_of<pid_t>(cell(0));
  if (!pid) return std::nullopt;
  SenderFacts sender;
  sender.pid = *pid;
  sender.application_name = cell(1).value_or("");
  sender.state = cell(2).value_or("");
  sender.sync_state = cell(3).value_or("");
  sender.sent = lsn_of(cell(4));
  sender.flushed = lsn_of(cell(5));
  sender.replayed = lsn_of(cell(6));
  sender.reply_age_ms = number_of<std::int64_t>(cell(7));
  sender.user = cell(8).value_or("");
  sender.client_address = cell(9);
  sender.sync_priority = number_of<int>(cell(10)).value_or(0);
  return sender;
}

std::string text_at(const boost::json::array& row, std::size_t index) {
  if (index >= row.size() || !row[index].is_string()) return "";
  const auto& text = row[index].get_string();
  return std::string(text.data(), text.size());
}

/// [["max_connections", "100", "150"], …]
std::vector<PendingSetting> pending_of(const std::optional<std::string>& cell) {
  std::vector<PendingSetting> pending;
  if (!cell) return pending;
  boost::json::error_code failure;
  const auto parsed = boost::json::parse(*cell, failure);
  if (failure || !parsed.is_array()) return pending;
  for (const auto& entry : parsed.get_array()) {
    if (!entry.is_array()) continue;
    const auto& row = entry.get_array();
    pending.push_back({text_at(row, 0), text_at(row, 1), text_at(row, 2)});
  }
  return pending;
}

/// ["evg_n1", "evg_n2"]
std::optional<std::vector<std::string>> slots_of(const std::optional<std::string>& cell) {
  if (!cell) return std::nullopt;
  boost::json::error_code failure;
  const auto parsed = boost::json::parse(*cell, failure);
  if (failure || !parsed.is_array()) return std::nullopt;
  std::vector<std::string> slots;
  const auto& names = parsed.get_array();
  for (std::size_t i = 0; i < names.size(); ++i) slots.push_back(text_at(names, i));
  return slots;
}

void add_details(Observation& seen, const Row& facts) {
  seen.version = number_of<int>(facts[17]).value_or(0);
  seen.started = facts[18].value_or("");
  if (seen.in_recovery) seen.replayed_at = facts[19];
  seen.sync_waits = number_of<std::uint64_t>(facts[20]).value_or(0);
  seen.oldest_sync_wait_seconds = number_of<double>(facts[21]).value_or(0);
}

Result<Observation> observation_of(const Rows& rows, Instant at) {
  if (rows.empty() || rows.front().size() != observe_columns) {
    return Error(ErrorCode::data_invalid, "PostgreSQL answered the observation in another shape");
  }
  const Row& facts = rows.front();
  Observation seen;
  seen.at = at;
  seen.in_recovery = is_true(facts[0]);
  seen.flush = lsn_of(facts[1]);
  if (seen.in_recovery) seen.receive = lsn_of(facts[2]);
  seen.replay = lsn_of(facts[3]);
  seen.replay_paused = is_true(facts[4]);
  if (seen.in_recovery) seen.replay_age_seconds = number_of<double>(facts[5]);
  seen.synchronous_standby_names = facts[6].value_or("");
  seen.pending_restart = pending_of(facts[7]);
  add_details(seen, facts);
  seen.slots = slots_of(facts[22]);
  seen.receiver = receiver_of(facts);
  for (const Row& row : rows) {
    if (auto sender = sender_of(row)) seen.senders.push_back(std::move(*sender));
  }
  return seen;
}

Outcome add_identity(Observation& seen, const Rows& rows) {
  const auto system =
      rows.empty() || rows[0].size() < 3 ? std::nullopt : number_of<std::uint64_t>(rows[0][0]);
  const auto timeline = system ? number_of<std::uint32_t>(rows[0][1]) : std::nullopt;
  if (!timeline) {
    return Error(ErrorCode::data_invalid, "PostgreSQL answered IDENTIFY_SYSTEM in another shape");
  }
  seen.system_id = SystemId{*system};
  seen.timeline = TimelineId{*timeline};
  return {};
}

}  // namespace

Outcome Observer::connect(Instant deadline) {
  if (!sql_) {
    auto session = Session::connect(server_, {}, deadline);
    if (!session) return session.error();
    if (auto ready = session->prepare(statement, observe_sql, deadline); !ready) return ready;
    sql_ = std::move(session).value();
  }
  if (!replication_) {
    SessionOptions options;
    options.kind = SessionKind::replication;
    auto session = Session::connect(server_, options, deadline);
    if (!session) return session.error();
    replication_ = std::move(session).value();
  }
  return {};
}

Result<Observation> Observer::observe(Instant deadline) {
  const bool ask_all = asked_++ % seldom == 0;
  auto seen = ask(ask_all, deadline);
  if (!seen) asked_ = 0;
  return seen;
}

Result<Observation> Observer::look(Instant deadline) {
  auto seen = ask(false, deadline);
  if (!seen) asked_ = 0;
  return seen;
}

Result<Observation> Observer::ask(bool all, Instant deadline) {
  const auto give_up = [this](const Error& error) {
    sql_.reset();
    replication_.reset();
    return error;
  };
  if (auto connected = connect(deadline); !connected) return give_up(connected.error());
  const Instant at = boot_now();
  const auto rows = sql_->execute(statement, {all ? "t" : "f"}, deadline);
  if (!rows) return give_up(rows.error());
  auto seen = observation_of(*rows, at);
  if (!seen) return give_up(seen.error());
  const auto identity = replication_->simple("IDENTIFY_SYSTEM", deadline);
  if (!identity) return give_up(identity.error());
  if (auto added = add_identity(*seen, *identity); !added) return give_up(added.error());
  if (!all) seen->pending_restart.reset();
  return seen;
}

}  // namespace evergres::postgres

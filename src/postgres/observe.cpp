#include "postgres/observe.hpp"

#include "postgres/cells.hpp"

namespace evergres::postgres {

namespace {

constexpr const char* statement = "observe";
constexpr unsigned pending_restart_each = 10;

/// One row per walsender, or one row without any. The functions of a primary fail in recovery and
/// the other way round, hence the CASEs.
constexpr const char* observe_sql = R"(
SELECT f.in_recovery,
       CASE WHEN NOT f.in_recovery THEN pg_current_wal_flush_lsn() END,
       pg_last_wal_receive_lsn(),
       CASE WHEN f.in_recovery THEN pg_last_wal_replay_lsn() END,
       CASE WHEN f.in_recovery THEN pg_is_wal_replay_paused() END,
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()),
       current_setting('synchronous_standby_names'),
       CASE WHEN $1::boolean THEN EXISTS (SELECT FROM pg_settings WHERE pending_restart) END,
       w.pid, w.status, w.received_tli, w.flushed_lsn, w.latest_end_lsn,
       (extract(epoch FROM clock_timestamp() - w.last_msg_receipt_time) * 1000)::bigint,
       w.sender_host, w.sender_port, w.slot_name,
       s.pid, s.application_name, s.state, s.sync_state, s.sent_lsn, s.flush_lsn, s.replay_lsn,
       (extract(epoch FROM clock_timestamp() - s.reply_time) * 1000)::bigint
  FROM (SELECT pg_is_in_recovery() AS in_recovery) f
  LEFT JOIN pg_stat_wal_receiver w ON true
  LEFT JOIN pg_stat_replication s ON true)";

constexpr std::size_t observe_columns = 25;

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
  const auto pid = number_of<pid_t>(row[17]);
  if (!pid) return std::nullopt;
  return SenderFacts{*pid,
                     row[18].value_or(""),
                     row[19].value_or(""),
                     row[20].value_or(""),
                     lsn_of(row[21]),
                     lsn_of(row[22]),
                     lsn_of(row[23]),
                     number_of<std::int64_t>(row[24])};
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
  seen.pending_restart = is_true(facts[7]);
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
  const auto give_up = [this](const Error& error) {
    sql_.reset();
    replication_.reset();
    asked_ = 0;
    return error;
  };
  if (auto connected = connect(deadline); !connected) return give_up(connected.error());
  const bool ask_restart = asked_++ % pending_restart_each == 0;
  const Instant at = boot_now();
  const auto rows = sql_->execute(statement, {ask_restart ? "t" : "f"}, deadline);
  if (!rows) return give_up(rows.error());
  auto seen = observation_of(*rows, at);
  if (!seen) return give_up(seen.error());
  const auto identity = replication_->simple("IDENTIFY_SYSTEM", deadline);
  if (!identity) return give_up(identity.error());
  if (auto added = add_identity(*seen, *identity); !added) return give_up(added.error());
  if (ask_restart) pending_restart_ = seen->pending_restart;
  seen->pending_restart = pending_restart_;
  return seen;
}

}  // namespace evergres::postgres

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/lsn.hpp"
#include "base/names.hpp"
#include "base/result.hpp"
#include "postgres/server.hpp"
#include "postgres/session.hpp"

namespace evergres::postgres {

/// pg_stat_wal_receiver. Absent while no receiver streams; cut_receiver looks at processes instead.
struct ReceiverFacts {
  pid_t pid = 0;
  std::string status;
  std::optional<TimelineId> timeline;  ///< received_tli
  std::optional<Lsn> flushed;
  std::optional<Lsn> latest_end;  ///< what the sender last said it has
  std::optional<std::int64_t> latest_message_age_ms;
  std::string sender_host;
  int sender_port = 0;
  std::string slot;
};

/// One row of pg_stat_replication.
struct SenderFacts {
  pid_t pid = 0;
  std::string application_name;
  std::string state;
  std::string sync_state;
  std::optional<Lsn> sent;
  std::optional<Lsn> flushed;
  std::optional<Lsn> replayed;
  std::optional<std::int64_t> reply_age_ms;
  std::string user;
  std::optional<std::string> client_address;  ///< absent: the unix socket
  int sync_priority = 0;
};

/// A setting whose new value waits for a restart.
struct PendingSetting {
  std::string name;
  std::string in_force;
  std::string after_restart;  ///< "" if the files no longer set it
};

/// What a running server says of itself at one moment.
struct Observation {
  Instant at;  ///< read before the question was sent
  bool in_recovery = false;
  SystemId system_id;
  TimelineId timeline;         ///< of a primary; in recovery the one that is replayed
  std::optional<Lsn> flush;    ///< primary: end of durable WAL
  std::optional<Lsn> receive;  ///< standby: durable end received by streaming since start
  std::optional<Lsn> replay;   ///< standby: end of replayed WAL
  bool replay_paused = false;
  /// Since the commit time of the last replayed transaction
  std::optional<double> replay_age_seconds;
  std::string synchronous_standby_names;  ///< as this connection sees it
  std::optional<ReceiverFacts> receiver;
  std::vector<SenderFacts> senders;
  /// Names of the physical slots evg_* that keep WAL: without those that lost theirs (wal_status
  /// 'lost') and that nobody uses; asked each 10th time, else absent
  std::optional<std::vector<std::string>> slots;
  /// Asked with them, else absent. Without hot_standby: a start after lowered limits overrules it
  /// once, and nobody has to restart for it.
  std::optional<std::vector<PendingSetting>> pending_restart;
  int version = 0;      ///< server_version_num
  std::string started;  ///< pg_postmaster_start_time(), "2026-11-21 06:28:24.123456+00:00"
  /// Commit time of the last replayed transaction, in the same form
  std::optional<std::string> replayed_at;
  /// Primary: backends that wait for a synchronous standby (wait_event SyncRep), and the age of the
  /// oldest of their statements
  std::uint64_t sync_waits = 0;
  double oldest_sync_wait_seconds = 0;
};

/// Two connections that are kept: one prepared statement, and IDENTIFY_SYSTEM on a walsender,
/// because up to 18 no function shows the timeline that is replayed. Cheap enough for twice a
/// second (below 0.1 % of a core). One thread at a time.
class Observer {
 public:
  explicit Observer(Server server) : server_(std::move(server)) {}

  /// Connects if needed, asks, and drops the connections after an error, so that the next call
  /// begins anew. `unreachable`: the server does not accept connections (now).
  Result<Observation> observe(Instant deadline);

  /// The same without what is asked seldom, whose turn it leaves as it is.
  Result<Observation> look(Instant deadline);

 private:
  Outcome connect(Instant deadline);
  Result<Observation> ask(bool all, Instant deadline);

  Server server_;
  std::optional<Session> sql_;
  std::optional<Session> replication_;
  unsigned asked_ = 0;
};

}  // namespace evergres::postgres

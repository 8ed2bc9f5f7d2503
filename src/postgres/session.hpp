#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "postgres/server.hpp"

struct pg_conn;

namespace evergres::postgres {

/// A cell in text format; nothing is NULL.
using Cell = std::optional<std::string>;
using Row = std::vector<Cell>;
using Rows = std::vector<Row>;

enum class SessionKind {
  sql,          ///< of one database
  replication,  ///< a physical walsender: IDENTIFY_SYSTEM and its like
};

struct SessionOptions {
  SessionKind kind = SessionKind::sql;
  std::string database = "postgres";
  /// Of this session. `local` by default, so that nothing the agent does waits for a standby.
  std::string synchronous_commit = "local";
  Millis statement_timeout{30'000};  ///< enforced by the server, behind our own deadline
};

/// One connection as superuser over the unix socket, application name "evergres agent". Blocking,
/// never past a deadline. One thread at a time. After `timed_out` or `unreachable` it is closed and
/// every call says so; an error of the statement leaves it usable.
class Session {
 public:
  static Result<Session> connect(const Server& server, const SessionOptions& options,
                                 Instant deadline);

  /// One statement with $1, $2 … as text. `postgres_failed` has the SQLSTATE in its detail.
  Result<Rows> query(std::string_view sql, const std::vector<std::string>& parameters,
                     Instant deadline);
  Result<Rows> query(std::string_view sql, Instant deadline) { return query(sql, {}, deadline); }
  /// One statement by the simple protocol (the only one on replication connections).
  Result<Rows> simple(std::string_view sql, Instant deadline);

  /// Parses once; `execute` then saves parse and plan.
  Outcome prepare(const std::string& name, const std::string& sql, Instant deadline);
  Result<Rows> execute(const std::string& name, const std::vector<std::string>& parameters,
                       Instant deadline);

  /// Sends a statement and returns; `finish` collects. Nothing else may be asked between.
  Outcome send(std::string_view sql, Instant deadline);
  /// The rows, or nothing if they are not there at `deadline` (the session stays usable for another
  /// `finish`).
  Result<std::optional<Rows>> finish(Instant deadline);

  /// The server process of this session.
  [[nodiscard]] pid_t backend_pid() const;
  /// The last WARNING of the server since the last statement was sent, "" if there was none. A
  /// commit whose wait for standbys was cancelled succeeds with one.
  [[nodiscard]] const std::string& last_warning() const { return *warning_; }
  [[nodiscard]] bool usable() const { return connection_ != nullptr; }
  /// Major version of the server.
  [[nodiscard]] int major() const;

 private:
  struct Close {
    void operator()(pg_conn* connection) const;
  };
  explicit Session(pg_conn* connection)
      : warning_(std::make_unique<std::string>()), connection_(connection) {}
  Outcome flush(Instant deadline);
  Result<Rows> collect(bool sent, Instant deadline);
  Error lost(ErrorCode code, std::string message);

  std::unique_ptr<std::string> warning_;  ///< libpq keeps its address, so it must not move
  std::unique_ptr<pg_conn, Close> connection_;
};

}  // namespace evergres::postgres

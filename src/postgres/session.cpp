#include "postgres/session.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace evergres::postgres {

namespace {

using ResultPointer = std::unique_ptr<PGresult, void (*)(PGresult*)>;

int milliseconds_until(Instant deadline) {
  const auto left = (deadline - boot_now()).count();
  if (left <= 0) return 0;
  return static_cast<int>(std::min<std::int64_t>((left + 999'999) / 1'000'000, 60'000));
}

/// False when the deadline passed first.
bool wait_for(const PGconn* connection, short events, Instant deadline) {
  for (;;) {
    pollfd polled{PQsocket(connection), events, 0};
    const int wait = milliseconds_until(deadline);
    const int ready = ::poll(&polled, 1, wait);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // libpq will say what is wrong
    if (ready == 0 && boot_now() >= deadline) return false;
  }
}

std::string trimmed(const char* text) {
  std::string result = text == nullptr ? "" : text;
  while (!result.empty() && (result.back() == '\n' || result.back() == ' ')) result.pop_back();
  return result;
}

Error statement_error(const PGresult* result) {
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
  const char* hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
  std::string more = std::string("SQLSTATE ") + (state == nullptr ? "unknown" : state) + ".";
  if (detail != nullptr) more += std::string(" ") + detail;
  return Error(ErrorCode::postgres_failed,
               primary == nullptr ? trimmed(PQresultErrorMessage(result)) : primary, more,
               hint == nullptr ? "" : hint);
}

Rows rows_of(const PGresult* result) {
  Rows rows;
  const int columns = PQnfields(result);
  for (int row = 0; row < PQntuples(result); ++row) {
    Row cells;
    for (int column = 0; column < columns; ++column) {
      if (PQgetisnull(result, row, column) != 0) {
        cells.emplace_back();
      } else {
        cells.emplace_back(std::string(PQgetvalue(result, row, column),
                                       static_cast<std::size_t>(PQgetlength(result, row, column))));
      }
    }
    rows.push_back(std::move(cells));
  }
  return rows;
}

std::vector<const char*> pointers(const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const auto& parameter : parameters) values.push_back(parameter.c_str());
  return values;
}

void keep_warning(void* warning, const PGresult* notice) {
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity == nullptr || std::string_view(severity) != "WARNING") return;
  const char* message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
  *static_cast<std::string*>(warning) = message == nullptr ? "a warning without text" : message;
}

Error unreachable(const Server& server, std::string detail) {
  return Error(ErrorCode::unreachable, "PostgreSQL does not accept connections", std::move(detail),
               "Look at the log of PostgreSQL on node " + server.node.value + ".");
}

}  // namespace

void Session::Close::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Result<Session> Session::connect(const Server& server, const SessionOptions& options,
                                 Instant deadline) {
  const std::string port = std::to_string(server.port);
  const bool replication = options.kind == SessionKind::replication;
  const std::string settings =
      "-c synchronous_commit=" + options.synchronous_commit +
      " -c statement_timeout=" + std::to_string(options.statement_timeout.count()) +
      " -c search_path=pg_catalog -c lc_messages=C";
  const char* const keys[] = {"host",    "port",        "user", "dbname", "application_name",
                              "options", "replication", nullptr};
  const char* const values[] = {
      server.run_dir.c_str(), port.c_str(),     server.superuser.c_str(), options.database.c_str(),
      "evergres agent",       settings.c_str(), replication ? "true" : "false", nullptr};
  Session session(PQconnectStartParams(keys, values, 0));
  PGconn* connection = session.connection_.get();
  if (connection == nullptr) return Error(ErrorCode::internal, "no memory for a connection");
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED || PQstatus(connection) == CONNECTION_BAD) {
      return unreachable(server, trimmed(PQerrorMessage(connection)));
    }
    const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (!wait_for(connection, events, deadline)) {
      return Error(ErrorCode::timed_out, "PostgreSQL did not accept a connection in time");
    }
    state = PQconnectPoll(connection);
  }
  PQsetnonblocking(connection, 1);
  // Notices of the server belong into its own log, not onto our stderr.
  PQsetNoticeReceiver(connection, keep_warning, session.warning_.get());
  return session;
}

Error Session::lost(ErrorCode code, std::string message) {
  std::string detail = connection_ ? trimmed(PQerrorMessage(connection_.get())) : "";
  connection_.reset();
  return Error(code, std::move(message), std::move(detail));
}

Outcome Session::flush(Instant deadline) {
  for (;;) {
    const int left = PQflush(connection_.get());
    if (left == 0) return {};
    if (left < 0) return lost(ErrorCode::unreachable, "the connection to PostgreSQL broke");
    if (!wait_for(connection_.get(), POLLOUT | POLLIN, deadline)) {
      return lost(ErrorCode::timed_out, "PostgreSQL did not take the statement in time");
    }
    if (PQconsumeInput(connection_.get()) == 0) {
      return lost(ErrorCode::unreachable, "the connection to PostgreSQL broke");
    }
  }
}

Result<std::optional<Rows>> Session::finish(Instant deadline) {
  if (!usable()) return Error(ErrorCode::unreachable, "the session is closed");
  PGconn* connection = connection_.get();
  std::optional<Rows> rows;
  std::optional<Error> failed;
  for (;;) {
    while (PQisBusy(connection) != 0) {
      if (!wait_for(connection, POLLIN, deadline)) return std::optional<Rows>();
      if (PQconsumeInput(connection) == 0) {
        return lost(ErrorCode::unreachable, "the connection to PostgreSQL broke");
      }
    }
    const ResultPointer result(PQgetResult(connection), PQclear);
    if (!result) break;
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
      if (!rows) rows = rows_of(result.get());
    } else if (!failed) {
      failed = statement_error(result.get());
    }
    if (PQstatus(connection) == CONNECTION_BAD) {
      const std::string why = failed ? failed->message() : "the connection to PostgreSQL broke";
      return lost(ErrorCode::unreachable, why);
    }
  }
  if (failed) return *failed;
  return rows ? std::move(rows) : std::optional<Rows>(Rows{});
}

Result<Rows> Session::collect(bool sent, Instant deadline) {
  if (!sent) return lost(ErrorCode::unreachable, "the connection to PostgreSQL broke");
  if (auto flushed = flush(deadline); !flushed) return flushed.error();
  auto rows = finish(deadline);
  if (!rows) return rows.error();
  // Later answers would be taken for those of the next statement.
  if (!*rows) return lost(ErrorCode::timed_out, "PostgreSQL did not answer in time");
  return std::move(**rows);
}

Result<Rows> Session::query(std::string_view sql, const std::vector<std::string>& parameters,
                            Instant deadline) {
  if (!usable()) return Error(ErrorCode::unreachable, "the session is closed");
  warning_->clear();
  const auto values = pointers(parameters);
  const bool sent = PQsendQueryParams(connection_.get(), std::string(sql).c_str(),
                                      static_cast<int>(values.size()), nullptr, values.data(),
                                      nullptr, nullptr, 0) == 1;
  return collect(sent, deadline);
}

Result<Rows> Session::simple(std::string_view sql, Instant deadline) {
  if (!usable()) return Error(ErrorCode::unreachable, "the session is closed");
  warning_->clear();
  return collect(PQsendQuery(connection_.get(), std::string(sql).c_str()) == 1, deadline);
}

Outcome Session::prepare(const std::string& name, const std::string& sql, Instant deadline) {
  if (!usable()) return Error(ErrorCode::unreachable, "the session is closed");
  const bool sent = PQsendPrepare(connection_.get(), name.c_str(), sql.c_str(), 0, nullptr) == 1;
  const auto rows = collect(sent, deadline);
  if (!rows) return rows.error();
  return {};
}

Result<Rows> Session::execute(const std::string& name, const std::vector<std::string>& parameters,
                              Instant deadline) {
  if (!usable()) return Error(ErrorCode::unreachable, "the session is closed");
  warning_->clear();
  const auto values = pointers(parameters);
  const bool sent =
      PQsendQueryPrepared(connection_.get(), name.c_str(), static_cast<int>(values.size()),
                          values.data(), nullptr, nullptr, 0) == 1;
  return collect(sent, deadline);
}

Outcome Session::send(std::string_view sql, Instant deadline) {
  if (!usable()) return Error(ErrorCode::unreachable, "the session is closed");
  warning_->clear();
  if (PQsendQuery(connection_.get(), std::string(sql).c_str()) != 1) {
    return lost(ErrorCode::unreachable, "the connection to PostgreSQL broke");
  }
  return flush(deadline);
}

pid_t Session::backend_pid() const {
  return usable() ? PQbackendPID(connection_.get()) : 0;
}

int Session::major() const {
  return usable() ? PQserverVersion(connection_.get()) / 10000 : 0;
}

}  // namespace evergres::postgres

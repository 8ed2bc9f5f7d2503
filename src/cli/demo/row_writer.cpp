#include "cli/demo/row_writer.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <charconv>

namespace evergres::cli::demo {
namespace {

using namespace std::chrono_literals;

constexpr const char* create_table =
    "create table if not exists evergres_watch (run text not null, number bigint not null,"
    " written timestamptz not null default clock_timestamp(), primary key (run, number))";
constexpr const char* insert_row = "insert into evergres_watch (run, number) values ($1, $2)";
constexpr const char* select_rows =
    "select number from evergres_watch where run = $1 order by number";
constexpr const char* delete_rows = "delete from evergres_watch where run = $1";

/// A cancelled wait for replication comes as success with a WARNING (syncrep.c, SyncRepWaitForLSN):
/// then the commit is on this server only and does not count as acknowledged.
void note_warning(void* warned, const PGresult* notice) {
  const char* const severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity != nullptr && std::string_view(severity) == "WARNING") {
    *static_cast<bool*>(warned) = true;
  }
}

bool wait_for(int socket, short events, Instant deadline) {
  const auto left = std::chrono::duration_cast<Millis>(deadline - boot_now()).count();
  if (left <= 0) return false;
  pollfd one{socket, events, 0};
  return poll(&one, 1, static_cast<int>(std::min<std::int64_t>(left, 1000))) > 0;
}

/// Whether the server says that it certainly rolled back. Class 57 (shutdown, crash) and 08 may hit
/// a commit that is already durable.
bool certainly_failed(const char* sqlstate) {
  const std::string_view state = sqlstate != nullptr ? sqlstate : "";
  return state.size() == 5 && !state.starts_with("57") && !state.starts_with("08");
}

}  // namespace

std::uint64_t count_lost(const std::vector<Fate>& fates,
                         const std::vector<std::uint64_t>& present) {
  std::uint64_t lost = 0;
  auto row = present.begin();
  for (std::uint64_t number = 0; number < fates.size(); ++number) {
    row = std::lower_bound(row, present.end(), number);
    const bool is_there = row != present.end() && *row == number;
    if (fates[number] == Fate::acknowledged && !is_there) ++lost;
  }
  return lost;
}

/// What came back: at most one of the two is set; neither if there was no answer in time.
struct WriteConnection::Reply {
  bool sent = false;
  bool done = false;     ///< the statement succeeded
  std::string sqlstate;  ///< of the error that the server reported
  std::string message;
  std::vector<std::string> first_column;
};

WriteConnection::WriteConnection(Plan plan, std::string run)
    : plan_(std::move(plan)), run_(std::move(run)) {}

WriteConnection::~WriteConnection() {
  disconnect();
}

void WriteConnection::disconnect() {
  if (connection_ != nullptr) PQfinish(connection_);
  connection_ = nullptr;
}

std::string WriteConnection::conninfo() const {
  std::string hosts;
  std::string ports;
  for (std::size_t i = 0; i < plan_.nodes; ++i) {
    const std::size_t index = (first_ + i) % plan_.nodes;
    hosts += i == 0 ? "127.0.0.1" : ",127.0.0.1";
    ports += fmt::format("{}{}", i == 0 ? "" : ",", plan_.client_port(index));
  }
  std::string passfile;
  for (const char c : plan_.passfile().string()) {
    if (c == '\'' || c == '\\') passfile += '\\';
    passfile += c;
  }
  return fmt::format(
      "host={} port={} user=app dbname=app passfile='{}' target_session_attrs=read-write "
      "application_name=evergres_demo_watch gssencmode=disable sslmode=disable",
      hosts, ports, passfile);
}

/// PQconnectPoll without libpq's own connect_timeout, whose least is 2 s per host: a host that does
/// not answer within half a second is passed over by beginning with the next one.
bool WriteConnection::connect(Instant deadline) {
  if (connection_ != nullptr && PQstatus(connection_) == CONNECTION_OK) return true;
  disconnect();
  connection_ = PQconnectStart(conninfo().c_str());
  if (connection_ == nullptr) return false;
  const Instant patience = std::min(deadline, boot_now() + 500ms);
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING) {
    const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (!wait_for(PQsocket(connection_), events, patience)) break;
    state = PQconnectPoll(connection_);
  }
  if (state != PGRES_POLLING_OK) {
    disconnect();
    first_ = (first_ + 1) % plan_.nodes;
    return false;
  }
  PQsetNoticeReceiver(connection_, note_warning, &warned_);
  const int port = std::atoi(PQport(connection_));
  for (std::size_t i = 0; i < plan_.nodes; ++i) {
    if (plan_.client_port(i) == port) first_ = i;
  }
  return true;
}

WriteConnection::Reply WriteConnection::ask(const char* statement,
                                            const std::vector<std::string>& values,
                                            Instant deadline) {
  Reply reply;
  if (!connect(deadline)) return reply;
  warned_ = false;
  std::vector<const char*> texts;
  for (const std::string& value : values) texts.push_back(value.c_str());
  reply.sent = true;  // from here on bytes may have left, also when libpq reports a failure
  bool lost = PQsendQueryParams(connection_, statement, static_cast<int>(values.size()), nullptr,
                                texts.data(), nullptr, nullptr, 0) != 1;
  while (!lost) {
    if (PQisBusy(connection_) == 0) {
      PGresult* const result = PQgetResult(connection_);
      if (result == nullptr) break;
      const ExecStatusType status = PQresultStatus(result);
      reply.done = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
      if (!reply.done) {
        const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        reply.sqlstate = state != nullptr ? state : "";
        reply.message = PQresultErrorMessage(result);
      }
      for (int row = 0; row < PQntuples(result); ++row) {
        reply.first_column.emplace_back(PQgetvalue(result, row, 0));
      }
      PQclear(result);
      continue;
    }
    lost = boot_now() >= deadline;
    if (!lost && wait_for(PQsocket(connection_), POLLIN, deadline)) {
      lost = PQconsumeInput(connection_) != 1;
    }
  }
  if (lost || PQstatus(connection_) != CONNECTION_OK) {
    disconnect();
    first_ = (first_ + 1) % plan_.nodes;
  }
  return reply;
}

Fate WriteConnection::insert(std::uint64_t number, Millis patience) {
  const Reply reply = ask(insert_row, {run_, std::to_string(number)}, boot_now() + patience);
  if (!reply.sent) return Fate::failed;
  if (reply.done && !warned_) return Fate::acknowledged;
  if (!reply.done && !warned_ && certainly_failed(reply.sqlstate.c_str())) {
    // For example a server that has become read-only: another one takes writes now.
    disconnect();
    return Fate::failed;
  }
  return Fate::unknown;
}

Outcome WriteConnection::must(const char* statement, const std::vector<std::string>& values,
                              Instant deadline) {
  while (true) {
    const Reply reply = ask(statement, values, deadline);
    if (reply.done) return {};
    if (boot_now() >= deadline) {
      if (reply.message.empty()) {
        return Error(ErrorCode::unreachable, "no node takes writes", "",
                     "`evergres explain election` says why.");
      }
      return Error(ErrorCode::postgres_failed, "the statement failed", reply.message);
    }
    // ask() does not wait when a port refuses at once.
    poll(nullptr, 0, 50);
  }
}

Outcome WriteConnection::make_table(Instant deadline) {
  return must(create_table, {}, deadline);
}

Outcome WriteConnection::clean_up(Instant deadline) {
  return must(delete_rows, {run_}, deadline);
}

Result<std::vector<std::uint64_t>> WriteConnection::present(Instant deadline) {
  const Reply reply = ask(select_rows, {run_}, deadline);
  if (!reply.done) {
    return Error(ErrorCode::unreachable, "the rows could not be read", reply.message);
  }
  std::vector<std::uint64_t> numbers;
  for (const std::string& text : reply.first_column) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace evergres::cli::demo

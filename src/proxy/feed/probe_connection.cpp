#include "proxy/feed/probe_connection.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

namespace evergres::proxy {
namespace {

/// In recovery only the control file tells a timeline to everybody. Between two calls a promotion
/// may end: only what stands behind the word that it is a primary is that of a primary.
constexpr const char* question =
    "SELECT r, pg_catalog.current_setting('transaction_read_only'),"
    " (pg_catalog.pg_control_system()).system_identifier,"
    " CASE WHEN r THEN (pg_catalog.pg_control_checkpoint()).timeline_id ELSE"
    " ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))"
    "::pg_catalog.bit(32)::pg_catalog.int4 END,"
    " CASE WHEN r THEN coalesce(pg_catalog.pg_last_wal_replay_lsn(), '0/0')"
    " ELSE pg_catalog.pg_current_wal_lsn() END,"
    " EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver)"
    " FROM (SELECT pg_catalog.pg_is_in_recovery() AS r OFFSET 0) AS s";

enum class Waited { ready, late, woken };

Waited wait_for_socket(PGconn* connection, short events, Instant deadline, int wake) {
  for (;;) {
    std::array<pollfd, 2> polled{pollfd{PQsocket(connection), events, 0}, pollfd{wake, POLLIN, 0}};
    const std::int64_t left = (deadline - boot_now()).count();
    if (left <= 0) return Waited::late;
    const auto wait = static_cast<int>(std::min<std::int64_t>(left / 1'000'000 + 1, 60'000));
    const int ready = ::poll(polled.data(), polled.size(), wait);
    if (ready < 0 && errno == EINTR) continue;
    if (polled[1].revents != 0) return Waited::woken;
    if (ready != 0) return Waited::ready;  // libpq will say what is wrong
  }
}

Error not_waited(Waited how, const char* what) {
  if (how == Waited::woken) return Error(ErrorCode::cancelled, "the endpoint ends");
  return Error(ErrorCode::timed_out, std::string(what) + " within probe_timeout");
}

std::string one_line_of(const char* text) {
  std::string line = text == nullptr ? "" : text;
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

template <typename Number>
bool read_number(std::string_view text, Number& to) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), to);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

Result<ProbeAnswer> read_answer(const PGresult* result) {
  if (PQresultStatus(result) != PGRES_TUPLES_OK) {
    return Error(ErrorCode::postgres_failed, one_line_of(PQresultErrorMessage(result)));
  }
  const Error strange(ErrorCode::data_invalid, "the server answered something else than was asked");
  if (PQntuples(result) != 1 || PQnfields(result) != 6) return strange;
  const auto cell = [result](int column) {
    return std::string_view(PQgetvalue(result, 0, column),
                            static_cast<std::size_t>(PQgetlength(result, 0, column)));
  };
  ProbeAnswer answer;
  answer.in_recovery = cell(0) == "t";
  answer.read_only = cell(1) == "on";
  answer.streams = cell(5) == "t";
  std::int64_t system = 0;  // PostgreSQL shows its 64 bits as a signed number
  std::int32_t timeline = 0;
  const auto lsn = Lsn::parse(cell(4));
  if (!read_number(cell(2), system) || !read_number(cell(3), timeline) || !lsn) return strange;
  answer.system = static_cast<std::uint64_t>(system);
  answer.timeline = TimelineId{static_cast<std::uint32_t>(timeline)};
  answer.lsn = *lsn;
  return answer;
}

/// The address of `resolved` as libpq wants it beside a host name; "" for a unix socket.
std::string number_of(const Resolved& resolved, const Address& server) {
  if (server.host.starts_with('/')) return "";
  std::string text = resolved.text();
  text.resize(text.rfind(':'));
  if (text.starts_with('[')) text = text.substr(1, text.size() - 2);
  return text;
}

}  // namespace

void ProbeConnection::Close::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Result<ProbeConnection> ProbeConnection::open(const ExternalServers& servers,
                                              const Address& server, const Resolved& resolved,
                                              const std::string& password, Instant deadline,
                                              int wake) {
  const std::string port = std::to_string(server.port);
  const std::string number = number_of(resolved, server);
  // What is empty counts as not said: libpq would look into PG… variables, which this process has
  // removed when it began (app/main.cpp).
  const std::array<std::pair<const char*, const char*>, 14> said{
      {{"host", server.host.c_str()},
       {"hostaddr", number.c_str()},
       {"port", port.c_str()},
       {"user", servers.user.c_str()},
       {"password", password.c_str()},
       {"dbname", servers.database.c_str()},
       {"sslmode", servers.tls ? "verify-full" : "disable"},
       {"sslrootcert", servers.authority.c_str()},
       {"sslcert", servers.certificate.c_str()},
       {"sslkey", servers.certificate_key.c_str()},
       {"passfile", "/dev/null"},
       {"gssencmode", "disable"},
       {"target_session_attrs", "any"},
       {"application_name", "evergres probe"}}};
  std::array<const char*, said.size() + 1> keys{};
  std::array<const char*, said.size() + 1> values{};
  for (std::size_t i = 0; i < said.size(); ++i) std::tie(keys[i], values[i]) = said[i];
  ProbeConnection opened(PQconnectStartParams(keys.data(), values.data(), 0));
  PGconn* const connection = opened.connection_.get();
  if (connection == nullptr) return Error(ErrorCode::internal, "no memory for a connection");
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED || PQstatus(connection) == CONNECTION_BAD) {
      return Error(ErrorCode::unreachable, one_line_of(PQerrorMessage(connection)));
    }
    const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    const Waited waited = wait_for_socket(connection, events, deadline, wake);
    if (waited != Waited::ready) return not_waited(waited, "it did not accept a connection");
    state = PQconnectPoll(connection);
  }
  PQsetnonblocking(connection, 1);
  PQsetNoticeProcessor(
      connection, [](void*, const char*) {}, nullptr);
  return opened;
}

Result<ProbeAnswer> ProbeConnection::ask(Instant deadline, int wake) {
  PGconn* const connection = connection_.get();
  const auto broken = [connection] {
    return Error(ErrorCode::unreachable, one_line_of(PQerrorMessage(connection)));
  };
  if (PQsendQuery(connection, question) != 1) return broken();
  for (int unsent = 1; unsent > 0;) {
    unsent = PQflush(connection);
    if (unsent < 0) return broken();
    if (unsent == 0) break;
    const Waited waited = wait_for_socket(connection, POLLIN | POLLOUT, deadline, wake);
    if (waited != Waited::ready) return not_waited(waited, "it did not take the question");
    if (PQconsumeInput(connection) != 1) return broken();
  }
  Result<ProbeAnswer> answer = Error(ErrorCode::data_invalid, "the server answered nothing");
  for (;;) {
    while (PQisBusy(connection) == 1) {
      const Waited waited = wait_for_socket(connection, POLLIN, deadline, wake);
      if (waited != Waited::ready) return not_waited(waited, "it did not answer");
      if (PQconsumeInput(connection) != 1) return broken();
    }
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQgetResult(connection), PQclear);
    if (!result) break;
    answer = read_answer(result.get());
  }
  if (PQstatus(connection) != CONNECTION_OK) return broken();
  return answer;
}

void ProbeConnection::rest(Instant deadline, int wake) {
  wait_for_socket(connection_.get(), POLLIN, deadline, wake);
}

}  // namespace evergres::proxy

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <ostream>

#include "plane/world.hpp"

namespace evergres::proxy::test {
namespace {

constexpr int patience_ms = 20'000;

/// For how long somebody on this machine has been ready to run and had no processor.
Nanos starved() {
  const std::string pressure = text_of("/proc/pressure/cpu");
  const std::size_t total = pressure.find("total=");
  if (total == std::string::npos) return Nanos{0};
  return std::chrono::microseconds(std::stoll(pressure.substr(total + 6)));
}

/// Whoever has waited in vain says whether PostgreSQL and we were the only ones who wanted to run.
std::string no_answer(Nanos starved_before) {
  const Nanos since = starved() - starved_before;
  return "no answer in " + std::to_string(patience_ms) + " ms; for " +
         std::to_string(std::chrono::duration_cast<Millis>(since).count()) +
         " ms of them somebody on this machine waited for a processor";
}

Told told_of(PGresult* result) {
  Told told;
  const ExecStatusType status = PQresultStatus(result);
  told.fine = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN ||
              status == PGRES_COPY_OUT || status == PGRES_EMPTY_QUERY;
  if (const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE)) told.sqlstate = state;
  told.message = PQresultErrorMessage(result);
  told.tag = PQcmdStatus(result);
  for (int row = 0; row < PQntuples(result); ++row) {
    told.rows.emplace_back();
    for (int field = 0; field < PQnfields(result); ++field) {
      told.rows.back().emplace_back(PQgetvalue(result, row, field));
    }
  }
  return told;
}

}  // namespace

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

int listen_somewhere(int& port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::listen(socket, 64);
  socklen_t length = sizeof address;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
  port = ntohs(address.sin_port);
  return socket;
}

std::ostream& operator<<(std::ostream& to, const Told& told) {
  return to << (told.fine ? "fine " : "error ") << told.sqlstate << " [" << told.tag << "] "
            << told.first() << " " << told.message;
}

Client::Client(const std::string& conninfo) : connection_(PQconnectStart(conninfo.c_str())) {
  const Instant deadline = boot_now() + Millis{patience_ms};
  const Nanos starved_before = starved();
  PQsetNoticeProcessor(
      connection_, [](void*, const char*) {}, nullptr);
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED && boot_now() < deadline) {
    pollfd waiting{PQsocket(connection_),
                   static_cast<short>(next == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    if (PQsocket(connection_) >= 0) poll(&waiting, 1, 100);
    if (waiting.revents != 0 || PQsocket(connection_) < 0) next = PQconnectPoll(connection_);
  }
  if (!connected() && boot_now() >= deadline) stuck_ = no_answer(starved_before);
}

Client::~Client() {
  PQfinish(connection_);
}
bool Client::connected() const {
  return PQstatus(connection_) == CONNECTION_OK;
}
std::string Client::problem() const {
  return PQerrorMessage(connection_) + stuck_;
}

PGresult* Client::next() {
  const Instant deadline = boot_now() + Millis{patience_ms};
  PQflush(connection_);
  // Before the first wait: a wait may take as long as everything.
  const Nanos starved_before = PQisBusy(connection_) != 0 ? starved() : Nanos{0};
  while (PQisBusy(connection_) != 0) {
    if (boot_now() > deadline) {
      stuck_ = no_answer(starved_before);
      return nullptr;
    }
    pollfd waiting{PQsocket(connection_),
                   static_cast<short>(POLLIN | (PQflush(connection_) == 1 ? POLLOUT : 0)), 0};
    poll(&waiting, 1, 100);
    if ((waiting.revents & (POLLIN | POLLHUP | POLLERR)) != 0) PQconsumeInput(connection_);
  }
  return PQgetResult(connection_);
}

void Client::begin(const std::string& sql) {
  PQsendQuery(connection_, sql.c_str());
  PQflush(connection_);
}

Told Client::end() {
  Told told;
  bool any = false;
  while (PGresult* result = next()) {
    Told one = told_of(result);
    const ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    if (!any || told.fine) told = std::move(one);
    any = true;
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) return told;
  }
  if (PQisBusy(connection_) != 0) told = {false, "stuck", stuck_, {}, {}};
  if (!any || !connected()) {
    told.fine = false;
    if (told.sqlstate.empty()) told.sqlstate = "gone";
    if (told.message.empty()) told.message = problem();
  }
  return told;
}

Told Client::ask(const std::string& sql) {
  begin(sql);
  return end();
}

std::vector<Row> table(Client& client, const std::string& show) {
  client.begin(show);
  std::vector<Row> rows;
  while (PGresult* result = client.next()) {
    for (int row = 0; row < PQntuples(result); ++row) {
      auto& entry = rows.emplace_back();
      for (int field = 0; field < PQnfields(result); ++field) {
        entry[PQfname(result, field)] = PQgetvalue(result, row, field);
      }
    }
    PQclear(result);
  }
  return rows;
}

std::string Client::value(const std::string& sql) {
  const Told told = ask(sql);
  EXPECT_TRUE(told.fine) << sql << ": " << told;
  return told.first();
}

Told Client::ask_with(const std::string& sql, const std::vector<std::string>& values) {
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  PQsendQueryParams(connection_, sql.c_str(), static_cast<int>(values.size()), nullptr,
                    pointers.data(), nullptr, nullptr, 0);
  return end();
}

Told Client::prepare(const std::string& name, const std::string& sql) {
  PQsendPrepare(connection_, name.c_str(), sql.c_str(), 0, nullptr);
  return end();
}

Told Client::execute(const std::string& name, const std::vector<std::string>& values) {
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  PQsendQueryPrepared(connection_, name.c_str(), static_cast<int>(values.size()), pointers.data(),
                      nullptr, nullptr, 0);
  return end();
}

bool Client::cancel() {
  PGcancel* request = PQgetCancel(connection_);
  char problem[256];
  const bool sent = PQcancel(request, problem, sizeof problem) == 1;
  PQfreeCancel(request);
  return sent;
}

void Client::raw_send(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd waiting{PQsocket(connection_), POLLOUT, 0};
    if (poll(&waiting, 1, patience_ms) != 1) return;
    const ssize_t sent = ::send(PQsocket(connection_), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string Client::raw_read(char type, int ends, int milliseconds) {
  std::string all;
  std::size_t seen = 0;
  const Instant deadline = boot_now() + Millis{milliseconds};
  while (boot_now() < deadline) {
    while (seen + 5 <= all.size()) {
      std::uint32_t length = 0;
      for (std::size_t i = 1; i < 5; ++i) {
        length = (length << 8U) | static_cast<unsigned char>(all[seen + i]);
      }
      if (seen + 1 + length > all.size()) break;
      if (all[seen] == type && --ends == 0) return all;
      seen += 1 + length;
    }
    pollfd waiting{PQsocket(connection_), POLLIN, 0};
    if (poll(&waiting, 1, 10) == 0) continue;
    char some[65536];
    const ssize_t got = ::recv(PQsocket(connection_), some, sizeof some, 0);
    if (got <= 0) return all;
    all.append(some, static_cast<std::size_t>(got));
  }
  return all + "stuck";
}

void Client::drop() {
  ::shutdown(PQsocket(connection_), SHUT_RDWR);
}

std::string message(char type, std::string_view body) {
  std::string text(1, type);
  const auto length = static_cast<std::uint32_t>(body.size() + 4);
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(length >> shift);
  return text.append(body);
}

std::size_t resident() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0, pages = 0;
  statm >> size >> pages;
  return pages * 4096;
}

// ---- the relay

struct Relay::Pair {
  int client = -1;
  int server = -1;
};

Relay::Relay(int to_port) : to_port_(to_port) {
  listening_ = listen_somewhere(port_);
  thread_ = std::thread([this] { run(); });
}

Relay::~Relay() {
  stop_ = true;
  thread_.join();
  ::close(listening_);
}

void Relay::cut() {
  cut_ = true;
  EXPECT_TRUE(eventually([&] { return !cut_; }));
}

void Relay::run() {
  const auto pass = [](int from, int to, bool forget) {
    char some[65536];
    const ssize_t got = ::recv(from, some, sizeof some, 0);
    if (got <= 0) return false;
    return forget || ::send(to, some, static_cast<std::size_t>(got), MSG_NOSIGNAL) == got;
  };
  while (!stop_ || !pairs_.empty()) {
    if (stop_ || cut_) {
      for (const auto& pair : pairs_) {
        ::close(pair->client);
        ::close(pair->server);
      }
      pairs_.clear();
      if (cut_) mute_ = false;
      cut_ = false;
      continue;
    }
    std::vector<pollfd> waiting{{listening_, POLLIN, 0}};
    for (const auto& pair : pairs_) {
      waiting.push_back({pair->client, POLLIN, 0});
      waiting.push_back({pair->server, POLLIN, 0});
    }
    poll(waiting.data(), waiting.size(), 2);
    const std::size_t count = pairs_.size();
    for (std::size_t i = 0; i < count; ++i) {
      Pair& pair = *pairs_[i];
      const bool sound =
          (waiting[1 + 2 * i].revents == 0 || pass(pair.client, pair.server, false)) &&
          (waiting[2 + 2 * i].revents == 0 || pass(pair.server, pair.client, mute_));
      if (sound) continue;
      ::close(pair.client);
      ::close(pair.server);
      pair.client = -1;
    }
    std::erase_if(pairs_, [](const auto& pair) { return pair->client < 0; });
    connections_ = pairs_.size();
    if (waiting[0].revents == 0) continue;
    auto pair = std::make_unique<Pair>();
    pair->client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    pair->server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(to_port_));
    const bool there =
        ::connect(pair->server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    pairs_.push_back(std::move(pair));
    connections_ = pairs_.size();
    if (there) continue;
    ::close(pairs_.back()->client);
    ::close(pairs_.back()->server);
    pairs_.pop_back();
  }
}

}  // namespace evergres::proxy::test

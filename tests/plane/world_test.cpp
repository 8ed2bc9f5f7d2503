#include "plane/world.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

namespace evergres::proxy::test {
namespace {

constexpr int patience_ms = 20'000;
const std::string binaries = "/usr/lib/postgresql/15/bin/";

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

void become_postgres() {
  if (geteuid() != 0) return;
  const passwd* user = getpwnam("postgres");
  if (user == nullptr || initgroups("postgres", user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
      setuid(user->pw_uid) != 0) {
    _exit(126);
  }
}

/// Runs a program as `postgres`, silently. Its exit status.
int run(const std::vector<std::string>& words, bool wait = true, pid_t* child = nullptr) {
  const pid_t pid = fork();
  if (pid == 0) {
    become_postgres();
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    const int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, 0);
    const int log = open((scratch_directory() / "programs.log").c_str(),
                         O_WRONLY | O_CREAT | O_APPEND, 0666);
    dup2(log, 1);
    dup2(log, 2);
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  if (child != nullptr) *child = pid;
  if (!wait) return 0;
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
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

int free_port() {
  int port = 0;
  ::close(listen_somewhere(port));
  return port;
}

/// Everything of this program, made once.
class Machine {
 public:
  Machine() {
    char name[] = "/tmp/evergres-plane-XXXXXX";
    directory_ = mkdtemp(name);
    std::filesystem::permissions(directory_, std::filesystem::perms::all);
  }
  ~Machine() {
    primary_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Node& primary() {
    if (!primary_) {
      primary_ = std::make_unique<Node>("one", directory_ / "one");
      create(*primary_);
    }
    if (!primary_->running()) primary_->start();
    return *primary_;
  }
  const std::filesystem::path& directory() { return directory_; }

 private:
  void create(Node& node) {
    const std::string data = node.directory().string();
    const int made = run({binaries + "initdb", "-D", data, "-U", "postgres", "-A", "trust",
                          "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"});
    if (made != 0) std::abort();
    std::ofstream(node.directory() / "pg_hba.conf")
        << "local all all trust\nhost replication postgres 127.0.0.1/32 trust\n"
           "host all all 127.0.0.1/32 scram-sha-256\n";
    std::ofstream(node.directory() / "postgresql.conf", std::ios::app)
        << "fsync = off\nfull_page_writes = off\nshared_buffers = 32MB\nmax_connections = 60\n"
           "listen_addresses = '127.0.0.1'\nunix_socket_directories = '" << directory_.string()
        << "'\nlog_min_messages = warning\nautovacuum = off\nwal_level = replica\n"
           "wal_retrieve_retry_interval = 100ms\nmax_wal_size = 2GB\nwal_keep_size = 64MB\n";
    node.start();
    node.ask("CREATE DATABASE app");
    for (const char* role : {"alice", "bob", "carol", "asker"}) {
      node.ask("CREATE ROLE " + std::string(role) + " LOGIN PASSWORD '" + role + "'");
    }
    node.ask("GRANT ALL ON SCHEMA public TO PUBLIC");
    node.ask("GRANT SELECT (rolname, rolpassword, rolcanlogin, rolvaliduntil) "
             "ON pg_catalog.pg_authid TO asker");
    node.ask("CREATE TABLE journal (token text PRIMARY KEY); GRANT ALL ON journal TO PUBLIC");
  }

  std::filesystem::path directory_;
  std::unique_ptr<Node> primary_;
};

std::unique_ptr<Machine> machine;

class MachineEnvironment final : public ::testing::Environment {
 public:
  void SetUp() override { machine = std::make_unique<Machine>(); }
  void TearDown() override { machine.reset(); }
};
const ::testing::Environment* const environment =
    ::testing::AddGlobalTestEnvironment(new MachineEnvironment);

}  // namespace

Node& primary() { return machine->primary(); }
std::filesystem::path scratch_directory() { return machine->directory(); }

std::unique_ptr<Node> standby() {
  static int made = 0;
  Node& source = primary();
  const std::string name = "copy" + std::to_string(++made);
  auto node = std::make_unique<Node>(name, scratch_directory() / name);
  const int copied =
      run({binaries + "pg_basebackup", "-D", node->directory().string(), "-c", "fast", "-X",
           "stream", "--no-sync", "-R", "-d",
           "host=127.0.0.1 user=postgres application_name=" + name +
               " port=" + std::to_string(source.port())});
  EXPECT_EQ(0, copied);
  node->start();
  EXPECT_TRUE(eventually([&] {
    return source.value("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND "
                        "application_name = '" + name + "'") == "1";
  }));
  return node;
}

::testing::AssertionResult eventually(const std::function<bool()>& condition) {
  const Instant deadline = boot_now() + Millis{30'000};
  while (!condition()) {
    if (boot_now() > deadline) return ::testing::AssertionFailure() << "not within 30 seconds";
    poll(nullptr, 0, 5);
  }
  return ::testing::AssertionSuccess();
}

std::ostream& operator<<(std::ostream& to, const Told& told) {
  return to << (told.fine ? "fine " : "error ") << told.sqlstate << " [" << told.tag << "] "
            << told.first() << " " << told.message;
}

// ---- clients

Client::Client(const std::string& conninfo) : connection_(PQconnectStart(conninfo.c_str())) {
  const Instant deadline = boot_now() + Millis{patience_ms};
  PQsetNoticeProcessor(connection_, [](void*, const char*) {}, nullptr);
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED && boot_now() < deadline) {
    pollfd waiting{PQsocket(connection_),
                   static_cast<short>(next == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    if (PQsocket(connection_) >= 0) poll(&waiting, 1, 100);
    if (waiting.revents != 0 || PQsocket(connection_) < 0) next = PQconnectPoll(connection_);
  }
}

Client::~Client() { PQfinish(connection_); }
bool Client::connected() const { return PQstatus(connection_) == CONNECTION_OK; }
std::string Client::problem() const { return PQerrorMessage(connection_); }

PGresult* Client::next() {
  const Instant deadline = boot_now() + Millis{patience_ms};
  PQflush(connection_);
  while (PQisBusy(connection_) != 0) {
    if (boot_now() > deadline) return nullptr;
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
  if (PQisBusy(connection_) != 0) told = {false, "stuck", "no answer", {}, {}};
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

std::string Client::raw_read(char type, int ends) {
  std::string all;
  std::size_t seen = 0;
  const Instant deadline = boot_now() + Millis{patience_ms};
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
    if (poll(&waiting, 1, 100) == 0) continue;
    char some[65536];
    const ssize_t got = ::recv(PQsocket(connection_), some, sizeof some, 0);
    if (got <= 0) return all;
    all.append(some, static_cast<std::size_t>(got));
  }
  return all + "stuck";
}

void Client::drop() { ::shutdown(PQsocket(connection_), SHUT_RDWR); }

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

// ---- servers

Node::Node(std::string name, std::filesystem::path directory)
    : name_(std::move(name)), directory_(std::move(directory)), port_(free_port()) {}

Node::~Node() {
  if (running()) kill_all(SIGKILL);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void Node::start() {
  run({binaries + "postgres", "-D", directory_.string(), "-p", std::to_string(port_)}, false,
      &postmaster_);
  EXPECT_TRUE(eventually([&] { return ask("SELECT 1").fine; })) << name_ << " does not start";
}

void Node::stop(const std::string& mode) {
  ::kill(postmaster_, mode == "fast" ? SIGINT : SIGQUIT);
  int status = 0;
  waitpid(postmaster_, &status, 0);
  postmaster_ = -1;
}

void Node::kill_all(int signal) {
  const std::string task = std::to_string(postmaster_);
  std::ifstream children("/proc/" + task + "/task/" + task + "/children");
  std::vector<pid_t> pids;
  for (pid_t pid = 0; children >> pid;) pids.push_back(pid);
  ::kill(postmaster_, signal);
  for (const pid_t pid : pids) ::kill(pid, signal);
  int status = 0;
  waitpid(postmaster_, &status, 0);
  postmaster_ = -1;
  EXPECT_TRUE(eventually([&] {
    for (const pid_t pid : pids) {
      std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
      std::string number, comm, state;
      if (stat >> number >> comm >> state && state != "Z") return false;
    }
    return true;
  }));
}

void Node::promote() {
  EXPECT_EQ("t", value("SELECT pg_promote(true, 30)"));
}

Told Node::ask(const std::string& sql) {
  Client client("host=" + scratch_directory().string() + " port=" + std::to_string(port_) +
                " user=postgres dbname=" +
                (sql.starts_with("CREATE DATABASE") || sql == "SELECT 1" ? "postgres" : "app"));
  if (!client.connected()) return {false, "gone", client.problem(), {}, {}};
  return client.ask(sql);
}

std::string Node::value(const std::string& sql) {
  const Told told = ask(sql);
  EXPECT_TRUE(told.fine) << sql << ": " << told;
  return told.first();
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
    if (there) continue;
    ::close(pairs_.back()->client);
    ::close(pairs_.back()->server);
    pairs_.pop_back();
  }
}

// ---- the endpoint

Configuration usual(PoolMode mode) {
  const auto file = scratch_directory() / "users.txt";
  if (!std::filesystem::exists(file)) {
    std::ofstream users(file);
    for (const char* role : {"alice", "bob", "asker"}) {
      const std::string secret =
          primary().value("SELECT rolpassword FROM pg_authid WHERE rolname = '" +
                          std::string(role) + "'");
      users << '"' << role << "\" \"" << secret << "\"\n";
    }
  }
  Configuration configuration;
  configuration.listen = {{"127.0.0.1", 0, Port::read_write}, {"127.0.0.1", 0, Port::read_only}};
  configuration.auth_file = file;
  configuration.mode = mode;
  configuration.pool_size = 4;
  return configuration;
}

Endpoint::Endpoint(Configuration configuration) {
  Proxy::Hooks hooks;
  hooks.say = [this](Loudness, const std::string& what) {
    const std::lock_guard lock(mutex_);
    log_ += what + "\n";
  };
  auto started = Proxy::start(std::move(configuration), std::move(hooks));
  if (!started) {
    std::cerr << started.error().for_people();
    std::abort();
  }
  proxy_ = std::move(*started);
}

Endpoint::~Endpoint() {
  proxy_.reset();
  if (::testing::Test::HasFailure()) std::cerr << "the endpoint said:\n" << log_;
}

std::string Endpoint::log() {
  const std::lock_guard lock(mutex_);
  return log_;
}

void Endpoint::tell() {
  ++world_.number;
  proxy_->set_world(std::make_shared<const World>(world_));
}

void Endpoint::lead(Node& node, int port) {
  const Term before = world_.promotions.empty() ? Term{} : world_.promotions.back().term;
  // Nothing of the old term is alive when the next one begins.
  if (world_.leader) vacant();
  const std::string old = "FROM pg_stat_activity WHERE usename IN ('alice', 'bob', 'carol', 'asker')";
  EXPECT_TRUE(eventually([&] {
    node.ask("SELECT pg_terminate_backend(pid) " + old);
    return node.value("SELECT count(*) " + old) == "0";
  }));
  world_.highest = Term{world_.highest.value + 1};
  world_.leader = OpenLeader{world_.highest, NodeName{node.name()}};
  world_.draining = false;
  std::erase_if(world_.nodes, [&](const ServerNode& known) { return known.name.value == node.name(); });
  ServerNode entry;
  entry.name = NodeName{node.name()};
  entry.address = {"127.0.0.1", port == 0 ? node.port() : port};
  auto resolved = resolve(entry.address);
  EXPECT_TRUE(resolved);
  entry.resolved = *resolved;
  entry.answers = true;
  world_.nodes.push_back(entry);
  const std::string next = node.value("SELECT pg_snapshot_xmax(pg_current_snapshot())");
  world_.promotions.push_back({world_.highest, before, std::stoull(next)});
  tell();
}

void Endpoint::vacant() {
  world_.highest = Term{world_.highest.value + 1};
  world_.leader.reset();
  world_.draining = false;
  tell();
}

void Endpoint::drain(bool draining) {
  world_.draining = draining;
  tell();
}

void Endpoint::add_replica(Node& node) {
  ServerNode entry;
  entry.name = NodeName{node.name()};
  entry.address = {"127.0.0.1", node.port()};
  auto resolved = resolve(entry.address);
  entry.resolved = *resolved;
  entry.answers = entry.replays = true;
  entry.lag = 0;
  world_.nodes.push_back(entry);
  tell();
}

std::string Endpoint::dsn(const std::string& user, const std::string& more) const {
  return "host=127.0.0.1 port=" + std::to_string(port()) + " user=" + user + " password=" + user +
         " dbname=app sslmode=disable gssencmode=disable " + more;
}

}  // namespace evergres::proxy::test

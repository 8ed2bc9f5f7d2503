#include "plane/world.hpp"
#include "proxy/outcome/timeline_question.hpp"

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

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

namespace evergres::proxy::test {
namespace {

/// Of the newest version that is installed.
std::string newest_programs() {
  std::filesystem::path newest;
  int major = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql")) {
    const int found = std::atoi(entry.path().filename().c_str());
    if (found <= major || !std::filesystem::exists(entry.path() / "bin/initdb")) continue;
    major = found;
    newest = entry.path() / "bin";
  }
  return newest.string() + "/";
}
const std::string binaries = newest_programs();

void become_postgres() {
  if (geteuid() != 0) return;
  const passwd* user = getpwnam("postgres");
  if (user == nullptr || initgroups("postgres", user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
      setuid(user->pw_uid) != 0) {
    _exit(126);
  }
}

}  // namespace

const std::string& programs() {
  return binaries;
}

int run(const std::vector<std::string>& words, bool wait, pid_t* child) {
  const pid_t pid = fork();
  if (pid == 0) {
    become_postgres();
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    const int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, 0);
    const int log =
        open((scratch_directory() / "programs.log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
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

namespace {

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
           "host replication repl 127.0.0.1/32 scram-sha-256\n"
           "host all all 127.0.0.1/32 scram-sha-256\n";
    std::ofstream(node.directory() / "postgresql.conf", std::ios::app)
        << "fsync = off\nfull_page_writes = off\nshared_buffers = 32MB\nmax_connections = 60\n"
           "listen_addresses = '127.0.0.1'\nunix_socket_directories = '"
        << directory_.string()
        << "'\nlog_min_messages = warning\nautovacuum = off\nwal_level = logical\n"
           "wal_retrieve_retry_interval = 100ms\nmax_wal_size = 2GB\nwal_keep_size = 64MB\n";
    node.start();
    node.ask("CREATE DATABASE app");
    for (const char* role : {"alice", "bob", "carol", "asker"}) {
      node.ask("CREATE ROLE " + std::string(role) + " LOGIN PASSWORD '" + role + "'");
    }
    node.ask("CREATE ROLE repl LOGIN REPLICATION PASSWORD 'repl'");
    node.ask("GRANT ALL ON SCHEMA public TO PUBLIC");
    node.ask(
        "GRANT SELECT (rolname, rolpassword, rolcanlogin, rolvaliduntil) "
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

Node& primary() {
  return machine->primary();
}
std::filesystem::path scratch_directory() {
  return machine->directory();
}

std::filesystem::path certificates() {
  const auto directory = scratch_directory() / "certificates";
  if (std::filesystem::exists(directory)) return directory;
  std::filesystem::create_directory(directory);
  std::string make = "exec >/dev/null 2>&1; set -e; cd " + directory.string() + "\n";
  const std::string key = " -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes ";
  for (const std::string ca : {"ca", "ca2"}) {
    make += "openssl req -x509 -days 2 -subj /CN=" + ca + key + "-keyout " + ca + ".key -out " +
            ca + ".crt\n";
  }
  make += "printf subjectAltName=DNS:localhost > server.ext\n: > client.ext\n";
  for (const std::string name : {"server", "alice", "ops-laptop", "stranger"}) {
    const bool is_server = name == "server";
    const std::string ca = name == "stranger" ? "ca2" : "ca";
    make += "openssl req -subj /O=Shop/CN=" + (is_server ? "localhost" : name) + key + "-keyout " +
            name + ".key -out csr\nopenssl x509 -req -in csr -days 2 -CAcreateserial -CA " + ca +
            ".crt -CAkey " + ca + ".key -out " + name + ".crt -extfile " +
            (is_server ? "server" : "client") + ".ext\n";
  }
  EXPECT_EQ(0, std::system(make.c_str()));
  return directory;
}

std::unique_ptr<Node> standby() {
  static int made = 0;
  Node& source = primary();
  const std::string name = "copy" + std::to_string(++made);
  auto node = std::make_unique<Node>(name, scratch_directory() / name);
  const int copied = run({binaries + "pg_basebackup", "-D", node->directory().string(), "-c",
                          "fast", "-X", "stream", "--no-sync", "-R", "-d",
                          "host=127.0.0.1 user=postgres application_name=" + name +
                              " port=" + std::to_string(source.port())});
  EXPECT_EQ(0, copied);
  node->start();
  EXPECT_TRUE(eventually([&] {
    return source.value(
               "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND "
               "application_name = '" +
               name + "'") == "1";
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

void let_commits_wait() {
  primary().ask("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  primary().ask("SELECT pg_reload_conf()");
  // The checkpointer publishes it when it gets to it: until a commit is seen waiting.
  EXPECT_TRUE(eventually([] {
    Client probe("host=" + scratch_directory().string() +
                 " user=postgres dbname=app port=" + std::to_string(primary().port()));
    const std::string pid = std::to_string(PQbackendPID(probe.connection()));
    probe.begin("SELECT pg_logical_emit_message(true, 'x', 'x')");
    bool waits = false;
    while (!waits && PQisBusy(probe.connection()) != 0) {
      waits = primary().value(
                  "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND pid = " +
                  pid) == "1";
      PQconsumeInput(probe.connection());
    }
    primary().ask("SELECT pg_terminate_backend(" + pid + ", 10000)");
    return waits;
  }));
}

void let_commits_go() {
  primary().ask("ALTER SYSTEM RESET synchronous_standby_names");
  primary().ask("SELECT pg_reload_conf()");
  EXPECT_TRUE(eventually([] { return primary().value("SHOW synchronous_standby_names").empty(); }));
}

::testing::AssertionResult somebody_waits() {
  return eventually([] {
    return primary().value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") !=
           "0";
  });
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

// ---- the endpoint

Configuration usual(PoolMode mode) {
  const auto file = scratch_directory() / "users.txt";
  if (!std::filesystem::exists(file)) {
    std::ofstream users(file);
    for (const char* role : {"alice", "bob", "asker", "repl"}) {
      const std::string secret = primary().value(
          "SELECT rolpassword FROM pg_authid WHERE rolname = '" + std::string(role) + "'");
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

Endpoint::Endpoint(Configuration configuration, const std::function<void(Proxy::Hooks&)>& change) {
  Proxy::Hooks hooks;
  hooks.say = [this](Loudness, const std::string& what) {
    const std::lock_guard lock(mutex_);
    log_ += what + "\n";
  };
  hooks.applied = [this](unsigned shard, std::uint64_t world, std::uint32_t busy) {
    const std::lock_guard lock(mutex_);
    applied_.resize(std::max<std::size_t>(applied_.size(), shard + 1));
    applied_[shard] = world;
    busy_.resize(applied_.size());
    busy_[shard] = busy;
  };
  if (change) change(hooks);
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

std::vector<std::uint32_t> Endpoint::busy() {
  const std::lock_guard lock(mutex_);
  return busy_;
}

void Endpoint::tell() {
  ++world_.number;
  proxy_->set_world(std::make_shared<const World>(world_));
  // What clients send from now on meets this World.
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex_);
    return applied_ == std::vector<std::uint64_t>(proxy_->shards(), world_.number);
  }));
}

void Endpoint::lead(Node& node, int port) {
  const Term before = world_.promotions.empty() ? Term{} : world_.promotions.back().term;
  // Nothing of the old term is alive when the next one begins.
  if (world_.leader) vacant();
  const std::string old =
      "FROM pg_stat_activity WHERE usename IN ('alice', 'bob', 'carol', 'asker', 'repl')";
  EXPECT_TRUE(eventually([&] {
    node.ask("SELECT pg_terminate_backend(pid) " + old);
    return node.value("SELECT count(*) " + old) == "0";
  }));
  world_.highest = Term{world_.highest.value + 1};
  world_.leader = OpenLeader{world_.highest, NodeName{node.name()},
                             read_timeline(node.value("SELECT " + std::string(timeline_sql)))};
  world_.draining = false;
  std::erase_if(world_.nodes,
                [&](const ServerNode& known) { return known.name.value == node.name(); });
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

void Endpoint::add_replica(Node& node, const std::string& name, int port) {
  ServerNode entry;
  entry.name = NodeName{name.empty() ? node.name() : name};
  entry.address = {"127.0.0.1", port == 0 ? node.port() : port};
  auto resolved = resolve(entry.address);
  entry.resolved = *resolved;
  entry.answers = entry.replays = true;
  entry.lag = 0;
  world_.nodes.push_back(entry);
  tell();
}

void Endpoint::lag(const std::string& name, std::uint64_t bytes) {
  for (ServerNode& node : world_.nodes) {
    if (node.name.value == name) node.lag = bytes;
  }
  tell();
}

void Endpoint::add_endpoint(const std::string& node, int port) {
  EndpointNode entry{NodeName{node}, {"127.0.0.1", port}, {}};
  entry.resolved = *resolve(entry.address);
  world_.endpoints.push_back(entry);
  tell();
}

std::string Endpoint::dsn(const std::string& user, const std::string& more) const {
  return "host=127.0.0.1 port=" + std::to_string(port()) + " user=" + user + " password=" + user +
         " dbname=app sslmode=disable gssencmode=disable " + more;
}

}  // namespace evergres::proxy::test

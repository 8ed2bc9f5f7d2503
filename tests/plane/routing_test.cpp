#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "plane/world.hpp"

/// Where transactions are sent, and for how long they wait for it.
namespace evergres::proxy::test {
namespace {

std::string backends(const std::string& condition) {
  return primary().value(
      "SELECT count(*) FROM pg_stat_activity WHERE usename IN ('alice', 'bob') AND " + condition);
}

/// Whatever its clients do: idle, in a transaction, in the middle of a statement.
TEST(PlaneRouting, EveryConnectionOfAnOlderTermIsClosedAtOnce) {
  for (const PoolMode mode : {PoolMode::session, PoolMode::transaction}) {
    Endpoint endpoint(usual(mode));
    endpoint.lead(primary());
    Client idle(endpoint.dsn()), open(endpoint.dsn()), busy(endpoint.dsn("bob"));
    EXPECT_TRUE(open.ask("BEGIN; SELECT 1").fine);
    EXPECT_TRUE(idle.ask("SELECT 1").fine);
    EXPECT_TRUE(busy.ask("BEGIN").fine);
    busy.begin("SELECT pg_sleep(0.5)");
    EXPECT_TRUE(eventually([] { return backends("wait_event = 'PgSleep'") == "1"; }));
    endpoint.vacant();
    EXPECT_EQ("40001", busy.end().sqlstate);
    EXPECT_TRUE(eventually([] { return backends("true") == "0"; })) << "one was kept";
  }
}

/// No server counts the time for which a statement waits here.
TEST(PlaneRouting, TheStatementTimeoutOfAClientEndsItsWait) {
  for (const PoolMode mode : {PoolMode::session, PoolMode::transaction}) {
    Endpoint endpoint(usual(mode));
    endpoint.lead(primary());
    Client said(endpoint.dsn()), began(endpoint.dsn("alice", "options='-c statement_timeout=300'"));
    Client patient(endpoint.dsn());
    EXPECT_TRUE(said.ask("SET statement_timeout = '0.3s'").fine);
    EXPECT_TRUE(began.ask("SELECT 1").fine);
    EXPECT_TRUE(patient.ask("SET statement_timeout = 0").fine);
    endpoint.vacant();
    patient.begin("SELECT 3");
    for (Client* client : {&said, &began}) {
      const Instant before = boot_now();
      const Told told = client->ask("SELECT 1");
      EXPECT_EQ("57014", told.sqlstate) << told;
      EXPECT_NE(std::string::npos, told.message.find("due to statement timeout")) << told;
      EXPECT_GE(boot_now() - before, Nanos(Millis{290}));
      EXPECT_TRUE(client->connected());
    }
    endpoint.lead(primary());
    EXPECT_EQ("3", patient.end().first());
    EXPECT_EQ("1", said.value("SELECT 1"));
    EXPECT_EQ("1", began.value("SELECT 1"));
  }
}

/// Not all at once: the new leader's caches are cold.
TEST(PlaneRouting, AfterAFailoverClientsAreLetGoAlongARamp) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.pool_size = 1;  // the ramp begins with as many, and doubles each 20 ms
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(std::make_unique<Client>(endpoint.dsn()));
  EXPECT_TRUE(clients.front()->ask("SELECT 1").fine);
  // 1, 3, 7, 15 and then all of them may have been let go: the last one after 80 ms. How long it
  // took to connect to the leader is not seen by the first one.
  EXPECT_TRUE(eventually([&] {
    endpoint.vacant();
    for (const auto& client : clients)
      client->begin("SELECT extract(epoch FROM clock_timestamp())");
    endpoint.lead(primary());
    std::vector<double> at;
    for (const auto& client : clients) at.push_back(std::stod("0" + client->end().first()));
    return *std::ranges::max_element(at) - *std::ranges::min_element(at) > 0.03;
  }));
}

/// Whoever leads may have become a standby under its name: nobody is told so by a failed write.
TEST(PlaneRouting, AServerThatSaysThatItIsAStandbyGetsNoWriters) {
  auto copy = standby();
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary());
  Client client(endpoint.dsn());
  EXPECT_TRUE(client.ask("SELECT 1").fine);
  endpoint.lead(primary(), copy->port());
  client.begin("INSERT INTO journal VALUES ('held')");
  EXPECT_TRUE(eventually([&] { return endpoint.log().find("a standby") != std::string::npos; }));
  copy->promote();
  const Told told = client.end();
  EXPECT_TRUE(told.fine) << told;
  EXPECT_EQ("1", copy->value("SELECT count(*) FROM journal WHERE token = 'held'"));
}

/// Lets everybody in, and keeps what it is told.
class Impostor {
 public:
  Impostor() : listening_(listen_somewhere(port)), thread_([this] { run(); }) {}
  ~Impostor() {
    stop_ = true;
    thread_.join();
    ::close(listening_);
  }
  Impostor(const Impostor&) = delete;
  Impostor& operator=(const Impostor&) = delete;
  std::string heard() {
    const std::lock_guard lock(mutex_);
    return heard_;
  }
  int port = 0;

 private:
  void run() {
    while (!stop_) {
      pollfd waiting{listening_, POLLIN, 0};
      if (poll(&waiting, 1, 5) != 1) continue;
      const int client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      char some[4096];
      bool greeted = false;
      for (ssize_t got = 1; got > 0;) {
        got = ::recv(client, some, sizeof some, 0);
        const std::lock_guard lock(mutex_);
        heard_.append(some, static_cast<std::size_t>(std::max<ssize_t>(0, got)));
        if (std::exchange(greeted, true)) continue;
        const std::string welcome = message('R', std::string(4, '\0')) +
                                    message('K', std::string(8, 'k')) + message('Z', "I");
        ::send(client, welcome.data(), welcome.size(), MSG_NOSIGNAL);
      }
      ::close(client);
    }
  }
  int listening_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::string heard_;
  std::thread thread_;
};

/// Who can say who leads, with the watch secret, cannot be the leader: it would have to prove that
/// it knows the secret of the role that logs in.
TEST(PlaneRouting, WhoOnlySaysThatItLeadsGetsNothing) {
  Impostor impostor;
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary());
  Client client(endpoint.dsn());
  EXPECT_TRUE(client.ask("SELECT 1").fine);
  endpoint.lead(primary(), impostor.port);
  const Told told = client.ask("SELECT 'for the leader only'");
  EXPECT_EQ("28000", told.sqlstate) << told;
  EXPECT_NE(std::string::npos, impostor.heard().find("alice")) << "it was not asked";
  EXPECT_EQ(std::string::npos, impostor.heard().find("for the leader only"));
}

/// A connection that is there does not make a replica one that may be read.
TEST(PlaneRouting, AReplicaThatFallsBehindIsNotReadAnyMore) {
  auto copy = standby();
  for (const PoolMode mode : {PoolMode::session, PoolMode::transaction}) {
    Configuration configuration = usual(mode);
    configuration.max_replica_lag = 1000;
    configuration.pool_size = 1;
    Endpoint endpoint(configuration);
    endpoint.lead(primary());
    endpoint.add_replica(*copy);
    Client reader(endpoint.dsn("alice", "port=" + std::to_string(endpoint.port(1))));
    const auto reads_a_standby = [&] { return reader.value("SELECT pg_is_in_recovery()"); };
    EXPECT_EQ("t", reads_a_standby());
    endpoint.lag(copy->name(), 1001);
    EXPECT_EQ("f", reads_a_standby()) << "of a replica that is too far behind";
    endpoint.lag(copy->name(), 1000);
    EXPECT_EQ("t", reads_a_standby()) << "of the leader, though a replica is near enough";
    // What has begun there ends there.
    EXPECT_TRUE(reader.ask("BEGIN").fine);
    endpoint.lag(copy->name(), 1001);
    EXPECT_EQ("t", reads_a_standby());
    EXPECT_TRUE(reader.ask("COMMIT").fine);
    EXPECT_EQ("f", reads_a_standby());
  }
}

TEST(PlaneRouting, ReadersGoToTheReplicaWithTheFewest) {
  auto copy = standby();
  Relay relay(copy->port());
  Endpoint endpoint(usual(PoolMode::session));
  endpoint.lead(primary());
  endpoint.add_replica(*copy, "near");
  endpoint.add_replica(*copy, "behind", relay.port());
  endpoint.lag("behind", 1U << 30U);
  std::vector<std::unique_ptr<Client>> readers;
  const auto add = [&] {
    const std::string user = readers.size() % 2 == 0 ? "alice" : "bob";
    readers.push_back(
        std::make_unique<Client>(endpoint.dsn(user, "port=" + std::to_string(endpoint.port(1)))));
    EXPECT_EQ("t", readers.back()->value("SELECT pg_is_in_recovery()"));
  };
  for (int i = 0; i < 3; ++i) add();
  EXPECT_EQ(0U, relay.connections());
  endpoint.lag("behind", 0);
  for (int i = 0; i < 3; ++i) add();
  EXPECT_EQ(3U, relay.connections());
}

}  // namespace
}  // namespace evergres::proxy::test

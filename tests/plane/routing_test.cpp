#include "plane/world.hpp"

/// Where transactions are sent, and for how long they wait for it.
namespace evergres::proxy::test {
namespace {

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

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

}  // namespace
}  // namespace evergres::proxy::test

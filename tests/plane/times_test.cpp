#include <poll.h>

#include <future>
#include <memory>
#include <set>
#include <thread>

#include "plane/world.hpp"
#include "proxy/console/snapshot.hpp"

/// What may take how long, and what a client is told when it takes longer.
namespace evergres::proxy::test {
namespace {

/// What a silent client is told before its connection ends. libpq would take it for a notice.
std::string last_words(Client& client) {
  const std::string told = client.raw_read('E', 2);
  EXPECT_EQ(std::string::npos, told.find("stuck")) << "it goes on";
  return told;
}

TEST(PlaneTimes, ALateRequestIsCancelledAndItsClientStays) {
  for (const PoolMode mode : {PoolMode::session, PoolMode::transaction}) {
    Configuration configuration = usual(mode);
    configuration.pool_size = 1;
    configuration.users["alice"].query_timeout = Millis{300};
    Endpoint endpoint(configuration);
    endpoint.lead(primary());
    Client alice(endpoint.dsn()), bob(endpoint.dsn("bob"));
    bob.begin("SELECT pg_sleep(1.5)");
    // A read, a write that commits by itself, one in a transaction, the extended protocol.
    for (const char* sql :
         {"SELECT pg_sleep(60)", "INSERT INTO journal SELECT 'late' || pg_sleep(60)::text",
          "BEGIN; SELECT pg_sleep(60)", "UPDATE journal SET token = token FROM pg_sleep(60)"}) {
      primary().ask("TRUNCATE journal; INSERT INTO journal VALUES ('early')");
      const Told told = alice.ask(sql);
      EXPECT_EQ("57014", told.sqlstate) << sql << told;
      EXPECT_NE(std::string::npos, told.message.find("query_timeout")) << told;
      EXPECT_TRUE(alice.connected());
      alice.ask("ROLLBACK");
      EXPECT_EQ("1", alice.value("SELECT 1"));
    }
    EXPECT_EQ("57014", alice.ask_with("SELECT pg_sleep($1::float8)", {"60"}).sqlstate);
    EXPECT_EQ("1", alice.value("SELECT 1"));
    EXPECT_TRUE(bob.end().fine) << "it is said for alice";
    EXPECT_EQ("0", primary().value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = "
                                   "'PgSleep'"));
  }
  primary().ask("TRUNCATE journal");
}

TEST(PlaneTimes, ATransactionMayBeIdleForSoLong) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.idle_transaction_timeout = Millis{60'000};
  configuration.databases["app"].idle_transaction_timeout = Millis{200};
  configuration.applications["patient"].idle_transaction_timeout = Millis{0};
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  primary().ask("TRUNCATE journal");
  Client patient(endpoint.dsn("alice", "application_name=patient"));
  Client idle(endpoint.dsn());
  EXPECT_TRUE(patient.ask("BEGIN").fine);
  EXPECT_TRUE(idle.ask("BEGIN; INSERT INTO journal VALUES ('idle')").fine);
  EXPECT_NE(std::string::npos, last_words(idle).find("C25P03"));
  EXPECT_TRUE(patient.ask("COMMIT").fine);
  EXPECT_EQ("0", primary().value("SELECT count(*) FROM journal"));
  // In a request that is answered and that the client does not end.
  Client unfinished(endpoint.dsn());
  using namespace std::string_literals;
  unfinished.raw_send(message('P', "\0SELECT 1\0\0\0"s) + message('B', "\0\0\0\0\0\0\0\0"s) +
                      message('E', "\0\0\0\0\0"s) + message('H', ""));
  EXPECT_NE(std::string::npos, last_words(unfinished).find("C25P03"));
}

TEST(PlaneTimes, AClientMayBeIdleForSoLong) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.users["alice"].client_idle_timeout = Millis{200};
  configuration.applications["patient"].client_idle_timeout = Millis{60'000};
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client patient(endpoint.dsn("alice", "application_name=patient"));
  Client bob(endpoint.dsn("bob")), idle(endpoint.dsn());
  EXPECT_TRUE(idle.connected());
  EXPECT_NE(std::string::npos, last_words(idle).find("C57P05"));
  EXPECT_TRUE(patient.ask("SELECT 1").fine);
  EXPECT_TRUE(bob.ask("SELECT 1").fine);
}

TEST(PlaneTimes, AServerThatIsNeverIdleIsSpentToo) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.pool_size = 1;
  configuration.users["bob"].server_lifetime = Millis{300};
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client alice(endpoint.dsn()), bob(endpoint.dsn("bob"));
  std::set<std::string> of_alice, of_bob;
  const Instant end = boot_now() + Millis{1500};
  while (boot_now() < end) {
    of_alice.insert(alice.value("SELECT pg_backend_pid()"));
    of_bob.insert(bob.value("SELECT pg_backend_pid()"));
  }
  EXPECT_EQ(1U, of_alice.size());
  EXPECT_GE(of_bob.size(), 3U);
  EXPECT_LE(of_bob.size(), 8U);
}

TEST(PlaneTimes, AServerThatNobodyUsesIsClosed) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.server_idle_timeout = Millis{300};
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client client(endpoint.dsn());
  const std::string pid = client.value("SELECT pg_backend_pid()");
  EXPECT_TRUE(eventually([&] {
    return primary().value("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid) == "0";
  }));
  EXPECT_NE(pid, client.value("SELECT pg_backend_pid()"));
}

/// Who guesses waits, the longer the more often; who knows the password does not.
TEST(PlaneTimes, FailedLoginsAreDelayedAndCounted) {
  Endpoint endpoint(usual(PoolMode::session));
  endpoint.lead(primary());
  const Instant before = boot_now();
  for (int i = 0; i < 3; ++i) {
    const Client guesses(endpoint.dsn("alice", "password=wrong"));
    EXPECT_FALSE(guesses.connected());
  }
  EXPECT_GE(boot_now() - before, Nanos(Millis{100 + 200 + 400}));
  std::promise<std::uint64_t> counted;
  endpoint.proxy().look(false, [&](std::shared_ptr<const Snapshot> seen) {
    counted.set_value(seen->all.failed_logins);
  });
  EXPECT_EQ(3U, counted.get_future().get());
  const Client right(endpoint.dsn());
  EXPECT_TRUE(right.connected()) << right.problem();
}

TEST(PlaneTimes, ALoginDoesNotPayForWaitingForALeader) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.client_login_timeout = Millis{300};
  Endpoint endpoint(configuration);
  Client* waits = nullptr;
  std::thread login([&] { waits = new Client(endpoint.dsn()); });
  poll(nullptr, 0, 1500);
  endpoint.lead(primary());
  login.join();
  const std::unique_ptr<Client> owned(waits);
  EXPECT_TRUE(owned->connected()) << owned->problem();
  EXPECT_EQ("1", owned->value("SELECT 1"));
}

}  // namespace
}  // namespace evergres::proxy::test

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "plane/world.hpp"

/// What limits what. Each option is said and has to hold.
namespace evergres::proxy::test {
namespace {

using Clients = std::vector<std::unique_ptr<Client>>;

PoolOverride servers_at_most(std::uint32_t limit) {
  PoolOverride is;
  is.server_limit = limit;
  return is;
}

std::string running() {
  return primary().value(
      "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND state = 'active'");
}

/// How many of the clients' statements ran at the same time at most, until all were answered.
int most_together_once(Clients& clients) {
  for (const auto& client : clients) client->begin("SELECT pg_sleep(0.1)");
  int most = 0;
  const auto answered = [](const auto& client) {
    PQconsumeInput(client->connection());
    return PQisBusy(client->connection()) == 0;
  };
  const Instant deadline = boot_now() + Millis{30'000};
  while (!std::all_of(clients.begin(), clients.end(), answered) && boot_now() < deadline) {
    most = std::max(most, std::stoi(running()));
  }
  for (const auto& client : clients) {
    const Told told = client->end();
    EXPECT_TRUE(told.fine) << told;
  }
  return most;
}

/// The same of several times; not more often than it takes to reach `enough`.
int most_together(Clients& clients, int enough) {
  int most = most_together_once(clients);
  for (int i = 0; i < 20 && most < enough; ++i) most = std::max(most, most_together_once(clients));
  return std::max(most, most_together_once(clients));
}

/// Three of alice as the application "x", three of bob.
Clients a_few(const Endpoint& endpoint) {
  Clients clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(endpoint.dsn("alice", "application_name=x")));
    clients.push_back(std::make_unique<Client>(endpoint.dsn("bob")));
  }
  for (const auto& client : clients) EXPECT_TRUE(client->connected()) << client->problem();
  return clients;
}

Millis time_of(Client& client, const std::string& sql) {
  const Instant begun = boot_now();
  const Told told = client.ask(sql);
  EXPECT_TRUE(told.fine) << told;
  return std::chrono::duration_cast<Millis>(boot_now() - begun);
}

class PlaneLimits : public ::testing::TestWithParam<unsigned> {
 protected:
  static Configuration with_threads(PoolMode mode = PoolMode::transaction) {
    Configuration configuration = usual(mode);
    configuration.threads = GetParam();
    return configuration;
  }
};
INSTANTIATE_TEST_SUITE_P(Threads, PlaneLimits, ::testing::Values(1U, 2U));

TEST_P(PlaneLimits, ServersAreLimitedByPoolDatabaseUserApplicationAndInAll) {
  struct Case {
    const char* what;
    std::function<void(Configuration&)> say;
    int together;
  };
  const Case cases[] = {
      {"nothing", [](Configuration&) {}, 6},
      {"in all", [](Configuration& is) { is.server_limit = 2; }, 2},
      {"database", [](Configuration& is) { is.databases["app"] = servers_at_most(2); }, 2},
      {"another database", [](Configuration& is) { is.databases["b"] = servers_at_most(2); }, 6},
      {"user", [](Configuration& is) { is.users["alice"] = servers_at_most(1); }, 4},
      {"application", [](Configuration& is) { is.applications["x"] = servers_at_most(1); }, 4},
      {"pool_size", [](Configuration& is) { is.pool_size = 2; }, 4},
      {"pool_size of a user", [](Configuration& is) { is.users["bob"].pool_size = 1; }, 4},
      {"pool_size of an application",
       [](Configuration& is) { is.applications["x"].pool_size = 2; }, 5},
  };
  for (const Case& each : cases) {
    Configuration configuration = with_threads();
    each.say(configuration);
    Endpoint endpoint(configuration);
    endpoint.lead(primary());
    Clients clients = a_few(endpoint);
    EXPECT_EQ(each.together, most_together(clients, each.together)) << each.what;
  }
}

TEST_P(PlaneLimits, AnIdleServerOfAnotherPoolMakesRoom) {
  Configuration configuration = with_threads();
  configuration.server_limit = 1;
  configuration.query_wait_timeout = Millis{5'000};
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client alice(endpoint.dsn("alice")), bob(endpoint.dsn("bob")), more(endpoint.dsn("alice"));
  for (int round = 0; round < 3; ++round) {
    EXPECT_LT(time_of(alice, "SELECT 1"), Millis{2'000});
    EXPECT_LT(time_of(bob, "SELECT 1"), Millis{2'000});
    EXPECT_LT(time_of(more, "SELECT 1"), Millis{2'000}) << "of the other thread";
  }
  EXPECT_TRUE(eventually([] {
    return primary().value("SELECT count(*) FROM pg_stat_activity WHERE usename IN ('alice', "
                           "'bob')") == "1";
  }));
}

/// A crowd that waits for seconds, and one client of another application beside it.
TEST_P(PlaneLimits, OneApplicationDoesNotStarveAnother) {
  Configuration configuration = with_threads();
  configuration.server_limit = 4;
  configuration.applications["crowd"] = {};
  configuration.applications["lone"] = {};
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  std::atomic<bool> stop{false};
  std::atomic<int> ready{0};
  std::atomic<std::int64_t> longest{0};
  std::vector<std::thread> crowd;
  for (int thread = 0; thread < 4; ++thread) {
    crowd.emplace_back([&] {
      Clients clients;
      for (int i = 0; i < 50; ++i) {
        clients.push_back(
            std::make_unique<Client>(endpoint.dsn("alice", "application_name=crowd")));
      }
      ++ready;
      while (!stop) {
        const Instant begun = boot_now();
        for (const auto& client : clients) client->begin("SELECT pg_sleep(0.05)");
        for (const auto& client : clients) EXPECT_TRUE(client->end().fine);
        longest = std::max(longest.load(), (boot_now() - begun).count() / 1'000'000);
      }
    });
  }
  EXPECT_TRUE(eventually([&] { return ready == 4 && running() == "4"; }));
  Client lone(endpoint.dsn("alice", "application_name=lone"));
  std::int64_t slowest = 0;
  for (int i = 0; i < 8; ++i) {
    slowest = std::max(slowest, time_of(lone, "SELECT pg_sleep(0.01)").count());
  }
  stop = true;
  for (std::thread& each : crowd) each.join();
  EXPECT_GT(longest, 2'000) << "there was no queue";
  EXPECT_LT(slowest, 1'000) << "it waited behind the crowd";
}

TEST_P(PlaneLimits, ClientsAreLimitedByDatabaseUserApplicationAndInAll) {
  PoolOverride one;
  one.client_limit = 1;
  struct Case {
    const char* what;
    std::function<void(Configuration&)> say;
    const char* refused;  ///< part of the second client's error
    bool bob;             ///< may come beside them
  };
  const Case cases[] = {
      {"none", [](Configuration& is) { is.client_limit = 0; }, "", true},
      {"in all", [](Configuration& is) { is.client_limit = 1; }, "client_limit", false},
      {"user", [&](Configuration& is) { is.users["alice"] = one; },
       "client_limit of the user \"alice\" is 1", true},
      {"database", [&](Configuration& is) { is.databases["app"] = one; },
       "client_limit of the database \"app\" is 1", false},
      {"application", [&](Configuration& is) { is.applications["x"] = one; },
       "client_limit of the application \"x\" is 1", true},
  };
  for (const Case& each : cases) {
    Configuration configuration = with_threads();
    each.say(configuration);
    Endpoint endpoint(configuration);
    endpoint.lead(primary());
    const std::string dsn = endpoint.dsn("alice", "application_name=x");
    {
      Client first(dsn), second(dsn), bob(endpoint.dsn("bob"));
      EXPECT_TRUE(first.connected()) << each.what << first.problem();
      EXPECT_EQ(std::string_view(each.refused).empty(), second.connected()) << each.what;
      EXPECT_NE(std::string::npos, second.problem().find(each.refused)) << second.problem();
      EXPECT_EQ(each.bob, bob.connected()) << each.what << bob.problem();
    }
    // Whoever goes makes room.
    EXPECT_TRUE(eventually([&] { return Client(dsn).connected(); })) << each.what;
  }
}

TEST_P(PlaneLimits, AReloadChangesThem) {
  Configuration configuration = with_threads();
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Clients clients = a_few(endpoint);
  EXPECT_EQ(6, most_together(clients, 6));
  configuration.server_limit = 2;
  ASSERT_TRUE(endpoint.proxy().reload(configuration));
  EXPECT_TRUE(eventually([] {
    return primary().value("SELECT count(*) FROM pg_stat_activity WHERE usename IN ('alice', "
                           "'bob')") == "2";
  }));
  EXPECT_EQ(2, most_together(clients, 2));
  configuration.server_limit = 0;
  configuration.users["alice"].query_timeout = Millis{300};
  ASSERT_TRUE(endpoint.proxy().reload(configuration));
  EXPECT_EQ("57014", clients[0]->ask("SELECT pg_sleep(20)").sqlstate);
  EXPECT_EQ(6, most_together(clients, 6));
}

TEST(PlaneThreads, ClientsAreSpreadEvenly) {
  Configuration configuration = usual(PoolMode::session);
  configuration.threads = 2;
  configuration.pool_size = 10;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Clients clients;
  for (int i = 0; i < 8; ++i) clients.push_back(std::make_unique<Client>(endpoint.dsn()));
  for (const auto& client : clients) EXPECT_TRUE(client->ask("BEGIN").fine);
  endpoint.drain(true);
  EXPECT_EQ((std::vector<std::uint32_t>{4, 4}), endpoint.busy());
}

TEST(PlaneThreads, ACancelRequestIsLetInWhenNobodyElseIs) {
  Configuration configuration = usual(PoolMode::session);
  configuration.client_limit = 1;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client only(endpoint.dsn());
  only.begin("SELECT pg_sleep(60)");
  EXPECT_TRUE(eventually([] { return running() == "1"; }));
  EXPECT_FALSE(Client(endpoint.dsn("bob")).connected());
  EXPECT_TRUE(only.cancel());
  EXPECT_EQ("57014", only.end().sqlstate);
}

/// One server for two threads: it moves to where it is wanted, and does not go to and fro.
TEST(PlaneThreads, AServerMovesToTheThreadThatHasNone) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.threads = 2;
  configuration.pool_size = 1;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client here(endpoint.dsn()), there(endpoint.dsn());
  std::set<std::string> pids;
  for (int i = 0; i < 3; ++i) {
    EXPECT_LT(time_of(here, "SELECT 1"), Millis{2'000});
    EXPECT_LT(time_of(there, "SELECT 1"), Millis{2'000});
  }
  EXPECT_TRUE(here.ask("BEGIN").fine);
  there.begin("SELECT 1");
  poll(nullptr, 0, 300);
  PQconsumeInput(there.connection());
  EXPECT_EQ(1, PQisBusy(there.connection())) << "there are two servers";
  EXPECT_TRUE(here.ask("COMMIT").fine);
  EXPECT_TRUE(there.end().fine);
  for (int i = 0; i < 20; ++i) pids.insert(here.value("SELECT pg_backend_pid()"));
  EXPECT_LE(pids.size(), 2U);
}

TEST(PlanePooling, AnApplicationHasAModeOfItsOwn) {
  Configuration configuration = usual(PoolMode::session);
  configuration.pool_size = 1;
  configuration.query_wait_timeout = Millis{400};
  configuration.applications["web"].mode = PoolMode::transaction;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  const std::string web = endpoint.dsn("alice", "application_name=web");
  Client one(web), two(web), keeps(endpoint.dsn()), waits(endpoint.dsn());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ("1", one.value("SELECT 1"));
    EXPECT_EQ("2", two.value("SELECT 2"));
  }
  EXPECT_EQ("3", keeps.value("SELECT 3"));
  const Told told = waits.ask("SELECT 4");
  EXPECT_EQ("57014", told.sqlstate) << told;
  EXPECT_NE(std::string::npos, told.message.find("pool_size is reached")) << told;
}

}  // namespace
}  // namespace evergres::proxy::test

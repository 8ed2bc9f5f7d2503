#include "proxy/pool/limits.hpp"

#include <gtest/gtest.h>

#include <set>

namespace evergres::proxy {
namespace {

/// Each option is said at another place.
Configuration said() {
  Configuration configuration;
  configuration.auth_user = "asker";
  configuration.mode = PoolMode::session;
  configuration.pool_size = 20;
  configuration.server_limit = 100;
  configuration.client_limit = 1000;
  configuration.query_timeout = Millis{1};
  configuration.client_idle_timeout = Millis{2};
  PoolOverride& database = configuration.databases["app"];
  database.mode = PoolMode::transaction;
  database.pool_size = 10;
  database.server_limit = 50;
  database.query_timeout = Millis{10};
  database.idle_transaction_timeout = Millis{11};
  PoolOverride& user = configuration.users["bob"];
  user.pool_size = 5;
  user.client_limit = 7;
  user.query_timeout = Millis{100};
  PoolOverride& application = configuration.applications["reports"];
  application.mode = PoolMode::session;
  application.server_limit = 3;
  application.query_timeout = Millis{1000};
  application.server_lifetime = Millis{1001};
  return configuration;
}

TEST(Limits, TheMostParticularIsSaidByTheApplicationThenByTheUserThenByTheDatabase) {
  const Configuration configuration = said();
  const Limits all = limits_of(configuration, {"other", "alice"});
  EXPECT_EQ(all.mode, PoolMode::session);
  EXPECT_EQ(all.servers, (std::array<std::uint32_t, levels>{20, 0, 0, 0, 100}));
  EXPECT_EQ(all.query_timeout, Millis{1});
  EXPECT_EQ(all.server_lifetime, configuration.server_lifetime);

  const Limits database = limits_of(configuration, {"app", "alice"});
  EXPECT_EQ(database.mode, PoolMode::transaction);
  EXPECT_EQ(database.servers, (std::array<std::uint32_t, levels>{10, 0, 0, 50, 100}));
  EXPECT_EQ(database.query_timeout, Millis{10});
  EXPECT_EQ(database.client_idle_timeout, Millis{2});

  const Limits user = limits_of(configuration, {"app", "bob"});
  EXPECT_EQ(user.mode, PoolMode::transaction);
  EXPECT_EQ(user.servers[place_of(Level::pool)], 5U);
  EXPECT_EQ(user.clients, (std::array<std::uint32_t, levels>{0, 0, 7, 0, 1000}));
  EXPECT_EQ(user.query_timeout, Millis{100});
  EXPECT_EQ(user.idle_transaction_timeout, Millis{11});

  const Limits application = limits_of(configuration, {"app", "bob", Port::read_write, "reports"});
  EXPECT_EQ(application.mode, PoolMode::session);
  EXPECT_EQ(application.servers, (std::array<std::uint32_t, levels>{5, 3, 0, 50, 100}));
  EXPECT_EQ(application.query_timeout, Millis{1000});
  EXPECT_EQ(application.server_lifetime, Millis{1001});
}

TEST(Limits, QuestionsOfOurOwnCountForTheirPoolAlone) {
  const Limits ours = limits_of(said(), {"postgres", "asker"});
  EXPECT_TRUE(ours.ours);
  EXPECT_EQ(ours.servers, (std::array<std::uint32_t, levels>{4, 0, 0, 0, 0}));
  EXPECT_TRUE(limits_of(said(), {"app", "bob", Port::read_write, application_of_ours}).ours);
  EXPECT_FALSE(limits_of(said(), {"app", "bob"}).ours);
}

TEST(Limits, OnlyApplicationsThatAreNamedHavePoolsOfTheirOwn) {
  EXPECT_EQ(named_application(said(), "reports"), "reports");
  EXPECT_EQ(named_application(said(), "psql"), "");
  EXPECT_EQ(named_application(said(), ""), "");
}

TEST(Limits, ALimitSaysWhoseItIs) {
  const PoolName name{"app", "bob", Port::read_write, "reports"};
  EXPECT_EQ(said_by(Level::pool, "server_limit", name), "pool_size");
  EXPECT_EQ(said_by(Level::application, "server_limit", name),
            "server_limit of the application \"reports\"");
  EXPECT_EQ(said_by(Level::user, "client_limit", name), "client_limit of the user \"bob\"");
  EXPECT_EQ(said_by(Level::database, "client_limit", name), "client_limit of the database \"app\"");
  EXPECT_EQ(said_by(Level::all, "server_limit", name), "server_limit");
}

TEST(Limits, LifetimesAreSpreadOverATenth) {
  std::set<std::int64_t> spent;
  for (std::uint64_t number = 1; number <= 20; ++number) {
    const Millis lifetime = spread_lifetime(Millis{3'600'000}, number);
    EXPECT_LE(lifetime, Millis{3'600'000});
    EXPECT_GE(lifetime, Millis{3'240'000});
    spent.insert(lifetime.count() / 10'000);
  }
  EXPECT_GE(spent.size(), 12U) << "they end together";
  EXPECT_EQ(spread_lifetime(Millis{0}, 7), Millis{0});
  EXPECT_LE(spread_lifetime(Millis{500}, 7), Millis{500});
}

}  // namespace
}  // namespace evergres::proxy

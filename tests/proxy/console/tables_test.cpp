#include "proxy/console/tables.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "proxy/console/stats_history.hpp"

namespace evergres::proxy {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t some_day = 1'795'242'504'123;  // 2026-11-21 06:28:24.123

SocketFacts a_client(std::uint64_t id) {
  SocketFacts client;
  client.id = id;
  client.user = "app_rw";
  client.database = "app";
  client.state = "waiting";
  client.address = "10.0.0.7";
  client.port = 40'001;
  client.local_address = "10.0.0.1";
  client.local_port = 5432;
  client.connected_wall_ms = some_day;
  client.requested_wall_ms = some_day + 61'000;
  client.wait_us = 2'500'000;
  client.tls = "TLSv1.3/TLS_AES_256_GCM_SHA384";
  client.application = "orders";
  client.statements = 3;
  client.unread = 17;
  return client;
}

SocketFacts a_server(std::uint64_t id) {
  SocketFacts server = a_client(id);
  server.state = "new";
  server.link = 9;
  server.port = 15'432;
  server.wait_us = 0;
  server.close_needed = true;
  server.remote_pid = 4242;
  server.unread = 0;
  return server;
}

PoolFacts a_pool(std::string database, std::uint32_t base) {
  PoolFacts pool{std::move(database), "app_rw"};
  std::uint32_t next = base;
  for (const auto number :
       {&PoolFacts::clients_active, &PoolFacts::clients_waiting, &PoolFacts::cancels_sent,
        &PoolFacts::cancels_waiting, &PoolFacts::servers_active, &PoolFacts::servers_cancelling,
        &PoolFacts::servers_cancelled, &PoolFacts::servers_idle, &PoolFacts::servers_used,
        &PoolFacts::servers_tested, &PoolFacts::servers_login}) {
    pool.*number = next++;
  }
  pool.longest_wait_us = base * 1'500'001ULL;
  pool.mode = PoolMode::transaction;
  return pool;
}

StatsTotals some_totals(std::uint64_t base) {
  StatsTotals totals;
  for (const auto member : stats_members) totals.*member = base++ * 600;
  return totals;
}

ShardSnapshot first_shard() {
  ShardSnapshot shard;
  shard.pools = {a_pool("shop", 1), a_pool("app", 100)};
  shard.clients = {a_client(9)};
  shard.servers = {a_server(10)};
  DatabaseFacts app{"app", "n1.example", 15'432, "app"};
  app.pool_size = 20;
  app.reserve_pool_size = 5;
  app.server_lifetime_s = 3600;
  app.mode = PoolMode::session;
  app.server_limit = 50;
  app.servers = 3;
  app.clients = 4;
  shard.databases = {app};
  UserFacts user{"app_rw"};
  user.servers = 2;
  user.clients = 3;
  shard.users = {user};
  shard.memory = {{"client", 1024, 3, 2}, {"server", 2048, 1, 0}};
  shard.totals = {{"app", some_totals(1)}};
  shard.times["app"].wait.record(100);
  shard.times["app"].query.record(1'000'000);
  shard.clients_in_login = 1;
  return shard;
}

ShardSnapshot second_shard() {
  ShardSnapshot shard = first_shard();
  shard.pools.pop_back();
  shard.clients = {a_client(11)};
  shard.servers.clear();
  shard.databases[0].paused = true;
  shard.databases.push_back({"shop", "", 0, "shop"});
  shard.users.insert(shard.users.begin(), UserFacts{"zoe", 7, 2, PoolMode::transaction, 9, 1, 8});
  shard.totals["shop"] = some_totals(1000);
  return shard;
}

Snapshot a_snapshot() {
  const std::array shards{first_shard(), second_shard()};
  Snapshot snapshot;
  snapshot.all = merged(shards);
  const StatsHistory history(Instant{});
  const Instant now = Instant{} + 60s;
  snapshot.averages = history.averages(now, snapshot.all.totals);
  snapshot.total_averages = history.total_averages(now, snapshot.all.totals);
  Configuration configuration;
  configuration.admins = {"dba", "root"};
  configuration.query_timeout = 1500ms;
  snapshot.config = config_facts(configuration);
  snapshot.version = "0.4.0";
  return snapshot;
}

std::string_view type_word(ColumnType type) {
  switch (type) {
    case ColumnType::text: return "text";
    case ColumnType::int4: return "int4";
    case ColumnType::int8: return "int8";
    case ColumnType::numeric: return "numeric";
    case ColumnType::bytea: return "bytea";
  }
  return "?";
}

std::string table_text(Show show, const Snapshot& snapshot) {
  std::string text = std::string(word_of(show)) + "\n ";
  for (const Column& column : columns_of(show)) {
    text += " " + std::string(column.name) + ":" + std::string(type_word(column.type));
  }
  text += "\n";
  for (const TableRow& row : rows_of(show, snapshot)) {
    text += "  ";
    for (const auto& value : row) text += (value ? "'" + *value + "'" : "NULL") + " ";
    text.back() = '\n';
  }
  return text + "\n";
}

// EVERGRES_GOLDEN=rewrite writes the tables anew, to be reviewed as a diff.
TEST(ConsoleTables, AreTheGoldenOnes) {
  const auto path =
      std::filesystem::path(EVERGRES_SOURCE_DIR) / "tests/proxy/console/tables.golden";
  const Snapshot snapshot = a_snapshot();
  std::string text;
  for (const auto& entry : words(static_cast<const Show*>(nullptr))) {
    text += table_text(entry.value, snapshot);
  }
  const char* wish = std::getenv("EVERGRES_GOLDEN");
  if (wish != nullptr && std::string(wish) == "rewrite") std::ofstream(path) << text;
  std::ifstream in(path);
  std::ostringstream golden;
  golden << in.rdbuf();
  EXPECT_TRUE(golden.str() == text) << "EVERGRES_GOLDEN=rewrite shows the difference in git";
}

TEST(ConsoleTables, RowsAreAsWideAsTheirColumns) {
  const Snapshot snapshot = a_snapshot();
  for (const auto& entry : words(static_cast<const Show*>(nullptr))) {
    for (const TableRow& row : rows_of(entry.value, snapshot)) {
      EXPECT_EQ(row.size(), columns_of(entry.value).size()) << entry.word;
    }
  }
}

/// The names that Debian's prometheus-pgbouncer-exporter 1.7 looks up and cannot do without.
TEST(ConsoleTables, HaveWhatTheDistributionsExporterReads) {
  const auto has = [](Show show, std::string_view name) {
    for (const Column& column : columns_of(show)) {
      if (column.name == name) return true;
    }
    return false;
  };
  for (const char* name :
       {"database", "total_requests", "total_received", "total_sent", "total_query_time"}) {
    EXPECT_TRUE(has(Show::stats, name)) << name;
  }
  for (const char* name : {"database", "user", "cl_active", "cl_waiting"}) {
    EXPECT_TRUE(has(Show::pools, name)) << name;
  }
  for (const char* name : {"database", "pool_size", "reserve_pool"}) {
    EXPECT_TRUE(has(Show::databases, name)) << name;
  }
  std::set<std::string> lists;
  for (const TableRow& row : rows_of(Show::lists, a_snapshot())) lists.insert(*row[0]);
  for (const char* name :
       {"databases", "users", "pools", "free_clients", "used_clients", "login_clients",
        "free_servers", "used_servers", "dns_names", "dns_zones", "dns_queries", "dns_pending"}) {
    EXPECT_TRUE(lists.contains(name)) << name;
  }
}

TEST(StatsHistory, CountsPerSecondAndTimesPerEvent) {
  StatsHistory history(Instant{});
  StatsTotals totals;
  totals.queries = 600;
  totals.query_us = 6000;
  totals.received = 59;
  const StatsTotals first = history.averages(Instant{} + 60s, {{"app", totals}}).at("app");
  EXPECT_EQ(first.queries, 10U);
  EXPECT_EQ(first.query_us, 10U);
  EXPECT_EQ(first.received, 0U);
  EXPECT_EQ(first.transaction_us, 0U);
}

TEST(StatsHistory, LooksBackOneToTwoPeriods) {
  StatsHistory history(Instant{});
  EXPECT_EQ(history.next_sample(), Instant{} + 60s);
  StatsTotals totals;
  Instant now;
  const auto rate = [&] { return history.averages(now, {{"app", totals}}).at("app").queries; };
  for (int minute = 1; minute <= 3; ++minute) {
    now = now + 60s;
    totals.queries += 6000;
    history.sample(now, {{"app", totals}});
  }
  EXPECT_EQ(rate(), 100U);
  now = now + 60s;  // nothing in the last minute, 6000 in the one before
  EXPECT_EQ(rate(), 50U);
  history.sample(now, {{"app", totals}});
  EXPECT_EQ(rate(), 0U);
}

TEST(StatsHistory, AtTheSameInstantOrAfterACounterWentBackThereIsNothing) {
  StatsHistory history(Instant{});
  StatsTotals totals;
  totals.queries = 100;
  EXPECT_EQ(history.averages(Instant{}, {{"app", totals}}).at("app").queries, 0U);
  history.sample(Instant{} + 60s, {{"app", totals}});
  history.sample(Instant{} + 120s, {{"app", totals}});
  totals.queries = 10;
  EXPECT_EQ(history.averages(Instant{} + 180s, {{"app", totals}}).at("app").queries, 0U);
}

TEST(StatsHistory, TogetherTimesAreWeightedByEvents) {
  const StatsHistory history(Instant{});
  StatsTotals slow;
  slow.queries = 1;
  slow.query_us = 1000;
  StatsTotals fast;
  fast.queries = 9;
  EXPECT_EQ(history.total_averages(Instant{} + 10s, {{"a", slow}, {"b", fast}}).query_us, 100U);
  EXPECT_EQ(history.total_averages(Instant{} + 10s, {{"a", slow}, {"b", fast}}).queries, 1U);
}

}  // namespace
}  // namespace evergres::proxy

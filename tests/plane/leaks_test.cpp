#include <poll.h>

#include "plane/world.hpp"

/// What a client leaves on a server is never another client's.
namespace evergres::proxy::test {
namespace {

Configuration one_server(PoolMode mode) {
  Configuration configuration = usual(mode);
  configuration.pool_size = 1;
  return configuration;
}

class PlaneLeaks : public ::testing::TestWithParam<PoolMode> {};

/// Statements that change a session, and what shows it.
TEST_P(PlaneLeaks, NothingOfASessionReachesTheNextClient) {
  Endpoint endpoint(one_server(GetParam()));
  endpoint.lead(primary());
  primary().ask("GRANT bob TO alice; CREATE SCHEMA IF NOT EXISTS other");
  struct Case {
    const char* does;
    const char* shows;
    const char* clean;
  };
  const Case cases[] = {
      {"SET work_mem = '9MB'", "SHOW work_mem", "4MB"},
      {"SELECT set_config('work_mem', '9MB', false)", "SHOW work_mem", "4MB"},
      {"SET SESSION work_mem TO '9MB'; SELECT 1", "SHOW work_mem", "4MB"},
      {"BEGIN; SET work_mem = '9MB'; COMMIT", "SHOW work_mem", "4MB"},
      {"SET search_path = other", "SHOW search_path", "\"$user\", public"},
      {"SET ROLE bob", "SELECT current_user", "alice"},
      {"DO $$ BEGIN EXECUTE 'SET ROLE bob'; END $$", "SELECT current_user", "alice"},
      {"SET default_transaction_read_only = on", "SHOW transaction_read_only", "off"},
      {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SHOW transaction_read_only", "off"},
      {"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
       "SHOW transaction_isolation", "read committed"},
      {"SET statement_timeout = 1234", "SHOW statement_timeout", "0"},
      {"SET my.own = 'secret'", "SELECT coalesce(nullif(current_setting('my.own', true), ''), '-')",
       "-"},
      {"SET client_encoding = 'LATIN1'", "SHOW client_encoding", "UTF8"},
      {"SET TIME ZONE 'Asia/Tokyo'", "SELECT current_setting('TimeZone') = 'Asia/Tokyo'", "f"},
      {"CREATE TEMP TABLE mine (x int)", "SELECT count(*) FROM pg_class WHERE relname = 'mine'",
       "0"},
      {"PREPARE mine AS SELECT 1",
       "SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'", "0"},
      {"DECLARE mine CURSOR WITH HOLD FOR SELECT 1", "SELECT count(*) FROM pg_cursors", "0"},
      {"SELECT pg_advisory_lock(77)", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
       "0"},
      {"LISTEN news", "SELECT count(*) FROM pg_listening_channels()", "0"},
  };
  for (const Case& each : cases) {
    {
      Client one(endpoint.dsn());
      ASSERT_TRUE(one.connected()) << one.problem();
      EXPECT_TRUE(one.ask(each.does).fine) << each.does;
    }
    Client two(endpoint.dsn());
    EXPECT_EQ(each.clean, two.value(each.shows)) << each.does;
  }
}
INSTANTIATE_TEST_SUITE_P(Modes, PlaneLeaks,
                         ::testing::Values(PoolMode::session, PoolMode::transaction));

TEST(PlanePooling, SettingsStayWithTheirClientWhileServersAreShared) {
  Endpoint endpoint(one_server(PoolMode::transaction));
  endpoint.lead(primary());
  Client one(endpoint.dsn()), two(endpoint.dsn()), three(endpoint.dsn());
  EXPECT_TRUE(one.ask("SET work_mem = '11MB'").fine);
  EXPECT_TRUE(two.ask("SET work_mem = '12MB'").fine);
  EXPECT_TRUE(one.ask("SET application_name = 'first'").fine);
  EXPECT_TRUE(two.ask_with("SET search_path = pg_catalog, public", {}).fine);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ("11MB", one.value("SHOW work_mem"));
    EXPECT_EQ("12MB", two.value("SHOW work_mem"));
    EXPECT_EQ("4MB", three.value("SHOW work_mem"));
    EXPECT_EQ("first", one.value("SHOW application_name"));
    EXPECT_EQ("", three.value("SHOW application_name"));
    EXPECT_EQ("pg_catalog, public", two.value("SHOW search_path"));
    EXPECT_EQ("\"$user\", public", one.value("SHOW search_path"));
  }
  EXPECT_TRUE(one.ask("RESET work_mem").fine);
  EXPECT_EQ("12MB", two.value("SHOW work_mem"));
  EXPECT_EQ("4MB", one.value("SHOW work_mem"));
  EXPECT_TRUE(two.ask("DISCARD ALL").fine);
  EXPECT_EQ("4MB", two.value("SHOW work_mem"));
  EXPECT_EQ("first", one.value("SHOW application_name"));
}

TEST(PlanePooling, ASettingThatWasTakenBackIsNotSetAgain) {
  Endpoint endpoint(one_server(PoolMode::transaction));
  endpoint.lead(primary());
  Client one(endpoint.dsn()), two(endpoint.dsn());
  for (const char* sql : {"BEGIN", "SET work_mem = '11MB'", "ROLLBACK"}) one.ask(sql);
  EXPECT_EQ("4MB", two.value("SHOW work_mem"));
  EXPECT_EQ("4MB", one.value("SHOW work_mem"));
  for (const char* sql :
       {"BEGIN", "SAVEPOINT s", "SET work_mem = '11MB'", "ROLLBACK TO s", "COMMIT"}) {
    EXPECT_TRUE(one.ask(sql).fine);
  }
  two.ask("SET work_mem = '12MB'");
  EXPECT_EQ("4MB", one.value("SHOW work_mem"));
  for (const char* sql : {"BEGIN", "SET LOCAL work_mem = '11MB'", "COMMIT"}) one.ask(sql);
  two.ask("SET work_mem = '13MB'");
  EXPECT_EQ("4MB", one.value("SHOW work_mem"));
  EXPECT_FALSE(one.ask("SET work_mem = 'nonsense'").fine);
  EXPECT_EQ("13MB", two.value("SHOW work_mem"));
  EXPECT_EQ("4MB", one.value("SHOW work_mem"));
}

TEST(PlanePooling, ASettingThatCannotBeRestoredEndsTheSession) {
  Endpoint endpoint(one_server(PoolMode::transaction));
  endpoint.lead(primary());
  primary().ask("CREATE TEXT SEARCH CONFIGURATION public.mine (COPY = simple)");
  Client one(endpoint.dsn()), two(endpoint.dsn());
  EXPECT_TRUE(one.ask("SET default_text_search_config = 'public.mine'").fine);
  EXPECT_TRUE(two.ask("SET work_mem = '12MB'").fine);
  primary().ask("DROP TEXT SEARCH CONFIGURATION public.mine");
  const Told told = one.ask("SELECT 1");
  EXPECT_FALSE(told.fine);
  EXPECT_EQ("57P01", told.sqlstate) << told;
  EXPECT_EQ("12MB", two.value("SHOW work_mem"));
}

TEST(PlanePooling, ASessionKeepsWhatItHasInSessionMode) {
  Endpoint endpoint(usual(PoolMode::session));
  endpoint.lead(primary());
  Client one(endpoint.dsn()), two(endpoint.dsn());
  EXPECT_TRUE(one.ask("CREATE TEMP TABLE mine AS SELECT 5 AS x").fine);
  EXPECT_TRUE(two.ask("SELECT 1").fine);
  EXPECT_EQ("5", one.value("SELECT x FROM mine"));
  EXPECT_EQ("t", one.value("SELECT pg_try_advisory_lock(5)"));
  EXPECT_EQ("f", two.value("SELECT pg_try_advisory_lock(5)"));
  EXPECT_TRUE(one.ask("LISTEN news").fine);
  EXPECT_TRUE(two.ask("NOTIFY news, 'hello'").fine);
  PGnotify* heard = nullptr;
  EXPECT_TRUE(eventually([&] {
    PQconsumeInput(one.connection());
    heard = PQnotifies(one.connection());
    return heard != nullptr;
  }));
  ASSERT_NE(nullptr, heard);
  EXPECT_STREQ("hello", heard->extra);
  PQfreemem(heard);
}

TEST(PlanePooling, TransactionsShareServersAndNothingElse) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.pool_size = 2;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(std::make_unique<Client>(endpoint.dsn()));
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 8; ++i) {
      clients[static_cast<std::size_t>(i)]->begin("SELECT pg_sleep(0.01), " + std::to_string(i));
    }
    for (int i = 0; i < 8; ++i) {
      const Told told = clients[static_cast<std::size_t>(i)]->end();
      ASSERT_TRUE(told.fine) << told;
      EXPECT_EQ(std::to_string(i), told.rows[0][1]);
    }
  }
  EXPECT_EQ("2", primary().value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'alice'"));
}

TEST(PlanePooling, AFullPoolIsFirstInFirstOutWithADeadline) {
  Configuration configuration = one_server(PoolMode::transaction);
  configuration.query_wait_timeout = Millis{400};
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client busy(endpoint.dsn()), first(endpoint.dsn()), second(endpoint.dsn());
  EXPECT_TRUE(busy.ask("BEGIN").fine);
  first.begin("SELECT 1");
  const Told late = first.end();
  EXPECT_EQ("57014", late.sqlstate) << late;
  EXPECT_TRUE(first.connected());
  first.begin(
      "INSERT INTO journal VALUES ('fifo-1-' || (SELECT count(*) FROM journal "
      "WHERE token LIKE 'fifo%'))");
  poll(nullptr, 0, 50);
  second.begin(
      "INSERT INTO journal VALUES ('fifo-2-' || (SELECT count(*) FROM journal "
      "WHERE token LIKE 'fifo%'))");
  poll(nullptr, 0, 50);
  EXPECT_TRUE(busy.ask("COMMIT").fine);
  EXPECT_TRUE(first.end().fine);
  EXPECT_TRUE(second.end().fine);
  EXPECT_EQ("fifo-1-0,fifo-2-1", primary().value("SELECT string_agg(token, ',' ORDER BY token) "
                                                 "FROM journal WHERE token LIKE 'fifo%'"));
  primary().ask("DELETE FROM journal");
}

TEST(PlanePooling, ClientsWithOtherStartupSettingsGetTheirTurn) {
  Configuration configuration = one_server(PoolMode::transaction);
  configuration.query_wait_timeout = Millis{8'000};
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  std::atomic<bool> stop{false};
  std::vector<std::thread> crowd;
  for (int i = 0; i < 4; ++i) {
    crowd.emplace_back([&] {
      Client client(endpoint.dsn());
      while (!stop) EXPECT_TRUE(client.ask("SELECT pg_sleep(0.005)").fine);
    });
  }
  Client other(endpoint.dsn("alice", "options='-c work_mem=7MB'"));
  EXPECT_TRUE(other.connected()) << other.problem();
  if (other.connected()) {
    EXPECT_EQ("7MB", other.value("SHOW work_mem"));
    EXPECT_EQ("7MB", other.value("SHOW work_mem"));
  }
  stop = true;
  for (std::thread& each : crowd) each.join();
}

TEST(PlanePooling, TimesAreKept) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.idle_transaction_timeout = Millis{300};
  configuration.query_timeout = Millis{600};
  configuration.client_idle_timeout = Millis{1500};
  configuration.server_lifetime = Millis{500};
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client idle(endpoint.dsn()), sleeper(endpoint.dsn()), quiet(endpoint.dsn());
  const std::string pid = quiet.value("SELECT pg_backend_pid()");
  EXPECT_TRUE(idle.ask("BEGIN; INSERT INTO journal VALUES ('idle')").fine);
  const Told late = sleeper.ask("SELECT pg_sleep(10)");
  EXPECT_EQ("57014", late.sqlstate) << late;
  EXPECT_TRUE(sleeper.connected());
  EXPECT_TRUE(eventually([&] {
    PQconsumeInput(idle.connection());
    return !idle.connected();
  })) << "the idle transaction goes on";
  EXPECT_TRUE(eventually([&] {
    return primary().value("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid) == "0";
  })) << "the old server goes on";
  EXPECT_TRUE(eventually([&] {
    PQconsumeInput(quiet.connection());
    return !quiet.connected();
  })) << "the idle client goes on";
  EXPECT_EQ("0", primary().value("SELECT count(*) FROM journal"));
}

}  // namespace
}  // namespace evergres::proxy::test

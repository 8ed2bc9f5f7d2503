#include "proxy/session/statement_timeout.hpp"

#include "plane/world.hpp"

/// What statement_timeout is in force for a statement that waits for a leader, wherever it was
/// said.
namespace evergres::proxy::test {
namespace {

class PlaneStatementTimeout : public ::testing::Test {
 protected:
  // What the tests ask past the endpoint has all the time that it needs.
  void SetUp() override { say({"ALTER ROLE CURRENT_USER SET statement_timeout = 0"}); }
  void TearDown() override {
    say({"ALTER SYSTEM RESET statement_timeout", "ALTER ROLE ALL RESET statement_timeout",
         "ALTER DATABASE app RESET statement_timeout", "ALTER ROLE alice RESET statement_timeout",
         "ALTER ROLE alice IN DATABASE app RESET statement_timeout",
         "ALTER ROLE CURRENT_USER RESET statement_timeout"});
    reload();
  }

  static void say(const std::vector<std::string>& commands) {
    for (const std::string& command : commands) {
      const Told told = primary().ask(command);
      EXPECT_TRUE(told.fine) << command << told;
    }
  }

  /// New sessions have what the configuration file says now.
  static void reload() {
    const std::string loaded = primary().value("SELECT pg_conf_load_time()");
    say({"SELECT pg_reload_conf()"});
    EXPECT_TRUE(
        eventually([&] { return primary().value("SELECT pg_conf_load_time()") != loaded; }));
  }

  static Configuration with_auth_query(PoolMode mode) {
    Configuration is = usual(mode);
    is.auth_file.clear();
    is.auth_user = is.auth_password = "asker";
    is.auth_database = "app";
    return is;
  }

  /// What becomes of a statement of `client` while there is no leader for longer than 0.6 s: an
  /// SQLSTATE, or what it is answered afterwards.
  static std::string wait(Endpoint& endpoint, Client& client) {
    Client clock(endpoint.dsn("bob"));
    EXPECT_TRUE(clock.ask("SET statement_timeout = '0.6s'").fine);
    endpoint.vacant();
    client.begin("SELECT 'answered'");
    const Told late = clock.ask("SELECT 1");
    EXPECT_EQ("57014", late.sqlstate) << late;
    endpoint.lead(primary());
    const Told told = client.end();
    EXPECT_TRUE(client.connected());
    return told.fine ? told.first() : told.sqlstate;
  }
};

/// Each is more particular than the one before, and counts instead of it.
TEST_F(PlaneStatementTimeout, IsWhatANewSessionWouldHave) {
  for (const Configuration& configuration :
       {usual(PoolMode::session), with_auth_query(PoolMode::transaction)}) {
    Endpoint endpoint(configuration);
    endpoint.lead(primary());
    const auto waits = [&] {
      Client alice(endpoint.dsn());
      EXPECT_EQ("1", alice.value("SELECT 1"));
      return wait(endpoint, alice);
    };
    EXPECT_EQ("answered", waits());
    say({"ALTER SYSTEM SET statement_timeout = '300ms'"});
    reload();
    endpoint.lead(primary());
    EXPECT_EQ("57014", waits()) << "of the configuration file";
    say({"ALTER ROLE ALL SET statement_timeout = 0"});
    endpoint.lead(primary());
    EXPECT_EQ("answered", waits()) << "of all roles";
    say({"ALTER DATABASE app SET statement_timeout = '0.3 s'"});
    endpoint.lead(primary());
    EXPECT_EQ("57014", waits()) << "of the database";
    say({"ALTER ROLE alice SET statement_timeout = '1d'"});
    endpoint.lead(primary());
    EXPECT_EQ("answered", waits()) << "of the role";
    say({"ALTER ROLE alice IN DATABASE app SET statement_timeout = 300"});
    endpoint.lead(primary());
    EXPECT_EQ("57014", waits()) << "of the role in the database";
    TearDown();
    SetUp();
  }
}

/// What is there already keeps what it began with.
TEST_F(PlaneStatementTimeout, AChangeIsSeenWithTheNextServerConnection) {
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary());
  Client alice(endpoint.dsn());
  EXPECT_EQ("0", alice.value("SHOW statement_timeout"));
  say({"ALTER ROLE alice SET statement_timeout = '300ms'"});
  EXPECT_EQ("0", alice.value("SHOW statement_timeout"));
  EXPECT_EQ("answered", wait(endpoint, alice));
  EXPECT_EQ("300ms", alice.value("SHOW statement_timeout"));
  EXPECT_EQ("57014", wait(endpoint, alice));
  say({"ALTER ROLE alice RESET statement_timeout"});
  endpoint.lead(primary());
  EXPECT_EQ("0", alice.value("SHOW statement_timeout"));
  EXPECT_EQ("answered", wait(endpoint, alice));
}

TEST_F(PlaneStatementTimeout, AClientsOwnWordCountsUntilItIsTakenBack) {
  say({"ALTER ROLE alice SET statement_timeout = '300ms'"});
  for (const PoolMode mode : {PoolMode::session, PoolMode::transaction}) {
    Configuration configuration = usual(mode);
    configuration.pool_size = 10;
    Endpoint endpoint(configuration);
    endpoint.lead(primary());
    Client began(endpoint.dsn("alice", "options='-c statement_timeout=1min'"));
    EXPECT_EQ("1min", began.value("SHOW statement_timeout"));
    EXPECT_EQ("answered", wait(endpoint, began));
    Client said(endpoint.dsn());
    EXPECT_TRUE(said.ask("SET statement_timeout = 0").fine);
    EXPECT_EQ("answered", wait(endpoint, said));
    for (const char* back : {"RESET statement_timeout", "RESET ALL", "DISCARD ALL",
                             "SET statement_timeout TO DEFAULT"}) {
      EXPECT_TRUE(said.ask("SET statement_timeout = 0").fine);
      EXPECT_TRUE(said.ask(back).fine);
      EXPECT_EQ("57014", wait(endpoint, said)) << back;
    }
    EXPECT_TRUE(began.ask("SET statement_timeout = '0.3s'").fine);
    EXPECT_EQ("57014", wait(endpoint, began));
    EXPECT_TRUE(began.ask("RESET statement_timeout").fine);
    EXPECT_EQ("answered", wait(endpoint, began)) << "it goes back to what it began with";
  }
}

/// On the server set_config() spells the value as SHOW does, and an interval reads that.
TEST_F(PlaneStatementTimeout, IsReadAsTheServerReadsIt) {
  for (const std::string text :
       {"0",          "1",     "1500",   "90000",      "120000",  "5s",      " 1.5 min ",
        "2h",         "1d",    "1500us", "999us",      "0.33min", "0.021 d", "0.0004s",
        "0.7ms",      "1e3",   ".5s",    "2147483647", "1.4999",  "2.5",     "0.3 h",
        "1.00001min", "7.77d", "500 us", "1500 us",    "2500 us", "0x100",   "0X1fs",
        "010",        "010.5", "00",     "+7",         "0e3",     "01e3"}) {
    const auto millis = [](std::string_view said) {
      return std::to_string(read_timeout(said).value_or(Millis{0}).count());
    };
    const Told told = primary().ask(
        "SELECT shown, (extract(epoch FROM shown::interval) * 1000)"
        "::bigint FROM set_config('statement_timeout', '" +
        text + "', false) shown");
    ASSERT_TRUE(told.fine) << text << told;
    EXPECT_EQ(told.rows[0][1], millis(text)) << text;
    EXPECT_EQ(told.rows[0][1], millis(told.rows[0][0])) << text;
  }
}

}  // namespace
}  // namespace evergres::proxy::test

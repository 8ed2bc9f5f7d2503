#include <poll.h>

#include <csignal>

#include "plane/world.hpp"

/// What a client is told when its server goes away: decision 0035, on real servers.
namespace evergres::proxy::test {
namespace {

class PlaneFailover : public ::testing::Test {
 protected:
  void SetUp() override { primary().ask("TRUNCATE journal"); }
  void TearDown() override { primary().ask("ALTER SYSTEM RESET ALL; SELECT pg_reload_conf()"); }

  static std::string journal(const std::string& token) {
    return primary().value("SELECT count(*) FROM journal WHERE token = '" + token + "'");
  }
};

TEST_F(PlaneFailover, AnIdleClientNoticesNothing) {
  for (const PoolMode mode : {PoolMode::session, PoolMode::transaction}) {
    Endpoint endpoint(usual(mode));
    endpoint.lead(primary());
    Client client(endpoint.dsn());
    EXPECT_TRUE(client.ask("SET work_mem = '9MB'").fine);
    EXPECT_TRUE(client.prepare("mine", "SELECT 5").fine);
    const std::string pid = client.value("SELECT pg_backend_pid()");
    endpoint.vacant();
    client.begin("SHOW work_mem");
    endpoint.lead(primary());
    EXPECT_EQ("9MB", client.end().first());
    EXPECT_EQ("5", client.execute("mine").first());
    EXPECT_NE(pid, client.value("SELECT pg_backend_pid()"));
    primary().ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'alice'");
    EXPECT_EQ("9MB", client.value("SHOW work_mem"));
  }
}

TEST_F(PlaneFailover, ASessionThatHasLostSomethingEndsTruthfully) {
  Endpoint endpoint(usual(PoolMode::session));
  endpoint.lead(primary());
  for (const char* sql : {"CREATE TEMP TABLE mine (x int)", "SELECT pg_advisory_lock(4)",
                          "DECLARE mine CURSOR WITH HOLD FOR SELECT 1", "LISTEN news",
                          "SET ROLE alice", "PREPARE mine AS SELECT 1"}) {
    Client client(endpoint.dsn());
    EXPECT_TRUE(client.ask(sql).fine) << sql;
    endpoint.lead(primary());
    const Told told = client.ask("SELECT 1");
    EXPECT_EQ("57P01", told.sqlstate) << sql << ": " << told;
    EXPECT_FALSE(client.connected()) << sql;
  }
}

/// Nothing that was notified is lost without its listener being told, who may never ask anything.
TEST_F(PlaneFailover, WhoListensIsToldAtOnceThatItMissesSomething) {
  Endpoint endpoint(usual(PoolMode::session));
  endpoint.lead(primary());
  Client listener(endpoint.dsn()), speaker(endpoint.dsn());
  EXPECT_TRUE(listener.ask("LISTEN news").fine);
  EXPECT_TRUE(speaker.ask("NOTIFY news, 'first'").fine);
  EXPECT_NE(std::string::npos, listener.raw_read('A').find("first"));
  endpoint.vacant();
  const std::string told = listener.raw_read('Z');
  EXPECT_NE(std::string::npos, told.find("57P01")) << told;
  EXPECT_NE(std::string::npos, told.find("Notifications may have been lost")) << told;
}

TEST_F(PlaneFailover, AnOpenTransactionIsToldOnceAndTheClientStays) {
  for (const PoolMode mode : {PoolMode::session, PoolMode::transaction}) {
    Endpoint endpoint(usual(mode));
    endpoint.lead(primary());
    Client client(endpoint.dsn());
    client.ask("BEGIN");
    EXPECT_TRUE(client.ask("INSERT INTO journal VALUES ('open')").fine);
    endpoint.lead(primary());
    EXPECT_EQ("40001", client.ask("SELECT 1").sqlstate);
    EXPECT_EQ(PQTRANS_INERROR, PQtransactionStatus(client.connection()));
    EXPECT_EQ("25P02", client.ask("SELECT 1").sqlstate);
    EXPECT_EQ("25P02", client.ask_with("SELECT 1", {}).sqlstate);
    EXPECT_EQ("ROLLBACK", client.ask("COMMIT").tag);
    EXPECT_EQ("1", client.value("SELECT 1"));
    EXPECT_EQ("0", journal("open"));
    // COMMIT as the first word behind it: it failed.
    client.ask("BEGIN");
    client.ask("INSERT INTO journal VALUES ('open')");
    endpoint.lead(primary());
    EXPECT_EQ("40001", client.ask("COMMIT").sqlstate);
    EXPECT_EQ(PQTRANS_IDLE, PQtransactionStatus(client.connection()));
    EXPECT_EQ("0", journal("open"));
    // ROLLBACK: that is what happened.
    client.ask("BEGIN");
    client.ask("INSERT INTO journal VALUES ('open')");
    endpoint.lead(primary());
    EXPECT_EQ("ROLLBACK", client.ask("ROLLBACK").tag);
    EXPECT_EQ("1", client.value("SELECT 1"));
  }
}

TEST_F(PlaneFailover, AStatementInATransactionThatIsCut) {
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary());
  Client client(endpoint.dsn()), autocommit(endpoint.dsn());
  client.ask("BEGIN");
  client.begin("SELECT pg_sleep(30)");
  EXPECT_TRUE(eventually([] {
    return primary().value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") ==
           "1";
  }));
  endpoint.lead(primary());
  EXPECT_EQ("40001", client.end().sqlstate);
  EXPECT_EQ("ROLLBACK", client.ask("ROLLBACK").tag);
  // A backend that is told to go says so: the statement is done again.
  autocommit.begin("INSERT INTO journal SELECT 'again' FROM pg_sleep(0.7)");
  EXPECT_TRUE(eventually([] {
    return primary().value(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT%' AND "
               "wait_event = 'PgSleep'") == "1";
  }));
  primary().ask(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT%'");
  const Told told = autocommit.end();
  EXPECT_TRUE(told.fine) << told;
  EXPECT_EQ("1", journal("again"));
}

TEST_F(PlaneFailover, WaitsInTheQueueAndIsLetGoInOrder) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.hold_timeout = Millis{2'500};
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(std::make_unique<Client>(endpoint.dsn()));
  endpoint.vacant();
  for (int i = 0; i < 12; ++i) {
    clients[static_cast<std::size_t>(i)]->begin("SELECT " + std::to_string(i));
  }
  Client cancelled(endpoint.dsn());
  cancelled.begin("SELECT 1");
  poll(nullptr, 0, 50);
  EXPECT_TRUE(cancelled.cancel());
  EXPECT_EQ("57014", cancelled.end().sqlstate);
  EXPECT_TRUE(cancelled.connected());
  clients[3]->drop();
  endpoint.lead(primary());
  for (int i = 0; i < 12; ++i) {
    if (i != 3) {
      EXPECT_EQ(std::to_string(i), clients[static_cast<std::size_t>(i)]->end().first());
    }
  }
  endpoint.vacant();
  const Told late = cancelled.ask("SELECT 1");
  EXPECT_EQ("57P03", late.sqlstate) << late;
  EXPECT_TRUE(cancelled.connected());
  endpoint.lead(primary());
  EXPECT_EQ("2", cancelled.value("SELECT 2"));
}

TEST_F(PlaneFailover, WhoeverWaitedFirstIsServedFirst) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.pool_size = 1;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  primary().ask("CREATE SEQUENCE IF NOT EXISTS turn; GRANT ALL ON turn TO PUBLIC");
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(std::make_unique<Client>(endpoint.dsn()));
  endpoint.vacant();
  for (const auto& client : clients) {
    client->begin("SELECT nextval('turn')");
    poll(nullptr, 0, 5);
  }
  endpoint.lead(primary());
  int last = 0;
  for (const auto& client : clients) {
    const int turn = std::stoi("0" + client->end().first());
    EXPECT_LT(last, turn);
    last = turn;
  }
}

TEST_F(PlaneFailover, ADrainLetsTransactionsEndAndHoldsNewOnes) {
  for (const PoolMode mode : {PoolMode::session, PoolMode::transaction}) {
    Endpoint endpoint(usual(mode));
    endpoint.lead(primary());
    Client busy(endpoint.dsn()), held(endpoint.dsn());
    EXPECT_TRUE(held.ask("SELECT 1").fine);
    busy.ask("BEGIN");
    endpoint.drain(true);
    EXPECT_EQ("1", busy.value("SELECT 1"));
    held.begin("SELECT 2");
    poll(nullptr, 0, 50);
    PQconsumeInput(held.connection());
    EXPECT_EQ(1, PQisBusy(held.connection()));
    EXPECT_EQ("COMMIT", busy.ask("COMMIT").tag);
    endpoint.vacant();
    endpoint.lead(primary());
    EXPECT_EQ("2", held.end().first());
    endpoint.drain(true);
    endpoint.drain(false);
    EXPECT_EQ("3", held.value("SELECT 3"));
  }
}

/// The success of a COMMIT whose wait was cancelled is never told.
TEST_F(PlaneFailover, ACancelledWaitForStandbysIsNoSuccess) {
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary());
  Client client(endpoint.dsn()), single(endpoint.dsn());
  let_commits_wait();
  client.ask("BEGIN");
  client.ask("INSERT INTO journal VALUES ('cancelled')");
  client.begin("COMMIT");
  EXPECT_TRUE(somebody_waits());
  // The client's own cancel does not reach it.
  EXPECT_TRUE(client.cancel());
  poll(nullptr, 0, 100);
  PQconsumeInput(client.connection());
  EXPECT_EQ(1, PQisBusy(client.connection()));
  primary().ask("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
  EXPECT_EQ("08007", client.end().sqlstate);
  single.begin("INSERT INTO journal VALUES ('single')");
  EXPECT_TRUE(somebody_waits());
  EXPECT_TRUE(single.cancel());
  poll(nullptr, 0, 1'500);
  PQconsumeInput(single.connection());
  EXPECT_EQ(1, PQisBusy(single.connection())) << "a single statement that commits was cancelled";
  EXPECT_TRUE(somebody_waits());
  primary().ask("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
  EXPECT_EQ("08007", single.end().sqlstate);
  EXPECT_EQ("1", client.value("SELECT 1"));
  EXPECT_EQ("1", single.value("SELECT 1"));
  let_commits_go();
}

/// The backend is told to go while its COMMIT waits: it warns and says nothing more.
TEST_F(PlaneFailover, ATerminatedWaitForStandbysLeavesAUsableClient) {
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary());
  Client client(endpoint.dsn());
  let_commits_wait();
  client.ask("BEGIN");
  client.ask("INSERT INTO journal VALUES ('terminated')");
  client.begin("COMMIT");
  EXPECT_TRUE(somebody_waits());
  primary().ask(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
  poll(nullptr, 0, 50);
  let_commits_go();
  int errors = 0, successes = 0;
  std::string sqlstate;
  while (PGresult* result = client.next()) {
    if (PQresultStatus(result) == PGRES_COMMAND_OK) ++successes;
    if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
      ++errors;
      sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    }
    PQclear(result);
  }
  EXPECT_EQ(1, errors + successes) << "one COMMIT has one answer";
  if (errors > 0) {
    EXPECT_EQ("08007", sqlstate);
  }
  EXPECT_EQ("5", client.value("SELECT 5"));
  EXPECT_EQ("6", client.value("SELECT 6"));
}

/// The COMMIT arrived, its answer did not, the same server goes on leading.
TEST_F(PlaneFailover, ALostAnswerWithinATermIsLookedFor) {
  Relay relay(primary().port());
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary(), relay.port());
  Client client(endpoint.dsn());
  client.ask("BEGIN");
  EXPECT_TRUE(client.ask("INSERT INTO journal VALUES ('answer')").fine);
  let_commits_wait();
  client.begin("COMMIT");
  EXPECT_TRUE(somebody_waits());
  relay.mute();
  let_commits_go();
  EXPECT_TRUE(eventually([] { return journal("answer") == "1"; }));
  relay.cut();
  const Told told = client.end();
  EXPECT_TRUE(told.fine) << told;
  EXPECT_EQ("COMMIT", told.tag);
  EXPECT_EQ("5", client.value("SELECT 5"));
}

/// Nobody waits longer for a fate than hold_timeout, and no server is lost by it.
TEST_F(PlaneFailover, AFateThatCannotBeFoundOutIsUnknownInTime) {
  Relay relay(primary().port());
  Configuration configuration = usual(PoolMode::transaction);
  configuration.pool_size = 1;
  configuration.hold_timeout = Millis{1'000};
  Endpoint endpoint(configuration);
  endpoint.lead(primary(), relay.port());
  Client client(endpoint.dsn());
  client.ask("BEGIN");
  EXPECT_TRUE(client.ask("INSERT INTO journal VALUES ('late')").fine);
  let_commits_wait();
  client.begin("COMMIT");
  EXPECT_TRUE(somebody_waits());
  relay.mute();
  let_commits_go();
  EXPECT_TRUE(eventually([] { return journal("late") == "1"; }));
  // The proof that standbys have it waits for them, too.
  let_commits_wait();
  relay.cut();
  EXPECT_EQ("08007", client.end().sqlstate);
  let_commits_go();
  EXPECT_EQ("5", client.value("SELECT 5"));
  Client next(endpoint.dsn());
  EXPECT_EQ("5", next.value("SELECT 5"));
}

/// Nobody is told that something failed which may have happened.
TEST_F(PlaneFailover, ACommitInALaterRequestOfAPipelineCounts) {
  const auto query = [](const std::string& sql) { return message('Q', sql + '\0'); };
  for (const bool inside : {true, false}) {
    Relay relay(primary().port());
    Endpoint endpoint(usual(PoolMode::transaction));
    endpoint.lead(primary(), relay.port());
    Client client(endpoint.dsn());
    EXPECT_TRUE(client.ask("SELECT 1").fine);
    if (inside) {
      EXPECT_TRUE(client.ask("BEGIN").fine);
    }
    relay.mute();
    const std::string token = inside ? "inside" : "outside";
    std::string all = inside ? "" : query("BEGIN");
    all += query("INSERT INTO journal VALUES ('" + token + "')") + query("COMMIT");
    client.raw_send(all);
    EXPECT_TRUE(eventually([&] { return journal(token) == "1"; }));
    relay.cut();
    const std::string told = client.raw_read('Z', inside ? 2 : 3);
    EXPECT_NE(std::string::npos, told.find("08007")) << told;
    EXPECT_EQ(std::string::npos, told.find("40001")) << told;
    EXPECT_EQ(std::string::npos, told.find("stuck"));
    client.raw_send(query("ROLLBACK"));
    client.raw_read('Z');
    EXPECT_EQ(std::string::npos,
              (client.raw_send(query("SELECT 'well'")), client.raw_read('Z')).find("ERROR"));
  }
}

/// An answer of the request was passed on before the server went: it cannot be sent again.
TEST_F(PlaneFailover, WhatWasAnsweredIsNotAnsweredAgain) {
  Relay relay(primary().port());
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary(), relay.port());
  Client client(endpoint.dsn());
  const std::string begin = message('P', std::string("\0BEGIN\0\0\0", 9)) +
                            message('B', std::string(8, '\0')) + message('E', std::string(5, '\0'));
  client.raw_send(begin + message('H', ""));
  EXPECT_NE(std::string::npos, client.raw_read('C').find("BEGIN"));
  relay.cut();
  client.raw_send(message('S', ""));
  const std::string told = client.raw_read('Z');
  EXPECT_EQ(std::string::npos, told.find("BEGIN")) << told;
  EXPECT_NE(std::string::npos, told.find("40001")) << told;
}

/// A COMMIT on its way to a primary that dies; a real standby that has it, or has not, is promoted.
TEST_F(PlaneFailover, TheFateOfACommitIsReadFromThePromotedStandby) {
  for (const bool shipped : {true, false}) {
    for (const int signal : {SIGKILL, SIGQUIT, SIGTERM}) {
      if (!shipped && signal == SIGTERM) continue;
      SCOPED_TRACE(std::to_string(signal) + (shipped ? " shipped" : " not shipped"));
      const std::string token = "fate" + std::to_string(signal) + (shipped ? "y" : "n");
      auto copy = standby();
      Configuration configuration = usual(PoolMode::transaction);
      Endpoint endpoint(configuration);
      endpoint.lead(primary());
      Client client(endpoint.dsn()), other(endpoint.dsn());
      client.ask("BEGIN");
      EXPECT_TRUE(client.ask("INSERT INTO journal VALUES ('" + token + "')").fine);
      let_commits_wait();
      if (!shipped) {
        EXPECT_TRUE(eventually([&] {
          return primary().value(
                     "SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) FROM "
                     "pg_stat_replication") == "t";
        }));
        copy->ask("ALTER SYSTEM SET primary_conninfo = ''");
        copy->ask("SELECT pg_reload_conf()");
        EXPECT_TRUE(eventually(
            [&] { return primary().value("SELECT count(*) FROM pg_stat_replication") == "0"; }));
      }
      client.begin("COMMIT");
      EXPECT_TRUE(somebody_waits());
      if (shipped) {
        const std::string end = primary().value("SELECT pg_current_wal_flush_lsn()");
        EXPECT_TRUE(eventually([&] {
          return copy->value("SELECT pg_last_wal_replay_lsn() >= '" + end + "'") == "t";
        }));
      }
      signal == SIGTERM ? primary().stop("fast") : primary().kill_all(signal);
      endpoint.vacant();
      other.begin("INSERT INTO journal VALUES ('later" + token + "')");
      copy->promote();
      endpoint.lead(*copy);
      const Told told = client.end();
      if (shipped) {
        EXPECT_EQ("COMMIT", told.tag) << told;
      } else {
        EXPECT_EQ("40001", told.sqlstate) << told;
      }
      EXPECT_TRUE(other.end().fine);
      EXPECT_EQ(shipped ? "1" : "0",
                copy->value("SELECT count(*) FROM journal WHERE token = '" + token + "'"));
      EXPECT_EQ("5", client.value("SELECT 5"));
      copy->stop("immediate");
      primary();
      primary().ask("ALTER SYSTEM RESET ALL");
      primary().ask("SELECT pg_reload_conf()");
    }
  }
}

TEST_F(PlaneFailover, ACommitThatWaitsForStandbysIsNotLate) {
  for (const bool alone : {false, true}) {
    Configuration configuration = usual(PoolMode::session);
    configuration.query_timeout = Millis{200};
    configuration.pool_size = 1;
    Endpoint endpoint(configuration);
    endpoint.lead(primary());
    Client client(endpoint.dsn());
    const std::string token = alone ? "alone" : "whole";
    const std::string insert = "INSERT INTO journal VALUES ('" + token + "')";
    if (!alone) client.ask("BEGIN; " + insert);
    let_commits_wait();
    client.begin(alone ? insert : "COMMIT");
    EXPECT_TRUE(somebody_waits());
    // Long enough for several looks at it, and for what ends a request that does not react.
    poll(nullptr, 0, alone ? 7'000 : 1'500);
    PQconsumeInput(client.connection());
    EXPECT_EQ(1, PQisBusy(client.connection())) << "it was cancelled";
    EXPECT_TRUE(somebody_waits());
    let_commits_go();
    const Told told = client.end();
    EXPECT_TRUE(told.fine) << told;
    EXPECT_EQ("1", journal(token));
  }
}

TEST_F(PlaneFailover, TheReadOnlyPortReadsFromAStandby) {
  auto copy = standby();
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary());
  endpoint.add_replica(*copy);
  Client reader(endpoint.dsn("alice", "port=" + std::to_string(endpoint.port(1))));
  ASSERT_TRUE(reader.connected()) << reader.problem();
  EXPECT_EQ("t", reader.value("SELECT pg_is_in_recovery()"));
  EXPECT_EQ("25006", reader.ask("INSERT INTO journal VALUES ('reader')").sqlstate);
  EXPECT_STREQ("on", PQparameterStatus(reader.connection(), "default_transaction_read_only"));
  Client writer(endpoint.dsn());
  EXPECT_EQ("f", writer.value("SELECT pg_is_in_recovery()"));
  // A change of leader does not disturb a reader.
  reader.ask("BEGIN");
  endpoint.lead(primary());
  EXPECT_EQ("t", reader.value("SELECT pg_is_in_recovery()"));
  EXPECT_EQ("COMMIT", reader.ask("COMMIT").tag);
}

}  // namespace
}  // namespace evergres::proxy::test

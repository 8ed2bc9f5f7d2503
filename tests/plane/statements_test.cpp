#include <poll.h>

#include <csignal>

#include "plane/world.hpp"

/// Prepared statements, pipelines and COPY.
namespace evergres::proxy::test {
namespace {

Configuration small(PoolMode mode, std::uint32_t servers = 2) {
  Configuration configuration = usual(mode);
  configuration.pool_size = servers;
  return configuration;
}

class PlaneStatements : public ::testing::TestWithParam<PoolMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, PlaneStatements,
                         ::testing::Values(PoolMode::session, PoolMode::transaction));

TEST_P(PlaneStatements, FollowTheirClientToEveryServer) {
  Endpoint endpoint(small(GetParam()));
  endpoint.lead(primary());
  Client one(endpoint.dsn()), two(endpoint.dsn());
  EXPECT_TRUE(one.prepare("add", "SELECT $1::int + 1").fine);
  EXPECT_TRUE(two.prepare("add", "SELECT $1::int + 2").fine);
  EXPECT_TRUE(one.prepare("same", "SELECT 'same'").fine);
  EXPECT_TRUE(two.prepare("same", "SELECT 'same'").fine);
  for (int round = 0; round < 4; ++round) {
    // Both servers are used in turns.
    Client third(endpoint.dsn("bob"));
    two.begin("SELECT pg_sleep(0.002)");
    EXPECT_EQ("11", one.execute("add", {"10"}).first());
    EXPECT_TRUE(two.end().fine);
    EXPECT_EQ("12", two.execute("add", {"10"}).first());
    EXPECT_EQ("same", one.execute("same").first());
    EXPECT_EQ("same", two.execute("same").first());
  }
  EXPECT_EQ("42P05", one.prepare("add", "SELECT 3").sqlstate);
  EXPECT_EQ("11", one.execute("add", {"10"}).first());
  EXPECT_EQ("26000", one.execute("absent").sqlstate);
  EXPECT_EQ("42601", one.prepare("bad", "SELEC 1").sqlstate);
  EXPECT_EQ("26000", one.execute("bad").sqlstate);
  EXPECT_TRUE(one.prepare("bad", "SELECT 'good'").fine);
  EXPECT_EQ("good", one.execute("bad").first());
}

TEST_P(PlaneStatements, AreForgottenWhenTheClientSaysSo) {
  Endpoint endpoint(small(GetParam()));
  endpoint.lead(primary());
  Client one(endpoint.dsn()), two(endpoint.dsn());
  for (const char* forget : {"DEALLOCATE ALL", "DISCARD ALL"}) {
    EXPECT_TRUE(one.prepare("mine", "SELECT 1").fine);
    EXPECT_TRUE(two.prepare("mine", "SELECT 1").fine);
    EXPECT_EQ("1", two.execute("mine").first());
    EXPECT_TRUE(one.ask(forget).fine);
    EXPECT_EQ("26000", one.execute("mine").sqlstate) << forget;
    EXPECT_EQ("1", two.execute("mine").first()) << forget;
    EXPECT_TRUE(one.prepare("mine", "SELECT 2").fine) << forget;
    EXPECT_EQ("2", one.execute("mine").first()) << forget;
    EXPECT_TRUE(two.ask(forget).fine);
    EXPECT_TRUE(one.ask(forget).fine);
  }
}

TEST_P(PlaneStatements, MoreThanAServerHolds) {
  Configuration configuration = small(GetParam());
  configuration.statements_per_server = 5;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client one(endpoint.dsn()), two(endpoint.dsn());
  for (int i = 0; i < 20; ++i) {
    const std::string name = "s" + std::to_string(i);
    EXPECT_TRUE(one.prepare(name, "SELECT " + std::to_string(i)).fine);
    EXPECT_TRUE(two.prepare(name, "SELECT -" + std::to_string(i)).fine);
  }
  for (int i = 0; i < 60; ++i) {
    const std::string name = "s" + std::to_string(i * 7 % 20);
    EXPECT_EQ(std::to_string(i * 7 % 20), one.execute(name).first());
    EXPECT_EQ(std::to_string(-(i * 7 % 20)), two.execute(name).first());
  }
  // So many in one pipeline that all of them are in doubt.
  PQenterPipelineMode(one.connection());
  for (int i = 0; i < 20; ++i) {
    PQsendQueryPrepared(one.connection(), ("s" + std::to_string(i)).c_str(), 0, nullptr, nullptr,
                        nullptr, 0);
    if (i % 3 == 2) PQpipelineSync(one.connection());
  }
  PQpipelineSync(one.connection());
  int seen = 0;
  for (int ends = 0; ends < 7;) {
    PGresult* result = one.next();
    if (result == nullptr) continue;
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) ++ends;
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
      EXPECT_EQ(std::to_string(seen++), PQgetvalue(result, 0, 0));
    } else {
      EXPECT_EQ(PGRES_PIPELINE_SYNC, PQresultStatus(result)) << PQresultErrorMessage(result);
      if (PQresultStatus(result) != PGRES_PIPELINE_SYNC) ++ends;
    }
    PQclear(result);
  }
  EXPECT_EQ(20, seen);
}

TEST(PlaneUnnamed, IsThereAgainAfterEverySyncOnWhateverServer) {
  Endpoint endpoint(small(PoolMode::transaction, 1));
  endpoint.lead(primary());
  Client one(endpoint.dsn()), two(endpoint.dsn());
  const auto parse = [](const std::string& sql) {
    return message('P', std::string(1, '\0') + sql + std::string(3, '\0'));
  };
  const std::string run =
      message('B', std::string(8, '\0')) + message('E', std::string(5, '\0')) + message('S', "");
  one.raw_send(parse("SELECT 'one'") + message('S', ""));
  EXPECT_NE(std::string::npos, one.raw_read('Z').find('1'));
  two.raw_send(parse("SELECT 'two'") + message('S', ""));
  two.raw_read('Z');
  for (int round = 0; round < 3; ++round) {
    one.raw_send(run);
    EXPECT_NE(std::string::npos, one.raw_read('Z').find("one"));
    two.raw_send(run);
    EXPECT_NE(std::string::npos, two.raw_read('Z').find("two"));
  }
  EXPECT_TRUE(two.ask("SELECT 1").fine);
}

/// Names and their contents change between requests that are all on their way.
TEST_P(PlaneStatements, ChangeInsideOnePipeline) {
  Endpoint endpoint(small(GetParam()));
  endpoint.lead(primary());
  Client one(endpoint.dsn());
  const auto parse = [](const std::string& name, const std::string& sql) {
    return message('P', name + '\0' + sql + std::string(3, '\0'));
  };
  const auto run = [](const std::string& name) {
    return message('B', std::string(1, '\0') + name + std::string(7, '\0')) +
           message('E', std::string(5, '\0'));
  };
  const auto close = [](const std::string& name) { return message('C', "S" + name + '\0'); };
  const std::string sync = message('S', "");
  one.raw_send(parse("a", "SELECT 'first'") + run("a") + sync + close("a") +
               parse("a", "SELECT 'second'") + run("a") + sync +
               message('Q', std::string("DEALLOCATE ALL") + '\0') + parse("a", "SELECT 'third'") +
               run("a") + sync + run("a") + sync);
  const std::string told = one.raw_read('Z', 5);
  EXPECT_LT(told.find("first"), told.find("second"));
  EXPECT_LT(told.find("second"), told.find("third"));
  EXPECT_NE(std::string::npos, told.find("third", told.find("third") + 1)) << told;
  EXPECT_EQ(std::string::npos, told.find("ERROR")) << told;
  one.raw_send(parse("b", "SELEC") + run("b") + sync);
  one.raw_read('Z');
  one.raw_send(parse("b", "SELECT 'mended'") + run("b") + sync + run("b") + sync);
  const std::string mended = one.raw_read('Z', 2);
  EXPECT_NE(std::string::npos, mended.find("mended")) << mended;
  one.raw_send(run("b") + sync);
  EXPECT_NE(std::string::npos, one.raw_read('Z').find("mended"));
}

/// What a server skips holds up nothing that follows.
TEST_P(PlaneStatements, ASkippedDiscardAllIsNotWaitedFor) {
  Endpoint endpoint(small(GetParam()));
  endpoint.lead(primary());
  Client one(endpoint.dsn());
  one.raw_send(message('B', std::string("\0absent\0\0\0\0\0\0\0", 14)) +
               message('Q', std::string("DISCARD ALL\0", 12)) +
               message('Q', std::string("SELECT 1\0", 9)) + message('S', ""));
  const std::string told = one.raw_read('Z');
  EXPECT_NE(std::string::npos, told.find("26000")) << told;
  EXPECT_EQ(std::string::npos, told.find("stuck"));
  EXPECT_EQ("2", one.value("SELECT 2"));
}

TEST_P(PlaneStatements, APipelineWithErrorsInTheMiddle) {
  Endpoint endpoint(small(GetParam()));
  endpoint.lead(primary());
  Client one(endpoint.dsn());
  PQenterPipelineMode(one.connection());
  for (int segment = 0; segment < 30; ++segment) {
    for (const char* sql : {"SELECT 1", segment % 2 == 0 ? "SELECT 2" : "SELECT 1/0", "SELECT 3"}) {
      PQsendQueryParams(one.connection(), sql, 0, nullptr, nullptr, nullptr, nullptr, 0);
    }
    PQpipelineSync(one.connection());
  }
  int fine = 0, failed = 0, skipped = 0;
  for (int ends = 0; ends < 30;) {
    PGresult* result = one.next();
    if (result == nullptr) {
      ASSERT_TRUE(one.connected()) << one.problem();
      continue;
    }
    switch (PQresultStatus(result)) {
      case PGRES_TUPLES_OK: ++fine; break;
      case PGRES_FATAL_ERROR: ++failed; break;
      case PGRES_PIPELINE_ABORTED: ++skipped; break;
      default: ++ends;
    }
    PQclear(result);
  }
  EXPECT_EQ(60, fine);
  EXPECT_EQ(15, failed);
  EXPECT_EQ(15, skipped);
  PQexitPipelineMode(one.connection());
  EXPECT_EQ("5", one.value("SELECT 5"));
}

TEST_P(PlaneStatements, AHugePipelineWithoutASync) {
  Endpoint endpoint(small(GetParam()));
  endpoint.lead(primary());
  Client one(endpoint.dsn());
  const std::string each = message('P', std::string("\0SELECT 1\0\0\0", 12)) +
                           message('B', std::string(8, '\0')) + message('E', std::string(5, '\0'));
  std::string all;
  for (int i = 0; i < 5000; ++i) all += each;
  std::thread sending([&] { one.raw_send(all + message('S', "")); });
  const std::string told = one.raw_read('Z');
  sending.join();
  std::size_t rows = 0;
  for (std::size_t at = told.find("SELECT 1"); at != std::string::npos;
       at = told.find("SELECT 1", at + 1))
    ++rows;
  EXPECT_EQ(5000U, rows);
}

TEST_P(PlaneStatements, CopyInAndOutAndFailed) {
  Endpoint endpoint(small(GetParam()));
  endpoint.lead(primary());
  Client one(endpoint.dsn()), two(endpoint.dsn());
  one.ask("CREATE TABLE IF NOT EXISTS bulk (x int); TRUNCATE bulk");
  EXPECT_TRUE(one.ask("COPY bulk FROM STDIN").fine);
  for (int i = 0; i < 10'000; ++i) {
    const std::string line = std::to_string(i) + "\n";
    ASSERT_EQ(1, PQputCopyData(one.connection(), line.data(), static_cast<int>(line.size())));
  }
  PQputCopyEnd(one.connection(), nullptr);
  EXPECT_EQ("COPY 10000", one.end().tag);
  EXPECT_TRUE(one.ask("COPY bulk TO STDOUT").fine);
  char* line = nullptr;
  int lines = 0;
  while (PQgetCopyData(one.connection(), &line, 0) > 0) {
    ++lines;
    PQfreemem(line);
  }
  EXPECT_EQ(10'000, lines);
  EXPECT_TRUE(one.end().fine);
  EXPECT_TRUE(one.ask("COPY bulk FROM STDIN").fine);
  PQputCopyData(one.connection(), "nonsense\n", 9);
  PQputCopyEnd(one.connection(), nullptr);
  EXPECT_EQ("22P02", one.end().sqlstate);
  EXPECT_TRUE(one.ask("COPY bulk FROM STDIN").fine);
  PQputCopyData(one.connection(), "1\n", 2);
  PQputCopyEnd(one.connection(), "stop");
  EXPECT_EQ("57014", one.end().sqlstate);
  EXPECT_EQ("10000", one.value("SELECT count(*) FROM bulk"));
  // The client leaves in the middle: nothing is left and its server goes on or ends.
  EXPECT_TRUE(two.ask("COPY bulk FROM STDIN").fine);
  PQputCopyData(two.connection(), "1\n", 2);
  PQflush(two.connection());
  two.drop();
  EXPECT_TRUE(eventually(
      [&] { return primary().value("SELECT count(*) FROM pg_stat_progress_copy") == "0"; }));
  EXPECT_EQ("10000", one.value("SELECT count(*) FROM bulk"));
  one.ask("DROP TABLE bulk");
}

TEST_P(PlaneStatements, LargeValuesBothWays) {
  Endpoint endpoint(small(GetParam()));
  endpoint.lead(primary());
  Client one(endpoint.dsn());
  const std::string large(20'000'000, 'x');
  EXPECT_EQ("20000000", one.ask_with("SELECT length($1)", {large}).first());
  EXPECT_EQ(large.size(), one.value("SELECT repeat('y', 20000000)").size());
  // A statement that is longer than what is remembered.
  const std::string text = "SELECT '" + std::string(3'000'000, 'z') + "'";
  EXPECT_EQ(3'000'000U, one.value(text).size());
  EXPECT_TRUE(one.prepare("long", text).fine);
  EXPECT_EQ("3", one.value("SELECT 3"));
}

TEST(PlaneMemory, IsBoundedWhateverSideIsSlow) {
  Endpoint endpoint(small(PoolMode::transaction));
  endpoint.lead(primary());
  Client slow(endpoint.dsn()), other(endpoint.dsn());
  const std::string pid = slow.value("SELECT pg_backend_pid()");
  const std::size_t before = resident();
  // Rows that nobody reads.
  slow.raw_send(
      message('Q', std::string("SELECT repeat('x', 1000000) FROM generate_series(1, 200)") + '\0'));
  EXPECT_TRUE(eventually([&] {
    return primary().value(
               "SELECT count(*) FROM pg_stat_activity WHERE usename = 'alice' AND "
               "wait_event = 'ClientWrite'") == "1";
  }));
  EXPECT_EQ("1", other.value("SELECT 1"));
  EXPECT_LT(resident(), before + 12'000'000);
  EXPECT_GT(slow.raw_read('Z').size(), 200'000'000U);
  // One message that the server does not read.
  Client sender(endpoint.dsn("bob"));
  const pid_t backend = std::stoi(sender.value("SELECT pg_backend_pid()"));
  ::kill(backend, SIGSTOP);
  const std::size_t again = resident();
  std::string head = message('Q', "");
  head.replace(1, 4, std::string("\x03\0\0\0", 4));  // 48 MiB
  std::atomic<std::size_t> sent{0};
  std::atomic<bool> stop{false};
  std::thread sending([&] {
    sender.raw_send(head);
    const std::string piece(1U << 20U, ' ');
    while (!stop && sent < 47) {
      sender.raw_send(piece);
      ++sent;
    }
  });
  EXPECT_FALSE([&] {
    for (int i = 0; i < 100 && sent < 47; ++i) poll(nullptr, 0, 10);
    return sent >= 47;
  }()) << "everything was taken";
  EXPECT_LT(resident(), again + 20'000'000);
  stop = true;
  ::kill(backend, SIGCONT);
  sending.join();
}

}  // namespace
}  // namespace evergres::proxy::test

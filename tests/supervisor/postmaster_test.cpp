#include <fstream>

#include "supervisor/node.hpp"
#include "supervisor/processes.hpp"

namespace evergres::supervisor::test {
namespace {

namespace fs = std::filesystem;

using PostmasterTest = Node;

constexpr const char* forever = "select count(*) from generate_series(1, 100000000000)";
constexpr const char* committing =
    "do \\$\\$ begin loop insert into t values (1); commit; end loop; end \\$\\$";

TEST_F(PostmasterTest, StartsAStandbyAndStopsItCleanly) {
  start_keeper();
  EXPECT_EQ(status().state, State::stopped);
  const auto started = start_postgres();
  EXPECT_EQ(started.start_id, 1U);
  EXPECT_EQ(sql("select pg_is_in_recovery()"), "t");
  const auto now = status();
  EXPECT_EQ(now.state, State::running);
  EXPECT_EQ(now.postmaster_pid, started.postmaster_pid);
  EXPECT_EQ(now.supervisor_run, started.supervisor_run);
  EXPECT_TRUE(fs::exists(settings_.log_directory / "postgres.log"));
  const auto stopped = stop(StopMode::fast);
  ASSERT_TRUE(stopped.ok());
  EXPECT_TRUE(stopped->clean);
  EXPECT_EQ(servers(), 0U);
  EXPECT_EQ(status().last_stop_reason, "asked to stop");
  EXPECT_EQ(status().exit, (Exit{"exited 0", true}));
  EXPECT_EQ(start_postgres().start_id, 2U);
}

TEST_F(PostmasterTest, ASecondStartIsRefused) {
  start_keeper();
  start_postgres();
  const auto again = ask(AskStart{});
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().message(), "PostgreSQL is running already");
}

TEST_F(PostmasterTest, AForeignPostmasterIsNotTouched) {
  start_keeper();
  const std::string control = program("pg_ctl") + " -w -D " + settings_.data_directory.string() +
                              " -l " + root_.string() + "/l";
  const auto said = shell(control + " -o '-p " + std::to_string(port_) + " -k " + root_.string() +
                          " -h \"\"' start");
  ASSERT_FALSE(said.starts_with("failed")) << said;
  const auto refused = ask(AskStart{});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message(), "another PostgreSQL runs on this data directory");
  EXPECT_GT(servers(), 0U);
  shell(control + " -m fast stop");
  EXPECT_EQ(servers(), 0U);
}

TEST_F(PostmasterTest, AKilledPostmasterLeavesNothingAndIsNoticedQuickly) {
  start_keeper();
  const auto started = start_postgres();
  begin_statement("select pg_sleep(1000)");
  auto watcher = client();
  ASSERT_TRUE(watcher.ask(Request(AskSubscribe{}), generous).ok());
  const Instant killed = boot_now();
  kill(started.postmaster_pid, SIGKILL);
  Status seen;
  while (seen.state != State::stopped || seen.start_id == 0) {
    const auto event = watcher.next_event(generous);
    ASSERT_TRUE(event.ok()) << event.error().one_line();
    seen = status_from_json(*event).value();
  }
  EXPECT_EQ(servers(), 0U);
  const double took = static_cast<double>((boot_now() - killed).count()) / 1e6;
  RecordProperty("milliseconds", std::to_string(took));
  std::printf("a killed postmaster was stopped after %.1f ms\n", took);
  EXPECT_LT(took, 2'000.0);
  EXPECT_EQ(seen.exit, (Exit{"signal 9", false}));
  EXPECT_EQ(seen.last_stop_reason, "the postmaster ended unasked: signal 9");
}

TEST_F(PostmasterTest, AKilledPostmasterUnderACommittingProcedureLeavesNothing) {
  start_keeper();
  const auto started = start_primary(3, Millis{60'000});
  ASSERT_EQ(sql("create unlogged table t (i int)"), "CREATE TABLE");
  begin_statement(committing);
  kill(started.postmaster_pid, SIGKILL);
  ASSERT_TRUE(wait_for_state(State::stopped));
  EXPECT_EQ(servers(), 0U);
}

TEST_F(PostmasterTest, ABusyAndAFrozenBackendAreGoneWhenStopped) {
  start_keeper();
  start_postgres();
  kill(begin_statement(forever), SIGSTOP);
  const auto stopped = stop(StopMode::fast, Millis{300});
  ASSERT_TRUE(stopped.ok());
  EXPECT_EQ(servers(), 0U);
  EXPECT_FALSE(stopped->clean);
  EXPECT_EQ(status().last_stop_reason, "asked to stop; the fast stop took too long");
}

TEST_F(PostmasterTest, AFrozenPostmasterIsKilledWithItsBusyChildren) {
  start_keeper();
  const auto started = start_postgres();
  begin_statement(forever);
  kill(started.postmaster_pid, SIGSTOP);
  ASSERT_TRUE(stop(StopMode::immediate).ok());
  EXPECT_EQ(servers(), 0U);
  EXPECT_EQ(status().exit, (Exit{"signal 9", false}));
}

TEST_F(PostmasterTest, ReservedHistoryAboveTheNewestRealOneIsRemoved) {
  start_keeper();
  const fs::path wal = settings_.data_directory / "pg_wal";
  shell("cd " + wal.string() + " && echo '1\t0/1\treal' > 00000003.history" +
        " && echo '# evergres reserved' | tee 00000002.history 00000004.history 0000000A.history");
  // PostgreSQL itself gives up at once: the preparation is what matters here.
  ASSERT_TRUE(ask(AskStart{{"-c", "no_such_parameter=1"}}).ok());
  EXPECT_TRUE(fs::exists(wal / "00000002.history"));
  EXPECT_TRUE(fs::exists(wal / "00000003.history"));
  EXPECT_FALSE(fs::exists(wal / "00000004.history"));
  EXPECT_FALSE(fs::exists(wal / "0000000A.history"));
  EXPECT_TRUE(fs::exists(settings_.data_directory / "standby.signal"));
  EXPECT_TRUE(wait_for_state(State::stopped));
}

TEST_F(PostmasterTest, HistoriesThatTheStartCannotFollowAreRemoved) {
  start_keeper();
  const fs::path wal = settings_.data_directory / "pg_wal";
  shell("cd " + wal.string() + " && echo '1\t0/1\treal' | tee 00000003.history 00000005.history" +
        " && echo '# evergres reserved' > 00000004.history");
  const AskStart start{{"-c", "no_such_parameter=1"}, {"00000005.history", "00000004.history"}};
  ASSERT_TRUE(ask(start).ok());
  EXPECT_TRUE(fs::exists(wal / "00000003.history"));
  EXPECT_FALSE(fs::exists(wal / "00000004.history"));
  EXPECT_FALSE(fs::exists(wal / "00000005.history"));
  EXPECT_TRUE(fs::exists(settings_.data_directory / "standby.signal"));
  EXPECT_TRUE(wait_for_state(State::stopped));
}

TEST_F(PostmasterTest, ReloadReachesPostgres) {
  start_keeper();
  start_postgres();
  shell("echo \"work_mem = '7MB'\" >> " + (settings_.data_directory / "postgresql.conf").string());
  ASSERT_TRUE(ask(AskReload{}).ok());
  EXPECT_TRUE(eventually([&] { return sql("show work_mem") == "7MB"; }));
}

TEST_F(PostmasterTest, WithoutADataDirectoryTheStartIsRefused) {
  settings_.data_directory = root_ / "nowhere";
  start_keeper();
  const auto refused = ask(AskStart{});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::not_found);
  EXPECT_EQ(status().state, State::stopped);
}

}  // namespace
}  // namespace evergres::supervisor::test

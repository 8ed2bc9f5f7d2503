#include <sys/wait.h>

#include <thread>

#include "supervisor/node.hpp"

namespace evergres::supervisor::test {
namespace {

using PermissionTest = Node;

TEST_F(PermissionTest, AGrantThatEndsStopsABusyPrimaryEvenWithAFrozenAgent) {
  start_keeper();
  const auto started = start_primary(12, Millis{4'000});
  ASSERT_EQ(sql("create unlogged table t (i int)"), "CREATE TABLE");
  begin_statement("do \\$\\$ begin loop insert into t values (1); commit; end loop; end \\$\\$");
  kill(*status().agent_pid, SIGSTOP);
  const auto given = grant(GrantKind::lead, 12, Millis{1'000}, started.start_id);
  ASSERT_TRUE(given.ok()) << given.error().one_line();
  const Instant deadline{given->at("deadline").as_int64()};
  ASSERT_TRUE(wait_for_state(State::stopped));
  EXPECT_GE(boot_now(), deadline);
  EXPECT_EQ(servers(), 0U);
  EXPECT_EQ(status().last_stop_reason, "the grant of term 12 ended");
  EXPECT_FALSE(status().grant);
}

TEST_F(PermissionTest, ExtendingKeepsThePrimary) {
  start_keeper();
  const auto started = start_primary(12, Millis{5'000});
  ASSERT_TRUE(grant(GrantKind::lead, 12, Millis{1'500}, started.start_id).ok());
  const Instant until = boot_now() + Millis{4'000};
  while (boot_now() < until) {
    ASSERT_TRUE(grant(GrantKind::lead, 12, Millis{1'500}, started.start_id).ok());
    std::this_thread::sleep_for(Millis{100});
  }
  EXPECT_EQ(status().postmaster_pid, started.postmaster_pid);
  EXPECT_EQ(sql("select pg_is_in_recovery()"), "f");
}

TEST_F(PermissionTest, ALowerTermAndAnOldStartAreRefused) {
  start_keeper();
  const auto first = start_primary(12, Millis{60'000});
  EXPECT_FALSE(grant(GrantKind::lead, 11, Millis{5'000}).ok());
  ASSERT_TRUE(stop(StopMode::immediate).ok());
  EXPECT_FALSE(grant(GrantKind::lead, 13, Millis{5'000}).ok());
  start_postgres();
  const auto old = grant(GrantKind::lead, 13, Millis{5'000}, first.start_id);
  ASSERT_FALSE(old.ok());
  EXPECT_EQ(old.error().message(), "the grant is refused: another start was meant");
  EXPECT_FALSE(status().grant);
}

TEST_F(PermissionTest, RevokeStopsWithinAMoment) {
  start_keeper();
  EXPECT_FALSE(ask(AskRevoke{}).ok());
  start_primary(12, Millis{60'000});
  ASSERT_TRUE(ask(AskRevoke{}).ok());
  ASSERT_TRUE(wait_for_state(State::stopped));
  EXPECT_EQ(servers(), 0U);
  EXPECT_EQ(status().last_stop_reason, "the grant of term 12 was revoked");
}

TEST_F(PermissionTest, APrimaryThatStartsAgainIsAStandby) {
  start_keeper();
  start_primary(12, Millis{60'000});
  ASSERT_TRUE(stop(StopMode::fast)->clean);
  start_postgres();
  EXPECT_EQ(sql("select pg_is_in_recovery()"), "t");
}

TEST_F(PermissionTest, APromotionBehindOurBackIsStopped) {
  start_keeper();
  start_postgres();
  shell(program("pg_ctl") + " -W promote -D " + settings_.data_directory.string());
  ASSERT_TRUE(wait_for_state(State::stopped));
  EXPECT_EQ(servers(), 0U);
  EXPECT_TRUE(status().last_stop_reason.starts_with("standby.signal is gone without a grant"))
      << status().last_stop_reason;
}

}  // namespace
}  // namespace evergres::supervisor::test

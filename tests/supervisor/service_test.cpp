#include <sys/wait.h>

#include <fstream>

#include "supervisor/node.hpp"
#include "supervisor/processes.hpp"

/// The endpoint beside PostgreSQL and the agent: none of the three disturbs another.
namespace evergres::supervisor::test {
namespace {

class ServiceTest : public Node {
 protected:
  void SetUp() override {
    Node::SetUp();
    settings_.proxy_program = "/bin/sleep";
    settings_.proxy_argv = {"sleep", "10002"};
  }

  pid_t proxy() {
    pid_t pid = 0;
    EXPECT_TRUE(eventually([&] {
      pid = status().proxy_pid.value_or(0);
      return pid != 0;
    }));
    return pid;
  }
};

bool is_alive(pid_t pid) {
  const auto process = read_process(pid);
  return process && process->state != 'Z';
}

TEST_F(ServiceTest, AKilledProxyIsReplacedAndNobodyElseIsDisturbed) {
  start_keeper();
  const auto started = start_postgres();
  const pid_t first = proxy();
  const auto before = status();
  kill(first, SIGKILL);
  ASSERT_TRUE(eventually([&] {
    const auto now = status();
    return now.proxy_pid && now.proxy_pid != first;
  }));
  const auto after = status();
  EXPECT_EQ(after.proxy_restarts, 1U);
  EXPECT_EQ(after.agent_pid, before.agent_pid);
  EXPECT_EQ(after.agent_restarts, 0U);
  EXPECT_EQ(after.postmaster_pid, started.postmaster_pid);
  EXPECT_EQ(sql("select 1"), "1");
}

TEST_F(ServiceTest, TheEndOfAgentAndPostgresLeavesTheProxyWithItsClients) {
  start_keeper();
  start_postgres();
  const pid_t first = proxy();
  const auto agent = status().agent_pid;
  kill(*agent, SIGKILL);
  ASSERT_TRUE(eventually([&] {
    const auto now = status();
    return now.agent_pid && now.agent_pid != agent;
  }));
  begin_statement("select count(*) from generate_series(1, 100000000000)");
  ASSERT_TRUE(stop(StopMode::immediate).ok());
  EXPECT_EQ(servers(), 0U);
  const auto killed = start_postgres();
  kill(killed.postmaster_pid, SIGKILL);
  ASSERT_TRUE(wait_for_state(State::stopped));
  EXPECT_EQ(servers(), 0U);
  EXPECT_EQ(status().proxy_pid, first);
  EXPECT_EQ(status().proxy_restarts, 0U);
}

TEST_F(ServiceTest, AProxyThatIsSilentIsLeftAlone) {
  settings_.silent_agent_limit = Millis{500};
  start_keeper();
  const pid_t first = proxy();
  ASSERT_TRUE(eventually([&] { return status().agent_restarts > 1; }));
  EXPECT_EQ(status().proxy_pid, first);
}

TEST_F(ServiceTest, AStopWaitsForTheProxyBeforePostgresEnds) {
  const std::string note = root_.string() + "/drained";
  // It needs PostgreSQL until it has ended: a client writes its last row through it.
  settings_.proxy_program = "/bin/sh";
  settings_.proxy_argv = {"sh", "-c",
                          "trap 'sleep 1; test -e " + root_.string() +
                              "/data/postmaster.pid && echo yes > " + note +
                              "; exit 0' TERM; while :; do sleep 0.05; done"};
  start_keeper();
  start_postgres();
  proxy();
  kill(keeper_, SIGTERM);
  int wait_status = 0;
  ASSERT_EQ(waitpid(keeper_, &wait_status, 0), keeper_);
  keeper_ = 0;
  EXPECT_EQ(wait_status, 0);
  std::string said;
  std::ifstream(note) >> said;
  EXPECT_EQ(said, "yes");
  EXPECT_EQ(servers(), 0U);
}

TEST_F(ServiceTest, AProxyThatDoesNotEndHoldsUpAStopForItsDeadlineOnly) {
  settings_.proxy_program = "/bin/sh";
  settings_.proxy_argv = {"sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"};
  settings_.drain_deadline = Millis{500};
  start_keeper();
  start_postgres();
  const pid_t stubborn = proxy();
  kill(keeper_, SIGTERM);
  int wait_status = 0;
  ASSERT_EQ(waitpid(keeper_, &wait_status, 0), keeper_);
  keeper_ = 0;
  EXPECT_EQ(wait_status, 0);
  EXPECT_FALSE(is_alive(stubborn));
  EXPECT_EQ(servers(), 0U);
}

TEST_F(ServiceTest, AReplacedProxyGoesInItsOwnTime) {
  start_keeper();
  start_postgres();
  const pid_t first = proxy();
  const auto before = status();
  const auto replaced = [&](pid_t old) {
    kill(keeper_, SIGUSR2);
    return eventually([&] {
      const auto now = status();
      return now.proxy_pid && now.proxy_pid != old;
    });
  };
  ASSERT_TRUE(replaced(first));
  const pid_t second = proxy();
  ASSERT_TRUE(replaced(second));
  const pid_t third = proxy();
  EXPECT_TRUE(is_alive(first) && is_alive(second) && is_alive(third));
  // The newest dies: it is started again, and what it was to replace is no orphan of it.
  kill(third, SIGKILL);
  ASSERT_TRUE(eventually([&] {
    const auto now = status();
    return now.proxy_pid && now.proxy_pid != third;
  }));
  const pid_t fourth = proxy();
  EXPECT_TRUE(is_alive(first) && is_alive(second));
  // A replaced one ends: nobody is started for it.
  kill(first, SIGTERM);
  EXPECT_TRUE(eventually([&] { return !is_alive(first); }));
  const auto after = status();
  EXPECT_EQ(after.proxy_pid, fourth);
  EXPECT_EQ(after.proxy_restarts, 1U) << "a replacement is none";
  EXPECT_EQ(after.agent_pid, before.agent_pid);
  EXPECT_EQ(after.postmaster_pid, before.postmaster_pid);
  // At the end all go.
  kill(keeper_, SIGTERM);
  int wait_status = 0;
  ASSERT_EQ(waitpid(keeper_, &wait_status, 0), keeper_);
  keeper_ = 0;
  EXPECT_FALSE(is_alive(second) || is_alive(fourth));
}

/// Two that start at once would both want to replace the same one.
TEST_F(ServiceTest, AProxyThatHasOnlyJustBegunIsReplacedALittleLater) {
  start_keeper();
  const pid_t first = proxy();
  const auto begun = boot_now();
  kill(keeper_, SIGUSR2);
  ASSERT_TRUE(eventually([&] { return proxy() != first; }));
  EXPECT_GE(boot_now() - begun, Millis{1'000}) << "the first had no time to open its door";
  const pid_t second = proxy();
  // However often it is said meanwhile.
  for (int i = 0; i < 3; ++i) {
    kill(keeper_, SIGUSR2);
    usleep(50'000);
    EXPECT_EQ(proxy(), second);
  }
  ASSERT_TRUE(eventually([&] { return proxy() != second; }));
  const pid_t third = proxy();
  usleep(2'500'000);
  EXPECT_EQ(proxy(), third) << "one replacement for all that was said";
}

TEST_F(ServiceTest, AProxyDoesNotOutliveItsSupervisor) {
  start_keeper();
  const pid_t first = proxy();
  kill(supervisor_pid(), SIGKILL);
  EXPECT_TRUE(eventually([&] { return !is_alive(first); }));
}

TEST_F(ServiceTest, IsToldToReadItsFilesAnew) {
  const std::string note = root_.string() + "/hup";
  settings_.proxy_program = "/bin/sh";
  settings_.proxy_argv = {"sh", "-c",
                          "trap 'echo hup >> " + note + "' HUP; echo ready > " + note +
                              "; while :; do sleep 0.05; done"};
  start_keeper();
  const auto lines = [&] {
    std::ifstream in(note);
    std::string all;
    for (std::string line; std::getline(in, line);) all += line + " ";
    return all;
  };
  ASSERT_TRUE(eventually([&] { return lines() == "ready "; }));
  ASSERT_TRUE(ask(AskReloadProxy{}).ok());
  EXPECT_TRUE(eventually([&] { return lines() == "ready hup "; }));
  kill(keeper_, SIGHUP);
  EXPECT_TRUE(eventually([&] { return lines() == "ready hup hup "; }));
}

}  // namespace
}  // namespace evergres::supervisor::test

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "supervisor/node.hpp"
#include "supervisor/processes.hpp"

namespace evergres::supervisor::test {
namespace {

using KeeperTest = Node;

bool is_alive(pid_t pid) {
  const auto process = read_process(pid);
  return process && process->state != 'Z';
}

/// The first agent has a child in a session of its own, whose pid is in `note`; later ones sleep.
Settings with_agent_that_has_a_child(Settings settings, const std::string& note) {
  settings.agent_program = "/bin/sh";
  settings.agent_argv = {"sh", "-c",
                         "test -e " + note + " || { setsid sh -c 'echo $$ > " + note +
                             "; exec sleep 10000' & }; exec sleep 10001"};
  return settings;
}

TEST_F(KeeperTest, AKilledAgentIsReplacedAndPostgresIsNotDisturbed) {
  start_keeper();
  const auto started = start_postgres();
  const auto before = status();
  kill(*before.agent_pid, SIGKILL);
  ASSERT_TRUE(eventually([&] {
    const auto now = status();
    return now.agent_pid && now.agent_pid != before.agent_pid;
  }));
  const auto after = status();
  EXPECT_EQ(after.agent_restarts, 1U);
  EXPECT_EQ(after.postmaster_pid, started.postmaster_pid);
  EXPECT_EQ(sql("select 1"), "1");
}

TEST_F(KeeperTest, WhatADeadAgentLeftIsKilledAndPostgresIsNot) {
  const std::string note = root_.string() + "/child";
  settings_ = with_agent_that_has_a_child(settings_, note);
  start_keeper();
  const auto started = start_postgres();
  pid_t child = 0;
  ASSERT_TRUE(eventually([&] { return static_cast<bool>(std::ifstream(note) >> child); }));
  const auto agent = status().agent_pid;
  ASSERT_TRUE(is_alive(child));
  kill(*agent, SIGKILL);
  ASSERT_TRUE(eventually([&] {
    const auto now = status();
    return now.agent_pid && now.agent_pid != agent;
  }));
  EXPECT_FALSE(is_alive(child));
  EXPECT_EQ(status().postmaster_pid, started.postmaster_pid);
  EXPECT_EQ(sql("select 1"), "1");
}

TEST_F(KeeperTest, ASilentAgentIsReplacedAndOneThatSpeaksIsNot) {
  settings_.silent_agent_limit = Millis{1'000};
  start_keeper();
  const auto first = status().agent_pid;
  auto speaker = client();
  const Instant until = boot_now() + Millis{2'500};
  while (boot_now() < until) {
    ASSERT_TRUE(speaker.ask(Request(AskAlive{}), generous).ok());
  }
  EXPECT_EQ(status().agent_pid, first);
  EXPECT_TRUE(eventually([&] { return status().agent_restarts > 0; }));
}

TEST_F(KeeperTest, AKilledSupervisorIsReplacedAfterEverythingWasKilled) {
  const std::string note = root_.string() + "/child";
  settings_ = with_agent_that_has_a_child(settings_, note);
  start_keeper();
  pid_t child = 0;
  ASSERT_TRUE(eventually([&] { return static_cast<bool>(std::ifstream(note) >> child); }));
  const auto started = start_postgres();
  begin_statement("select count(*) from generate_series(1, 100000000000)");
  const auto before = status();
  kill(supervisor_pid(), SIGKILL);
  ASSERT_TRUE(eventually([&] { return !is_alive(started.postmaster_pid); }));
  Status after = before;
  ASSERT_TRUE(eventually([&] {
    auto connected = Client::connect(socket_path(settings_.run_directory), Millis{0});
    const auto read = connected ? connected->status(generous) : Result<Status>(before);
    if (read.ok()) after = *read;
    return after.supervisor_run != before.supervisor_run;
  }));
  EXPECT_EQ(servers(), 0U);
  EXPECT_FALSE(is_alive(*before.agent_pid));
  EXPECT_FALSE(is_alive(child));
  EXPECT_EQ(after.state, State::stopped);
  EXPECT_EQ(after.start_id, 0U);
  start_postgres();
}

TEST_F(KeeperTest, AFrozenSupervisorIsReplacedAndItsPrimaryIsGone) {
  settings_.silent_agent_limit = Millis{10'000};
  start_keeper();
  const auto started = start_primary(3, Millis{600'000});
  begin_statement("select count(*) from generate_series(1, 100000000000)");
  const auto before = status();
  kill(supervisor_pid(), SIGSTOP);
  ASSERT_TRUE(eventually([&] { return !is_alive(started.postmaster_pid); }));
  Status after = before;
  ASSERT_TRUE(eventually([&] {
    auto connected = Client::connect(socket_path(settings_.run_directory), Millis{0});
    const auto read = connected ? connected->status(Millis{500}) : Result<Status>(before);
    if (read.ok()) after = *read;
    return after.supervisor_run != before.supervisor_run;
  }));
  EXPECT_EQ(servers(), 0U);
  EXPECT_FALSE(is_alive(*before.agent_pid));
  EXPECT_EQ(after.state, State::stopped);
  start_postgres();
}

TEST_F(KeeperTest, ASupervisorThatWasFrozenTogetherWithItsKeeperIsNotKilled) {
  settings_.silent_agent_limit = Millis{10'000};
  start_keeper();
  const auto before = status();
  const pid_t supervisor = supervisor_pid();
  kill(keeper_, SIGSTOP);
  kill(supervisor, SIGSTOP);
  sleep(12);  // longer than the keeper's patience: that is what is tried
  kill(keeper_, SIGCONT);
  poll(nullptr, 0, 300);  // the keeper has looked, the supervisor could not speak yet
  kill(supervisor, SIGCONT);
  const Instant until = boot_now() + Millis{3'000};
  while (boot_now() < until) ASSERT_EQ(status().supervisor_run, before.supervisor_run);
}

TEST_F(KeeperTest, WithoutItsKeeperEverythingEnds) {
  settings_.stop_deadline = Millis{600'000};  // a fast stop would wait for the frozen backend
  start_keeper();
  start_primary(3, Millis{600'000});
  kill(begin_statement("select count(*) from generate_series(1, 100000000000)"), SIGSTOP);
  const auto before = status();
  const pid_t supervisor = supervisor_pid();
  kill(keeper_, SIGKILL);
  waitpid(keeper_, nullptr, 0);
  keeper_ = 0;
  EXPECT_TRUE(eventually([&] { return !is_alive(supervisor); }));
  EXPECT_EQ(servers(), 0U);
  EXPECT_FALSE(is_alive(*before.agent_pid));
}

TEST_F(KeeperTest, WhatSurvivedKeeperAndSupervisorIsKilledByTheNextOnes) {
  start_keeper();
  const auto started = start_postgres();
  const pid_t frozen = begin_statement("select count(*) from generate_series(1, 100000000000)");
  kill(frozen, SIGSTOP);
  kill(keeper_, SIGSTOP);
  const pid_t supervisor = supervisor_pid();
  kill(supervisor, SIGKILL);
  kill(keeper_, SIGKILL);
  waitpid(keeper_, nullptr, 0);
  ASSERT_TRUE(eventually([&] { return !is_alive(supervisor); }));
  // PostgreSQL's own postmaster, told by the kernel, waits for the frozen one.
  EXPECT_TRUE(is_alive(frozen));
  start_keeper();
  const auto again = start_postgres();
  EXPECT_FALSE(is_alive(frozen));
  EXPECT_FALSE(is_alive(started.postmaster_pid));
  EXPECT_EQ(status().postmaster_pid, again.postmaster_pid);
}

TEST_F(KeeperTest, APidFileThatNamesAStrangerDoesNotPreventTheStart) {
  start_keeper();
  shell("printf '%s\\n' " + std::to_string(getppid()) + " " + settings_.data_directory.string() +
        " 0 1 x y > " + (settings_.data_directory / "postmaster.pid").string());
  start_postgres();
  EXPECT_TRUE(is_alive(getppid()));
}

TEST_F(KeeperTest, ARelativePathIsRefused) {
  settings_.state_directory = "state";
  start_keeper();
  int wait_status = 0;
  waitpid(keeper_, &wait_status, 0);
  keeper_ = 0;
  EXPECT_TRUE(WIFEXITED(wait_status));
  EXPECT_EQ(WEXITSTATUS(wait_status), 1);
}

TEST_F(KeeperTest, SystemdIsToldWhenItIsReady) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = root_.string() + "/notify";
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  const timeval limit{20, 0};
  ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(chmod(path.c_str(), 0666), 0);
  setenv("NOTIFY_SOCKET", path.c_str(), 1);
  start_keeper();
  unsetenv("NOTIFY_SOCKET");
  char said[32]{};
  ASSERT_GT(recv(fd, said, sizeof said - 1, 0), 0);
  EXPECT_STREQ(said, "READY=1");
  close(fd);
}

TEST_F(KeeperTest, SigtermStopsCleanlyAndExits0) {
  start_keeper();
  start_postgres();
  const auto agent = status().agent_pid;
  kill(keeper_, SIGTERM);
  int wait_status = 0;
  waitpid(keeper_, &wait_status, 0);
  keeper_ = 0;
  EXPECT_TRUE(WIFEXITED(wait_status));
  EXPECT_EQ(WEXITSTATUS(wait_status), 0);
  EXPECT_EQ(servers(), 0U);
  EXPECT_FALSE(is_alive(*agent));
  const auto control = shell(program("pg_controldata") + " " + settings_.data_directory.string() +
                             " | grep 'cluster state'");
  EXPECT_TRUE(control.ends_with("shut down in recovery")) << control;
}

TEST_F(KeeperTest, TheSocketIsPrivateAndNonsenseEndsTheConnection) {
  start_keeper();
  auto talker = client();
  const auto unknown = talker.ask(boost::json::object{{"verb", "fly"}}, generous);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code(), ErrorCode::data_invalid);
  EXPECT_TRUE(talker.status(generous).ok());
  const std::string endless(longest_line * 2, 'x');
  EXPECT_FALSE(talker.ask(boost::json::object{{"verb", endless}}, generous).ok());
  EXPECT_FALSE(talker.status(generous).ok());
  struct stat found {};
  ASSERT_EQ(::stat(socket_path(settings_.run_directory).c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
  ASSERT_EQ(::stat(settings_.run_directory.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0700U);
}

TEST_F(KeeperTest, KeeperAndSupervisorAreSmall) {
  start_keeper();
  const auto now = status();
  EXPECT_EQ(now.guards.at(0), "subreaper");
  for (const pid_t pid : {keeper_, supervisor_pid()}) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
    long kilobytes = -1;
    for (std::string word; file >> word;) {
      if (word == "Private_Dirty:") file >> kilobytes;
    }
    std::printf("process %d keeps %ld kB of its own\n", pid, kilobytes);
    EXPECT_GT(kilobytes, 0);
    EXPECT_LT(kilobytes, 8 * 1024);
  }
}

}  // namespace
}  // namespace evergres::supervisor::test

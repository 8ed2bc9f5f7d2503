#include "net/process.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "postgres/world.hpp"

namespace evergres::net {

namespace {

using postgres::test::eventually;
using postgres::test::soon;

Command shell(const std::string& script) {
  return {"/bin/sh", {"-c", script}, {}, {}, {}};
}

bool is_alive(pid_t pid) {
  // An orphan may stay a zombie where nobody reaps; it has no command line any more.
  char buffer[2];
  FILE* file = std::fopen(("/proc/" + std::to_string(pid) + "/cmdline").c_str(), "r");
  if (file == nullptr) return false;
  const bool has_title = std::fread(buffer, 1, 1, file) == 1;
  std::fclose(file);
  return has_title;
}

TEST(Process, TellsStatusSignalAndLines) {
  std::vector<std::string> lines;
  const OnLine on_line = [&](Stream stream, std::string_view line) {
    lines.push_back((stream == Stream::output ? "out:" : "err:") + std::string(line));
  };
  const auto exit = run(shell("printf 'a\\rb\\n\\nc'; exit 3"), soon(), {}, on_line);
  ASSERT_TRUE(exit.ok()) << exit.error().for_people();
  EXPECT_EQ(exit->status, 3);
  EXPECT_FALSE(exit->success());
  EXPECT_EQ(lines, (std::vector<std::string>{"out:a", "out:b", "out:c"}));
  const auto killed = run(shell("kill -9 $$"), soon());
  ASSERT_TRUE(killed.ok());
  EXPECT_EQ(killed->signal, SIGKILL);
  const auto many =
      run(shell("for i in 1 2 3 4 5 6; do printf '1\\n2\\n3\\n4\\n29\\n' >&2; done"), soon());
  ASSERT_TRUE(many.ok());
  EXPECT_EQ(many->last_errors.size(), 20U);
  EXPECT_EQ(many->last_errors.back(), "29");
}

TEST(Process, GivesInputEnvironmentAndDirectory) {
  Command command = shell("cat | wc -c; echo $LC_ALL $X; pwd");
  command.input = std::string(300'000, 'x');
  command.environment = {{"X", "y"}};
  command.working_directory = "/usr";
  std::string text;
  const OnLine on_line = [&](Stream, std::string_view line) { text += std::string(line) + "|"; };
  const auto exit = run(command, soon(), {}, on_line);
  ASSERT_TRUE(exit.ok() && exit->success());
  EXPECT_EQ(text, "300000|C y|/usr|");
}

TEST(Process, MissingProgramIsAnErrorOfItsOwn) {
  EXPECT_EQ(run({"/nowhere/initdb", {}, {}, {}, {}}, soon()).error().code(),
            ErrorCode::missing_program);
  EXPECT_EQ(run({"/etc/passwd", {}, {}, {}, {}}, soon()).error().code(), ErrorCode::permission);
}

TEST(Process, AnObjectionEndsItAndIsTheAnswer) {
  std::string heard;
  const OnLine on_line = [&](Stream, std::string_view line) { heard = line; };
  const Objection objection = [&]() -> std::optional<Error> {
    if (heard.empty()) return {};
    return Error(ErrorCode::timed_out, "we have heard " + heard);
  };
  const auto ended = run(shell("sleep 0.2; echo enough; sleep 300"), soon(), {}, on_line,
                         objection);
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().message(), "we have heard enough");
}

TEST(Process, DeadlineAndStopKillTheWholeGroup) {
  pid_t grandchild = 0;
  const OnLine on_line = [&](Stream, std::string_view line) {
    grandchild = static_cast<pid_t>(std::stol(std::string(line)));
  };
  const Command command = shell("sleep 300 & echo $!; wait");
  const auto late = run(command, boot_now() + Millis{300}, {}, on_line);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code(), ErrorCode::timed_out);
  ASSERT_GT(grandchild, 0);
  EXPECT_TRUE(eventually([&] { return !is_alive(grandchild); }));
  std::stop_source stop;
  const OnLine stop_at_once = [&](Stream, std::string_view) { stop.request_stop(); };
  EXPECT_EQ(run(command, soon(), stop.get_token(), stop_at_once).error().code(),
            ErrorCode::cancelled);
}

TEST(Process, DoesNotWaitForAGrandchildThatKeepsThePipes) {
  const Instant begun = boot_now();
  ASSERT_TRUE(run(shell("sleep 20 & exit 0"), soon())->success());
  EXPECT_LT(boot_now() - begun, Nanos(Millis{15'000}));
}

TEST(Process, ChildDiesWithItsParent) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    const OnLine tell = [&](Stream, std::string_view line) {
      const auto pid = static_cast<pid_t>(std::stol(std::string(line)));
      if (::write(ends[1], &pid, sizeof pid) < 0) ::_exit(1);
    };
    static_cast<void>(run(shell("echo $$; exec sleep 300"), soon(), {}, tell));
    ::_exit(0);
  }
  pid_t child = 0;
  ASSERT_EQ(::read(ends[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  EXPECT_TRUE(eventually([&] { return is_alive(child); }));  // no title for a moment in exec
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  EXPECT_TRUE(eventually([&] { return !is_alive(child); }));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Process, ManyThreadsAtOnceLeakNothing) {
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = open_files();
  std::vector<std::thread> threads;
  for (int at = 0; at < 8; ++at) {
    threads.emplace_back([] {
      for (int turn = 0; turn < 10; ++turn) EXPECT_TRUE(run(shell("echo x"), soon())->success());
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(open_files(), before);
}

}  // namespace

}  // namespace evergres::net

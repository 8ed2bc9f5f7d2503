#include "proxy/worker/start_lock.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

namespace evergres::proxy {
namespace {

namespace fs = std::filesystem;

class StartLockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "evergres-sl-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }
  fs::path directory_;
};

TEST_F(StartLockTest, IsHadByOneAtATime) {
  auto first = StartLock::try_take(directory_);
  ASSERT_TRUE(first && *first) << first.error().for_people();
  const auto second = StartLock::try_take(directory_);
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->has_value());
  const Error told = StartLock::not_given(directory_);
  EXPECT_EQ(told.code(), ErrorCode::timed_out);
  EXPECT_EQ(told.message(), "another process of this endpoint is starting");
  EXPECT_NE(told.detail().find("Process " + std::to_string(::getpid()) + " has held"),
            std::string::npos)
      << told.detail();
  struct stat found {};
  ASSERT_EQ(0, ::stat((directory_ / "proxy.lock").c_str(), &found));
  EXPECT_EQ(0600U, found.st_mode & 0777U);
  first->reset();
  const auto third = StartLock::try_take(directory_);
  EXPECT_TRUE(third && *third) << "it was given back";
}

TEST_F(StartLockTest, EndsWithItsProcess) {
  int ready[2];
  ASSERT_EQ(0, ::pipe(ready));
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = StartLock::try_take(directory_);
    const char byte = lock && *lock ? 'y' : 'n';
    if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(1, ::read(ready[0], &byte, 1));
  EXPECT_EQ('y', byte);
  const auto meanwhile = StartLock::try_take(directory_);
  EXPECT_TRUE(meanwhile && !*meanwhile);
  ::kill(child, SIGKILL);
  ASSERT_EQ(child, ::waitpid(child, nullptr, 0));
  const auto after = StartLock::try_take(directory_);
  EXPECT_TRUE(after && *after);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(StartLockTest, WithoutItsDirectoryThereIsAnError) {
  const auto lock = StartLock::try_take(directory_ / "nowhere");
  ASSERT_FALSE(lock);
  EXPECT_NE(lock.error().message().find("proxy.lock"), std::string::npos);
}

}  // namespace
}  // namespace evergres::proxy

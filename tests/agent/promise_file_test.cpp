#include "agent/promise_file.hpp"

#include <sys/wait.h>

#include "agent/place.hpp"

namespace evergres::agent::test {
namespace {

using PromiseFile = Place;

const core::Promise twelve{Term{12}, Claim{"7f3a91c2"}};

TEST_F(PromiseFile, IsKeptByTheNextRun) {
  EXPECT_EQ(read_promise(state())->term, Term{0});
  ASSERT_TRUE(write_promise(state(), twelve));
  EXPECT_EQ(*read_promise(state()), twelve);
  EXPECT_EQ(content_of(state() / "promise"), "12 7f3a91c2\n");
  EXPECT_EQ(std::filesystem::status(state() / "promise").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(PromiseFile, OfAProcessThatWasKilledRightAfterwardsIsThere) {
  const pid_t child = fork();
  if (child == 0) {
    if (write_promise(state(), twelve)) ::kill(::getpid(), SIGKILL);
    _exit(1);
  }
  int wait_status = 0;
  ASSERT_EQ(waitpid(child, &wait_status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(wait_status));
  EXPECT_EQ(*read_promise(state()), twelve);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(state())) ++files;
  EXPECT_EQ(files, 1U) << "something was left beside it";
}

TEST_F(PromiseFile, CanBeTriedWithoutPromising) {
  ASSERT_TRUE(write_promise(state(), twelve));
  ASSERT_TRUE(try_promise(state()));
  EXPECT_EQ(*read_promise(state()), twelve);
  EXPECT_FALSE(std::filesystem::exists(state() / "promise.try"));
  EXPECT_FALSE(try_promise(state() / "nowhere"));
}

TEST_F(PromiseFile, NeverGoesBack) {
  ASSERT_TRUE(write_promise(state(), twelve));
  const auto lower = write_promise(state(), core::Promise{Term{11}, Claim{"aa"}});
  ASSERT_FALSE(lower);
  EXPECT_EQ(lower.error().code(), ErrorCode::refused);
  EXPECT_EQ(lower.error().message(), "this node has promised term 12 already");
  EXPECT_EQ(*read_promise(state()), twelve);
  EXPECT_TRUE(write_promise(state(), twelve));
  EXPECT_TRUE(write_promise(state(), core::Promise{Term{13}, Claim{"bb"}}));
  EXPECT_EQ(read_promise(state())->term, Term{13});
}

TEST_F(PromiseFile, ThatIsDamagedIsNeverNoPromise) {
  using namespace std::string_literals;
  const std::string whole = "12 7f3a91c2\n";
  std::vector<std::string> damaged;
  for (std::size_t length = 0; length < whole.size(); ++length)
    damaged.push_back(whole.substr(0, length));
  for (const std::string& text :
       {"\n"s, " \n"s, "12\n"s, "12 \n"s, " 7f3a91c2\n"s, "twelve 7f3a91c2\n"s, "-1 7f3a91c2\n"s,
        "1x2 7f\n"s, "99999999999999999999 7f3a91c2\n"s, "12 7f\n3a\n"s, "12 7f 3a\n"s,
        "12 7f\0\n"s, "\0\0\0\0\0\0\0\0\0\0\n"s, "12 "s + std::string(65, 'a') + "\n",
        std::string(5000, '1') + " aa\n"}) {
    damaged.push_back(text);
  }
  for (const std::string& text : damaged) {
    put(state() / "promise", text);
    const auto read = read_promise(state());
    ASSERT_FALSE(read) << "accepted: " << text;
    EXPECT_EQ(read.error().code(), ErrorCode::data_invalid);
    EXPECT_NE(read.error().one_line().find((state() / "promise").native()), std::string::npos);
    EXPECT_FALSE(write_promise(state(), core::Promise{Term{99}, Claim{"bb"}}))
        << "written over: " << text;
    EXPECT_EQ(content_of(state() / "promise"), text);
  }
}

TEST_F(PromiseFile, ThatCannotBeReadIsNeverNoPromise) {
  std::filesystem::create_directory(state() / "promise");
  EXPECT_FALSE(read_promise(state()));
  EXPECT_FALSE(write_promise(state(), twelve));
}

TEST_F(PromiseFile, TakesOnlyWhatItCanReadBack) {
  for (const char* claim : {"two words", "line\nbreak", "UPPER"}) {
    EXPECT_FALSE(write_promise(state(), core::Promise{Term{1}, Claim{claim}})) << claim;
  }
  EXPECT_FALSE(std::filesystem::exists(state() / "promise"));
}

TEST_F(PromiseFile, OfATermThatNobodyClaimsAnyMore) {
  ASSERT_TRUE(write_promise(state(), core::Promise{Term{3}, Claim{}}));
  EXPECT_EQ(*read_promise(state()), (core::Promise{Term{3}, Claim{}}));
}

TEST_F(PromiseFile, BelongsToOneCluster) {
  ASSERT_TRUE(bind_to_cluster(state(), ClusterId{"c1"}));
  ASSERT_TRUE(bind_to_cluster(state(), ClusterId{"c1"}));
  const auto other = bind_to_cluster(state(), ClusterId{"c2"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::wrong_data_directory);
  EXPECT_NE(other.error().message().find("belongs to another cluster"), std::string::npos);
  put(state() / "cluster_id", "");
  EXPECT_FALSE(bind_to_cluster(state(), ClusterId{"c1"}));
}

TEST_F(PromiseFile, ASecondFileRemembersWhichRunWasAskedToPromote) {
  EXPECT_FALSE(*was_asked_to_promote(state(), "run/1"));
  ASSERT_TRUE(note_asked_to_promote(state(), "run/1"));
  EXPECT_TRUE(*was_asked_to_promote(state(), "run/1"));
  EXPECT_FALSE(*was_asked_to_promote(state(), "run/2"));
  std::filesystem::remove(state() / "asked_to_promote");
  std::filesystem::create_directory(state() / "asked_to_promote");
  EXPECT_FALSE(was_asked_to_promote(state(), "run/1").ok()) << "unreadable is not no";
}

TEST_F(PromiseFile, ANodeKeepsItsId) {
  const auto first = node_id(state());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->size(), 16U);
  EXPECT_EQ(*node_id(state()), *first);
}

}  // namespace
}  // namespace evergres::agent::test

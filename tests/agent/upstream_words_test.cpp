#include "agent/upstream_words.hpp"

#include <fstream>

#include "agent/place.hpp"

namespace evergres::agent::test {
namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr const char* removed =
    "FATAL:  could not receive data from WAL stream: ERROR:  requested WAL segment "
    "000000010000000000000003 has already been removed\n";
constexpr const char* diverged =
    "FATAL:  requested starting point 0/5000000 is ahead of the WAL flush position of this "
    "server 0/4000000\n";

Instant at(double seconds) {
  return Instant{static_cast<std::int64_t>((100 + seconds) * static_cast<double>(second))};
}

class UpstreamWordsTest : public Place {
 protected:
  UpstreamWordsTest() {
    write("LOG:  starting PostgreSQL\n");
    server_.upstream = core::Upstream{NodeName{"n1"}, Term{5}};
    server_.not_receiving_since = at(0);
  }
  void write(const std::string& text) { std::ofstream(log_, std::ios::app) << text; }
  /// Looks, and learns what was said.
  bool look(double seconds) {
    const auto said = words_.read(log_, at(seconds));
    if (said) learn_refusal(server_, *said);
    return said.has_value();
  }
  std::filesystem::path log_ = root_ / "postgres.log";
  UpstreamWords words_;
  core::Server server_;
};

TEST_F(UpstreamWordsTest, WhatStoodThereBeforeIsNotAboutNow) {
  write(removed);
  EXPECT_FALSE(look(1));
  EXPECT_FALSE(server_.wal_removed);
  write(removed);
  EXPECT_FALSE(look(1.5)) << "once a second";
  EXPECT_TRUE(look(2));
  EXPECT_TRUE(server_.wal_removed);
  EXPECT_FALSE(server_.diverged);
}

TEST_F(UpstreamWordsTest, RecoveryThatFollowsADeadTimelineSaysSo) {
  look(1);
  write("LOG:  new timeline 6 is not a child of database system timeline 4\n");
  EXPECT_TRUE(look(2));
  EXPECT_EQ(server_.off_branch, true);
  EXPECT_FALSE(server_.wal_removed || server_.diverged);
}

TEST_F(UpstreamWordsTest, AWordAboutTheOldUpstreamIsNotHeldAgainstTheNewOne) {
  look(1);
  write(removed);
  write(diverged);
  // Meanwhile it was pointed to another node, which has said nothing yet.
  server_.upstream = core::Upstream{NodeName{"n2"}, Term{5}};
  server_.not_receiving_since = at(1.5);
  EXPECT_TRUE(look(2));
  EXPECT_FALSE(server_.wal_removed || server_.diverged);
  EXPECT_FALSE(look(3));
  write(diverged);
  EXPECT_TRUE(look(4));
  EXPECT_TRUE(server_.diverged) << "the new one says so itself";
}

TEST_F(UpstreamWordsTest, AWordFromBeforeItLastStreamedIsOutOfDate) {
  look(1);
  write(removed);
  server_.not_receiving_since = at(3000);  // it streamed in between, and nobody looked
  EXPECT_TRUE(look(3001));
  EXPECT_FALSE(server_.wal_removed);
}

TEST_F(UpstreamWordsTest, NothingIsLearntWhileItStreamsOrHasNoUpstream) {
  look(1);
  write(removed);
  server_.receiving = true;
  EXPECT_TRUE(look(2));
  server_.receiving = false;
  server_.upstream.reset();
  write(removed);
  EXPECT_TRUE(look(3));
  EXPECT_FALSE(server_.wal_removed);
}

TEST_F(UpstreamWordsTest, AHistoryFileThatTheUpstreamNeverHadIsMissedForEver) {
  const std::string asked =
      "FATAL:  could not receive timeline history file from the primary server: ";
  look(1);
  write(asked + "server closed the connection unexpectedly\n");
  EXPECT_FALSE(look(2)) << "the next attempt may get it";
  write(asked + "ERROR:  could not open file \"pg_wal/00000003.history\": Permission denied\n");
  EXPECT_FALSE(look(3));
  write(asked +
        "ERROR:  could not open file \"pg_wal/00000003.history\": No such file or directory\n");
  EXPECT_TRUE(look(4));
  EXPECT_TRUE(server_.wal_removed);
}

TEST_F(UpstreamWordsTest, ALogThatWasCutIsReadFromItsNewEnd) {
  look(1);
  write(std::string(100, 'x'));
  look(2);
  std::ofstream(log_, std::ios::trunc) << removed;
  EXPECT_FALSE(look(3));
  write(removed);
  EXPECT_TRUE(look(4));
}

}  // namespace
}  // namespace evergres::agent::test

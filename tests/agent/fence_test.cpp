#include "agent/operations/lineage.hpp"
#include "agent/place.hpp"
#include "agent/promise_file.hpp"

namespace evergres::agent::test {
namespace {

class Fence : public Place {
 protected:
  core::Fenced fenced_on(std::uint32_t timeline) {
    core::Fenced fenced;
    fenced.position = core::Position{TimelineId{timeline}, Lsn{0x5000000}};
    fenced.can_run = true;
    add_lineage(fenced, setup_.server);
    return fenced;
  }
  void wal(const std::string& name, const std::string& content = "") {
    put(setup_.server.wal() / name, content);
  }

  /// Carries out a fence of a stopped server and keeps what was learned, in order.
  Outcome fence(Term term, const Claim& claim) {
    Knowledge known;
    known.situation.me = NodeName{"n1"};
    known.situation.server.state = core::ServerState::stopped;
    const auto tell = [this](const Learn& change) {
      promised_when_told_.push_back(content_of(state() / "promise"));
      change(told_);
    };
    Hands hands(setup_, known, tell, std::stop_token());
    return carry_out(core::Fence{term, claim}, hands);
  }
  Knowledge told_;
  std::vector<std::string> promised_when_told_;  ///< the file, each time that something was told
};

TEST_F(Fence, PromisesOnDiskBeforeItTellsAnybody) {
  // There is no data directory, so the position cannot be read: the promise stands all the same.
  EXPECT_FALSE(fence(Term{5}, Claim{"aa"}));
  ASSERT_FALSE(promised_when_told_.empty());
  for (const std::string& text : promised_when_told_) EXPECT_EQ(text, "5 aa\n");
  EXPECT_EQ(told_.situation.promise, (core::Promise{Term{5}, Claim{"aa"}}));
  EXPECT_FALSE(told_.situation.fenced) << "an answer without a position that was read";
}

TEST_F(Fence, OfALowerTermThanThePromiseIsRefusedAndTellsNothing) {
  ASSERT_TRUE(write_promise(state(), core::Promise{Term{6}, Claim{"bb"}}));
  const auto outcome = fence(Term{5}, Claim{"aa"});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), ErrorCode::refused);
  EXPECT_TRUE(promised_when_told_.empty());
}

TEST_F(Fence, WithAPromiseThatCannotBeKeptTellsNothing) {
  std::filesystem::remove_all(state());
  EXPECT_FALSE(fence(Term{5}, Claim{"aa"}));
  EXPECT_TRUE(promised_when_told_.empty());
  EXPECT_EQ(told_.situation.promise.term, Term{0});
}

TEST_F(Fence, NamesTheTimelinesThatItsWalWentThrough) {
  wal("00000003.history",
      "1\t0/3000000\tno recovery target specified\n\n2\t0/4000000\tno recovery target\n");
  wal("000000030000000000000004");
  wal("00000009.history", "1\t0/3000000\t# evergres reserved\n");
  const auto fenced = fenced_on(3);
  EXPECT_TRUE(fenced.position);
  EXPECT_TRUE(fenced.can_run);
  EXPECT_EQ(fenced.newest_timeline, TimelineId{9});
  const std::vector<core::Fork> expected{{TimelineId{3}, TimelineId{2}, Lsn{0x4000000}},
                                         {TimelineId{2}, TimelineId{1}, Lsn{0x3000000}}};
  EXPECT_EQ(fenced.history, expected);
}

TEST_F(Fence, NamesTheTimelinesThatBeganOnThisServer) {
  wal("00000003.history", "1\t0/3000000\tno recovery target\n2\t0/4000000\tno recovery target\n");
  // A promotion removed standby.signal.
  EXPECT_EQ(fenced_on(3).begun, std::vector<TimelineId>{TimelineId{3}});
  put(setup_.server.data / "standby.signal", "");
  EXPECT_EQ(fenced_on(3).begun, std::vector<TimelineId>{});
  put(setup_.server.data / "evergres.begun",
      "node " + setup_.server.node.value + "\ntimeline 2\ntimeline 7\n");
  EXPECT_EQ(fenced_on(3).begun, std::vector<TimelineId>{TimelineId{2}})
      << "7 is not in its history";
  put(setup_.server.data / "evergres.begun", "timeline 2\n");
  EXPECT_FALSE(fenced_on(3).position) << "damaged";
}

TEST_F(Fence, OnTheFirstTimelineNeedsNoHistory) {
  wal("000000010000000000000004");
  const auto fenced = fenced_on(1);
  EXPECT_TRUE(fenced.position);
  EXPECT_TRUE(fenced.history.empty());
}

TEST_F(Fence, WithAHistoryThatCannotBeReadHasNoPosition) {
  const std::string name = "00000003.history";
  const std::vector<std::string> unreadable{"garbage\n",
                                            "1\n",
                                            "2\t0/3\n1\t0/4\n",
                                            "3\t0/3000000\n",
                                            "7\t0/3000000\n",
                                            "0\t0/3000000\n"};
  for (const std::string& text : unreadable) {
    wal(name, text);
    const auto fenced = fenced_on(3);
    EXPECT_FALSE(fenced.position) << text;
    EXPECT_FALSE(fenced.can_run) << text;
    EXPECT_TRUE(fenced.why_no_position.starts_with("the timelines of its WAL are not known"))
        << fenced.why_no_position;
  }
  std::filesystem::remove(setup_.server.wal() / name);
  EXPECT_FALSE(fenced_on(3).position) << "the file is absent";
  std::filesystem::create_directory(setup_.server.wal() / name);
  EXPECT_FALSE(fenced_on(3).position) << "it is no file";
}

TEST_F(Fence, WithoutItsWalDirectoryHasNoPosition) {
  std::filesystem::remove(setup_.server.wal());
  EXPECT_FALSE(fenced_on(1).position) << "an id that it has seen could be given out again";
}

}  // namespace
}  // namespace evergres::agent::test

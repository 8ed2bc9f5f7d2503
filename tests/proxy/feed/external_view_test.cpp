#include "proxy/feed/external_view.hpp"

#include <gtest/gtest.h>

namespace evergres::proxy {
namespace {

constexpr std::uint64_t ours = 7'000;

ProbeAnswer primary(std::uint32_t timeline, std::uint64_t lsn = 100) {
  return {false, false, ours, TimelineId{timeline}, Lsn{lsn}, false};
}
ProbeAnswer standby(std::uint32_t timeline, std::uint64_t lsn = 90) {
  return {true, true, ours, TimelineId{timeline}, Lsn{lsn}, true};
}

class ExternalViewTest : public ::testing::Test {
 protected:
  std::string notes() {
    std::string all;
    for (const ExternalView::Note& note : view.take_notes()) all += note.text + "\n";
    return all;
  }
  std::string leader() {
    const auto is = view.leader();
    if (!is) return "nobody " + std::to_string(view.highest().value);
    return std::string(1, static_cast<char>('a' + is->host)) + " " +
           std::to_string(is->term.value) + " on " + std::to_string(is->timeline.value);
  }
  ExternalView view{{"a", "b"}, {}, true};
};

TEST_F(ExternalViewTest, EverybodyIsHeardBeforeTheFirstChoice) {
  view.answered(0, primary(1));
  EXPECT_EQ(leader(), "nobody 0");
  view.answered(1, primary(2));
  EXPECT_EQ(leader(), "b 1 on 2");
  EXPECT_EQ(notes(), "b is the primary, on timeline 2\n");
  view.answered(0, primary(1));
  EXPECT_EQ(leader(), "b 1 on 2");
  EXPECT_NE(notes().find("an old primary that nobody stopped"), std::string::npos);
  view.answered(0, primary(1));
  EXPECT_EQ(notes(), "") << "it is said once";
}

TEST_F(ExternalViewTest, AHostThatDoesNotAnswerIsNotWaitedForAtTheFirstChoice) {
  view.failed(1, "refused");
  view.answered(0, primary(1));
  EXPECT_EQ(leader(), "a 1 on 1");
}

TEST_F(ExternalViewTest, AFailoverIsANewTermAndTheOldPrimaryIsNeverUsedAgain) {
  view.answered(0, primary(1));
  view.answered(1, standby(1));
  EXPECT_EQ(leader(), "a 1 on 1");
  EXPECT_TRUE(view.replays(1));
  EXPECT_EQ(view.lag(1), 10U);
  view.failed(0, "closed");
  EXPECT_EQ(leader(), "a 1 on 1") << "once is not enough";
  view.failed(0, "refused");
  EXPECT_EQ(leader(), "nobody 1") << "clients wait, nobody else leads yet";
  view.answered(1, primary(2));
  EXPECT_EQ(leader(), "b 2 on 2");
  view.answered(0, primary(1, 5'000));
  view.failed(1, "closed");
  view.failed(1, "refused");
  EXPECT_EQ(leader(), "nobody 2") << "rather nobody than the old one";
  view.answered(1, primary(2));
  EXPECT_EQ(leader(), "b 2 on 2") << "the same leadership goes on";
}

TEST_F(ExternalViewTest, TwoPrimariesOnOneTimelineLeaveTheOneInUseAndAreToldOnce) {
  view.answered(0, primary(3, 100));
  view.answered(1, standby(3));
  notes();
  view.answered(1, primary(3, 900));
  EXPECT_EQ(leader(), "a 1 on 3");
  EXPECT_NE(notes().find("TWO PRIMARIES: b and a"), std::string::npos);
  view.answered(0, primary(3, 200));
  view.answered(1, primary(3, 1'000));
  EXPECT_EQ(leader(), "a 1 on 3");
  EXPECT_EQ(notes(), "");
}

TEST_F(ExternalViewTest, OfTwoWhereNoneIsInUseTheHigherPositionLeads) {
  view.answered(0, primary(3, 100));
  view.answered(1, primary(3, 900));
  EXPECT_EQ(leader(), "b 1 on 3");
  EXPECT_NE(notes().find("TWO PRIMARIES: a and b"), std::string::npos);
}

TEST_F(ExternalViewTest, AnotherDatabaseSystemIsNeverUsed) {
  view.answered(0, primary(1));
  view.answered(1, standby(1));
  ProbeAnswer foreign = primary(9);
  foreign.system = 8'000;
  view.answered(1, foreign);
  EXPECT_EQ(leader(), "a 1 on 1");
  EXPECT_FALSE(view.replays(1));
  EXPECT_NE(notes().find("b is of another database system"), std::string::npos);
}

TEST_F(ExternalViewTest, ANameThatMovesToAnotherServerIsANewTerm) {
  view.answered(0, primary(1, 100));
  view.answered(1, standby(1));
  EXPECT_EQ(leader(), "a 1 on 1");
  notes();
  view.moved(0);
  EXPECT_EQ(leader(), "nobody 1") << "what is there has said nothing yet";
  EXPECT_FALSE(view.answer(0));
  EXPECT_NE(notes().find("a has another address now"), std::string::npos);
  view.answered(0, primary(1, 200));
  EXPECT_EQ(leader(), "a 2 on 1") << "servers of the first address are left";
  view.answered(0, primary(1, 300));
  EXPECT_EQ(leader(), "a 2 on 1");
  view.moved(1);
  EXPECT_EQ(leader(), "a 2 on 1");
  EXPECT_FALSE(view.replays(1));
}

TEST_F(ExternalViewTest, APositionThatGoesBackIsAnotherServersUnderOneAddress) {
  view.answered(0, primary(1, 100));
  view.answered(1, standby(1));
  view.failed(0, "closed");
  view.answered(0, primary(1, 60));
  EXPECT_EQ(leader(), "a 2 on 1");
}

TEST_F(ExternalViewTest, OfTwoSystemsNoneIsChosenFirst) {
  ProbeAnswer foreign = primary(9);
  foreign.system = 8'000;
  view.answered(1, foreign);
  view.answered(0, primary(1));
  EXPECT_EQ(leader(), "nobody 0");
  EXPECT_EQ(notes(),
            "TWO DATABASE SYSTEMS: a is of 7000 and b of 8000: none is used. Name servers of one "
            "system only, and start again\n");
  view.failed(1, "closed");
  view.failed(1, "refused");
  view.answered(0, primary(1));
  EXPECT_EQ(leader(), "nobody 0") << "that one is silent does not make the other one ours";
  EXPECT_EQ(notes(), "b does not answer: refused\n");
  view.answered(1, standby(1));
  EXPECT_EQ(leader(), "a 1 on 1") << "it was put right";
}

TEST_F(ExternalViewTest, WhatWasKnownBeforeTheStartKeepsAnOldPrimaryOut) {
  ExternalView later({"a", "b"}, {ours, TimelineId{2}}, true);
  later.failed(1, "refused");
  later.answered(0, primary(1));
  EXPECT_FALSE(later.leader());
  later.answered(1, primary(2));
  ASSERT_TRUE(later.leader());
  EXPECT_EQ(later.leader()->host, 1U);
}

TEST_F(ExternalViewTest, AReadOnlyPrimaryCountsOnlyIfThatWasSaid) {
  ProbeAnswer read_only = primary(1);
  read_only.read_only = true;
  view.answered(0, read_only);
  view.answered(1, standby(1));
  EXPECT_EQ(leader(), "nobody 0");
  ExternalView any({"a"}, {}, false);
  any.answered(0, read_only);
  EXPECT_TRUE(any.leader());
}

TEST_F(ExternalViewTest, ADemotionAndAPromotionOfTheSameServerIsANewTerm) {
  view.answered(0, primary(1));
  view.answered(1, standby(1));
  view.answered(0, standby(1));
  EXPECT_EQ(leader(), "nobody 1") << "it says itself that it is none: at once";
  view.answered(0, primary(2));
  EXPECT_EQ(leader(), "a 2 on 2");
}

}  // namespace
}  // namespace evergres::proxy

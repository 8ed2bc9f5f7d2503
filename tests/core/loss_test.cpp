#include <gtest/gtest.h>

#include "transitions.hpp"

/// What transitions note of WAL that was given up.
namespace evergres::core::cohort {
namespace {

/// n1's WAL from 90 on is given up when n2 takes over; the WAL of n1 is known up to 120.
Choice lossy_choice(const Record& record, TimelineId timeline) {
  Choice choice = choice_of(record, timeline);
  choice.loss = Loss{seat(0), record.term, Lsn{90}, Lsn{120}, 700, false};
  return choice;
}

TEST(Transition, ALossThatIsNotMeasuredStandsBesideTheNextOne) {
  const Record first =
      *choose_leader(electing(), mine, lossy_choice(electing(), TimelineId{2}), false);
  EXPECT_TRUE(unmeasured_losses(first).empty()) << "nothing is lost before it opens";
  const Policy policy = choice_of(electing(), TimelineId{2}).policy;
  const Fork fork{TimelineId{2}, TimelineId{1}, Lsn{90}};
  const Record open = *open_leadership(first, other, policy, fork);
  ASSERT_EQ(unmeasured_losses(open).size(), 1U);

  const Record next = *claim_term(open, NodeName{"n3"}, mine, "n2 is silent");
  Choice choice = choice_of(next, TimelineId{3});
  choice.leader = seat(2);
  choice.policy = SmallPolicy{2, 0, 0}.real(next.term);
  choice.loss = Loss{seat(1), next.term, Lsn{200}, Lsn{210}, 0, false};
  const Record chosen_again = *choose_leader(next, mine, choice, false);
  EXPECT_EQ(chosen_again.earlier_losses, (std::vector<Loss>{*open.loss}));
  EXPECT_EQ(unmeasured_losses(chosen_again), (std::vector<Loss>{*open.loss}));
  const Record open_again = *open_leadership(chosen_again, other, choice.policy,
                                             Fork{TimelineId{3}, TimelineId{2}, Lsn{200}});
  ASSERT_EQ(unmeasured_losses(open_again).size(), 2U);

  const TimelineTree tree(open_again.lineage);
  const Loss measured =
      measured_loss(open_again, *open.loss, Position{TimelineId{1}, Lsn{150}}, tree);
  EXPECT_EQ(describe(measured), "60 bytes of n1 (0/5A to 0/96), read from its own WAL");
  const Record noted = *record_loss(open_again, other, measured);
  EXPECT_FALSE(noted.earlier_losses);
  EXPECT_EQ(noted.loss, open_again.loss);
  EXPECT_EQ(refused(record_loss(noted, other, measured)), "the record knows no loss of n1");
}

TEST(Transition, AForcedFailoverThatNeverOpensLeavesItsLossToTheNext) {
  const Record first =
      *choose_leader(electing(), mine, lossy_choice(electing(), TimelineId{2}), true);
  const Record next = *claim_term(first, NodeName{"n3"}, mine, "n2 could not be promoted");
  const TimelineTree tree(next.lineage);
  const Position behind{TimelineId{1}, Lsn{80}};
  const auto inherited = inherited_loss(next, seat(2), behind, tree);
  ASSERT_TRUE(inherited);
  EXPECT_EQ(*inherited,
            (Loss{seat(0), next.term, Lsn{80}, Lsn{120}, 700, false, false, first.term}));
  EXPECT_FALSE(inherited_loss(next, seat(0), Position{TimelineId{1}, Lsn{130}}, tree))
      << "the leader itself loses nothing";
  Choice choice = choice_of(next, TimelineId{3});
  choice.leader = seat(2);
  choice.policy = SmallPolicy{2, 0, 0}.real(next.term);
  choice.loss = inherited;
  choice.loss->silent_ms = 0;  // of a leader that never spoke
  const Record second = *choose_leader(next, mine, choice, false);
  EXPECT_EQ(second.loss, inherited);
  EXPECT_FALSE(second.earlier_losses);
}

/// After a forced failover to n2 that never opened `chosen` is chosen and does not open either.
Record chosen_in_vain(const Record& before, const Seat& chosen, Position at, TimelineId timeline) {
  const Record next = *claim_term(before, NodeName{"n3"}, mine, "nobody could be promoted");
  Choice choice = choice_of(next, timeline);
  choice.leader = chosen;
  choice.position = at;
  choice.policy = SmallPolicy{2, 0, 0}.real(next.term);
  choice.policy.leader = chosen;
  choice.loss = inherited_loss(next, chosen, at, TimelineTree(next.lineage));
  return *choose_leader(next, mine, choice, false);
}

TEST(Transition, ALossIsInheritedHoweverManyFailoversDoNotOpen) {
  const Record first =
      *choose_leader(electing(), mine, lossy_choice(electing(), TimelineId{2}), true);
  const Position behind{TimelineId{1}, Lsn{80}};
  const Record second = chosen_in_vain(first, seat(2), behind, TimelineId{3});
  ASSERT_TRUE(second.loss);
  ASSERT_NE(second.policy.current.term, second.loss->term);
  const Record third = chosen_in_vain(second, seat(3), behind, TimelineId{4});
  EXPECT_EQ(third.loss,
            (Loss{seat(0), third.term, Lsn{80}, Lsn{120}, 700, false, false, first.term}));
  EXPECT_FALSE(third.earlier_losses);
}

// n1 is given up for n2, which does not open. Then n1 itself is chosen, and dies before it opens.
TEST(Transition, ALeaderThatIsChosenAgainInVainDoesNotTakeItsLossWithIt) {
  const Position own_end{TimelineId{1}, Lsn{130}};
  const Position behind{TimelineId{1}, Lsn{80}};
  const Record forced =
      *choose_leader(electing(), mine, lossy_choice(electing(), TimelineId{2}), true);
  const Record again = chosen_in_vain(forced, seat(0), own_end, TimelineId{3});
  EXPECT_EQ(again.loss, forced.loss) << "nothing is decided before it opens";
  Record record = again;
  for (std::uint32_t timeline = 4; timeline < 10; timeline += 2) {
    record = chosen_in_vain(record, seat(2), behind, TimelineId{timeline});
    const Loss expected{seat(0), record.term, Lsn{80}, Lsn{120}, 700, false, false, forced.term};
    ASSERT_EQ(record.loss, expected) << "on timeline " << timeline;
    record = chosen_in_vain(record, seat(0), own_end, TimelineId{timeline + 1});
  }
  record = chosen_in_vain(record, seat(2), behind, TimelineId{10});
  const Record open = *open_leadership(record, other, record.policy.unproven.back(),
                                       Fork{TimelineId{10}, TimelineId{1}, Lsn{80}});
  ASSERT_TRUE(open.loss);
  EXPECT_EQ(unmeasured_losses(open), std::vector{*open.loss});
}

TEST(Transition, ALeaderThatOpensAgainLostNothing) {
  const Record forced =
      *choose_leader(electing(), mine, lossy_choice(electing(), TimelineId{2}), true);
  const Record again =
      chosen_in_vain(forced, seat(0), Position{TimelineId{1}, Lsn{130}}, TimelineId{3});
  const Record open = *open_leadership(again, other, again.policy.unproven.back(),
                                       Fork{TimelineId{3}, TimelineId{1}, Lsn{130}});
  EXPECT_FALSE(open.loss);
  EXPECT_FALSE(open.earlier_losses);
}

TEST(Transition, ALossIsForgottenForNoSecondAcceptedOne) {
  const Record forced =
      *choose_leader(electing(), mine, lossy_choice(electing(), TimelineId{2}), true);
  const Record next = *claim_term(forced, NodeName{"n3"}, mine, "n2 could not be promoted");
  Choice choice = choice_of(next, TimelineId{3});
  choice.leader = choice.policy.leader = seat(0);
  choice.policy.voters.clear();
  choice.policy.k = 0;
  choice.loss = Loss{seat(1), next.term, Lsn{130}, {}};  // of n2, which led nobody
  Record record = *choose_leader(next, mine, choice, true);
  EXPECT_EQ(record.loss, forced.loss);
  for (std::uint32_t timeline = 4; timeline < 7; ++timeline) {
    record = chosen_in_vain(record, seat(2), {TimelineId{1}, Lsn{80}}, TimelineId{timeline});
    ASSERT_TRUE(record.loss);
    EXPECT_EQ(record.loss->leader, seat(0));
  }
}

// n2 was promoted in vain, and n3 stands on its timeline: 110 bytes on that are not those of n1.
TEST(Transition, AnInheritedLossNeverShrinks) {
  Record first = *choose_leader(electing(), mine, lossy_choice(electing(), TimelineId{2}), true);
  first.lineage.back().begins = Lsn{90};
  const Record second =
      chosen_in_vain(first, seat(2), Position{TimelineId{2}, Lsn{130}}, TimelineId{3});
  const Record third =
      chosen_in_vain(second, seat(3), Position{TimelineId{2}, Lsn{125}}, TimelineId{4});
  for (const Record& record : {second, third}) {
    ASSERT_TRUE(record.loss);
    EXPECT_EQ(record.loss->from, Lsn{90});
    EXPECT_EQ(record.loss->to, Lsn{120});
  }
}

TEST(Transition, ALossIsMeasuredFromWhereTheLostLeadersTimelineWasLeft) {
  Record record;
  record.lineage = {Lineage{Term{1}, TimelineId{1}, TimelineId{0}, std::nullopt, NodeName{"n1"}},
                    Lineage{Term{2}, TimelineId{2}, TimelineId{1}, Lsn{100}, NodeName{"n2"}},
                    Lineage{Term{3}, TimelineId{3}, TimelineId{2}, Lsn{200}, NodeName{"n3"}}};
  const TimelineTree tree(record.lineage);
  const Loss loss{seat(0), Term{3}, Lsn{90}, Lsn{120}, 700, false, true};
  const auto bytes = [&](std::uint32_t timeline, std::uint64_t end) {
    return bytes_of(measured_loss(record, loss, {TimelineId{timeline}, Lsn{end}}, tree));
  };
  EXPECT_EQ(bytes(1, 150), 50U) << "n2 left it at 100, and n3 went on from n2";
  EXPECT_EQ(bytes(1, 100), 0U);
  EXPECT_EQ(bytes(1, 95), 0U);
  EXPECT_EQ(bytes(2, 230), 30U);
  EXPECT_EQ(bytes(2, 200), 0U);
}

TEST(Transition, AnAsyncFailoverThatNeverOpensGaveNothingUp) {
  const Record first =
      *choose_leader(electing(), mine, lossy_choice(electing(), TimelineId{2}), false);
  const Record next = *claim_term(first, NodeName{"n3"}, mine, "n2 could not be promoted");
  const Position behind{TimelineId{1}, Lsn{80}};
  EXPECT_FALSE(inherited_loss(next, seat(2), behind, TimelineTree(next.lineage)))
      << "the policy of n1 is still in the book";
  Choice choice = choice_of(next, TimelineId{3});
  choice.learned = {Fork{TimelineId{2}, TimelineId{1}, Lsn{90}}};  // n2 was promoted all the same
  const Record second = *choose_leader(next, mine, choice, false);
  EXPECT_FALSE(second.loss);
  const Record again =
      chosen_in_vain(first, seat(0), Position{TimelineId{1}, Lsn{130}}, TimelineId{3});
  const Record last = chosen_in_vain(again, seat(2), behind, TimelineId{4});
  EXPECT_FALSE(last.loss) << "the policy under which n1 led is in the book all the time";
}

}  // namespace
}  // namespace evergres::core::cohort

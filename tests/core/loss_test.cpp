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

TEST(Transition, TheLossOfTheLastFailoverStaysInTheRecord) {
  Record open = leading();
  open.loss = Loss{seat(0), Term{1}, Lsn{90}, Lsn{120}, 700, false, true};
  Loss measured = *open.loss;
  measured.measured = true;
  EXPECT_EQ(record_loss(open, other, measured)->loss, measured);
  Loss of_another = measured;
  of_another.leader = seat(2);
  EXPECT_EQ(refused(record_loss(open, other, of_another)), "the record knows no loss of n3");
  Loss of_another_term = measured;
  of_another_term.term = Term{9};
  EXPECT_EQ(refused(record_loss(open, other, of_another_term)), "the record knows no loss of n1");
  EXPECT_EQ(refused(record_loss(open, mine, measured)), "the claim of term 1 is not ours");
}

TEST(Losses, OfManyThatWereNeverMeasuredTheOldestGoes) {
  Record open = leading();
  open.loss = Loss{seat(0), Term{1}, Lsn{90}, Lsn{120}, 700, false, true};
  open.earlier_losses.emplace();
  for (std::uint64_t i = 1; i <= 16; ++i)
    open.earlier_losses->push_back(Loss{seat(2), Term{1}, Lsn{i}, Lsn{99}, 0, false, true});
  const Record next = *claim_term(open, NodeName{"n3"}, mine, "n2 is silent");
  Choice choice = choice_of(next, TimelineId{3});
  choice.leader = seat(2);
  choice.policy = SmallPolicy{2, 0, 0}.real(next.term);
  choice.loss = Loss{seat(1), next.term, Lsn{200}, Lsn{210}, 0, false};
  const Record lossy = *choose_leader(next, mine, choice, false);
  ASSERT_EQ(lossy.earlier_losses->size(), 16U);
  EXPECT_EQ(lossy.earlier_losses->front().from, Lsn{2});
  EXPECT_EQ(lossy.earlier_losses->back(), *open.loss);
}

/// A policy under which the lost leader led is in the book as long as nobody dropped it: what it
/// covers is not lost. One under which it was only chosen again tells of nothing.
TEST(Losses, OnlyWhatNoPolicyTellsOfIsInherited) {
  Record record = electing();
  record.policy.current.leader = seat(2);
  record.loss = Loss{seat(0), Term{1}, Lsn{90}, Lsn{120}, 700, false, false};
  const TimelineTree tree(record.lineage);
  const auto inherits = [&](const Record& from) {
    return inherited_loss(from, seat(1), {TimelineId{1}, Lsn{90}}, tree).has_value();
  };
  EXPECT_TRUE(inherits(record));
  for (const std::uint64_t term : {0U, 1U}) {
    Record beside = record;
    beside.policy.unproven = {SmallPolicy{0, 0, 0}.real(Term{term})};
    EXPECT_EQ(inherits(beside), term == 1);
    beside.policy = {SmallPolicy{0, 0, 0}.real(Term{term}), {}};
    EXPECT_EQ(inherits(beside), term == 1);
  }
  Record opened = record;
  opened.loss->opened = true;
  EXPECT_FALSE(inherits(opened)) << "it is a fact, and stays with its term";
  record.loss.reset();
  EXPECT_FALSE(inherits(record));
}

/// n3 was chosen on a timeline that it had left n2's for behind our back, and was gone before it
/// opened: with it went where its history left n2's. Then n1, which n2 had taken over from at 90.
TEST(Losses, AnInheritedOneBeginsNoLaterThanWhereTheLostLeaderItselfIsLeft) {
  Record record = electing();
  record.lineage = {{Term{0}, TimelineId{1}, TimelineId{0}, Lsn{0}, NodeName{"n1"}},
                    {Term{1}, TimelineId{2}, TimelineId{1}, Lsn{90}, NodeName{"n2"}},
                    {Term{2}, TimelineId{4}, TimelineId{3}, Lsn{130}, NodeName{"n3"}}};
  record.policy.current.leader = seat(2);
  record.policy.current.term = Term{2};
  record.loss = Loss{seat(1), Term{2}, Lsn{110}, Lsn{120}, 700, false, false};
  const TimelineTree tree(record.lineage);
  const auto loss = inherited_loss(record, seat(0), {TimelineId{1}, Lsn{150}}, tree);
  ASSERT_TRUE(loss);
  EXPECT_EQ(loss->from, Lsn{90});
  EXPECT_EQ(loss->to, Lsn{120});
  // Between, n2 was chosen again in vain.
  record.lineage.insert(record.lineage.begin() + 2,
                        {Term{2}, TimelineId{3}, TimelineId{2}, std::nullopt, NodeName{"n2"}});
  record.lineage.back() = {Term{3}, TimelineId{6}, TimelineId{5}, Lsn{130}, NodeName{"n3"}};
  record.loss->term = record.policy.current.term = Term{3};
  const TimelineTree later(record.lineage);
  EXPECT_EQ(inherited_loss(record, seat(0), {TimelineId{1}, Lsn{150}}, later)->from, Lsn{90});
}

TEST(Losses, WithoutABeginningOfItsTimelineALossCountsFromWhereItWasKnown) {
  Record record;
  record.lineage = {Lineage{Term{1}, TimelineId{1}, TimelineId{0}, std::nullopt, NodeName{"n1"}},
                    Lineage{Term{3}, TimelineId{3}, TimelineId{1}, std::nullopt, NodeName{"n2"}}};
  const Loss loss{seat(0), Term{3}, Lsn{90}, Lsn{120}, 700, false, true};
  const Loss measured =
      measured_loss(record, loss, {TimelineId{1}, Lsn{150}}, TimelineTree(record.lineage));
  EXPECT_EQ(bytes_of(measured), 60U);
}

TEST(Losses, InWords) {
  Loss loss{seat(0), Term{1}, Lsn{90}, {}, 0, false};
  EXPECT_EQ(describe(loss), "an unknown number of bytes of n1 after 0/5A");
  loss.to = Lsn{90};
  EXPECT_EQ(describe(loss), "0 bytes of n1, as far as it is known");
  loss.to = Lsn{120};
  EXPECT_EQ(describe(loss), "30 bytes of n1 (0/5A to 0/78), as far as it is known");
  loss.silent_ms = 1450;
  EXPECT_EQ(describe(loss), "30 bytes of n1 (0/5A to 0/78), and what it wrote in its last 1.4 s");
  loss.measured = true;
  EXPECT_EQ(describe(loss), "30 bytes of n1 (0/5A to 0/78), read from its own WAL");
}

TEST(Losses, WhatMaxLossTolerates) {
  Record record;
  Loss loss{seat(0), Term{1}, Lsn{90}, Lsn{120}, 0, false};
  EXPECT_FALSE(is_tolerable(loss, record)) << "nobody allowed any";
  record.max_loss_bytes = 29;
  EXPECT_FALSE(is_tolerable(loss, record));
  record.max_loss_bytes = 30;
  EXPECT_TRUE(is_tolerable(loss, record));
  loss.to.reset();
  EXPECT_FALSE(is_tolerable(loss, record)) << "the unknown is too much";
  record.max_loss_bytes = unlimited_loss;
  EXPECT_TRUE(is_tolerable(loss, record));
}

/// The word of whoever leads under another policy, or led in another term, measures nothing.
TEST(Losses, OnlyAWordOfTheLostLeaderMeasures) {
  Record record = electing();
  record.policy.current = SmallPolicy{0, 0, 0}.real(Term{0});
  const TimelineTree tree(record.lineage);
  const auto lost_up_to = [&](unsigned node, Term term) {
    const LastWord word{seat(node), term, {TimelineId{1}, Lsn{120}}, {}};
    return possible_loss(record, word, {TimelineId{1}, Lsn{90}}, tree).to;
  };
  EXPECT_EQ(lost_up_to(0, Term{0}), Lsn{120});
  EXPECT_FALSE(lost_up_to(1, Term{0}));
  EXPECT_FALSE(lost_up_to(0, Term{1}));
  EXPECT_FALSE(possible_loss(record, {}, {TimelineId{1}, Lsn{90}}, tree).to);
}

/// The old leader comes back after a promotion of its own that never opened, and is chosen again.
TEST(Losses, ItBeginsWhereTheLostLeaderWasLeftBeforeATimelineThatNeverOpened) {
  Record record = electing();
  record.policy.current = SmallPolicy{0, 0, 0}.real(Term{0});
  record.lineage = {{Term{0}, TimelineId{1}, TimelineId{0}, Lsn{0}, NodeName{"n1"}}};
  TimelineTree tree(record.lineage);
  tree.learn({{TimelineId{2}, TimelineId{1}, Lsn{90}}});
  EXPECT_EQ(possible_loss(record, {}, {TimelineId{2}, Lsn{96}}, tree).from, Lsn{90});
  EXPECT_EQ(possible_loss(record, {}, {TimelineId{1}, Lsn{80}}, tree).from, Lsn{80});
}

/// n2 took over from n1 at 90 and is lost; n1 comes back with what that had given up, and leads.
TEST(Losses, ItBeginsWhereTheLostLeaderBeganIfTheNextOneHoldsWhatAnEarlierFailoverGaveUp) {
  Record record = electing();
  record.policy.current = SmallPolicy{1, 0, 0}.real(Term{1});
  record.lineage = {{Term{0}, TimelineId{1}, TimelineId{0}, Lsn{0}, NodeName{"n1"}},
                    {Term{1}, TimelineId{2}, TimelineId{1}, Lsn{90}, NodeName{"n2"}}};
  const TimelineTree tree(record.lineage);
  const Position chosen{TimelineId{1}, Lsn{150}};
  EXPECT_EQ(possible_loss(record, {}, chosen, tree).from, Lsn{90});
  const LastWord word{seat(1), Term{1}, {TimelineId{2}, Lsn{120}}, {}};
  const Loss told = possible_loss(record, word, chosen, tree);
  EXPECT_EQ(told.from, Lsn{90});
  EXPECT_EQ(told.to, Lsn{120});
  record.lineage.push_back({Term{2}, TimelineId{3}, TimelineId{1}, Lsn{150}, NodeName{"n1"}});
  Loss later = told;
  later.term = Term{2};
  const Loss read =
      measured_loss(record, later, {TimelineId{2}, Lsn{130}}, TimelineTree(record.lineage));
  EXPECT_EQ(read.from, Lsn{90});
  EXPECT_EQ(read.to, Lsn{130});
}

/// What a node holds that left the lost leader's timeline counts up to where it left it.
TEST(Losses, WhoHoldsHowMuchOfTheLostLeadersWal) {
  Record record = electing();
  record.policy.current = SmallPolicy{1, 0, 0}.real(Term{1});
  record.lineage = {{Term{0}, TimelineId{1}, TimelineId{0}, Lsn{0}, NodeName{"n1"}},
                    {Term{1}, TimelineId{2}, TimelineId{1}, Lsn{90}, NodeName{"n2"}}};
  TimelineTree tree(record.lineage);
  tree.learn({{TimelineId{3}, TimelineId{1}, Lsn{60}},
              {TimelineId{4}, TimelineId{2}, Lsn{120}},
              {TimelineId{5}, TimelineId{2}, Lsn{85}}});
  const auto held = [&](std::uint32_t timeline, std::uint64_t lsn) {
    return held_of_the_lost(record, {TimelineId{timeline}, Lsn{lsn}}, tree);
  };
  EXPECT_EQ(held(2, 130), Lsn{130});
  EXPECT_EQ(held(2, 80), Lsn{80});
  EXPECT_EQ(held(1, 500), Lsn{90}) << "beyond that an earlier failover gave it up";
  EXPECT_EQ(held(3, 500), Lsn{60}) << "a sibling, which left earlier";
  EXPECT_EQ(held(4, 500), Lsn{120});
  EXPECT_EQ(held(5, 500), Lsn{85}) << "left for a timeline before that began";
  EXPECT_FALSE(held(9, 500)) << "nobody knows where it comes from";
  record.policy.current.term = Term{7};
  EXPECT_FALSE(held(2, 130));
}

TEST(Losses, ALoopOfForksEnds) {
  Record record = electing();
  TimelineTree tree(record.lineage);
  tree.learn({{TimelineId{2}, TimelineId{3}, Lsn{9}}, {TimelineId{3}, TimelineId{2}, Lsn{9}}});
  const LastWord word{record.policy.current.leader, Term{0}, {TimelineId{1}, Lsn{120}}, {}};
  const Loss loss = possible_loss(record, word, {TimelineId{2}, Lsn{90}}, tree);
  EXPECT_FALSE(loss.to) << "nobody knows where it left the lost leader";
}

TEST(Losses, AnInstantOfTheFutureIsNoSilence) {
  const LastWord word{seat(0), Term{1}, {TimelineId{1}, Lsn{120}}, Instant{2'000'000'000}};
  EXPECT_EQ(silence_since(word, Instant{3'500'000'000}), 1500U);
  EXPECT_EQ(silence_since(word, Instant{1'000'000'000}), 0U);
  EXPECT_EQ(silence_since({}, Instant{1'000'000'000}), 0U);
}

}  // namespace
}  // namespace evergres::core::cohort

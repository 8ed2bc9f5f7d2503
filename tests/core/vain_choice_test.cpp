#include <gtest/gtest.h>

#include "transitions.hpp"

/// A node that is chosen and fails to be promoted, again and again, takes one id for all of it
/// (decision 0058): else some day no promotion could reserve what lies between.
namespace evergres::core::cohort {
namespace {

constexpr TimelineId given{4};

Choice choice_of_n3(const Record& record) {
  Choice choice = choice_of(record, given);
  choice.leader = seat(2);
  choice.policy = SmallPolicy{2, 0b010, 1}.real(record.term);
  return choice;
}

/// n2 led timeline 2, and n3 was chosen in vain for timeline 4. Whoever answers holds everything.
Record after_a_vain_choice() {
  const Record again = *claim_term(leading(), NodeName{"n2"}, mine, "n2 ended");
  const Record vain = *choose_leader(again, mine, choice_of_n3(again), false);
  const Record vacant = *vacate(vain, other, "n3 could not be promoted");
  return *claim_term(vacant, NodeName{"n2"}, mine, "next");
}

Fenced answer_of(const Record& record, unsigned node) {
  Fenced answer;
  answer.term = record.term;
  answer.seat = seat(node);
  answer.system_id = record.system_id;
  answer.agent = other;
  answer.position = Position{TimelineId{2}, Lsn{100}};
  answer.history = {Fork{TimelineId{2}, TimelineId{1}, Lsn{95}}};
  answer.newest_timeline = TimelineId{2};
  answer.begun.emplace();
  answer.can_run = true;
  return answer;
}

TimelineId chosen_id(const Record& record, const std::vector<Fenced>& answers) {
  const Elected elected = choose({.record = record, .answers = answers});
  return elected.choice ? elected.choice->timeline : TimelineId{0};
}

std::vector<Fenced> answers_to(const Record& record) {
  return {answer_of(record, 1), answer_of(record, 2)};
}

TEST(VainChoice, ItsIdIsGivenToTheSameNodeAgain) {
  const Record record = after_a_vain_choice();
  ASSERT_EQ(record.lineage.back().timeline, given);
  const auto answers = answers_to(record);
  const Elected elected = choose({.record = record, .answers = answers});
  ASSERT_TRUE(elected.choice);
  ASSERT_EQ(elected.choice->leader, seat(2));
  EXPECT_EQ(elected.choice->timeline, given);
  const Record next = *choose_leader(record, mine, *elected.choice, false);
  EXPECT_EQ(next.lineage.size(), record.lineage.size());
  EXPECT_EQ(next.lineage.back().timeline, given);
  EXPECT_EQ(next.lineage.back().term, record.term);
  EXPECT_EQ(inconsistency(next), "");
}

TEST(VainChoice, ThousandsOfThemTakeNoMoreRoom) {
  Record record = after_a_vain_choice();
  for (int round = 0; round < 5000; ++round) {
    const auto answers = answers_to(record);
    const Elected elected = choose({.record = record, .answers = answers});
    ASSERT_TRUE(elected.choice);
    record = *choose_leader(record, mine, *elected.choice, false);
    record = *vacate(record, record.claim, "n3 could not be promoted");
    record = *claim_term(record, NodeName{"n2"}, mine, "next");
  }
  EXPECT_EQ(record.lineage.size(), after_a_vain_choice().lineage.size());
  EXPECT_EQ(record.lineage.back().timeline, given);
  EXPECT_EQ(record.policy.unproven.size(), 1U);
}

// PROTOCOL 4: what may be in force is covered. Other voters ask for something else, and what the
// last leader was changing to is of a term that opened.
TEST(VainChoice, OnlyWhatAsksTheSameStandsForAnother) {
  const Policy changing = SmallPolicy{1, 0b001, 1}.real(Term{1});
  const Record open = *propose_policy(leading(), other, changing);
  Record record = *claim_term(open, NodeName{"n2"}, mine, "n2 ended");
  const auto choose_with = [&](Mask voters) {
    Choice choice = choice_of_n3(record);
    choice.timeline = TimelineId{record.lineage.back().timeline.value + 2};
    choice.policy = SmallPolicy{2, voters, 1}.real(record.term);
    record = *choose_leader(record, mine, choice, false);
    record = *claim_term(*vacate(record, other, "in vain"), NodeName{"n2"}, mine, "next");
    return choice.policy;
  };
  choose_with(0b010);
  const Policy both = choose_with(0b011);
  const Policy last = choose_with(0b010);
  EXPECT_EQ(record.policy.unproven, (std::vector<Policy>{changing, both, last}));
  EXPECT_EQ(record.lineage.size(), 5U);
}

/// How many policies wait for their proof when n3 is chosen again, and this loss is noted.
std::size_t unproven_beside(Term term, bool opened) {
  Record record = after_a_vain_choice();
  record.loss.emplace();
  record.loss->leader = seat(2);
  record.loss->term = term;
  record.loss->opened = opened;
  return choose_leader(record, mine, choice_of_n3(record), false)->policy.unproven.size();
}

// inherited_loss asks whether that leader's policies are of before its loss, until that took
// effect.
TEST(VainChoice, WhatALostLeaderMayHaveAcknowledgedUnderStays) {
  const Term vain = after_a_vain_choice().policy.unproven.back().term;
  EXPECT_EQ(unproven_beside(Term{vain.value + 1}, false), 2U);
  EXPECT_EQ(unproven_beside(vain, false), 1U);
  EXPECT_EQ(unproven_beside(Term{vain.value + 1}, true), 1U);
}

// A barrier that waited for nobody any more proposed it, or an older version left it: it is not of
// the one who is chosen now.
TEST(VainChoice, TwinsOfOthersGoToo) {
  Record record = after_a_vain_choice();
  record.policy.unproven.clear();
  for (std::uint64_t term = 2; term < 60; ++term) {
    record.policy.unproven.push_back(SmallPolicy{2, 0b010, 1}.real(Term{term}));
    record.policy.unproven.push_back(SmallPolicy{2, 0, 0}.real(Term{term}));
  }
  record.term = Term{60};
  Choice choice = choice_of(record, TimelineId{6});
  record = *choose_leader(record, mine, choice, false);
  EXPECT_EQ(record.policy.unproven,
            (std::vector<Policy>{SmallPolicy{2, 0b010, 1}.real(Term{59}),
                                 SmallPolicy{2, 0, 0}.real(Term{59}), choice.policy}));
}

// What it began is noted where it cannot be lost, and counts as known (agent/operations/lineage).
TEST(VainChoice, WhatAnybodyHasAFileOfIsNotGivenAgain) {
  const Record record = after_a_vain_choice();
  for (const unsigned who : {0U, 1U}) {
    auto answers = answers_to(record);
    answers[who].newest_timeline = given;
    EXPECT_GT(chosen_id(record, answers), given) << who;
  }
  // A promotion by hand of another one took the id below: the next one would take this.
  auto by_hand = answers_to(record);
  by_hand[0].newest_timeline = TimelineId{given.value - 1};
  EXPECT_GT(chosen_id(record, by_hand), given);
  auto reserved = answers_to(record);
  reserved[1].newest_timeline = TimelineId{given.value - 1};
  EXPECT_EQ(chosen_id(record, reserved), given) << "its own placeholder";
  auto answers = answers_to(record);
  answers[0].position = Position{given, Lsn{101}};
  answers[0].history.insert(answers[0].history.begin(), Fork{given, TimelineId{2}, Lsn{100}});
  EXPECT_GT(chosen_id(record, answers), given);
}

TEST(VainChoice, AnotherNodeGetsAnotherId) {
  const Record record = after_a_vain_choice();
  auto answers = answers_to(record);
  answers[1].can_run = false;
  const Elected elected = choose({.record = record, .answers = answers});
  ASSERT_TRUE(elected.choice);
  ASSERT_EQ(elected.choice->leader, seat(1));
  EXPECT_GT(elected.choice->timeline, given);
  Choice stolen = *elected.choice;
  stolen.timeline = given;
  EXPECT_EQ(refused(choose_leader(record, mine, stolen, false)), "timeline 4 was given out before");
}

TEST(VainChoice, WhatBeganOrIsReferredToIsNotGivenAgain) {
  Record began = after_a_vain_choice();
  began.lineage.back().begins = Lsn{100};
  EXPECT_GT(chosen_id(began, answers_to(began)), given);
  const Choice again = choice_of_n3(began);
  EXPECT_EQ(refused(choose_leader(began, mine, again, false)), "timeline 4 was given out before");
  Record lossy = after_a_vain_choice();
  lossy.loss.emplace();
  lossy.loss->term = lossy.lineage.back().term;
  EXPECT_GT(chosen_id(lossy, answers_to(lossy)), given) << "of a version that does not say";
  lossy.loss->opened = false;
  EXPECT_EQ(chosen_id(lossy, answers_to(lossy)), given);
  Record remade = after_a_vain_choice();
  remade.policy.unproven.back().leader.incarnation = Incarnation{"of before"};
  EXPECT_GT(chosen_id(remade, answers_to(remade)), given);
  Record forced = after_a_vain_choice();
  forced.policy.current.term = forced.lineage.back().term;
  EXPECT_GT(chosen_id(forced, answers_to(forced)), given);
}

}  // namespace
}  // namespace evergres::core::cohort

#include <gtest/gtest.h>

#include "cohort.hpp"

namespace evergres::core::cohort {
namespace {

const Claim mine{"mine"};
const Claim other{"other"};

Record fresh() {
  const Record claimed = claim_bootstrap(ClusterId{"c"}, NodeName{"n1"}, mine);
  return *finish_bootstrap(claimed, mine, SystemId{7}, seat(0));
}
Record electing() {
  return *claim_term(fresh(), NodeName{"n2"}, mine, "n1 is silent");
}
Choice choice_of(const Record& record, TimelineId timeline) {
  Choice choice;
  choice.leader = seat(1);
  choice.agent = other;
  choice.position = {TimelineId{1}, Lsn{90}};
  choice.policy = SmallPolicy{1, 0b100, 1}.real(record.term);
  choice.timeline = timeline;
  return choice;
}
Record chosen() {
  const Record record = electing();
  return *choose_leader(record, mine, choice_of(record, TimelineId{2}), false);
}
Record leading() {
  const Record record = chosen();
  return *open_leadership(record, other, record.policy.unproven.back(),
                          {TimelineId{2}, TimelineId{1}, Lsn{95}});
}

std::string refused(const Result<Record>& result) {
  return result ? "done" : result.error().message();
}

TEST(Transition, AWholeLeadership) {
  const Record record = leading();
  EXPECT_EQ(inconsistency(record), "");
  EXPECT_EQ(record.term, Term{1});
  EXPECT_EQ(record.claim, other);
  EXPECT_EQ(record.leader, seat(1));
  EXPECT_TRUE(record.policy.unproven.empty());
  ASSERT_EQ(record.lineage.size(), 2U);
  EXPECT_EQ(record.lineage[1].begins, Lsn{95});
  const Record renewed = *renew(record, other);
  EXPECT_TRUE(differs_only_in_small_things(record, renewed));
  EXPECT_FALSE(differs_only_in_small_things(record, *vacate(record, other, "a test")));
}

TEST(Transition, APauseChangesNothingElse) {
  Record paused = *set_paused(leading(), true);
  EXPECT_TRUE(paused.paused);
  // Whoever writes at the same moment looks again instead of writing over it.
  EXPECT_FALSE(differs_only_in_small_things(paused, leading()));
  EXPECT_TRUE(*set_paused(paused, false) == leading());
  EXPECT_TRUE(set_paused(electing(), true)->paused);
}

TEST(Transition, AFenceByHandChangesNothingElse) {
  const HandFence out{NodeName{"n3"}, "anna@db1", "new disks", 7};
  const Record fenced = *fence_by_hand(leading(), out, false);
  ASSERT_NE(hand_fence(fenced, NodeName{"n3"}), nullptr);
  EXPECT_EQ(*hand_fence(fenced, NodeName{"n3"}), out);
  EXPECT_EQ(hand_fence(fenced, NodeName{"n1"}), nullptr);
  EXPECT_FALSE(differs_only_in_small_things(fenced, leading()));
  EXPECT_EQ(fence_by_hand(fenced, out, true).error().message(), "\"n3\" is fenced already");
  const Record both = *fence_by_hand(fenced, {NodeName{"n1"}, "bob", "", 8}, false);
  EXPECT_EQ(both.hand_fences->front().node, NodeName{"n1"});
  const Record one = *end_hand_fence(both, NodeName{"n1"});
  EXPECT_TRUE(*end_hand_fence(one, NodeName{"n3"}) == leading());
  EXPECT_FALSE(end_hand_fence(leading(), NodeName{"n3"}));
}

TEST(Transition, TheLeaderHandsOverBeforeItIsFencedByHand) {
  const HandFence out{leading().leader->node, "anna", "", 0};
  EXPECT_FALSE(fence_by_hand(leading(), out, false));
  EXPECT_TRUE(fence_by_hand(leading(), out, true));
  EXPECT_FALSE(fence_by_hand(electing(), out, true));
}

TEST(Transition, ARequestToMakeANodeAnewEndsWithItsLeader) {
  Request request;
  request.id = "r1";
  request.kind = RequestKind::reinit;
  request.to = NodeName{"n3"};
  const Record asked = *ask(leading(), request);
  EXPECT_EQ(asked.request, request);
  const Record electing_again = *claim_term(asked, NodeName{"n3"}, mine, "n2 is silent");
  const Record next =
      *choose_leader(electing_again, mine, choice_of(electing_again, TimelineId{3}), false);
  EXPECT_FALSE(next.request);
}

TEST(Transition, NothingIsThrownAwayThatAPolicyCounts) {
  Request request;
  request.id = "r1";
  request.kind = RequestKind::reinit;
  request.to = NodeName{"n3"};
  const Record asked = *ask(leading(), request);
  const NodeName n3{"n3"};
  EXPECT_EQ(refused(begin_reinit(asked, Term{1}, n3, "r1")), "a policy still counts n3");
  const Policy alone = SmallPolicy{1, 0, 0}.real(Term{1});
  const Record proposed = *propose_policy(asked, other, alone);
  EXPECT_EQ(refused(begin_reinit(proposed, Term{1}, n3, "r1")), "a policy still counts n3");
  const Record proven = *prove_policy(proposed, other, alone);
  const Record begun = *begin_reinit(proven, Term{1}, n3, "r1");
  EXPECT_FALSE(begun.request);
  const std::string gone = "the request to make n3 anew no longer stands";
  EXPECT_EQ(refused(begin_reinit(begun, Term{1}, n3, "r1")), gone);
  EXPECT_EQ(refused(begin_reinit(proven, Term{0}, n3, "r1")), gone);
  EXPECT_EQ(refused(begin_reinit(proven, Term{1}, NodeName{"n1"}, "r1")),
            "the request to make n1 anew no longer stands");
  EXPECT_EQ(refused(begin_reinit(*vacate(proven, other, "x"), Term{1}, n3, "r1")), gone);
}

TEST(Transition, EachTakesTheClaimSeriously) {
  const std::string not_ours = "the claim of term 1 is not ours";
  const Policy policy = SmallPolicy{1, 0, 0}.real(Term{1});
  EXPECT_EQ(refused(choose_leader(electing(), other, choice_of(electing(), TimelineId{2}), false)),
            not_ours);
  EXPECT_EQ(refused(open_leadership(chosen(), mine, policy, {})), not_ours);
  EXPECT_EQ(refused(vacate(leading(), mine, "")), not_ours);
  EXPECT_EQ(refused(vacate(leading(), Claim{}, "")), not_ours);
  EXPECT_EQ(refused(propose_policy(leading(), mine, policy)), not_ours);
  EXPECT_EQ(refused(prove_policy(leading(), mine, policy)), not_ours);
  EXPECT_EQ(refused(renew(leading(), mine)), not_ours);
  EXPECT_EQ(refused(set_rewind_ready(leading(), mine)), not_ours);
  EXPECT_EQ(refused(add_member(leading(), mine, NodeName{"n3"})), not_ours);
  EXPECT_EQ(refused(begin_handover(leading(), seat(1), mine, NodeName{"n3"}, "")), not_ours);
}

TEST(Transition, NobodyHoldsTheClaimOfAVacantRecord) {
  const Record vacant = *vacate(leading(), other, "a test");
  EXPECT_EQ(vacant.phase, Phase::vacant);
  EXPECT_FALSE(vacant.leader);
  EXPECT_EQ(refused(renew(vacant, Claim{})), "the claim of term 1 is not ours");
}

TEST(Transition, BootstrapHappensOnce) {
  EXPECT_EQ(refused(finish_bootstrap(claim_bootstrap(ClusterId{"c"}, NodeName{"n1"}, mine), other,
                                     SystemId{7}, seat(0))),
            "the claim of term 0 is not ours");
  Record again = fresh();
  again.claim = mine;
  EXPECT_EQ(refused(finish_bootstrap(again, mine, SystemId{8}, seat(0))),
            "the cluster is already initialised");
  EXPECT_EQ(refused(claim_term(claim_bootstrap(ClusterId{"c"}, NodeName{"n1"}, mine),
                               NodeName{"n2"}, other, "")),
            "the cluster is not initialised yet");
}

TEST(Transition, ALeaderIsChosenOncePerTerm) {
  EXPECT_EQ(refused(choose_leader(chosen(), other, choice_of(chosen(), TimelineId{3}), false)),
            "there is nothing to choose in this term");
  EXPECT_EQ(refused(choose_leader(leading(), other, choice_of(leading(), TimelineId{3}), false)),
            "there is nothing to choose in this term");
}

TEST(Transition, ATimelineIsGivenOutOnce) {
  EXPECT_EQ(refused(choose_leader(electing(), mine, choice_of(electing(), TimelineId{1}), false)),
            "timeline 1 was given out before");
}

TEST(Transition, AChoiceBelongsToItsTerm) {
  Choice late = choice_of(electing(), TimelineId{2});
  late.policy.term = Term{0};
  EXPECT_EQ(refused(choose_leader(electing(), mine, late, false)),
            "the policy of the choice is of another term");
}

TEST(Transition, OnlyTheChosenOpensUnderARecordedPolicy) {
  const Record record = chosen();
  const Fork fork{TimelineId{2}, TimelineId{1}, Lsn{95}};
  EXPECT_EQ(refused(open_leadership(record, other, SmallPolicy{0, 0, 0}.real(Term{1}), fork)),
            "this node was not chosen in this term");
  EXPECT_EQ(refused(open_leadership(record, other, SmallPolicy{1, 0, 0}.real(Term{1}), fork)),
            "a policy that was never recorded cannot be proven");
  EXPECT_EQ(refused(open_leadership(record, other, SmallPolicy{1, 0b100, 1}.real(Term{0}), fork)),
            "the barrier is of another term");
  EXPECT_EQ(refused(open_leadership(electing(), mine, record.policy.unproven.back(), fork)),
            "this node was not chosen in this term");
}

TEST(Transition, NoPolicyLeavesTheBookAlone) {
  const Policy first = SmallPolicy{1, 0b001, 1}.real(Term{1});
  const Policy second = SmallPolicy{1, 0, 0}.real(Term{1});
  Record record = *propose_policy(leading(), other, first);
  record = *propose_policy(record, other, second);
  record = *propose_policy(record, other, first);
  EXPECT_EQ(record.policy.unproven, (std::vector<Policy>{first, second}));
  EXPECT_EQ(refused(prove_policy(record, other, SmallPolicy{1, 0b101, 2}.real(Term{1}))),
            "a policy that was never recorded cannot be proven");
  const Record taken = *claim_term(record, NodeName{"n3"}, mine, "a test");
  EXPECT_EQ(taken.policy, record.policy);
  EXPECT_EQ(prove_policy(record, other, second)->policy, (PolicyBook{second, {}}));
}

TEST(Transition, AMalformedPolicyIsRefused) {
  const auto propose = [](Policy policy) {
    return refused(propose_policy(leading(), other, policy));
  };
  Policy policy = SmallPolicy{1, 0b101, 1}.real(Term{1});
  EXPECT_EQ(propose(policy), "done");
  policy.k = 0;
  EXPECT_EQ(propose(policy), "k and the voters of a policy disagree");
  policy.k = 3;
  EXPECT_EQ(propose(policy), "a policy wants more acknowledgements than voters");
  policy = SmallPolicy{1, 0b010, 1}.real(Term{1});
  EXPECT_EQ(propose(policy), "a leader is its own voter");
  policy.voters = {seat(2), seat(0)};
  EXPECT_EQ(propose(policy), "the voters of a policy are not sorted and unique");
  EXPECT_EQ(propose(SmallPolicy{1, 0, 0}.real(Term{0})), "the policy is of another term");
  EXPECT_EQ(propose(SmallPolicy{0, 0, 0}.real(Term{1})),
            "only the chosen or open leader changes the policy");
}

TEST(Transition, OnlyAnOpenLeaderHandsOverRenewsAndResumes) {
  EXPECT_EQ(refused(begin_handover(chosen(), seat(1), other, NodeName{"n3"}, "")),
            "no leader is open");
  EXPECT_EQ(refused(begin_handover(leading(), seat(0), other, NodeName{"n3"}, "")),
            "only the leader hands over");
  EXPECT_EQ(refused(renew(chosen(), other)), "no leader is open");
  EXPECT_EQ(refused(resume_leadership(leading(), seat(0), mine)), "\"n1\" does not lead");
  EXPECT_EQ(refused(resume_leadership(chosen(), seat(1), mine)), "\"n2\" does not lead");
  EXPECT_EQ(resume_leadership(leading(), seat(1), mine)->claim, mine);
  const Record handing = *begin_handover(leading(), seat(1), other, NodeName{"n3"}, "asked");
  EXPECT_EQ(handing.term, Term{2});
  EXPECT_EQ(inconsistency(handing), "");
  EXPECT_EQ(refused(propose_policy(handing, other, SmallPolicy{1, 0, 0}.real(Term{2}))),
            "only the chosen or open leader changes the policy");
}

TEST(Transition, TheOpenLeaderRecordsTheWantedDurability) {
  const Record strict = *set_durability(leading(), other, Durability::strict, 0, Millis{5000});
  EXPECT_EQ(strict.durability, Durability::strict);
  EXPECT_EQ(strict.policy, leading().policy);  // the policy follows by a change of its own
  EXPECT_EQ(refused(set_durability(leading(), mine, Durability::strict, 0, Millis{5000})),
            "the claim of term 1 is not ours");
  EXPECT_EQ(refused(set_durability(electing(), mine, Durability::strict, 0, Millis{5000})),
            "no leader is open");
}

TEST(Transition, OneRequestAtATime) {
  const Request first{"a", RequestKind::switchover, NodeName{"n3"}, false, 0};
  const Record asked = *ask(leading(), first);
  EXPECT_EQ(refused(ask(asked, Request{"b", RequestKind::restart, NodeName{"n3"}, false, 0})),
            "another request is still pending");
  EXPECT_TRUE(clear_request(asked, "b")->request);
  EXPECT_FALSE(clear_request(asked, "a")->request);
}

TEST(Transition, AnAcceptedLossReplacesTheBook) {
  const Record record = electing();
  const Record lossy = *choose_leader(record, mine, choice_of(record, TimelineId{2}), true);
  EXPECT_EQ(lossy.policy.current, choice_of(record, TimelineId{2}).policy);
  EXPECT_TRUE(covers_all(lossy.policy, {seat(2)}));
}

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
  EXPECT_EQ(*inherited, (Loss{seat(0), next.term, Lsn{80}, Lsn{120}, 700, false, false}));
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
  EXPECT_EQ(third.loss, (Loss{seat(0), third.term, Lsn{80}, Lsn{120}, 700, false, false}));
  EXPECT_FALSE(third.earlier_losses);
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
}

TEST(Transition, InconsistenciesAreNamed) {
  Record record = leading();
  record.leader.reset();
  EXPECT_EQ(inconsistency(record), "a leading phase without a leader");
  record = leading();
  record.phase = Phase::handover;
  EXPECT_EQ(inconsistency(record), "a handover without leader or heir");
  record = leading();
  std::swap(record.lineage[0], record.lineage[1]);
  EXPECT_EQ(inconsistency(record), "the lineage is not ascending");
  record = leading();
  record.lineage[0].term = Term{9};
  EXPECT_EQ(inconsistency(record), "the lineage goes back in its terms");
  record = leading();
  record.term = Term{0};
  EXPECT_EQ(inconsistency(record), "the lineage is ahead of the term");
  record = leading();
  record.policy.unproven.push_back(SmallPolicy{1, 0b010, 1}.real(Term{1}));
  EXPECT_EQ(inconsistency(record), "a leader is its own voter");
}

}  // namespace
}  // namespace evergres::core::cohort

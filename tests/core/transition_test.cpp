#include <gtest/gtest.h>

#include "transitions.hpp"

namespace evergres::core::cohort {
namespace {

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

// An operator's failover that is cleared, or another one, is no reason any more.
TEST(Transition, AClaimOnRequestStandsAsLongAsTheRequest) {
  const Record plain = leading();
  Record asked = plain;
  asked.request.emplace();
  asked.request->kind = RequestKind::failover;
  asked.request->id = "r1";
  EXPECT_TRUE(claim_still_stands(asked, asked));
  EXPECT_FALSE(claim_still_stands(plain, asked));
  Record another = asked;
  another.request->id = "r2";
  EXPECT_FALSE(claim_still_stands(another, asked));
  EXPECT_TRUE(claim_still_stands(asked, plain));
  asked.request->kind = RequestKind::switchover;
  EXPECT_TRUE(claim_still_stands(plain, asked));
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
  policy.mode = Durability::async;
  EXPECT_EQ(propose(policy), "an async policy has voters");
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
  Record record = electing();
  record.policy.unproven = {SmallPolicy{0, 0b110, 2}.real(Term{0})};
  const Record lossy = *choose_leader(record, mine, choice_of(record, TimelineId{2}), true);
  EXPECT_EQ(lossy.policy.current, choice_of(record, TimelineId{2}).policy);
  EXPECT_TRUE(covers_all(lossy.policy, {seat(2)}));
  EXPECT_EQ(lossy.kind, "forced failover");
  EXPECT_EQ(lossy.facts, (std::vector<std::string>{"an operator accepted loss; dropped: n1 alone",
                                                   "dropped, unproven: n1 with any 2 of n2, n3"}));
}

TEST(Transition, TheOpenLeaderNotesWhoBelongsAndWhoMayRewind) {
  EXPECT_FALSE(leading().rewind_ready);
  EXPECT_TRUE(set_rewind_ready(leading(), other)->rewind_ready);
  const std::vector<NodeName> all{NodeName{"n1"}, NodeName{"n2"}, NodeName{"n3"}};
  Record record = *add_member(leading(), other, NodeName{"n3"});
  for (int twice = 0; twice < 2; ++twice) {
    record = *add_member(record, other, NodeName{"n2"});
    EXPECT_EQ(record.members, all);
  }
}

TEST(Transition, OnlyARestartIsStillAskedForAfterAChoice) {
  for (const RequestKind kind : {RequestKind::switchover, RequestKind::restart}) {
    const Record asked = *ask(leading(), Request{"r1", kind, NodeName{"n2"}, false, 0});
    const Record next = *claim_term(asked, NodeName{"n3"}, mine, "n2 is silent");
    const Record second = *choose_leader(next, mine, choice_of(next, TimelineId{3}), false);
    EXPECT_EQ(second.request.has_value(), kind == RequestKind::restart);
  }
}

TEST(Transition, EachTermHasAKind) {
  EXPECT_EQ(electing().kind, "bootstrap");
  EXPECT_EQ(claim_term(leading(), NodeName{"n3"}, mine, "n2 is silent")->kind, "failover");
  const auto hand_over_to = [](const char* heir) {
    return begin_handover(leading(), seat(1), other, NodeName{heir}, "asked")->kind;
  };
  EXPECT_EQ(hand_over_to("n3"), "switchover");
  EXPECT_EQ(hand_over_to("n2"), "restart");
}

// The heir is chosen under the claim of the leader that hands over.
TEST(Transition, AHandoverEndsWithAChoice) {
  const Record handing = *begin_handover(leading(), seat(1), other, NodeName{"n3"}, "asked");
  Choice choice = choice_of(handing, TimelineId{3});
  choice.leader = seat(2);
  choice.policy = SmallPolicy{2, 0b010, 1}.real(handing.term);
  const Record next = *choose_leader(handing, other, choice, false);
  EXPECT_EQ(next.phase, Phase::electing);
  EXPECT_EQ(next.claimant, NodeName{"n3"});
  EXPECT_FALSE(next.heir);
}

TEST(Transition, LeadershipsThatOpenedFormAChain) {
  Record record = leading();
  EXPECT_EQ(record.leaderships, (std::vector<Leadership>{{Term{1}, Term{0}, {}}}));
  for (std::uint32_t timeline = 3; timeline < 22; ++timeline) {
    const Term before = record.term;
    if (timeline % 4 == 0) record = *claim_term(record, NodeName{"n3"}, mine, "in vain");
    const Record next = *claim_term(record, NodeName{"n3"}, mine, "n2 is silent");
    const Record chosen_next =
        *choose_leader(next, mine, choice_of(next, TimelineId{timeline}), false);
    record = *open_leadership(chosen_next, other, choice_of(next, TimelineId{timeline}).policy,
                              {TimelineId{timeline}, TimelineId{timeline - 1}, Lsn{90}}, 700);
    EXPECT_EQ(record.leaderships->back(), (Leadership{record.term, before, 700}));
    EXPECT_EQ(inconsistency(record), "");
  }
  EXPECT_EQ(record.leaderships->size(), most_leaderships);
  record.leaderships->back().term = record.leaderships->back().after;
  EXPECT_EQ(inconsistency(record), "the leaderships are not in order");
  record = leading();
  record.leaderships->back().term = Term{2};
  EXPECT_EQ(inconsistency(record), "the leaderships are not in order") << "one is to come";
}

// n2 is promoted on timeline 2 and dies before it opens; its probe took an id there.
TEST(Transition, TheNextIdBehindATimelineThatNobodyOpenedIsUnknown) {
  for (const std::uint32_t parent : {1U, 2U}) {
    const Record next = *claim_term(chosen(), NodeName{"n3"}, mine, "n2 died");
    Choice choice = choice_of(next, TimelineId{3});
    const Record second = *choose_leader(next, mine, choice, false);
    const Record open = *open_leadership(second, other, choice.policy,
                                         {TimelineId{3}, TimelineId{parent}, Lsn{95}}, 700);
    const auto expected = parent == 1 ? std::optional<std::uint64_t>(700) : std::nullopt;
    EXPECT_EQ(open.leaderships, (std::vector<Leadership>{{Term{2}, Term{0}, expected}}));
  }
}

// An older version wrote the record, and in this term an operator had the book dropped.
TEST(Transition, WhichLeadershipWasBeforeIsNeverGuessed) {
  Record old = leading();
  old.leaderships.reset();
  for (const bool forced : {false, true}) {
    const Record next = *claim_term(old, NodeName{"n3"}, mine, "n2 is silent");
    const Choice choice = choice_of(next, TimelineId{3});
    const Record open =
        *open_leadership(*choose_leader(next, mine, choice, forced), other, choice.policy,
                         {TimelineId{3}, TimelineId{2}, Lsn{200}}, 700);
    EXPECT_EQ(open.leaderships.has_value(), !forced);
    if (forced) continue;
    EXPECT_EQ(open.leaderships->back(), (Leadership{open.term, old.term, 700}));
  }
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
  record.phase = Phase::handover;
  record.leader.reset();
  record.heir = NodeName{"n3"};
  EXPECT_EQ(inconsistency(record), "a handover without leader or heir");
  record = leading();
  record.policy.unproven.push_back(SmallPolicy{1, 0b010, 1}.real(Term{1}));
  EXPECT_EQ(inconsistency(record), "a leader is its own voter");
  record.policy.current.k = 9;
  EXPECT_EQ(inconsistency(record), "a policy wants more acknowledgements than voters");
}

}  // namespace
}  // namespace evergres::core::cohort

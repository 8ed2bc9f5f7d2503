#include "core/view.hpp"

#include <gtest/gtest.h>

#include "core/intent.hpp"
#include "wishes.hpp"

/// What the rules conclude from what a node has heard: each answer, and what just does not make it.
namespace evergres::core::worlds {
namespace {

/// "yes: why" or "no: why".
std::string text(const Verdict& verdict) {
  return (verdict.yes ? "yes: " : "no: ") + verdict.why;
}

std::string in_charge(const Situation& s) {
  return text(somebody_in_charge(s));
}

Peer& peer_of(Situation& s, const std::string& name) {
  return s.peers[node(name)];
}

Heartbeat& said_by(Situation& s, const std::string& name) {
  return *peer_of(s, name).said;
}

TEST(InCharge, ALeaderThatIsHeard) {
  const auto n1 = [](const auto& change) {
    return in_charge(
        with(World().as_seen_by("n2"), [&](Situation& s) { change(said_by(s, "n1")); }));
  };
  EXPECT_EQ(in_charge(World().as_seen_by("n2")), "yes: n1 is heard");
  EXPECT_EQ(n1([](Heartbeat& said) { said.leads = Leads::unknown; }), "yes: n1 is heard");
  EXPECT_EQ(n1([](Heartbeat& said) { said.leads = Leads::no; }),
            "no: n1 says that it does not serve as leader");
  const std::string another = "yes: n1 is heard, but speaks of another record than ours";
  EXPECT_EQ(n1([](Heartbeat& said) {
              said.leads = Leads::no;
              said.term = Term{4};
            }),
            another);
  EXPECT_EQ(n1([](Heartbeat& said) {
              said.leads = Leads::no;
              said.revision = Revision{8};
            }),
            another);
}

TEST(InCharge, SilenceCountsOnlyAfterAWhileADeadProcessAtOnce) {
  const Situation heard = World().as_seen_by("n2");
  const auto n1_since = [&](double seconds) {
    return in_charge(with(heard, [&](Situation& s) { peer_of(s, "n1").alive_at = ago(seconds); }));
  };
  const std::string for_less = "yes: n1 has been silent for less than suspect_after";
  const std::string for_longer = "no: n1 has been silent for longer than suspect_after";
  EXPECT_EQ(n1_since(1.1), "yes: n1 is heard");
  EXPECT_EQ(n1_since(1.2), for_longer);
  const Situation refuses = with(heard, [](Situation& s) { peer_of(s, "n1").refused = true; });
  EXPECT_EQ(in_charge(refuses), for_less) << "its WAL still comes";
  EXPECT_EQ(in_charge(with(refuses, [](Situation& s) { s.server.receiving = false; })),
            "no: n1 refuses connections and its WAL stream is cut");
  for (const bool known : {true, false}) {
    const Situation never = with(heard, [&](Situation& s) {
      s.peers.erase(node("n1"));
      if (known) s.peers[node("n1")] = Peer{};
    });
    EXPECT_EQ(in_charge(never), for_longer);
    EXPECT_EQ(in_charge(with(never, [](Situation& s) { s.started_at = ago(1); })), for_less);
  }
}

TEST(InCharge, WeOurselvesAsLeader) {
  const Situation leader = World().as_seen_by("n1");
  EXPECT_EQ(in_charge(leader), "yes: we lead");
  EXPECT_EQ(in_charge(with(leader, [](Situation& s) { s.server.state = ServerState::unknown; })),
            "yes: our own server was not looked at yet");
  const std::string serves_not =
      "no: we are the leader of the record, but our server does not serve as primary";
  EXPECT_EQ(in_charge(with(leader, [](Situation& s) { s.server.state = ServerState::standby; })),
            serves_not);
  EXPECT_EQ(in_charge(with(leader, [](Situation& s) { s.server.grant.reset(); })), serves_not);
}

TEST(InCharge, WhoeverHoldsTheClaim) {
  const Situation other = World().electing_by("n3").as_seen_by("n2");
  const auto n3 = [&](const auto& change) {
    return in_charge(with(other, [&](Situation& s) { change(peer_of(s, "n3")); }));
  };
  EXPECT_EQ(in_charge(other), "yes: n3 holds the claim and is heard");
  EXPECT_EQ(n3([](Peer& peer) { peer.refused = true; }),
            "no: n3 held the claim and refuses connections");
  EXPECT_EQ(n3([](Peer& peer) { peer.said->agent = Claim{"run-2"}; }),
            "no: n3 held the claim and was restarted");
  EXPECT_EQ(n3([](Peer& peer) { peer.said->store_ok = false; }),
            "no: n3 holds the claim but cannot use the store");
  EXPECT_EQ(n3([](Peer& peer) { peer.alive_at = ago(1.2); }),
            "no: n3 holds the claim and has been silent for longer than suspect_after");
  const Situation stranger = with(other, [](Situation& s) {
    s.peers.erase(node("n3"));
    s.started_at = ago(1);
  });
  EXPECT_EQ(in_charge(stranger), "yes: n3 has been silent for less than suspect_after");
  EXPECT_EQ(in_charge(with(stranger, [](Situation& s) { s.peers[node("n3")] = Peer{}; })),
            "yes: n3 has been silent for less than suspect_after");
}

TEST(InCharge, OurOwnClaimNobodysAndOneOfAHandover) {
  const Situation ours = World().electing_by("n2").as_seen_by("n2");
  EXPECT_EQ(in_charge(ours), "yes: we hold the claim");
  EXPECT_EQ(in_charge(with(ours, [](Situation& s) { s.agent = Claim{"run-2"}; })),
            "no: our claim of this term is of an earlier run of the agent");
  EXPECT_EQ(in_charge(World().vacant().as_seen_by("n2")),
            "no: nobody leads and nobody is at work on it");
  EXPECT_EQ(in_charge(World().handing_over_to("n2").as_seen_by("n3")),
            "yes: n1 holds the claim and is heard");
  EXPECT_EQ(in_charge(with(ours, [](Situation& s) { s.record.reset(); })),
            "yes: the record is not known");
}

TEST(View, TheStoreWorksIfItAnsweredLately) {
  const Situation s = World().as_seen_by("n2");
  EXPECT_TRUE(store_works(s));
  EXPECT_FALSE(store_works(with(s, [](Situation& one) { one.store_trouble = "it is away"; })));
  EXPECT_FALSE(store_works(with(s, [](Situation& one) { one.store_read_at = ago(2.5); })));
  EXPECT_FALSE(store_works(with(s, [](Situation& one) { one.store_read_at.reset(); })));
}

TEST(View, BehindACandidateIsWhoHearsNobodyInChargeEither) {
  const Situation s = World().silent("n1").as_seen_by("n2");
  const std::vector<Seat> both{seat("n2"), seat("n3")};
  const std::vector<Seat> me{seat("n2")};
  const auto n3 = [&](const auto& change) {
    return seats_behind_me(with(s, [&](Situation& one) { change(said_by(one, "n3")); }));
  };
  EXPECT_EQ(seats_behind_me(s), both);
  EXPECT_EQ(n3([](Heartbeat& said) { said.server = ServerState::stopped; }), both);
  EXPECT_EQ(n3([](Heartbeat& said) { said.sees_somebody_in_charge = true; }), me);
  EXPECT_EQ(n3([](Heartbeat& said) { said.term = Term{4}; }), me);
  EXPECT_EQ(n3([](Heartbeat& said) { said.server = ServerState::absent; }), me);
  EXPECT_EQ(n3([](Heartbeat& said) { said.seat.incarnation = Incarnation{}; }), me);
  EXPECT_EQ(n3([](Heartbeat& said) { said.system_id = SystemId{8}; }), me);
  EXPECT_TRUE(seats_behind_me(with(s, [](Situation& one) { one.record.reset(); })).empty());
}

TEST(View, ACandidateCountsItselfIfItsPositionCanBeRead) {
  const Situation s = World().silent("n1").silent("n3").as_seen_by("n2");
  const auto we = [&](const auto& change) {
    return seats_behind_me(with(s, [&](Situation& one) { change(one.server); })).size();
  };
  for (const ServerState state :
       {ServerState::standby, ServerState::stopped, ServerState::starting}) {
    EXPECT_EQ(we([&](Server& server) { server.state = state; }), 1U);
  }
  for (const ServerState state :
       {ServerState::unknown, ServerState::absent, ServerState::primary, ServerState::stopping}) {
    EXPECT_EQ(we([&](Server& server) { server.state = state; }), 0U);
  }
  EXPECT_EQ(we([](Server& server) { server.rebuilding = true; }), 0U);
  EXPECT_EQ(we([](Server& server) { server.incarnation.reset(); }), 0U);
}

/// n3 hears nobody; the cards of n1 and n2 in the store move and name each other.
Situation cut_off() {
  return with(World().voters({"n2", "n3"}, 2).silent("n1").silent("n2").as_seen_by("n3"),
              [](Situation& s) {
                for (const char* name : {"n1", "n2"}) peer_of(s, name).card_moved = ago(0.2);
                peer_of(s, "n1").card_hears = {node("n2")};
                peer_of(s, "n2").card_hears = {node("n1")};
              });
}

TEST(View, OthersThatHearEachOtherButNotUs) {
  const Situation s = cut_off();
  const auto hearing = [&](const std::function<void(Situation&)>& change) {
    return hearing_each_other_without_us(with(s, change)).size();
  };
  EXPECT_EQ(hearing([](Situation&) {}), 2U);
  EXPECT_EQ(hearing([](Situation& one) { peer_of(one, "n1").alive_at = ago(2.9); }), 0U)
      << "we heard it a moment ago";
  EXPECT_EQ(hearing([](Situation& one) { peer_of(one, "n1").alive_at.reset(); }), 2U);
  EXPECT_EQ(hearing([](Situation& one) {
              peer_of(one, "n1").alive_at.reset();
              one.started_at = ago(2);
            }),
            0U)
      << "it had no time to be heard";
  EXPECT_EQ(hearing([](Situation& one) { peer_of(one, "n1").card_moved = ago(3); }), 0U);
  EXPECT_EQ(hearing([](Situation& one) { peer_of(one, "n1").card_moved.reset(); }), 0U);
  EXPECT_EQ(hearing([](Situation& one) { peer_of(one, "n1").card_hears.clear(); }), 0U)
      << "only one of them hears the other";
  EXPECT_EQ(hearing([](Situation& one) { peer_of(one, "n1").card_hears.push_back(one.me); }), 0U);
}

TEST(View, OthersSufficeOnlyForEveryPolicyOfTheBook) {
  const Situation s = cut_off();
  EXPECT_TRUE(others_suffice_without_us(s));
  const auto beside = [&](const std::vector<std::string>& voters) {
    return others_suffice_without_us(with(s, [&](Situation& one) {
      Policy policy = one.record->policy.current;
      policy.leader = seat("n3");
      policy.voters.clear();
      for (const std::string& name : voters) policy.voters.push_back(seat(name));
      policy.k = voters.empty() ? 0 : 1;
      one.record->policy.unproven = {policy};
    }));
  };
  EXPECT_TRUE(beside({"n1", "n2"}));
  EXPECT_FALSE(beside({"n2", "n4"})) << "its commits may be on n3 and n4";
  EXPECT_FALSE(beside({})) << "its commits are on n3 alone";
}

TEST(View, WhoMayBePrimary) {
  const auto entitled = [](const Situation& s, const std::function<void(Situation&)>& change) {
    return text(entitled_to_be_primary(with(s, change)));
  };
  const auto as_it_is = [](Situation&) {};
  const auto restarted = [](Situation& s) { s.agent = Claim{"run-2"}; };
  const Situation leader = World().as_seen_by("n1");
  EXPECT_EQ(entitled(leader, as_it_is), "yes: we lead");
  EXPECT_EQ(entitled(leader, restarted), "yes: we lead") << "its server never lost the grant";
  EXPECT_EQ(entitled(leader, [](Situation& s) { s.record.reset(); }),
            "no: the record is not known");
  const std::string not_named = "no: the record does not name this incarnation of n1";
  EXPECT_EQ(entitled(leader, [](Situation& s) { s.server.incarnation.reset(); }), not_named);
  EXPECT_EQ(entitled(leader, [](Situation& s) { s.record->leader = seat("n2"); }), not_named);
  EXPECT_EQ(entitled(leader, [](Situation& s) { s.server.grant.reset(); }),
            "no: the supervisor holds no grant");
  EXPECT_EQ(entitled(leader, [](Situation& s) { s.server.grant->term = Term{6}; }),
            "no: the supervisor holds no grant")
      << "of a term that the record has not";
  EXPECT_EQ(entitled(leader, [](Situation& s) { s.server.grant->term = Term{4}; }),
            "no: our grant is of an older term");
  const Situation handing = World().handing_over_to("n2").as_seen_by("n1");
  EXPECT_EQ(entitled(handing, as_it_is), "yes: we hand over");
  EXPECT_EQ(entitled(handing, restarted),
            "no: our handover was begun by an earlier run of the agent");
  const Situation chosen = with(World().chosen("n2", {"n3"}).as_seen_by("n2"), [](Situation& s) {
    s.server.grant = Grant{GrantKind::promote, Term{6}, ago(-4)};
  });
  EXPECT_EQ(entitled(chosen, as_it_is), "yes: we were chosen");
  EXPECT_EQ(entitled(chosen, restarted),
            "no: the promotion belongs to an earlier run of the agent");
}

TEST(View, WhatFailedInThisTerm) {
  Situation s = World().as_seen_by("n2");
  const auto failed = [&] { return failed_in_this_term(s, Promote::kind); };
  EXPECT_FALSE(failed()) << "it was never tried";
  s.attempts[Promote::kind] = {Ending::unknown, Term{5}, ago(1), 1, "no answer"};
  EXPECT_TRUE(failed()) << "nothing is assumed to have worked";
  s.attempts[Promote::kind].term = Term{4};
  EXPECT_FALSE(failed());
  s.attempts[Promote::kind] = {Ending::done, Term{5}, ago(1), 0, ""};
  EXPECT_FALSE(failed());
  s.attempts[Promote::kind].ending = Ending::failed;
  s.record.reset();
  EXPECT_FALSE(failed());
}

TEST(View, EachFailureDoublesThePauseUpToHalfAMinute) {
  Situation s = World().as_seen_by("n2");
  const auto may_after = [&](std::uint32_t failures, double seconds, const char* kind) {
    s.attempts[kind] = {Ending::failed, Term{5}, ago(seconds), failures, "no"};
    return may_try(s, kind, Millis{1000});
  };
  EXPECT_TRUE(may_try(s, Clone::kind, Millis{1000})) << "it was never tried";
  EXPECT_TRUE(may_after(0, 0, Clone::kind)) << "it worked";
  EXPECT_FALSE(may_after(1, 0.9, Clone::kind));
  EXPECT_TRUE(may_after(1, 1, Clone::kind));
  EXPECT_FALSE(may_after(3, 3.9, Clone::kind));
  EXPECT_TRUE(may_after(3, 4, Clone::kind));
  EXPECT_FALSE(may_after(1000, 29.9, Clone::kind));
  EXPECT_TRUE(may_after(1000, 30, Clone::kind));
  s.record->term = Term{6};
  EXPECT_FALSE(may_after(1, 0.9, Clone::kind)) << "a new term makes it no likelier";
  EXPECT_TRUE(may_after(1, 0.9, Fence::kind)) << "a new term waits for its fence";
  s.record.reset();
  EXPECT_FALSE(may_after(1, 0.9, Fence::kind));
}

TEST(View, WhichPolicyIsTheNewestOfTheLeader) {
  const auto has_none = [](World world) { return newest_policy(world.record()) == nullptr; };
  World world;
  EXPECT_EQ(newest_policy(world.record()), &world.record().policy.current);
  EXPECT_TRUE(has_none(World().vacant()));
  EXPECT_TRUE(has_none(World().handing_over_to("n2"))) << "none of its term yet";
  world.unproven({"n2"}).unproven({"n3"});
  EXPECT_EQ(newest_policy(world.record()), &world.record().policy.unproven.back());
  world.record().policy.unproven.back().leader = seat("n3");
  EXPECT_EQ(newest_policy(world.record()), &world.record().policy.unproven.front())
      << "n3 was chosen and never opened";
  EXPECT_EQ(leader_timeline(world.record()), TimelineId{2});
  world.record().lineage.clear();
  EXPECT_EQ(leader_timeline(world.record()), TimelineId{1});
}

TEST(View, TagsAreThoseThatANodeSaidLast) {
  const Tags nosync = tags_with([](Tags& tags) { tags.nosync = true; });
  const Situation s = tagged(tagged(World().as_seen_by("n2"), "n3", nosync), "n2", nosync);
  EXPECT_EQ(tags_of(s, node("n2")), nosync);
  EXPECT_EQ(tags_of(s, node("n3")), nosync);
  EXPECT_EQ(tags_of(s, node("n1")), Tags{}) << "it says nothing of tags";
  EXPECT_EQ(tags_of(s, node("n9")), Tags{}) << "it never spoke";
  EXPECT_EQ(tags_of(with(s, [](Situation& one) { peer_of(one, "n3").said.reset(); }), node("n3")),
            Tags{});
}

TEST(View, WhichPoliciesCountANode) {
  const Situation s = World().voters({"n2"}).unproven({"n3"}).as_seen_by("n1");
  for (const char* name : {"n1", "n2", "n3"}) EXPECT_TRUE(any_policy_counts(s, node(name))) << name;
  EXPECT_FALSE(any_policy_counts(s, node("n4")));
  EXPECT_FALSE(any_policy_counts(with(s, [](Situation& one) { one.record.reset(); }), node("n1")));
}

/// Strict, k = 1, the voters n2 and n3: whether n2 may leave as n3 sees it, and as n2 does.
TEST(View, AVoterLeavesAStrictPolicyOnlyIfOthersAcknowledge) {
  const Situation leaving = World().as_seen_by("n2");
  const auto n3 = [&](const auto& change) {
    return others_acknowledge_enough(
        with(leaving, [&](Situation& s) { change(*s.record, said_by(s, "n3")); }), node("n2"));
  };
  EXPECT_TRUE(n3([](Record&, Heartbeat&) {}));
  EXPECT_FALSE(n3([](Record& record, Heartbeat&) { record.policy.current.k = 2; }));
  EXPECT_FALSE(n3([](Record&, Heartbeat& said) { said.term = Term{4}; }));
  EXPECT_FALSE(n3([](Record&, Heartbeat& said) { said.seat.incarnation = Incarnation{"new"}; }));
  EXPECT_FALSE(n3([](Record&, Heartbeat& said) { said.receiving = false; }));
  EXPECT_FALSE(n3([](Record&, Heartbeat& said) { said.upstream.reset(); }));
  EXPECT_FALSE(n3([](Record&, Heartbeat& said) { said.upstream->voteless = true; }));
  EXPECT_FALSE(n3([](Record&, Heartbeat& said) { said.upstream->node = node("n2"); }));
  EXPECT_FALSE(n3([](Record&, Heartbeat& said) { said.upstream->term = Term{4}; }));
  EXPECT_FALSE(n3([](Record& record, Heartbeat&) {
    record.hand_fences = {HandFence{node("n3"), "anna", "", 0}};
  })) << "it leaves as well";
  const Situation staying = World().as_seen_by("n3");
  EXPECT_TRUE(others_acknowledge_enough(staying, node("n2")));
  EXPECT_FALSE(others_acknowledge_enough(
      with(staying, [](Situation& s) { s.server.receiving = false; }), node("n2")));
}

TEST(View, AnOpenLeaderIsOneInEveryRespect) {
  const auto leads = [](const std::function<void(Situation&)>& change) {
    return is_open_leader(with(World().as_seen_by("n1"), change));
  };
  EXPECT_TRUE(leads([](Situation&) {}));
  EXPECT_FALSE(leads([](Situation& s) { s.record->phase = Phase::electing; }));
  EXPECT_FALSE(leads([](Situation& s) { s.record->leader = seat("n2"); }));
  EXPECT_FALSE(leads([](Situation& s) { s.agent = Claim{"run-2"}; }));
  EXPECT_FALSE(leads([](Situation& s) { s.server.state = ServerState::stopping; }));
  EXPECT_FALSE(leads([](Situation& s) { s.server.grant.reset(); }));
}

TEST(View, NobodyHoldsAnEmptyClaim) {
  Situation s = World().vacant().as_seen_by("n2");
  s.agent = Claim{};
  EXPECT_FALSE(claim_is_mine(s));
  s.record.reset();
  EXPECT_FALSE(claim_is_mine(s));
  EXPECT_FALSE(record_names_me(s));
}

TEST(View, AWordIsFreshIfItIsOfTheRecordThatWeKnow) {
  const Situation s = World().as_seen_by("n2");
  const auto fresh = [&](const std::function<void(Situation&)>& change) {
    const Situation changed = with(s, change);
    return fresh_word(changed, node("n3")) != nullptr;
  };
  EXPECT_TRUE(fresh([](Situation&) {}));
  EXPECT_FALSE(fresh([](Situation& one) { one.peers.erase(node("n3")); }));
  EXPECT_FALSE(fresh([](Situation& one) { peer_of(one, "n3").refused = true; }));
  EXPECT_FALSE(fresh([](Situation& one) { peer_of(one, "n3").alive_at.reset(); }));
  EXPECT_FALSE(fresh([](Situation& one) { said_by(one, "n3").term = Term{4}; }));
  EXPECT_FALSE(fresh([](Situation& one) { one.record.reset(); }));
}

TEST(View, TheSlotsOfTheOpenLeader) {
  const auto known = [](const Situation& s, const std::function<void(Situation&)>& change) {
    const Situation changed = with(s, change);
    return leader_slots(changed) != nullptr;
  };
  const Situation leader =
      with(World().as_seen_by("n1"), [](Situation& s) { s.server.slots.emplace(); });
  EXPECT_TRUE(known(leader, [](Situation&) {}));
  EXPECT_FALSE(known(leader, [](Situation& s) { s.server.slots.reset(); })) << "not looked yet";
  EXPECT_FALSE(known(leader, [](Situation& s) { s.server.state = ServerState::stopping; }));
  EXPECT_FALSE(known(leader, [](Situation& s) { s.record.reset(); }));
  EXPECT_FALSE(known(leader, [](Situation& s) { s.record->phase = Phase::handover; }));
  const Situation standby =
      with(World().as_seen_by("n2"), [](Situation& s) { said_by(s, "n1").slots.emplace(); });
  EXPECT_TRUE(known(standby, [](Situation&) {}));
  EXPECT_FALSE(known(standby, [](Situation& s) { said_by(s, "n1").slots.reset(); }));
  EXPECT_FALSE(known(standby, [](Situation& s) { peer_of(s, "n1").alive_at = ago(5); }));
}

TEST(View, ACascadedNodeStreamsUnderANameThatNeverCounts) {
  const Situation s = tagged(World().as_seen_by("n3"), "n3",
                             tags_with([](Tags& tags) { tags.replicatefrom = node("n2"); }));
  const auto strict = [](Situation& one) { one.record->policy.current.mode = Durability::strict; };
  EXPECT_TRUE(streams_voteless(s));
  EXPECT_FALSE(streams_voteless(World().as_seen_by("n3")));
  EXPECT_FALSE(streams_voteless(with(s, strict))) << "strict keeps it until others take its place";
  EXPECT_TRUE(streams_voteless(with(
      with(s, strict), [](Situation& one) { one.record->policy.current.voters = {seat("n2")}; })));
  EXPECT_TRUE(streams_voteless(with(s, [](Situation& one) { one.record.reset(); })));
  EXPECT_TRUE(streams_voteless(with(s, [](Situation& one) { one.record->leader.reset(); })));
  EXPECT_EQ(why_not_voter(with(s, [](Situation& one) { one.record.reset(); }), s.me),
            "it is tagged replicatefrom: n2");
}

TEST(View, TheLastVoterLeavesIfNobodyCouldLeadWithItElsewhere) {
  const Situation s = World().voters({"n2"}).as_seen_by("n1");
  const auto may_leave = [&](const std::function<void(Situation&)>& change) {
    return may_be_the_last_to_leave(with(s, change), node("n2"));
  };
  EXPECT_TRUE(may_leave([](Situation&) {})) << "it says that we are in charge";
  const auto says_nobody = [](Situation& one) {
    said_by(one, "n2").sees_somebody_in_charge = false;
  };
  EXPECT_FALSE(may_leave(says_nobody));
  EXPECT_FALSE(may_leave([](Situation& one) { peer_of(one, "n2").alive_at = ago(5); }))
      << "its card moves";
  EXPECT_TRUE(may_leave([&](Situation& one) {
    says_nobody(one);
    peer_of(one, "n2").card_moved = ago(3);
  }));
  EXPECT_TRUE(may_leave([&](Situation& one) {
    says_nobody(one);
    peer_of(one, "n2").card_moved.reset();
  }));
  EXPECT_TRUE(may_leave([](Situation& one) { one.peers.erase(node("n2")); }));
}

}  // namespace
}  // namespace evergres::core::worlds

#include "core/explain.hpp"

#include <gtest/gtest.h>

#include "async_cases.hpp"
#include "core/view.hpp"
#include "golden.hpp"
#include "slot_cases.hpp"
#include "wishes.hpp"

/// What people are told of a situation: explanations.golden holds the longer texts.
namespace evergres::core::worlds {
namespace {

const Tags nofailover = tags_with([](Tags& tags) { tags.nofailover = true; });
const Tags nosync = tags_with([](Tags& tags) { tags.nosync = true; });

Situation without_record(Situation s) {
  s.record.reset();
  s.store_trouble = "it refuses connections";
  return s;
}

Situation strict(Situation s) {
  s.record->durability = s.record->policy.current.mode = Durability::strict;
  return s;
}

Situation fenced_by_hand(Situation s, const std::string& name, const std::string& why) {
  s.record->hand_fences = {HandFence{node(name), "anna@db1", why, 0}};
  return s;
}

/// A peer that refuses, one that was never heard, and a server of ours that was not looked at.
Situation little_known() {
  Situation s = World().silent("n1").as_seen_by("n2");
  s.peers[node("n1")].refused = true;
  s.peers[node("n3")] = Peer{};
  s.server.position.reset();
  return s;
}

/// n3 was promoted by hand onto the timeline that the record gave to n1.
Situation one_promoted_by_hand() {
  Situation s =
      World().electing_by("n2").fenced("n2", 5000).fenced("n3", 5000).silent("n1").as_seen_by("n2");
  s.peers[node("n3")].said->fenced->begun = std::vector<TimelineId>{TimelineId{2}};
  return s;
}

TEST(Explain, Elections) {
  std::string text;
  const auto tell = [&](const std::string& name, const Situation& s) {
    text += "== " + name + "\n" + explain_election(s);
  };
  tell("a healthy cluster", World().as_seen_by("n1"));
  tell("the record is not known", without_record(World().as_seen_by("n2")));
  tell("paused, and a policy is unproven",
       with(World().voters({"n2"}).unproven({"n2", "n3"}).as_seen_by("n2"),
            [](Situation& s) { s.record->paused = true; }));
  tell("the leader and a voter are silent",
       with(World().silent("n1").silent("n3").as_seen_by("n2"),
            [](Situation& s) { s.record->why = "n9 was silent"; }));
  tell("nobody leads", World().vacant().as_seen_by("n3"));
  tell("hardly anything is known", little_known());
  tell("enough are fenced", World()
                                .electing_by("n2")
                                .fenced("n2", 5000)
                                .fenced("n3", 6000)
                                .silent("n1")
                                .as_seen_by("n2"));
  tell("one was promoted by hand", one_promoted_by_hand());
  tell("nobody may lead",
       tagged(fenced_by_hand(World().as_seen_by("n1"), "n2", ""), "n3", nofailover));
  tell("async, a loss is allowed", with(World().as_seen_by("n1"), make_async));
  tell("async, too many are silent",
       with(World().silent("n1").silent("n3").as_seen_by("n2"), make_async));
  expect_golden("elections.golden", text);
}

/// n1 keeps WAL for n2 and for a consumer; it released what it kept for n3.
void keep_slots(std::vector<Slot>& slots) {
  slots = {slot("evg_n2", 5000, 40), slot("archive", 64U << 20U, 0)};
  slots[1].active = true;
  slots[1].note = "made by hand";
}

/// n2's copy of the consumer's slot is a segment further than the consumer has confirmed.
void copy_slots(Situation& s) {
  keep_slots(s.peers[node("n1")].said->slots.emplace());
  s.server.slots = {{slot("archive", 80U << 20U, 7), slot("of_others", 4000)}};
  s.server.slots->back().ours = false;
}

TEST(Explain, Nodes) {
  std::string text;
  const auto tell = [&](const std::string& name, const Situation& s, const std::string& who) {
    text += "== " + name + "\n" + explain_node(s, node(who));
  };
  const Situation leader = World().as_seen_by("n1");
  const Situation standby = World().as_seen_by("n2");
  tell("the leader about itself", leader, "n1");
  tell("the leader about a standby", leader, "n2");
  tell("a standby about itself", standby, "n2");
  tell("a standby about the leader", standby, "n1");
  tell("nobody of this name", leader, "n9");
  tell("the record is not known", without_record(standby), "n2");
  tell("the leader is alone", World().voters({}).silent("n2").silent("n3").as_seen_by("n1"), "n1");
  tell("our server does not start",
       with(standby,
            [](Situation& s) {
              s.server.state = ServerState::stopped;
              s.server.trouble = "no space left on device";
            }),
       "n2");
  tell("fenced by hand", fenced_by_hand(leader, "n2", "new disks"), "n2");
  tell("tagged nosync", tagged(leader, "n3", nosync), "n3");
  const auto released = [](Situation& s) { s.wanted.member_slot_limit = 1000; };
  const Situation keeps =
      with(with(leader, released), [](Situation& s) { keep_slots(s.server.slots.emplace()); });
  tell("slots of the leader", keeps, "n1");
  tell("the slot of a standby", keeps, "n2");
  tell("a standby whose slot was released", keeps, "n3");
  tell("a slot of which little is known",
       with(keeps,
            [](Situation& s) {
              s.server.slots->front().restart.reset();
              s.server.slots->front().wal_status.clear();
            }),
       "n2");
  tell("slots of a standby", with(standby, copy_slots), "n2");
  tell("slots of a standby that has not looked",
       with(with(standby, copy_slots), [](Situation& s) { s.server.slots.reset(); }), "n2");
  expect_golden("nodes.golden", text);
}

std::string not_inherit(const Situation& s, const std::string& who, bool insisted = false) {
  return why_not_inherit(s, node(who), insisted).value_or("it could");
}

TEST(Explain, WhyANodeCouldNotTakeOver) {
  const Situation leader = World().as_seen_by("n1");
  const auto n2 = [&](const auto& change) {
    return not_inherit(with(leader, [&](Situation& s) { change(*s.peers[node("n2")].said); }),
                       "n2");
  };
  EXPECT_EQ(not_inherit(leader, "n2"), "it could");
  EXPECT_EQ(not_inherit(leader, "n1"), "it could") << "it leads";
  EXPECT_EQ(not_inherit(without_record(leader), "n2"), "the record is not known");
  EXPECT_EQ(not_inherit(fenced_by_hand(leader, "n2", ""), "n2"), "it is fenced by anna@db1");
  EXPECT_EQ(not_inherit(fenced_by_hand(leader, "n2", "new disks"), "n2"),
            "it is fenced by anna@db1 (new disks)");
  EXPECT_EQ(not_inherit(tagged(leader, "n2", nofailover), "n2"), "it is tagged nofailover");
  EXPECT_EQ(not_inherit(tagged(leader, "n2", nofailover), "n2", true), "it could");
  EXPECT_EQ(not_inherit(leader, "n9"), "no node of this name is known");
  EXPECT_EQ(not_inherit(World().silent("n2").as_seen_by("n1"), "n2"), "its agent is not heard");
  EXPECT_EQ(n2([](Heartbeat& said) { said.term = Term{4}; }),
            "it has not seen the current record yet");
  EXPECT_EQ(n2([](Heartbeat& said) { said.server = ServerState::stopped; }),
            "its PostgreSQL is stopped");
  EXPECT_EQ(n2([](Heartbeat& said) {
              said.server = ServerState::starting;
              said.trouble = "crash recovery";
            }),
            "its PostgreSQL is starting (crash recovery)");
  EXPECT_EQ(n2([](Heartbeat& said) { said.receiving = false; }), "it does not receive WAL");
  EXPECT_EQ(n2([](Heartbeat& said) { said.seat.incarnation = Incarnation{"other"}; }),
            "it is not a voter yet, so it may lack acknowledged commits");
}

TEST(Explain, WhoDoesNotVoteMayLackCommits) {
  const Situation one_voter = World().voters({"n2"}).as_seen_by("n1");
  EXPECT_EQ(not_inherit(one_voter, "n3"),
            "it is not a voter yet, so it may lack acknowledged commits");
  EXPECT_EQ(not_inherit(tagged(one_voter, "n3", nosync), "n3"),
            "it is tagged nosync, so it may lack acknowledged commits");
  EXPECT_EQ(not_inherit(World().voters({}).as_seen_by("n1"), "n2"), "commits are on n1 alone");
  // With async nobody votes: whoever streams may have the rest sent to it.
  const Situation async = with(World().as_seen_by("n1"), make_async);
  EXPECT_EQ(not_inherit(async, "n2"), "it could");
}

TEST(Explain, WhyWeCouldNotTakeOver) {
  const Situation standby = World().as_seen_by("n2");
  const auto we = [&](const auto& change) {
    return not_inherit(with(standby, [&](Situation& s) { change(s.server); }), "n2");
  };
  EXPECT_EQ(not_inherit(standby, "n2"), "it could");
  EXPECT_EQ(we([](Server& server) { server.rebuilding = true; }), "it is being rebuilt");
  EXPECT_EQ(we([](Server& server) { server.state = ServerState::stopped; }),
            "its PostgreSQL is stopped");
  EXPECT_EQ(we([](Server& server) { server.incarnation.reset(); }), "it has no data directory");
  EXPECT_EQ(we([](Server& server) { server.receiving = false; }), "it does not receive WAL");
  // Nobody streams while a leader is being chosen.
  const Situation electing = World().electing_by("n2").as_seen_by("n2");
  EXPECT_EQ(not_inherit(electing, "n2"), "it could");
}

TEST(Explain, WhyANodeCouldNotLeadNow) {
  const auto not_lead = [](const Situation& s, const std::string& who) {
    return why_not_lead(s, node(who)).value_or("it could");
  };
  EXPECT_EQ(not_lead(World().as_seen_by("n1"), "n1"), "it could");
  EXPECT_EQ(not_lead(World().as_seen_by("n1"), "n2"), "it could");
  EXPECT_EQ(not_lead(World().silent("n2").as_seen_by("n1"), "n2"), "its agent is not heard");
  EXPECT_EQ(not_lead(World().silent("n3").as_seen_by("n1"), "n2"),
            "policy \"n1 with any 1 of n2, n3\" needs n1 stopped and read, or 2 of 2 voters; "
            "fenced with a known position: n2");
}

TEST(Explain, WhichClusterIsDegraded) {
  const auto quorum_of = [](const std::vector<std::string>& voters, std::uint32_t wanted) {
    return with(World().voters(voters).as_seen_by("n2"),
                [&](Situation& s) { s.wanted.acknowledgements = wanted; });
  };
  EXPECT_EQ(degraded_text(World().as_seen_by("n1")), "");
  EXPECT_EQ(degraded_text(without_record(World().as_seen_by("n1"))), "");
  EXPECT_EQ(degraded_text(World().vacant().as_seen_by("n1")), "");
  EXPECT_EQ(degraded_text(with(World().as_seen_by("n1"), make_async)), "") << "as was asked for";
  EXPECT_EQ(degraded_text(quorum_of({}, 0)), "") << "as was asked for";
  EXPECT_EQ(degraded_text(quorum_of({}, 1)),
            "DEGRADED: commits are on n1 alone; nobody else may lead");
  EXPECT_EQ(degraded_text(quorum_of({"n2", "n3"}, 2)),
            "DEGRADED: commits wait for 1 of 2 wanted acknowledgements");
  EXPECT_EQ(degraded_text(quorum_of({"n2"}, 1)), "DEGRADED: 1 of 2 standbys are voters");
}

TEST(Explain, WhoShouldVoteAccordingToItsTags) {
  const Situation one_voter = World().voters({"n2"}).as_seen_by("n1");
  EXPECT_EQ(degraded_text(tagged(one_voter, "n3", nosync)), "");
  EXPECT_EQ(degraded_text(fenced_by_hand(one_voter, "n3", "")), "");
  EXPECT_EQ(degraded_text(tagged(one_voter, "n3", nofailover)), "") << "n2 is as many as wanted";
  const Situation both = tagged(tagged(one_voter, "n2", nofailover), "n3", nofailover);
  EXPECT_EQ(degraded_text(both), "") << "they vote only as far as others are missing";
}

TEST(Explain, StrictSaysThatWritesWait) {
  const Situation nobody = strict(World().voters({}).as_seen_by("n2"));
  EXPECT_EQ(degraded_text(nobody),
            "DEGRADED: strict, and fewer than 1 standbys could vote; writes wait");
  const World silent = World().voters({"n2"}).silent("n2").silent("n3");
  EXPECT_EQ(degraded_text(strict(silent.as_seen_by("n1"))),
            "DEGRADED: strict, and fewer than 1 standbys could vote: "
            "n2 has been silent for voter_timeout; writes may wait");
  // Only the leader sees who acknowledges.
  EXPECT_EQ(degraded_text(strict(silent.as_seen_by("n3"))), "DEGRADED: 1 of 2 standbys are voters");
  EXPECT_EQ(degraded_text(strict(World().as_seen_by("n1"))), "");
}

TEST(Explain, WhatAnAcceptedLossMayCost) {
  EXPECT_EQ(loss_at_risk(without_record(World().as_seen_by("n2"))),
            "unknown: the record is not known");
  EXPECT_EQ(loss_at_risk(World().silent("n1").as_seen_by("n2")),
            "0 bytes: enough nodes are here for a loss-free failover");
  const std::string dropped =
      "; dropped: policy \"n1 with any 1 of n2, n3\" needs n1 stopped and read, or 2 of 2 voters; "
      "fenced with a known position: n2";
  const Situation risky =
      with(World().silent("n1").silent("n3").as_seen_by("n2"), [](Situation& s) {
        s.peers[node("n1")].said->position->lsn = Lsn{5900};
        s.peers[node("n3")].said->position->lsn = Lsn{5100};
      });
  EXPECT_EQ(loss_at_risk(risky),
            "800 bytes that the last known leader position is ahead, "
            "and whatever it wrote in the 5.0 s since it was last heard" +
                dropped);
  EXPECT_EQ(loss_at_risk(with(risky,
                              [](Situation& s) {
                                s.peers[node("n1")].said.reset();
                                s.peers[node("n3")].said->position.reset();
                              })),
            "an unknown number of bytes" + dropped);
}

}  // namespace
}  // namespace evergres::core::worlds

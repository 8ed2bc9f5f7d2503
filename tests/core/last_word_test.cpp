#include <gtest/gtest.h>

#include "async_cases.hpp"
#include "core/view.hpp"

/// What is known of a leader that nobody hears any more, and what its failover may lose under
/// async.
namespace evergres::core::worlds {
namespace {

using Change = std::function<void(Situation&)>;

Heartbeat& said_by(Situation& s, const char* name) {
  return *s.peers[node(name)].said;
}

Situation silent_async() {
  return with(World().silent("n1").as_seen_by("n2"), make_async);
}

TEST(LastWord, OnlyWhoLeadsOrLedIsNoted) {
  Situation s = World().as_seen_by("n2");
  Heartbeat said = said_by(s, "n1");
  Heartbeat blind = said;
  blind.position.reset();
  note_last_word(s, blind, ago(1));
  EXPECT_FALSE(s.last_word);
  Situation unknown = s;
  unknown.record.reset();
  note_last_word(unknown, said, ago(1));
  EXPECT_FALSE(unknown.last_word);
  Situation vacant = s;
  vacant.record->phase = Phase::vacant;
  note_last_word(vacant, said, ago(1));
  EXPECT_FALSE(vacant.last_word);
}

TEST(LastWord, WhoLedGoesOnUntilItIsAnotherIncarnation) {
  Situation s = World().as_seen_by("n2");
  Heartbeat said = said_by(s, "n1");
  note_last_word(s, said, ago(3));
  s.record->phase = Phase::electing;
  s.record->term = Term{6};
  said.position->lsn = Lsn{5500};
  Heartbeat anew = said;
  anew.seat.incarnation = Incarnation{"new"};
  note_last_word(s, anew, ago(2));
  EXPECT_EQ(s.last_word->position.lsn, Lsn{5000});
  Heartbeat elsewhere = said;
  elsewhere.position->timeline = TimelineId{3};
  note_last_word(s, elsewhere, ago(2));
  EXPECT_EQ(s.last_word->position.lsn, Lsn{5000});
  note_last_word(s, said, ago(2));
  EXPECT_EQ(s.last_word->position.lsn, Lsn{5500});
  EXPECT_EQ(s.last_word->term, Term{5}) << "the term in which it led";
}

TEST(LastWord, AWordOfANewLeadershipTakesThePlaceOfAnOldOne) {
  Situation s = World().as_seen_by("n2");
  Heartbeat said = said_by(s, "n1");
  s.last_word = LastWord{seat("n1"), Term{4}, {TimelineId{2}, Lsn{9000}}, ago(9)};
  note_last_word(s, said, ago(1));
  EXPECT_EQ(s.last_word->term, Term{5});
  EXPECT_EQ(s.last_word->position.lsn, Lsn{5000});
}

TEST(LastWord, ThatOfOthersCountsFromWhenTheyWereAlive) {
  const Situation s = silent_async();
  const auto furthest = [&](const Change& change) { return furthest_word(with(s, change)); };
  const auto told = [](Situation& one) {
    said_by(one, "n3").last_word = one.last_word;
    said_by(one, "n3").last_word->position.lsn = Lsn{6100};
    one.peers[node("n3")].alive_at = ago(7);
  };
  EXPECT_EQ(furthest(told)->position.lsn, Lsn{6100});
  EXPECT_EQ(furthest(told)->heard_at, ago(7)) << "it did not say how old its word was";
  EXPECT_EQ(furthest([&](Situation& one) {
              told(one);
              one.peers[node("n3")].alive_at.reset();
            })->position.lsn,
            Lsn{6000});
  EXPECT_EQ(furthest([](Situation& one) { one.peers[node("n3")].said.reset(); })->position.lsn,
            Lsn{6000});
  EXPECT_EQ(furthest([&](Situation& one) {
              told(one);
              one.last_word.reset();
            })->position.lsn,
            Lsn{6100});
  EXPECT_FALSE(furthest([](Situation& one) { one.record.reset(); }));
}

/// Without a lease in the record that of a grant is what a word may be old by.
TEST(LastWord, HowOldItMayBe) {
  Situation s = silent_async();
  s.record->lease_ms.reset();
  EXPECT_TRUE(furthest_word(s));
  s.last_word->heard_at = ago(11.1);
  EXPECT_FALSE(furthest_word(s));
  s.renewed_since.reset();
  EXPECT_TRUE(furthest_word(s)) << "nobody knows when it renewed";
}

TEST(LastWord, NoneIsNeededOfALeaderThatWasRead) {
  const Situation read =
      with(World().electing_by("n2").fenced("n1", 5600, false).fenced("n2", 5000).as_seen_by("n2"),
           make_async);
  EXPECT_FALSE(last_word_of_the_unread(read));
  EXPECT_TRUE(last_word_of_the_unread(
      with(read, [](Situation& s) { said_by(s, "n1").fenced->position.reset(); })));
  EXPECT_FALSE(last_word_of_the_unread(with(read, [](Situation& s) { s.record.reset(); })));
}

TEST(Lease, ItsEndIsKnownOnlyIfItsBeginningIs) {
  const Situation s = silent_async();
  EXPECT_EQ(lease_end(s), ago(0));
  EXPECT_TRUE(lease_has_ended(s));
  EXPECT_FALSE(lease_has_ended(with(s, [](Situation& one) { one.renewed_since = ago(5.9); })));
  EXPECT_FALSE(lease_has_ended(with(s, [](Situation& one) { one.renewed_since.reset(); })));
  EXPECT_FALSE(lease_has_ended(with(s, [](Situation& one) { one.record->lease_ms.reset(); })));
  EXPECT_FALSE(lease_has_ended(with(s, [](Situation& one) { one.record.reset(); })));
}

TEST(MaxLoss, ItIsMeasuredAgainstTheBestThatMayLead) {
  const Situation s = with(silent_async(), [](Situation& one) {
    said_by(one, "n3").position->lsn = Lsn{5500};
    one.record->max_loss_bytes = 500;
  });
  const std::vector<Seat> both{seat("n2"), seat("n3")};
  const auto lacks = [&](const Change& change) {
    const auto missing = what_a_failover_lacks(with(s, change), both);
    return missing.empty() ? "nothing" : missing.front();
  };
  const std::string too_much =
      "it would lose 1000 bytes of n1 (0/1388 to 0/1770), as far as it is known; "
      "max_loss is 500 bytes";
  const std::string unknown = "no position of a node that could lead is known";
  EXPECT_EQ(lacks([](Situation&) {}), "nothing");
  const auto nofailover = [](Situation& one) {
    said_by(one, "n3").tags.emplace().nofailover = true;
  };
  EXPECT_EQ(lacks(nofailover), too_much);
  EXPECT_EQ(lacks([](Situation& one) {
              one.record->hand_fences = {HandFence{node("n3"), "anna", "", 0}};
            }),
            too_much);
  EXPECT_EQ(lacks([](Situation& one) { said_by(one, "n3").position.reset(); }), too_much);
  EXPECT_EQ(lacks([](Situation& one) { said_by(one, "n3").term = Term{4}; }), too_much);
  EXPECT_EQ(lacks([&](Situation& one) {
              nofailover(one);
              one.server.position.reset();
            }),
            unknown);
}

TEST(LastWord, AnAgentWhoseServerDoesNotAnswerRepeatsAnOldOne) {
  Situation s = World().as_seen_by("n2");
  Heartbeat said = said_by(s, "n1");
  said.server = ServerState::unknown;
  note_last_word(s, said, ago(9));
  EXPECT_FALSE(s.last_word) << "nobody knows how old it is";
  said.server = ServerState::primary;
  note_last_word(s, said, ago(7));
  const Instant heard = s.last_word->heard_at;
  EXPECT_LT(heard, ago(7)) << "what is said was looked at before";
  said.server = ServerState::unknown;
  note_last_word(s, said, ago(1));
  EXPECT_EQ(s.last_word->heard_at, heard);
  said.position->lsn = Lsn{5500};
  note_last_word(s, said, ago(1));
  EXPECT_EQ(s.last_word->position.lsn, Lsn{5500}) << "but it was there once";
  EXPECT_EQ(s.last_word->heard_at, heard);
}

/// A leader that is tagged nofailover leads again after a crash of its own.
TEST(MaxLoss, ATagKeepsNobodyFromLeadingAgain) {
  const Situation s = with(silent_async(), [](Situation& one) {
    one.record->policy.current.leader = seat("n3");
    one.last_word->leader = seat("n3");
    said_by(one, "n3").tags.emplace().nofailover = true;
    said_by(one, "n3").seat.incarnation = Incarnation{"new"};
    said_by(one, "n3").position->lsn = Lsn{6000};
    one.record->max_loss_bytes = 1;
  });
  const Seat anew{node("n3"), Incarnation{"new"}};
  EXPECT_TRUE(what_a_failover_lacks(s, {seat("n2"), anew}).empty());
}

}  // namespace
}  // namespace evergres::core::worlds

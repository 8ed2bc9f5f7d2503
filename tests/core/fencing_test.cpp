#include <gtest/gtest.h>

#include "cases.hpp"
#include "core/view.hpp"

/// Who has to fence itself, and which answers count.
namespace evergres::core::worlds {
namespace {

using Change = std::function<void(Situation&)>;

void as_it_is(Situation&) {}

/// "fence: why" or "no fence: why".
std::string fence(const Situation& s, const Change& change = as_it_is) {
  const Verdict must = must_fence(with(s, change));
  return (must.yes ? "fence: " : "no fence: ") + must.why;
}

TEST(Fencing, APromiseComesBeforeEverythingElse) {
  const Situation s = World().electing_by("n3").as_seen_by("n2");
  EXPECT_EQ(fence(s), "fence: term 6 is newer than our promise");
  EXPECT_EQ(fence(s, [](Situation& one) { one.record.reset(); }),
            "no fence: no record or no data directory");
  EXPECT_EQ(fence(s, [](Situation& one) { one.server.incarnation.reset(); }),
            "no fence: no record or no data directory");
  EXPECT_EQ(fence(s, [](Situation& one) { one.record->term = one.promise.term = Term{0}; }),
            "no fence: nobody has taken a term yet");
}

TEST(Fencing, AnAnswerIsVoidOnceTheServerStartsAgain) {
  const Situation s = World().electing_by("n3").fenced("n2", 5000, false).as_seen_by("n2");
  EXPECT_EQ(fence(s), "fence: our server runs again since it was read");
  EXPECT_EQ(fence(s, [](Situation& one) { one.server.state = ServerState::stopped; }),
            "no fence: fenced for this term");
  EXPECT_EQ(fence(s, [](Situation& one) { one.fenced->can_run = true; }),
            "no fence: fenced for this term");
  EXPECT_EQ(fence(s, [](Situation& one) { one.fenced->term = Term{5}; }),
            "fence: not fenced since the start of our server");
  EXPECT_EQ(fence(s, [](Situation& one) { one.fenced.reset(); }),
            "fence: not fenced since the start of our server");
}

TEST(Fencing, WhoFollowsTheLeaderOfThisTermWasFenced) {
  const Situation s = World().as_seen_by("n2");
  EXPECT_EQ(fence(s), "no fence: follows the leader of this term");
  EXPECT_EQ(fence(s, [](Situation& one) { one.server.upstream->term = Term{4}; }),
            "fence: not fenced since the start of our server");
}

TEST(Fencing, TheLeaderAndTheChosenDoNotFenceThemselves) {
  const std::string leads = "no fence: this node leads or is about to";
  EXPECT_EQ(fence(World().as_seen_by("n1")), leads);
  EXPECT_EQ(fence(World().as_seen_by("n1"), [](Situation& s) { s.agent = Claim{"run-2"}; }), leads)
      << "an agent that was restarted goes on leading";
  const Situation chosen = World().chosen("n2", {"n3"}).as_seen_by("n2");
  EXPECT_EQ(fence(chosen), leads);
  EXPECT_EQ(fence(chosen, [](Situation& s) { s.agent = Claim{"run-2"}; }),
            "fence: term 6 is newer than our promise");
}

TEST(Fencing, ALeaderThatHandsOverIsFencedByItsStop) {
  const Situation primary =
      World().handing_over_to("n2").fenced("n1", 5000, false).as_seen_by("n1");
  EXPECT_EQ(fence(primary), "no fence: this node leads or is about to");
  EXPECT_EQ(fence(primary, [](Situation& s) { s.server.state = ServerState::standby; }),
            "fence: our server runs again since it was read");
  EXPECT_EQ(fence(primary,
                  [](Situation& s) {
                    s.server.state = ServerState::standby;
                    s.fenced->can_run = true;
                  }),
            "no fence: fenced for this term");
  EXPECT_EQ(fence(primary,
                  [](Situation& s) {
                    s.server.state = ServerState::standby;
                    s.agent = Claim{"run-2"};
                  }),
            "fence: our server runs again since it was read")
      << "the handover of an earlier run is over";
}

TEST(Fencing, TheHeirGoesOnReceivingUntilItHasEverything) {
  const Situation heir = World().handing_over_to("n2").fenced("n1", 5000, false).as_seen_by("n2");
  const auto n1 = [&](const std::function<void(Peer&)>& change) {
    return fence(heir, [&](Situation& s) { change(s.peers[node("n1")]); });
  };
  EXPECT_EQ(fence(heir), "fence: all WAL of the stopped leader has arrived");
  const std::string runs = "no fence: the leader that hands over has not stopped yet";
  EXPECT_EQ(n1([](Peer& peer) { peer.said->fenced.reset(); }), runs);
  EXPECT_EQ(n1([](Peer& peer) { peer.said->fenced->term = Term{5}; }), runs);
  EXPECT_EQ(n1([](Peer& peer) { peer.said->fenced->position.reset(); }), runs);
  EXPECT_EQ(n1([](Peer& peer) { peer.said->term = Term{5}; }),
            "no fence: the leader that hands over is silent")
      << "it has not heard of its own handover";
  const std::string lacks = "no fence: the last WAL of the stopped leader has not arrived";
  EXPECT_EQ(fence(heir, [](Situation& s) { s.server.position->lsn = Lsn{4999}; }), lacks);
  EXPECT_EQ(fence(heir, [](Situation& s) { s.server.position.reset(); }), lacks);
}

/// Then the term goes to whoever takes the next one; the heir answers that.
TEST(Fencing, AnAbandonedHandoverAsksNothingOfTheHeir) {
  const Situation left =
      World().handing_over_to("n2").fenced("n1", 5000, false).silent("n1").as_seen_by("n2");
  EXPECT_EQ(fence(left), "no fence: the handover was left alone");
  EXPECT_EQ(fence(left, [](Situation& s) { s.promise.term = s.record->term; }),
            "fence: not fenced since the start of our server");
}

World both_fenced() {
  return World().electing_by("n2").fenced("n2", 5000).fenced("n3", 5100).silent("n1");
}

std::vector<Seat> seats_of(const std::vector<Fenced>& answers) {
  std::vector<Seat> seats;
  for (const Fenced& answer : answers) seats.push_back(answer.seat);
  return seats;
}

TEST(Fencing, OnlyAnswersOfThisTermFromNodesThatAreHeardCount) {
  const Situation s = both_fenced().as_seen_by("n2");
  const auto answers = [&](const Change& change) {
    return seats_of(fenced_answers(with(s, change)));
  };
  const std::vector<Seat> me{seat("n2")};
  const std::vector<Seat> other{seat("n3")};
  EXPECT_EQ(answers(as_it_is), (std::vector<Seat>{seat("n2"), seat("n3")}));
  EXPECT_EQ(answers([](Situation& one) { one.fenced.reset(); }), other);
  EXPECT_EQ(answers([](Situation& one) { one.fenced->term = Term{5}; }), other);
  const auto n3 = [&](const std::function<void(Peer&)>& change) {
    return answers([&](Situation& one) { change(one.peers[node("n3")]); });
  };
  EXPECT_EQ(n3([](Peer& peer) { peer.refused = true; }), me);
  EXPECT_EQ(n3([](Peer& peer) { peer.alive_at = ago(1.2); }), me);
  EXPECT_EQ(n3([](Peer& peer) { peer.said->fenced.reset(); }), me);
  EXPECT_EQ(n3([](Peer& peer) { peer.said->fenced->term = Term{5}; }), me);
  EXPECT_EQ(n3([](Peer& peer) { peer.said->fenced->history.front().at = Lsn{900}; }), me)
      << "its timeline 2 is another one";
  EXPECT_TRUE(answers([](Situation& one) { one.record.reset(); }).empty());
}

/// n3 was promoted by hand onto timeline 3 at 4000.
Situation promoted_by_hand() {
  return with(both_fenced().as_seen_by("n2"), [](Situation& s) {
    Fenced& answer = *s.peers[node("n3")].said->fenced;
    answer.position = Position{TimelineId{3}, Lsn{5100}};
    answer.history.insert(answer.history.begin(), Fork{TimelineId{3}, TimelineId{2}, Lsn{4000}});
    answer.newest_timeline = TimelineId{3};
    answer.begun = std::vector<TimelineId>{TimelineId{3}};
  });
}

TEST(Fencing, ATimelineThatWasNeverReachedIsNoAncestor) {
  const auto s = with(promoted_by_hand(), [](Situation& one) {
    // We had the history of 3, and were promoted before we got there.
    one.fenced->history.insert(one.fenced->history.begin(),
                               {Fork{TimelineId{4}, TimelineId{3}, Lsn{3900}},
                                Fork{TimelineId{3}, TimelineId{2}, Lsn{4000}}});
    one.fenced->position = Position{TimelineId{4}, Lsn{3950}};
    one.fenced->begun = std::vector<TimelineId>{TimelineId{4}};
  });
  const auto answers = fenced_answers(s);
  EXPECT_EQ(answers.at(0).history.front(), (Fork{TimelineId{4}, TimelineId{2}, Lsn{3900}}));
  EXPECT_EQ(answers.at(0).history.size(), s.fenced->history.size() - 1);
  EXPECT_EQ(answers.at(1).position, (Position{TimelineId{3}, Lsn{5100}})) << "3 is n3's alone";
  const auto reached = with(s, [](Situation& one) { one.fenced->history[1].at = Lsn{3900}; });
  EXPECT_FALSE(fenced_answers(reached).at(1).can_run);
  const auto recorded = with(s, [](Situation& one) {
    one.record->lineage.push_back(
        {Term{5}, TimelineId{3}, TimelineId{2}, std::nullopt, node("n1")});
  });
  EXPECT_EQ(fenced_answers(recorded).at(0).history.size(), s.fenced->history.size());
}

TEST(Fencing, APromotionByHandCountsWithWhatWasThereBeforeIfItsIdIsTaken) {
  const auto of_n3 = [](const Change& change) {
    return fenced_answers(with(promoted_by_hand(), change)).at(1);
  };
  EXPECT_EQ(of_n3(as_it_is).position, (Position{TimelineId{3}, Lsn{5100}})) << "nobody else has 3";
  const Position before{TimelineId{2}, Lsn{4000}};
  const auto given = [](std::uint32_t timeline, std::uint32_t parent, const char* to) {
    return [=](Situation& s) {
      s.record->lineage.push_back(
          {Term{5}, TimelineId{timeline}, TimelineId{parent}, std::nullopt, node(to)});
    };
  };
  EXPECT_EQ(of_n3(given(3, 2, "n1")).position, before) << "the record gave 3 to n1";
  EXPECT_EQ(of_n3(given(4, 3, "n1")).position, before) << "n1 went on from a 3 of its own";
  EXPECT_EQ(of_n3(given(4, 3, "n3")).position, (Position{TimelineId{3}, Lsn{5100}}))
      << "it was chosen and went on from there";
  EXPECT_EQ(of_n3([](Situation& s) {
              s.fenced->history.insert(s.fenced->history.begin(),
                                       Fork{TimelineId{3}, TimelineId{2}, Lsn{4500}});
            }).position,
            before)
      << "we have a 3 of our own";
  EXPECT_FALSE(of_n3(given(3, 2, "n1")).can_run);
}

TEST(Fencing, ForeignAnswersAreThoseAsTheyWereGiven) {
  const auto foreign = foreign_answers(promoted_by_hand());
  ASSERT_EQ(foreign.size(), 1U);
  EXPECT_EQ(foreign.front().position, (Position{TimelineId{3}, Lsn{5100}}));
  EXPECT_TRUE(foreign_answers(both_fenced().as_seen_by("n2")).empty());
}

}  // namespace
}  // namespace evergres::core::worlds

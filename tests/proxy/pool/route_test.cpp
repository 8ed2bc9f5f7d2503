#include "proxy/pool/route.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace evergres::proxy {
namespace {

LeaderWord word(std::uint64_t term, std::uint64_t revision, const char* leader) {
  LeaderWord told;
  told.cluster = ClusterId("c1");
  told.term = Term{term};
  told.revision = Revision{revision};
  told.open = leader[0] != '\0';
  told.leader = NodeName(leader);
  return told;
}

std::string leader_of(const LeaderView& view) {
  const auto leader = view.leader();
  return leader ? leader->node.value : "nobody";
}

TEST(LeaderView, BelievesTheNewestWordAndNeverGoesBack) {
  LeaderView view(ClusterId("c1"));
  EXPECT_EQ(leader_of(view), "nobody");
  EXPECT_EQ(view.hear(word(4, 10, "n1")), LeaderView::Heard::news);
  EXPECT_EQ(leader_of(view), "n1");
  EXPECT_EQ(view.hear(word(5, 11, "")), LeaderView::Heard::news);
  EXPECT_EQ(leader_of(view), "nobody") << "the next term is being elected";
  EXPECT_EQ(view.highest(), Term{5});
  EXPECT_EQ(view.hear(word(4, 10, "n1")), LeaderView::Heard::nothing_new) << "a frozen agent";
  EXPECT_EQ(leader_of(view), "nobody");
  EXPECT_EQ(view.hear(word(5, 12, "n2")), LeaderView::Heard::news);
  EXPECT_EQ(leader_of(view), "n2");
  EXPECT_EQ(view.hear(word(5, 11, "")), LeaderView::Heard::nothing_new) << "a late agent";
  EXPECT_EQ(leader_of(view), "n2");
  EXPECT_EQ(view.hear(word(5, 13, "")), LeaderView::Heard::news) << "the leader gave its term back";
  EXPECT_EQ(leader_of(view), "nobody");
}

TEST(LeaderView, IsNotMovedByAnotherClusterOrAContradiction) {
  LeaderView view(ClusterId("c1"));
  view.hear(word(4, 10, "n1"));
  LeaderWord foreign = word(9, 99, "evil");
  foreign.cluster = ClusterId("c2");
  EXPECT_EQ(view.hear(foreign), LeaderView::Heard::foreign);
  EXPECT_EQ(leader_of(view), "n1");
  EXPECT_EQ(view.hear(word(4, 10, "n2")), LeaderView::Heard::disputed);
  EXPECT_EQ(leader_of(view), "nobody");
  EXPECT_EQ(view.hear(word(4, 10, "n1")), LeaderView::Heard::nothing_new);
  EXPECT_EQ(leader_of(view), "nobody");
  EXPECT_EQ(view.hear(word(5, 11, "n2")), LeaderView::Heard::news);
  EXPECT_EQ(leader_of(view), "n2");
}

LeaderWord of_leaders_agent(std::uint64_t revision, bool draining) {
  LeaderWord told = word(4, revision, "n1");
  told.draining = draining;
  return told;
}

TEST(LeaderView, OnlyTheLeadersAgentSaysThatAHandoverIsAboutToBegin) {
  LeaderView view(ClusterId("c1"));
  view.hear(of_leaders_agent(10, false));
  EXPECT_EQ(view.hear(of_leaders_agent(10, true)), LeaderView::Heard::news);
  EXPECT_TRUE(view.draining());
  EXPECT_EQ(leader_of(view), "n1") << "what runs may end";
  view.hear(word(4, 12, "n1"));
  EXPECT_TRUE(view.draining()) << "another agent told a renewal";
  EXPECT_EQ(view.hear(of_leaders_agent(11, false)), LeaderView::Heard::news) << "called off";
  EXPECT_FALSE(view.draining());
  view.hear(of_leaders_agent(12, true));
  EXPECT_TRUE(view.forget_draining()) << "its agent is heard no longer";
  EXPECT_FALSE(view.forget_draining());
  EXPECT_FALSE(view.draining());
  view.hear(of_leaders_agent(13, true));
  view.hear(word(5, 14, ""));
  EXPECT_FALSE(view.draining()) << "the handover has begun: nobody leads";
  EXPECT_EQ(view.hear(of_leaders_agent(13, true)), LeaderView::Heard::nothing_new);
  view.hear(word(5, 15, "n2"));
  EXPECT_FALSE(view.draining());
  EXPECT_EQ(view.hear(of_leaders_agent(14, true)), LeaderView::Heard::nothing_new);
  EXPECT_FALSE(view.draining()) << "of an older term";
}

TEST(LeaderView, TheOrderInWhichWordsArriveDoesNotMatter) {
  std::vector<LeaderWord> told{word(4, 10, "n1"), word(5, 11, ""), word(5, 12, "n2"),
                               word(6, 13, ""), word(6, 14, "n3")};
  std::vector<std::size_t> order{0, 1, 2, 3, 4};
  do {
    LeaderView view(ClusterId("c1"));
    Term highest;
    for (const std::size_t i : order) {
      view.hear(told[i]);
      highest = std::max(highest, told[i].term);
      ASSERT_EQ(view.highest(), highest);
      ASSERT_EQ(view.leader().value_or(OpenLeader{highest, {}}).term, highest);
    }
    ASSERT_EQ(leader_of(view), "n3");
  } while (std::next_permutation(order.begin(), order.end()));
}

Candidate replica(const char* name, const char* zone, std::optional<std::uint64_t> lag,
                  std::uint32_t busy) {
  Candidate candidate;
  candidate.node = NodeName(name);
  candidate.zone = zone;
  candidate.answers = true;
  candidate.replays = true;
  candidate.lag = lag;
  candidate.replayed = Lsn{1'000};
  candidate.busy = busy;
  return candidate;
}

std::string chosen(const RouteWish& wish, const std::optional<OpenLeader>& leader,
                   const std::vector<Candidate>& candidates, std::uint64_t highest = 5) {
  const Route route = choose_route(wish, Term{highest}, leader, candidates);
  EXPECT_FALSE(route.because.empty());
  return route.node ? route.node->value : "wait";
}

const OpenLeader n1{Term{5}, NodeName("n1")};

TEST(Route, WritersGoToTheOpenLeaderOfTheHighestTermOrWait) {
  RouteWish wish;
  const std::vector<Candidate> others{replica("n2", "a", 0, 0)};
  EXPECT_EQ(chosen(wish, n1, others), "n1");
  EXPECT_EQ(chosen(wish, std::nullopt, others), "wait");
  EXPECT_EQ(chosen(wish, n1, others, 6), "wait") << "there is a higher term";
}

TEST(Route, ReadersGoToTheLeastBusyReplicaOfTheirZone) {
  RouteWish wish;
  wish.port = Port::read_only;
  wish.zone = "a";
  EXPECT_EQ(chosen(wish, n1,
                   {replica("n2", "b", 0, 0), replica("n3", "a", 0, 9), replica("n4", "a", 0, 3)}),
            "n4");
  EXPECT_EQ(chosen(wish, n1, {replica("n2", "b", 0, 0)}), "n2") << "another zone before nobody";
  EXPECT_EQ(chosen(wish, n1, {replica("n1", "a", 0, 0), replica("n2", "b", 0, 0)}), "n2")
      << "the leader is no replica";
}

TEST(Route, EqualsTakeTurns) {
  RouteWish wish;
  wish.port = Port::read_only;
  const std::vector<Candidate> equals{replica("n2", "", 0, 1), replica("n3", "", 0, 1)};
  EXPECT_EQ(chosen(wish, n1, equals), "n2");
  wish.turn = 1;
  EXPECT_EQ(chosen(wish, n1, equals), "n3");
}

TEST(Route, AReplicaThatLagsIsUnknownOrOffTheLineageIsNotRead) {
  RouteWish wish;
  wish.port = Port::read_only;
  wish.max_lag = 100;
  wish.at_least = Lsn{1'000};
  EXPECT_EQ(chosen(wish, n1, {replica("n2", "", 100, 0)}), "n2");
  EXPECT_EQ(chosen(wish, n1, {replica("n2", "", 101, 0)}), "n1");
  EXPECT_EQ(chosen(wish, n1, {replica("n2", "", std::nullopt, 0)}), "n1") << "unknown is not near";
  Candidate bad = replica("n2", "", 0, 0);
  bad.replays = false;
  EXPECT_EQ(chosen(wish, n1, {bad}), "n1");
  bad = replica("n2", "", 0, 0);
  bad.answers = false;
  EXPECT_EQ(chosen(wish, n1, {bad}), "n1");
  bad = replica("n2", "", 0, 0);
  bad.replayed = Lsn{999};
  EXPECT_EQ(chosen(wish, n1, {bad}), "n1") << "it has not replayed what was written";
  wish.leader_may_read = false;
  EXPECT_EQ(chosen(wish, n1, {bad}), "wait");
}

}  // namespace
}  // namespace evergres::proxy

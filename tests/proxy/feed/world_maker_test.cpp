#include "proxy/feed/world_maker.hpp"

#include <gtest/gtest.h>

namespace evergres::proxy {
namespace {

using cluster::RouteNode;
using cluster::RouteWord;
using Heard = LeaderView::Heard;

RouteNode node(const char* name, int port, bool replays, std::optional<std::uint64_t> lag) {
  RouteNode node;
  node.name = NodeName(name);
  node.host = "10.0.0.1";
  node.port = port;
  node.agent_host = "10.0.0.1";
  node.agent_port = port + 1000;
  node.answers = true;
  node.replays = replays;
  node.lag = lag;
  return node;
}

RouteWord word(const char* speaker, std::uint64_t term, std::uint64_t revision,
               const char* leader) {
  RouteWord word;
  word.cluster = ClusterId("c1");
  word.speaker = NodeName(speaker);
  word.number = 1;
  word.term = Term{term};
  word.revision = Revision{revision};
  word.open = leader[0] != '\0';
  word.leader = NodeName(leader);
  word.machine = "this";
  word.socket_directory = std::string("/run/") + speaker;
  word.nodes = {node("n1", 1, leader != std::string("n1"), 10),
                node("n2", 2, leader != std::string("n2"), 20)};
  return word;
}

WorldMaker::Surroundings around() {
  WorldMaker::Surroundings around;
  around.reachable = [](const Address& local) { return local.host != "/run/n9"; };
  around.look_up = [](const Address& address) {
    return std::vector<Resolved>{Resolved(address.host + ":" + std::to_string(address.port))};
  };
  return around;
}

TEST(WorldMaker, NothingIsKnownBeforeTheFirstWord) {
  const WorldMaker maker(std::nullopt, "this");
  const World world = maker.world(around());
  EXPECT_FALSE(world.leader);
  EXPECT_TRUE(world.nodes.empty());
  EXPECT_EQ(maker.heard_agents(), 0U);
}

TEST(WorldMaker, TheNewestWordDecidesWhoLeadsWhoeverSpeaksIt) {
  WorldMaker maker(std::nullopt, "this");
  EXPECT_EQ(maker.hear(word("n1", 4, 10, "n1")), Heard::news);
  EXPECT_EQ(maker.world(around()).leader, (OpenLeader{Term{4}, NodeName("n1")}));
  EXPECT_EQ(maker.hear(word("n2", 5, 12, "n2")), Heard::news);
  EXPECT_EQ(maker.hear(word("n1", 4, 11, "n1")), Heard::nothing_new) << "n1 was frozen";
  const World world = maker.world(around());
  EXPECT_EQ(world.leader, (OpenLeader{Term{5}, NodeName("n2")}));
  EXPECT_EQ(world.highest, Term{5});
  EXPECT_FALSE(world.node(NodeName("n1"))->replays) << "what it says is of an older term";
  maker.lost(NodeName("n1"));
  maker.lost(NodeName("n2"));
  EXPECT_EQ(maker.world(around()).leader, (OpenLeader{Term{5}, NodeName("n2")}))
      << "with nobody to ask the last leader is still believed";
  RouteWord foreign = word("n1", 9, 99, "n1");
  foreign.cluster = ClusterId("c2");
  EXPECT_EQ(maker.hear(foreign), Heard::foreign);
  EXPECT_EQ(maker.world(around()).highest, Term{5});
}

TEST(WorldMaker, OnlyTheLeadersAgentMakesADrainAndItEndsWithIt) {
  WorldMaker maker(std::nullopt, "this");
  RouteWord draining = word("n1", 4, 10, "n1");
  draining.draining = true;
  maker.hear(draining);
  maker.hear(word("n2", 4, 11, "n1"));
  World world = maker.world(around());
  EXPECT_TRUE(world.draining) << "n2 does not know of it";
  EXPECT_TRUE(world.leader);
  EXPECT_FALSE(maker.lost(NodeName("n2")));
  EXPECT_TRUE(maker.world(around()).draining);
  EXPECT_TRUE(maker.lost(NodeName("n1")));
  world = maker.world(around());
  EXPECT_FALSE(world.draining) << "nobody could call it off any more";
  EXPECT_EQ(world.leader, (OpenLeader{Term{4}, NodeName("n1")}));
}

TEST(WorldMaker, ANodeIsAsItsOwnAgentSaysWhileThatIsHeard) {
  WorldMaker maker(std::nullopt, "this");
  RouteWord own = word("n2", 4, 10, "n1");
  own.nodes[1].lag = 7;
  maker.hear(own);
  maker.hear(word("n1", 4, 10, "n1"));
  EXPECT_EQ(maker.world(around()).node(NodeName("n2"))->lag, 7U);
  EXPECT_TRUE(maker.world(around()).node(NodeName("n2"))->replays);
  maker.lost(NodeName("n2"));
  EXPECT_EQ(maker.world(around()).node(NodeName("n2"))->lag, 20U) << "as n1 sees it";
  RouteWord without = word("n1", 4, 11, "n1");
  without.nodes[1].answers = false;
  without.nodes[1].replays = false;
  maker.hear(without);
  EXPECT_FALSE(maker.world(around()).node(NodeName("n2"))->answers);
  maker.lost(NodeName("n1"));
  const World nobody = maker.world(around());
  ASSERT_EQ(nobody.nodes.size(), 2U);
  EXPECT_FALSE(nobody.node(NodeName("n2"))->lag) << "nobody measures it now";
}

TEST(WorldMaker, ANodeThatNobodyNamesAnyMoreIsGone) {
  WorldMaker maker(std::nullopt, "this");
  RouteWord three = word("n1", 4, 10, "n1");
  three.nodes.push_back(node("n3", 3, true, 0));
  maker.hear(three);
  EXPECT_EQ(maker.agents().size(), 3U);
  maker.hear(word("n1", 4, 11, "n1"));
  EXPECT_EQ(maker.world(around()).nodes.size(), 2U);
  EXPECT_EQ(maker.agents().size(), 2U);
}

TEST(WorldMaker, ANodeOfThisMachineIsReachedByItsSocket) {
  WorldMaker maker(std::nullopt, "this");
  maker.hear(word("n1", 4, 10, "n1"));
  RouteWord elsewhere = word("n2", 4, 10, "n1");
  elsewhere.machine = "another";
  maker.hear(elsewhere);
  const World world = maker.world(around());
  EXPECT_EQ(world.node(NodeName("n1"))->address, (Address{"/run/n1", 1}));
  EXPECT_EQ(world.node(NodeName("n1"))->resolved.at(0).bytes(), "/run/n1:1");
  EXPECT_EQ(world.node(NodeName("n2"))->address, (Address{"10.0.0.1", 2}));
  RouteWord closed = word("n1", 4, 11, "n1");
  closed.socket_directory = "/run/n9";
  maker.hear(closed);
  EXPECT_EQ(maker.world(around()).node(NodeName("n1"))->address, (Address{"10.0.0.1", 1}))
      << "a directory that we may not enter";
  WorldMaker unknown(std::nullopt, "");
  RouteWord nameless = word("n1", 4, 10, "n1");
  nameless.machine = "";
  unknown.hear(nameless);
  EXPECT_EQ(unknown.world(around()).node(NodeName("n1"))->address, (Address{"10.0.0.1", 1}))
      << "two machines whose ids are not known are not the same";
}

TEST(WorldMaker, NoReadersForWhoeverIsTaggedSo) {
  WorldMaker maker(std::nullopt, "this");
  RouteWord tagged = word("n1", 4, 10, "n1");
  tagged.nodes[1].noloadbalance = true;
  maker.hear(tagged);
  EXPECT_FALSE(maker.world(around()).node(NodeName("n2"))->replays);
  EXPECT_TRUE(maker.world(around()).node(NodeName("n2"))->answers);
}

TEST(WorldMaker, KeepsTheLastPromotionsOfTheNewestWord) {
  WorldMaker maker(std::nullopt, "this");
  RouteWord told = word("n1", 40, 10, "n1");
  for (std::uint64_t term = 1; term <= 40; ++term) {
    told.promotions.push_back({Term{term}, Term{term - 1}, term * 100});
  }
  maker.hear(told);
  maker.hear(word("n2", 39, 9, "n2"));
  const World world = maker.world(around());
  ASSERT_EQ(world.promotions.size(), 16U);
  EXPECT_EQ(world.promotions.front().term, Term{25});
  EXPECT_EQ(world.promotions.back().after, Term{39});
  EXPECT_EQ(world.promotions.back().next_xid, 4000U);
}

TEST(WorldMaker, ALagIsNoOtherRouteButItsAbsenceIs) {
  WorldMaker maker(std::nullopt, "this");
  maker.hear(word("n1", 4, 10, "n1"));
  const World before = maker.world(around());
  RouteWord later = word("n1", 4, 11, "n1");
  later.nodes[1].lag = 999;
  maker.hear(later);
  EXPECT_TRUE(same_routes(before, maker.world(around())));
  later.nodes[1].lag.reset();
  maker.hear(later);
  EXPECT_FALSE(same_routes(before, maker.world(around())));
  later.nodes[1].lag = 999;
  later.promotions = {{Term{4}, Term{3}, 5}};
  later.revision = Revision{12};
  maker.hear(later);
  EXPECT_FALSE(same_routes(before, maker.world(around())));
}

TEST(WorldMaker, EndpointsOfOtherNodesAreKnownByTheirOwnAddress) {
  WorldMaker maker(std::nullopt, "this");
  RouteWord said = word("n1", 2, 5, "n1");
  EXPECT_TRUE((maker.hear(said), maker.world(around()).endpoints.empty()));
  const World before = maker.world(around());
  said.nodes[1].endpoint_host = "10.0.0.2";
  said.nodes[1].endpoint_port = 5432;
  said.revision = Revision{6};
  maker.hear(said);
  const World world = maker.world(around());
  ASSERT_EQ(world.endpoints.size(), 1U);
  EXPECT_EQ(world.endpoints[0].node, NodeName("n2"));
  EXPECT_EQ(world.endpoints[0].resolved[0].bytes(), "10.0.0.2:5432");
  EXPECT_FALSE(same_routes(before, world));
}

}  // namespace
}  // namespace evergres::proxy

#include "agent/own_card.hpp"

#include "agent/place.hpp"

namespace evergres::agent::test {
namespace {

/// One agent as the others see it: a run id, a beat, a handle on the store.
struct Voice {
  Voice(cluster::ClusterStore opened, const char* run) : store(std::move(opened)) {
    card.name = "n1";
    card.node_id = "the same";
    card.peer_host = "127.0.0.1";
    card.peer_port = 8009;
    card.agent = run;
  }
  /// Whether it yields.
  bool yields() {
    ++card.beat;
    const auto said = own.announce(store, card, generous);
    EXPECT_TRUE(said) << said.error().one_line();
    return said && *said;
  }
  cluster::ClusterStore store;
  cluster::NodeCard card;
  OwnCard own;
};

class OwnCardTest : public Place {
 protected:
  Voice voice(const char* run) { return Voice(store(), run); }
  std::string shown() { return store().list_cards(generous)->cards.at(0).value.agent.value_or(""); }
};

TEST_F(OwnCardTest, ARestartedAgentIsNoCopy) {
  for (const char* run : {"run 1", "run 2", "run 3"}) {
    auto agent = voice(run);
    for (int round = 0; round < 3; ++round) EXPECT_FALSE(agent.yields()) << run;
    EXPECT_EQ(shown(), run);
  }
}

TEST_F(OwnCardTest, OfTwoThatAlternateTheLaterYieldsWithinTwoRounds) {
  auto elder = voice("elder");
  EXPECT_FALSE(elder.yields());
  auto copy = voice("copy");
  EXPECT_FALSE(copy.yields()) << "it cannot know yet";
  for (int round = 0; round < 3; ++round) {
    EXPECT_FALSE(elder.yields()) << "who was there first goes on";
    EXPECT_TRUE(copy.yields());
    EXPECT_EQ(shown(), "elder") << "who yields writes nothing";
  }
}

TEST_F(OwnCardTest, OfTwoThatBeginTogetherOneYields) {
  ASSERT_FALSE(voice("dead").yields());
  auto one = voice("one");
  auto two = voice("two");
  bool one_yields = one.yields();
  bool two_yields = two.yields();
  for (int round = 0; round < 2; ++round) {
    one_yields = one.yields();
    two_yields = two.yields();
  }
  EXPECT_NE(one_yields, two_yields);
}

TEST_F(OwnCardTest, TheSentenceNamesTheOther) {
  auto elder = voice("elder");
  elder.card.peer_host = "10.1.2.3";
  ASSERT_FALSE(elder.yields());
  auto copy = voice("copy");
  ASSERT_FALSE(copy.yields());
  ASSERT_FALSE(elder.yields());
  ++copy.card.beat;
  const auto said = copy.own.announce(copy.store, copy.card, generous);
  ASSERT_TRUE(said && *said);
  EXPECT_EQ(**said,
            "another agent runs as \"n1\" at 10.1.2.3:8009 and was there first: the state "
            "directory of one was "
            "copied; this one does nothing");
}

TEST_F(OwnCardTest, AStoreThatShowsAnOlderCardAgainIsNoOtherAgent) {
  auto before = voice("before");
  ASSERT_FALSE(before.yields());
  const auto old_card = store().list_cards(generous)->cards.at(0).value;
  auto agent = voice("now");
  ASSERT_FALSE(agent.yields());
  ASSERT_TRUE(store().put_card(old_card, store::Expect::anything(), generous));
  for (int round = 0; round < 3; ++round) EXPECT_FALSE(agent.yields());
  EXPECT_EQ(shown(), "now");
}

TEST_F(OwnCardTest, ACardThatWasRemovedOrSpoiltIsWrittenAgain) {
  auto agent = voice("now");
  ASSERT_FALSE(agent.yields());
  ASSERT_TRUE(store().remove_card(NodeName{"n1"}, store::Expect::anything(), generous));
  EXPECT_FALSE(agent.yields());
  auto raw = store::open_store(setup_.settings.store, "shop", store::Create::no);
  ASSERT_TRUE((*raw)->put("/evergres/shop/nodes/n1", "{\"nonsense\":", store::Expect::anything(),
                          generous));
  EXPECT_FALSE(agent.yields());
  EXPECT_EQ(shown(), "now");
}

TEST_F(OwnCardTest, WhoYieldedComesBackWhenTheOtherIsGone) {
  auto copy = voice("copy");
  {
    auto elder = voice("elder");
    ASSERT_FALSE(elder.yields());
    ASSERT_FALSE(copy.yields());
    ASSERT_FALSE(elder.yields());
    ASSERT_TRUE(copy.yields());
  }
  const Instant began = boot_now();
  EXPECT_TRUE(eventually([&] { return !copy.yields(); }));
  EXPECT_GE(boot_now() - began, OwnCard::yields_for - Millis{500});
  EXPECT_EQ(shown(), "copy");
}

}  // namespace
}  // namespace evergres::agent::test

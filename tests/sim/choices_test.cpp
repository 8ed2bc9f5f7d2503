#include <gtest/gtest.h>

#include <array>

#include "sim/choices.hpp"
#include "sim/network.hpp"

namespace evergres::sim {
namespace {

std::vector<std::uint32_t> some_of(Choices& choices) {
  std::vector<std::uint32_t> answers;
  for (std::uint32_t limit = 1; limit < 50; ++limit) answers.push_back(choices.below(limit));
  return answers;
}

TEST(Choices, OneSeedIsOneSequence) {
  Choices one = Choices::of_seed(7);
  Choices same = Choices::of_seed(7);
  Choices other = Choices::of_seed(8);
  const auto answers = some_of(one);
  EXPECT_EQ(answers, some_of(same));
  EXPECT_NE(answers, some_of(other));
}

TEST(Choices, ARecordingAnswersAsTheSeedDid) {
  Choices one = Choices::of_seed(7);
  one.record();
  const auto answers = some_of(one);
  auto again = Choices::of_text(one.text());
  ASSERT_TRUE(again);
  EXPECT_EQ(answers, some_of(*again));
  EXPECT_EQ(again->below(10), 0U) << "what is not recorded is the quiet alternative";
  const auto wrong = Choices::of_text("1 2\n3 x\n");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message(), "a recorded run holds only numbers");
  EXPECT_EQ(wrong.error().detail(), "Line 2 holds something else.");
}

TEST(Choices, ARecordedAnswerToAnotherQuestionIsTheDefault) {
  Choices choices = Choices::of_recording({7, 3, 5});
  EXPECT_EQ(choices.below(4), 0U);
  EXPECT_EQ(choices.below(4), 3U);
  EXPECT_EQ(choices.below(5), 0U);
}

TEST(Choices, WhatIsDrawnAsideBelongsToThePlan) {
  Choices choices = Choices::of_seed(1);
  choices.record();
  std::vector<std::uint32_t> between{choices.below(100)};
  {
    const Choices::Aside aside(choices);
    static_cast<void>(choices.below(100));
  }
  between.push_back(choices.below(100));
  EXPECT_EQ(choices.recorded().size(), 3U);
  EXPECT_EQ(choices.recorded_between(), between);
}

TEST(Choices, BytesOfAFuzzerAreASource) {
  const std::array<std::uint8_t, 3> bytes{5, 1, 9};
  Choices choices = Choices::of_bytes(bytes);
  EXPECT_EQ(choices.below(1000), 261U);
  EXPECT_EQ(choices.below(1000), 9U);
  EXPECT_FALSE(choices.chance(999)) << "0 is: it does not happen";
}

TEST(Choices, StayWithinTheirLimits) {
  Choices choices = Choices::of_seed(3);
  for (int i = 0; i < 1000; ++i) {
    const Nanos span = choices.skewed(Millis{2}, Millis{5});
    EXPECT_GE(span, Millis{2});
    EXPECT_LE(span, Millis{5});
  }
}

struct Wire {
  EventQueue events;
  Choices choices = Choices::of_seed(1);
  Network network{events, choices, 3};
  std::vector<int> arrived;
  void run(Nanos span) {
    const Moment end = events.now() + span;
    while (events.step(end)) {
    }
  }
};

TEST(Network, ACutIsOneWayAndOfOneKindIfThatIsMeant) {
  Wire wire;
  wire.network.cut(0, 1, Traffic::replication, 1);
  wire.network.send(0, 1, Traffic::replication, [&] { wire.arrived.push_back(1); });
  wire.network.send(1, 0, Traffic::replication, [&] { wire.arrived.push_back(2); });
  wire.network.send(0, 1, Traffic::peers, [&] { wire.arrived.push_back(3); });
  wire.run(Millis{100});
  std::sort(wire.arrived.begin(), wire.arrived.end());
  EXPECT_EQ(wire.arrived, (std::vector<int>{2, 3}));
}

TEST(Network, MessagesGetLostAndComeTwice) {
  Wire wire;
  wire.network.way(0, 1).loss = 1000;
  wire.network.way(1, 2).twice = 1000;
  wire.network.send(0, 1, Traffic::peers, [&] { wire.arrived.push_back(1); });
  wire.network.send(1, 2, Traffic::peers, [&] { wire.arrived.push_back(2); });
  wire.run(Millis{1000});
  EXPECT_EQ(wire.arrived, (std::vector<int>{2, 2}));
}

TEST(Network, AStreamKeepsItsOrderAndLosesNothing) {
  Wire wire;
  Way& way = wire.network.way(0, 1);
  way.loss = 500;
  way.twice = 500;
  way.most = Millis{300};
  Stream stream(wire.events, wire.network, 0, 1, Traffic::replication);
  std::vector<int> sent;
  for (int i = 0; i < 50; ++i) {
    sent.push_back(i);
    stream.send([&wire, i] { wire.arrived.push_back(i); });
  }
  wire.run(Millis{60'000});
  EXPECT_EQ(wire.arrived, sent);
}

TEST(Network, AStreamWaitsForTheEndOfACut) {
  Wire wire;
  Stream stream(wire.events, wire.network, 0, 1, Traffic::replication);
  wire.network.cut(0, 1, 1);
  stream.send([&] { wire.arrived.push_back(1); });
  wire.run(Millis{5000});
  EXPECT_TRUE(wire.arrived.empty());
  wire.network.cut(0, 1, -1);
  wire.run(Millis{500});
  EXPECT_EQ(wire.arrived, std::vector<int>{1});
}

}  // namespace
}  // namespace evergres::sim

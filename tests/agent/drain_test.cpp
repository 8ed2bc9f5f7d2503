#include "agent/operations/drain.hpp"

#include <gtest/gtest.h>

namespace evergres::agent {
namespace {

TEST(Drain, SaysWhatItWaitsForAndHowLong) {
  EXPECT_EQ(drain_text(3, 0, Millis{2140}), "waits for 3 transactions to end, 2.1 s left");
  EXPECT_EQ(drain_text(1, 2, Millis{900}), "waits for 1 transaction to end, 0.9 s left");
  EXPECT_EQ(drain_text(0, 1, Millis{5000}),
            "waits for 1 endpoint to hold new transactions, 5.0 s left");
  EXPECT_EQ(drain_text(1, 0, Millis{-3}), "waits for 1 transaction to end, 0.0 s left");
}

TEST(Drain, WhatIsWaitedForIsOverOnlyWhenAllObeyAndNothingRuns) {
  WatcherAcks acks;
  EXPECT_TRUE(acks.waited().over()) << "nobody watches";
  acks.joined(1);
  acks.joined(2);
  acks.acknowledged(1, 7, 3);
  EXPECT_EQ(acks.waited().unheard, 2U) << "nothing was announced";
  acks.announced(7);
  EXPECT_EQ(acks.waited().unheard, 1U);
  EXPECT_EQ(acks.waited().busy, 3U);
  acks.acknowledged(2, 8, 0);
  acks.acknowledged(1, 7, 0);
  acks.acknowledged(9, 0, 5);  // left long ago
  EXPECT_TRUE(acks.waited().over());
  acks.acknowledged(1, 7, 1);
  EXPECT_FALSE(acks.waited().over());
  acks.left(1);
  EXPECT_TRUE(acks.waited().over());
}

TEST(Drain, AWaitEndsWithTheNextChangeOrTheStop) {
  WatcherAcks acks;
  std::stop_source stop;
  acks.joined(1);
  EXPECT_FALSE(acks.waited().over());
  acks.acknowledged(1, 1, 0);
  const Instant began = boot_now();
  acks.wait_for_change(stop.get_token(), began + Millis{60'000});
  EXPECT_EQ(acks.waited().unheard, 1U);
  stop.request_stop();
  acks.wait_for_change(stop.get_token(), began + Millis{60'000});
  EXPECT_LT(boot_now() - began, Millis{20'000});
}

}  // namespace
}  // namespace evergres::agent

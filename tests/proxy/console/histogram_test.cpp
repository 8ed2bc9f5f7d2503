#include "proxy/console/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "proxy/dice.hpp"

namespace evergres::proxy {
namespace {

TEST(Histogram, WithoutTimesEverythingIsZero) {
  const Histogram none;
  EXPECT_EQ(none.count(), 0U);
  EXPECT_EQ(none.quantile(0.5), 0U);
  EXPECT_EQ(none.not_longer_than(64), 0U);
}

TEST(Histogram, ExtremesAreCounted) {
  Histogram all;
  all.record(0);
  all.record(UINT64_MAX / 2);
  EXPECT_EQ(all.count(), 2U);
  EXPECT_EQ(all.quantile(1), UINT64_MAX / 2);
  EXPECT_EQ(all.most(), UINT64_MAX / 2);
  EXPECT_EQ(all.not_longer_than(1), 1U);
  EXPECT_EQ(all.not_longer_than(printed_bounds.back()), 1U);
}

TEST(Histogram, PrintedBoundsAreExact) {
  for (const std::uint64_t bound : printed_bounds) {
    Histogram one;
    one.record(bound);
    one.record(2 * bound);
    EXPECT_EQ(one.not_longer_than(bound), 1U) << bound;
    EXPECT_EQ(one.not_longer_than(bound / 2), 0U) << bound;
    one.record(bound + 1);
    EXPECT_EQ(one.not_longer_than(bound), 1U) << bound;
  }
}

/// Against the sorted list of what was recorded.
TEST(Histogram, QuantilesAreAtMostASixteenthTooHigh) {
  Dice dice(4711);
  for (int round = 0; round < 50; ++round) {
    Histogram histogram;
    std::vector<std::uint64_t> times;
    for (std::size_t i = dice.below(2000) + 1; i > 0; --i) {
      const std::uint64_t time = dice.below(std::size_t{1} << (1 + dice.below(36)));
      histogram.record(time);
      times.push_back(time);
    }
    std::ranges::sort(times);
    for (const double share : {0.01, 0.5, 0.9, 0.95, 0.99, 1.0}) {
      const auto rank =
          static_cast<std::size_t>(std::ceil(share * static_cast<double>(times.size())));
      const std::uint64_t exact = times[rank - 1];
      const std::uint64_t told = histogram.quantile(share);
      EXPECT_GE(told, exact);
      EXPECT_LE(told, exact + exact / 16 + 1) << share << " of " << times.size();
    }
  }
}

TEST(Histogram, MergedIsAsIfRecordedInOne) {
  Dice dice(12);
  Histogram one;
  Histogram a;
  Histogram b;
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t time = dice.below(std::size_t{1} << (1 + dice.below(40)));
    one.record(time);
    (i % 3 == 0 ? a : b).record(time);
  }
  a.merge(b);
  EXPECT_TRUE(a == one);
  EXPECT_EQ(a.sum(), one.sum());
}

}  // namespace
}  // namespace evergres::proxy

#include "proxy/login/throttle.hpp"

#include <gtest/gtest.h>

#include <string>

namespace evergres::proxy {
namespace {

const Instant start{1'000'000'000'000};

LoginThrottle::Limits limits(std::size_t entries = 100) {
  LoginThrottle::Limits made;
  made.entries = entries;
  return made;
}

TEST(LoginThrottle, DoublesUpToTheBoundForAnAddress) {
  LoginThrottle throttle(limits());
  const auto address = IpAddress::parse("10.0.0.1");
  std::vector<long> delays;
  for (int i = 0; i < 9; ++i) {
    delays.push_back(throttle.failed(address, "user" + std::to_string(i), start).count());
  }
  EXPECT_EQ(delays, (std::vector<long>{100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000}));
  EXPECT_EQ(throttle.failed(IpAddress::parse("10.0.0.2"), "other", start).count(), 100);
  EXPECT_EQ(throttle.counts().failures, 10U);
}

TEST(LoginThrottle, CountsAUserWhereverTheFailuresComeFrom) {
  LoginThrottle throttle(limits());
  for (int i = 0; i < 3; ++i) {
    throttle.failed(IpAddress::parse("10.0.0." + std::to_string(i)), "app", start);
  }
  EXPECT_EQ(throttle.failed(std::nullopt, "app", start).count(), 800);
}

TEST(LoginThrottle, NeighboursInANetworkOfIpv6CountTogether) {
  LoginThrottle throttle(limits());
  throttle.failed(IpAddress::parse("2001:db8::1"), "a", start);
  EXPECT_EQ(throttle.failed(IpAddress::parse("2001:db8::ffff:1"), "b", start).count(), 200);
  EXPECT_EQ(throttle.failed(IpAddress::parse("2001:db8:0:1::1"), "c", start).count(), 100);
}

TEST(LoginThrottle, ForgetsByHalves) {
  LoginThrottle throttle(limits());
  for (int i = 0; i < 4; ++i) throttle.failed(std::nullopt, "app", start);
  // 4 → 2, and one more.
  EXPECT_EQ(throttle.failed(std::nullopt, "app", start + Millis{60'000}).count(), 400);
  EXPECT_EQ(throttle.failed(std::nullopt, "app", start + Millis{119'999}).count(), 800);
  EXPECT_EQ(throttle.failed(std::nullopt, "app", start + Millis{3'600'000}).count(), 100);
  // A clock that seems to go back is no reason to forget, nor to wait for long.
  EXPECT_EQ(throttle.failed(std::nullopt, "app", start).count(), 200);
}

TEST(LoginThrottle, ManyStrangersTakeBoundedRoom) {
  LoginThrottle throttle(limits(50));
  for (unsigned i = 0; i < 5'000; ++i) {
    IpAddress address;
    address.bytes = {10, static_cast<std::uint8_t>(i >> 8U), static_cast<std::uint8_t>(i), 1};
    throttle.failed(address, "app", start);
    throttle.failed(address, "made up " + std::to_string(i), start);
  }
  EXPECT_EQ(throttle.counts().addresses, 50U);
  EXPECT_EQ(throttle.counts().users, 50U);
  EXPECT_EQ(throttle.failed(IpAddress::parse("192.0.2.1"), "app", start).count(), 5000);
}

}  // namespace
}  // namespace evergres::proxy

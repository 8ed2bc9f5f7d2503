#include "proxy/io/stream.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <vector>

#include "proxy/io/streams.hpp"

namespace evergres::proxy {
namespace {

TEST(Stream, PartsArriveInTheirOrder) {
  Ends ends = Ends::of_tcp();
  std::vector<std::string_view> parts(200, "ab");
  parts[100] = "";
  EXPECT_TRUE(ends.here.write(parts));
  EXPECT_TRUE(ends.here.write(std::string_view("end")));
  EXPECT_EQ(ends.here.unsent(), 0U);
  std::string expected;
  for (const auto part : parts) expected += part;
  EXPECT_EQ(read_all(ends.there, expected.size() + 3), expected + "end");
}

TEST(Stream, AShortReadSaysThatNothingIsLeft) {
  Ends ends = Ends::of_tcp();
  std::array<char, 10> bytes{};
  EXPECT_EQ(ends.there.read(bytes).bytes, 0U);
  ends.here.write("0123456789abc");
  ASSERT_TRUE(wait_for(ends.there, ends.there));
  Stream::Got got = ends.there.peek(bytes);
  EXPECT_EQ(std::string_view(bytes.data(), got.bytes), "0123456789");
  got = ends.there.read(bytes);
  EXPECT_TRUE(got.bytes == 10 && got.more && !got.closed);
  got = ends.there.read(bytes);
  EXPECT_TRUE(got.bytes == 3 && !got.more && !got.closed);
}

TEST(Stream, WhatAPeerDoesNotReadIsKeptAndSentLater) {
  for (const auto make : {&Ends::of_unix, &Ends::of_tcp}) {
    Ends ends = make();
    const std::string text = long_text(20'000'000);
    const std::string_view all = text;
    const std::vector<std::string_view> parts{all.substr(0, 5), all.substr(5, 9'000'000),
                                              all.substr(9'000'005, 1'000'000)};
    EXPECT_TRUE(ends.here.write(parts));
    EXPECT_GT(ends.here.unsent(), 0U);
    EXPECT_TRUE(ends.here.write(all.substr(10'000'005))) << "complete for its caller";
    std::string read;
    std::array<char, 30'000> bytes{};
    while (read.size() < text.size()) {
      const Stream::Got got = ends.there.read(bytes);
      ASSERT_FALSE(got.closed);
      read.append(bytes.data(), got.bytes);
      ASSERT_TRUE(ends.here.flush());
      if (got.bytes == 0) {
        ASSERT_TRUE(wait_for(ends.here, ends.there));
      }
    }
    EXPECT_EQ(ends.here.unsent(), 0U);
    EXPECT_TRUE(read == text);
  }
}

TEST(Stream, TheEndIsToldBehindTheLastBytes) {
  Ends ends = Ends::of_tcp();
  ends.here.write("bye");
  ends.here.close();
  EXPECT_EQ(ends.here.descriptor(), -1);
  EXPECT_FALSE(ends.here.write("more"));
  // What epoll tells as readable and hung up in one edge.
  pollfd wanted{.fd = ends.there.descriptor(), .events = POLLRDHUP, .revents = 0};
  ASSERT_EQ(::poll(&wanted, 1, 30'000), 1);
  ends.there.hung_up();
  std::array<char, 10> bytes{};
  Stream::Got got = ends.there.read(bytes);
  EXPECT_TRUE(got.bytes == 3 && got.more && !got.closed);
  got = ends.there.read(bytes);
  EXPECT_TRUE(got.bytes == 0 && !got.more && got.closed);
}

TEST(Stream, ABrokenConnectionTakesNothingAndRaisesNoSignal) {
  for (const auto make : {&Ends::of_unix, &Ends::of_tcp}) {
    Ends ends = make();
    EXPECT_TRUE(ends.here.write(long_text(10'000'000)));
    const linger hard{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(ends.there.descriptor(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    { const Stream gone = std::move(ends.there); }
    while (ends.here.flush()) ASSERT_TRUE(wait_for(ends.here, ends.here));
    EXPECT_EQ(ends.here.unsent(), 0U);
    EXPECT_FALSE(ends.here.write("x"));
    std::array<char, 10> bytes{};
    EXPECT_TRUE(ends.here.read(bytes).closed);
  }
}

TEST(Stream, WhatWasSaidLastArrivesAlsoIfTheOtherSideWasNotReadToItsEnd) {
  Ends ends = Ends::of_tcp();
  ends.there.write("a request that nobody reads");
  ASSERT_TRUE(wait_for(ends.here, ends.here));
  ends.here.write("FATAL");
  ends.here.close();
  std::array<char, 1> bytes{};
  EXPECT_EQ(read_all(ends.there, 100), "FATAL");
  EXPECT_TRUE(ends.there.read(bytes).closed);
}

TEST(Stream, AMovedStreamGoesOn) {
  Ends ends = Ends::of_unix();
  const std::string text = long_text(3'000'000);
  ends.here.write(text);
  ends.here.flush();
  Stream moved = std::move(ends.here);
  EXPECT_EQ(ends.here.unsent(), 0U);
  EXPECT_FALSE(ends.here.write("x"));
  Stream target = Stream(Descriptor());
  target = std::move(moved);
  std::string read;
  std::array<char, 30'000> bytes{};
  while (read.size() < text.size()) {
    read.append(bytes.data(), ends.there.read(bytes).bytes);
    ASSERT_TRUE(target.flush());
  }
  EXPECT_TRUE(read == text);
}

TEST(Stream, IsTunedAsItWasAsked) {
  Ends ends = Ends::of_tcp();
  ends.here.tune({.keepalive_idle_s = 7, .user_timeout_ms = 9000});
  const auto option = [&](int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(ends.here.descriptor(), level, name, &value, &size), 0);
    return value;
  };
  EXPECT_EQ(option(IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 7);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 9000);
}

}  // namespace
}  // namespace evergres::proxy

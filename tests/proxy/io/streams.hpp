#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "proxy/io/sockets.hpp"
#include "proxy/io/stream.hpp"

namespace evergres::proxy {

/// Two ends of one connection.
struct Ends {
  Stream here, there;

  static Ends of_unix() {
    std::array<int, 2> both{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both.data()), 0);
    return {Stream(Descriptor(both[0])), Stream(Descriptor(both[1]))};
  }

  static Ends of_tcp() {
    auto listening = listen_on("127.0.0.1", 0, false);
    Acceptor acceptor(std::move(listening.value().socket));
    const auto to = resolve({.host = "127.0.0.1", .port = listening.value().port});
    auto client = begin_connect(to.value().front());
    pollfd wanted{.fd = acceptor.descriptor(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&wanted, 1, 30'000), 1);
    return {Stream(std::move(acceptor.next().client.socket)), Stream(std::move(client).value())};
  }
};

/// Waits until one of the streams can go on; false after half a minute.
inline bool wait_for(const Stream& one, const Stream& other) {
  const auto events = [](const Stream& stream) {
    return static_cast<short>(stream.unsent() > 0 ? POLLIN | POLLOUT : POLLIN);
  };
  std::array<pollfd, 2> wanted{
      pollfd{.fd = one.descriptor(), .events = events(one), .revents = 0},
      pollfd{.fd = other.descriptor(), .events = events(other), .revents = 0}};
  return ::poll(wanted.data(), wanted.size(), 30'000) > 0;
}

/// Reads until `bytes` of them or the end are there.
inline std::string read_all(Stream& from, std::size_t bytes) {
  std::string all;
  std::array<char, 30'000> part{};
  while (all.size() < bytes) {
    const Stream::Got got = from.read(part);
    all.append(part.data(), got.bytes);
    if (got.closed) break;
    if (got.bytes == 0 && !wait_for(from, from)) break;
  }
  return all;
}

/// Both handshakes until both are decided: {of `server`, of `client`}.
inline std::pair<Stream::Handshake, Stream::Handshake> shake_hands(Stream& server, Stream& client) {
  using enum Stream::Handshake;
  std::pair state{going_on, going_on};
  for (int step = 0; step < 1000; ++step) {
    if (state.second == going_on) state.second = client.handshake();
    if (state.first == going_on) state.first = server.handshake();
    if (state.first != going_on && state.second != going_on) break;
    if (state.first == failed) server.close();
    if (state.second == failed) client.close();
  }
  return state;
}

/// A text in which no two places look alike.
inline std::string long_text(std::size_t bytes) {
  std::string text;
  text.reserve(bytes + 12);
  for (std::size_t number = 0; text.size() < bytes; ++number) text += std::to_string(number) + ",";
  text.resize(bytes);
  return text;
}

}  // namespace evergres::proxy

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "net/channel.hpp"
#include "net/loop.hpp"

namespace evergres::net {

using namespace std::chrono_literals;

inline ChannelIdentity identity(const std::string& name, const std::string& secret = "0123456789abcdef",
                         const std::string& cluster = "demo") {
  ChannelIdentity who;
  who.cluster = cluster;
  who.self = NodeName(name);
  who.secret = Secret(secret);
  return who;
}

class ChannelTest : public testing::Test {
 protected:
  /// A listener n1 that sends everything back, until the story ends.
  void with_echo(std::function<awaitable<void>(int port)> story) {
    auto listener = Listener::open(loop.executor(), "127.0.0.1", 0, identity("n1"));
    ASSERT_TRUE(listener) << listener.error().one_line();
    const auto echo = [this](Channel channel) -> awaitable<void> {
      while (true) {
        auto receiving = channel.receive();
        auto message = co_await std::move(receiving);
        if (!message) {
          ends.push_back(message.error().code());
          co_return;
        }
        heard.push_back(channel.peer().value + ": " + message.value().substr(0, 20));
        auto sending = channel.send(message.value());
        const Outcome sent = co_await std::move(sending);
        if (!sent) co_return;
      }
    };
    const auto on_refused = [this](const std::string&, const Error& why) {
      refusals.push_back(why.code());
    };
    const auto watch = [this](Channel channel) -> awaitable<void> {
      auto receiving = channel.receive(std::nullopt, 100);
      auto message = co_await std::move(receiving);
      watched.push_back(message ? channel.peer().value + ": " + message.value()
                                : message.error().message());
    };
    const auto run = [&]() -> awaitable<void> {
      TaskGroup group(loop.executor());
      group.spawn(listener->serve(echo, on_refused,
                                  serve_watchers ? Listener::OnChannel(watch)
                                                 : Listener::OnChannel()));
      auto telling = story(listener->port());
      co_await std::move(telling);
      group.cancel();
      auto joining = group.join();
      co_await std::move(joining);
    };
    loop.run(run());
  }

  awaitable<Result<Channel>> connect(int port, ChannelIdentity who = identity("n2")) {
    return connect_channel("127.0.0.1", port, std::move(who), std::nullopt, Nanos(10s));
  }

  awaitable<std::string> ask(Channel& channel, std::string message) {
    auto sending = channel.send(std::move(message));
    const Outcome sent = co_await std::move(sending);
    if (!sent) co_return "send: " + sent.error().one_line();
    auto receiving = channel.receive(Nanos(10s));
    auto answer = co_await std::move(receiving);
    if (!answer) co_return "receive: " + answer.error().one_line();
    co_return answer.value();
  }

  /// Waits until `done` says so; the test fails after 20 s.
  template <typename F>
  awaitable<void> until(F done) {
    const Instant limit = boot_now() + Nanos(20s);
    while (!done() && boot_now() < limit) {
      auto pause = pause_for(1ms);
      co_await std::move(pause);
    }
    EXPECT_TRUE(done());
  }

  Loop loop;
  bool serve_watchers = true;
  std::vector<std::string> heard;
  std::vector<std::string> watched;
  std::vector<ErrorCode> ends;
  std::vector<ErrorCode> refusals;
};

}  // namespace evergres::net

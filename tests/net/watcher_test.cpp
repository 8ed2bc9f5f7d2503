// Watchers and members on one port.
#include "net/echo.hpp"

namespace evergres::net {
namespace {

ChannelIdentity watcher(const Secret& secret) {
  ChannelIdentity who = identity("proxy-1");
  who.secret = secret;
  who.kind = CallerKind::watcher;
  return who;
}

TEST_F(ChannelTest, AWatcherIsServedApartWithItsOwnSecret) {
  const auto story = [this](int port) -> awaitable<void> {
    for (const std::string& text : {std::string("I heard"), std::string(101, 'x')}) {
      auto connecting = connect(port, watcher(watch_secret(Secret("0123456789abcdef"))));
      auto channel = co_await std::move(connecting);
      EXPECT_TRUE(channel) << channel.error().one_line();
      if (!channel) co_return;
      const std::size_t before = watched.size();
      auto sending = channel->send(text);
      EXPECT_TRUE(co_await std::move(sending));
      auto waiting = until([this, before] { return watched.size() > before; });
      co_await std::move(waiting);
    }
  };
  with_echo(story);
  EXPECT_EQ(watched, (std::vector<std::string>{"proxy-1: I heard",
                                               "a message from proxy-1 is too large"}));
  EXPECT_TRUE(heard.empty()) << "a watcher was taken for a member";
}

TEST_F(ChannelTest, AWatcherIsNoMemberAndAMemberNoWatcher) {
  const Secret derived = watch_secret(Secret("0123456789abcdef"));
  ASSERT_EQ(derived.value.size(), 43U);
  const auto story = [&](int port) -> awaitable<void> {
    auto as_member = connect(port, identity("n2", derived.value));
    auto member = co_await std::move(as_member);
    EXPECT_EQ(member.error().code(), ErrorCode::authentication);
    auto as_watcher = connect(port, watcher(Secret("0123456789abcdef")));
    auto watching = co_await std::move(as_watcher);
    EXPECT_EQ(watching.error().code(), ErrorCode::authentication);
    auto waiting = until([this] { return refusals.size() == 2; });
    co_await std::move(waiting);
  };
  with_echo(story);
  EXPECT_TRUE(heard.empty());
  EXPECT_TRUE(watched.empty());
}

TEST_F(ChannelTest, WhereNobodyServesWatchersTheyAreRefused) {
  serve_watchers = false;
  const auto story = [this](int port) -> awaitable<void> {
    auto connecting = connect(port, watcher(watch_secret(Secret("0123456789abcdef"))));
    auto channel = co_await std::move(connecting);
    EXPECT_TRUE(channel);
    if (!channel) co_return;
    auto receiving = channel->receive(Nanos(10s));
    auto nothing = co_await std::move(receiving);
    EXPECT_EQ(nothing.error().code(), ErrorCode::unreachable);
  };
  with_echo(story);
  EXPECT_EQ(refusals, std::vector<ErrorCode>{ErrorCode::refused});
  EXPECT_TRUE(heard.empty());
}

}  // namespace
}  // namespace evergres::net

// Real sockets on the loopback interface; a forwarder in between plays the evil network.
#include "net/channel.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "net/echo.hpp"
#include "net/handshake.hpp"

namespace evergres::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

const tcp::endpoint loopback(asio::ip::address_v4::loopback(), 0);

TEST_F(ChannelTest, MessagesGoBothWays) {
  const auto story = [this](int port) -> awaitable<void> {
    auto connecting = connect(port);
    auto channel = co_await std::move(connecting);
    EXPECT_TRUE(channel) << channel.error().one_line();
    EXPECT_EQ(channel->peer(), NodeName("n1"));
    for (const std::string& text :
         {std::string("hello"), std::string(), std::string(max_message_bytes, 'x')}) {
      auto asking = ask(channel.value(), text);
      const std::string answer = co_await std::move(asking);
      EXPECT_TRUE(answer == text) << answer.substr(0, 200);
    }
    auto sending = channel->send(std::string(max_message_bytes + 1, 'x'));
    const Outcome too_large = co_await std::move(sending);
    EXPECT_EQ(too_large.error().code(), ErrorCode::data_invalid);
    auto asking = ask(channel.value(), "still here");
    EXPECT_EQ(co_await std::move(asking), "still here");
  };
  with_echo(story);
  EXPECT_EQ(heard.at(0), "n2: hello");
}

TEST_F(ChannelTest, ManyTasksMaySendAtOnce) {
  const auto story = [this](int port) -> awaitable<void> {
    auto connecting = connect(port);
    auto channel = co_await std::move(connecting);
    EXPECT_TRUE(channel);
    TaskGroup group(loop.executor());
    const auto send = [&channel](char letter) -> awaitable<void> {
      auto sending = channel->send(std::string(100'000, letter));
      EXPECT_TRUE(co_await std::move(sending));
    };
    for (const char letter : {'a', 'b', 'c', 'd', 'e', 'f'}) group.spawn(send(letter));
    for (int count = 0; count < 6; ++count) {
      auto receiving = channel->receive(Nanos(10s));
      auto message = co_await std::move(receiving);
      EXPECT_TRUE(message);
      EXPECT_EQ(message.value(), std::string(100'000, message.value().front()));
    }
    auto joining = group.join();
    co_await std::move(joining);
  };
  with_echo(story);
}

TEST_F(ChannelTest, AWrongSecretClusterOrNodeIsRefused) {
  const auto story = [this](int port) -> awaitable<void> {
    auto stranger = connect(port, identity("n2", "another secret....."));
    auto refused = co_await std::move(stranger);
    EXPECT_EQ(refused.error().code(), ErrorCode::authentication);
    EXPECT_EQ(refused.error().detail(),
              "the peer does not know the secret of this cluster. Its proof does not match.");
    auto neighbour = connect(port, identity("n2", "0123456789abcdef", "prod"));
    auto foreign = co_await std::move(neighbour);
    EXPECT_EQ(foreign.error().code(), ErrorCode::authentication);
    EXPECT_EQ(foreign.error().detail(),
              "the peer belongs to another cluster. It names \"demo\", this is \"prod\".");
    auto mistaken = connect_channel("127.0.0.1", port, identity("n2"), NodeName("n3"), Nanos(10s));
    auto other = co_await std::move(mistaken);
    EXPECT_EQ(other.error().detail(), "It is n1, not n3.");
    auto waiting = until([this] { return refusals.size() == 2; });
    co_await std::move(waiting);
  };
  with_echo(story);
  EXPECT_TRUE(heard.empty());
}

TEST_F(ChannelTest, AClientThatCannotProveIsRefusedByTheServer) {
  const auto story = [this](int port) -> awaitable<void> {
    tcp::socket socket(loop.executor());
    const tcp::endpoint target(loopback.address(), static_cast<std::uint16_t>(port));
    co_await socket.async_connect(target, asio::use_awaitable);
    std::string bytes =
        encode_hello(make_hello("demo", NodeName("n2"))) + std::string(proof_bytes, 'p');
    auto buffer = asio::buffer(bytes);
    co_await asio::async_write(socket, buffer, asio::use_awaitable);
    auto waiting = until([this] { return !refusals.empty(); });
    co_await std::move(waiting);
    EXPECT_EQ(refusals.at(0), ErrorCode::authentication);
  };
  with_echo(story);
}

TEST_F(ChannelTest, ASilentOrBabblingStrangerIsDroppedAndPeersAreServed) {
  const auto story = [this](int port) -> awaitable<void> {
    const tcp::endpoint target(loopback.address(), static_cast<std::uint16_t>(port));
    std::vector<tcp::socket> crowd;
    for (std::size_t number = 0; number < max_pending_handshakes + 10; ++number) {
      crowd.emplace_back(loop.executor());
      co_await crowd.back().async_connect(target, asio::use_awaitable);
    }
    // The oldest gave way to the newest.
    auto evicted = until([this] { return refusals.size() >= 10; });
    co_await std::move(evicted);
    EXPECT_EQ(refusals.at(0), ErrorCode::unreachable);
    auto connecting = connect(port);
    auto channel = co_await std::move(connecting);
    EXPECT_TRUE(channel) << channel.error().one_line();
    auto asking = ask(channel.value(), "peer");
    EXPECT_EQ(co_await std::move(asking), "peer");
    std::string garbage = "GET / HTTP/1.1\r\n\r\n";
    auto buffer = asio::buffer(garbage);
    co_await asio::async_write(crowd.back(), buffer, asio::use_awaitable);
    auto seen =
        until([this] { return std::ranges::count(refusals, ErrorCode::data_invalid) == 1; });
    co_await std::move(seen);
    // The others run into the deadline.
    auto late = until([this] { return std::ranges::count(refusals, ErrorCode::timed_out) >= 20; });
    co_await std::move(late);
  };
  with_echo(story);
}

TEST_F(ChannelTest, NobodyThereIsUnreachableAndSilenceTimesOut) {
  const auto story = [this]() -> awaitable<void> {
    tcp::acceptor silent(loop.executor(), loopback);
    const int port = silent.local_endpoint().port();
    auto waiting = connect_channel("127.0.0.1", port, identity("n2"), std::nullopt, Nanos(50ms));
    auto timed_out = co_await std::move(waiting);
    EXPECT_EQ(timed_out.error().code(), ErrorCode::timed_out);
    silent.close();
    auto connecting = connect(port);
    auto refused = co_await std::move(connecting);
    EXPECT_EQ(refused.error().code(), ErrorCode::unreachable);
  };
  loop.run(story());
}

TEST_F(ChannelTest, ATakenPortIsNamed) {
  auto first = Listener::open(loop.executor(), "127.0.0.1", 0, identity("n1"));
  ASSERT_TRUE(first);
  auto second = Listener::open(loop.executor(), "127.0.0.1", first->port(), identity("n2"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::port_taken);
}

TEST_F(ChannelTest, ReceiveHasADeadlineAndThenTheChannelIsClosed) {
  const auto story = [this](int port) -> awaitable<void> {
    auto connecting = connect(port);
    auto channel = co_await std::move(connecting);
    EXPECT_TRUE(channel);
    auto receiving = channel->receive(Nanos(20ms));
    auto late = co_await std::move(receiving);
    EXPECT_EQ(late.error().code(), ErrorCode::timed_out);
    EXPECT_FALSE(channel->open());
    auto sending = channel->send("x");
    const Outcome closed = co_await std::move(sending);
    EXPECT_EQ(closed.error().code(), ErrorCode::unreachable);
    auto waiting = until([this] { return !ends.empty(); });
    co_await std::move(waiting);
    EXPECT_EQ(ends.at(0), ErrorCode::unreachable);
  };
  with_echo(story);
}

TEST_F(ChannelTest, APeerThatReadsNothingTimesOutTheSender) {
  const auto story = [this]() -> awaitable<void> {
    auto listener = Listener::open(loop.executor(), "127.0.0.1", 0, identity("n1"));
    EXPECT_TRUE(listener);
    const auto deaf = [](Channel channel) -> awaitable<void> {
      auto pause = pause_for(1h);
      co_await std::move(pause);
      channel.close();
    };
    TaskGroup group(loop.executor());
    group.spawn(listener->serve(deaf));
    auto connecting = connect(listener->port());
    auto channel = co_await std::move(connecting);
    EXPECT_TRUE(channel);
    Outcome outcome;
    for (int count = 0; count < 64 && outcome; ++count) {
      auto sending = channel->send(std::string(max_message_bytes, 'x'));
      outcome = co_await std::move(sending);
    }
    EXPECT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code(), ErrorCode::timed_out);
    EXPECT_FALSE(channel->open());
    group.cancel();
    auto joining = group.join();
    co_await std::move(joining);
  };
  loop.run(story());
}

TEST_F(ChannelTest, ClosingEndsAWaitingReceive) {
  const auto story = [this](int port) -> awaitable<void> {
    auto connecting = connect(port);
    auto channel = co_await std::move(connecting);
    EXPECT_TRUE(channel);
    std::optional<ErrorCode> code;
    const auto receiver = [&]() -> awaitable<void> {
      auto receiving = channel->receive();
      auto message = co_await std::move(receiving);
      if (!message) code = message.error().code();
    };
    TaskGroup group(loop.executor());
    group.spawn(receiver());
    channel->close();
    auto joining = group.join();
    co_await std::move(joining);
    EXPECT_EQ(code, ErrorCode::unreachable);
  };
  with_echo(story);
}

/// Forwards one connection to `port`; after the handshake it collects whole client frames and sends
/// what `change` makes of the first two.
awaitable<void> evil_network(tcp::acceptor& acceptor, int port,
                             std::function<std::string(std::string, std::string)> change) {
  tcp::socket client(acceptor.get_executor());
  co_await acceptor.async_accept(client, asio::use_awaitable);
  tcp::socket server(acceptor.get_executor());
  const tcp::endpoint target(loopback.address(), static_cast<std::uint16_t>(port));
  co_await server.async_connect(target, asio::use_awaitable);
  const auto forward = [](tcp::socket& from, tcp::socket& to,
                          std::size_t size) -> awaitable<std::string> {
    std::string bytes(size, '\0');
    auto in = asio::buffer(bytes);
    co_await asio::async_read(from, in, asio::use_awaitable);
    auto out = asio::buffer(bytes);
    co_await asio::async_write(to, out, asio::use_awaitable);
    co_return bytes;
  };
  const std::size_t hello = encode_hello(make_hello("demo", NodeName("n1"))).size();
  auto step = forward(client, server, hello);
  co_await std::move(step);
  step = forward(server, client, hello + proof_bytes);
  co_await std::move(step);
  step = forward(client, server, proof_bytes);
  co_await std::move(step);
  constexpr std::size_t frame = frame_head_bytes + 3 + proof_bytes;
  std::string frames(2 * frame, '\0');
  auto in = asio::buffer(frames);
  co_await asio::async_read(client, in, asio::use_awaitable);
  std::string changed = change(frames.substr(0, frame), frames.substr(frame));
  auto out = asio::buffer(changed);
  co_await asio::async_write(server, out, asio::use_awaitable);
  char end = 0;
  boost::system::error_code ignored;
  auto token = asio::redirect_error(asio::use_awaitable, ignored);
  auto rest = asio::buffer(&end, 1);
  co_await asio::async_read(client, rest, token);
}

class EvilNetworkTest : public ChannelTest {
 protected:
  void tell(std::function<std::string(std::string, std::string)> change,
            std::size_t ends_expected) {
    const auto story = [this, change, ends_expected](int port) -> awaitable<void> {
      tcp::acceptor between(loop.executor(), loopback);
      TaskGroup group(loop.executor());
      group.spawn(evil_network(between, port, change));
      auto connecting = connect(between.local_endpoint().port());
      auto channel = co_await std::move(connecting);
      EXPECT_TRUE(channel) << channel.error().one_line();
      for (const char* text : {"one", "two"}) {
        auto sending = channel->send(text);
        EXPECT_TRUE(co_await std::move(sending));
      }
      auto waiting = until([this, ends_expected] {
        return ends_expected > 0 ? ends.size() == ends_expected : heard.size() == 2;
      });
      co_await std::move(waiting);
      group.cancel();
      auto joining = group.join();
      co_await std::move(joining);
    };
    with_echo(story);
  }
};

TEST_F(EvilNetworkTest, WhatIsLeftAloneArrives) {
  tell([](std::string one, std::string two) { return one + two; }, 0);
  EXPECT_EQ(heard, (std::vector<std::string>{"n2: one", "n2: two"}));
}

TEST_F(EvilNetworkTest, AnAlteredMessageIsRefused) {
  tell(
      [](std::string one, std::string two) {
        two[frame_head_bytes] = 'T';
        return one + two;
      },
      1);
  EXPECT_EQ(heard, std::vector<std::string>{"n2: one"});
  EXPECT_EQ(ends, std::vector<ErrorCode>{ErrorCode::authentication});
}

TEST_F(EvilNetworkTest, AReplayedMessageIsRefused) {
  tell([](std::string one, std::string) { return one + one; }, 1);
  EXPECT_EQ(heard, std::vector<std::string>{"n2: one"});
  EXPECT_EQ(ends, std::vector<ErrorCode>{ErrorCode::authentication});
}

TEST_F(EvilNetworkTest, ReorderedMessagesAreRefused) {
  tell([](std::string one, std::string two) { return two + one; }, 1);
  EXPECT_TRUE(heard.empty());
  EXPECT_EQ(ends, std::vector<ErrorCode>{ErrorCode::authentication});
}

TEST_F(EvilNetworkTest, AnAnnouncedGiantIsRefused) {
  tell(
      [](std::string one, std::string) {
        one[0] = '\x7f';
        return one;
      },
      1);
  EXPECT_TRUE(heard.empty());
  EXPECT_EQ(ends, std::vector<ErrorCode>{ErrorCode::data_invalid});
}

/// Sends everything that a server says back to it: the oldest trick against shared secrets.
TEST_F(ChannelTest, AMirrorIsNoPeer) {
  const auto story = [this]() -> awaitable<void> {
    tcp::acceptor acceptor(loop.executor(), loopback);
    const auto mirror = [&]() -> awaitable<void> {
      tcp::socket socket(loop.executor());
      co_await acceptor.async_accept(socket, asio::use_awaitable);
      const std::size_t hello = encode_hello(make_hello("demo", NodeName("n2"))).size();
      std::string bytes(hello, '\0');
      auto in = asio::buffer(bytes);
      co_await asio::async_read(socket, in, asio::use_awaitable);
      bytes += std::string(proof_bytes, '\0');
      auto out = asio::buffer(bytes);
      co_await asio::async_write(socket, out, asio::use_awaitable);
      auto pause = pause_for(1h);
      co_await std::move(pause);
    };
    TaskGroup group(loop.executor());
    group.spawn(mirror());
    auto connecting = connect(acceptor.local_endpoint().port());
    auto channel = co_await std::move(connecting);
    EXPECT_FALSE(channel);
    EXPECT_EQ(channel.error().code(), ErrorCode::authentication);
    group.cancel();
    auto joining = group.join();
    co_await std::move(joining);
  };
  loop.run(story());
}

}  // namespace
}  // namespace evergres::net

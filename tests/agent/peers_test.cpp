#include "agent/peers.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "agent/place.hpp"
#include "cluster/json.hpp"
#include "net/channel.hpp"

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the frame allocator of Asio's awaitables for a mismatch when it inlines at -O1.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace evergres::agent::test {
namespace {

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), size), 0);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

/// The peers' port of n1 with real connections; the test is n2.
class PeersTest : public Place {
 protected:
  void SetUp() override {
    setup_.settings.peer_host = "127.0.0.1";
    setup_.settings.peer_port = free_port();
    know_.situation.me = NodeName{"n1"};
    know_.situation.agent = Claim{"mine"};
    know_.situation.started_at = boot_now();
    peers_.emplace(context_.get_executor(), setup_, know_, [this] { ++changes_; });
    ASSERT_TRUE(peers_->open());
    serving_.emplace(*this, peers_->serve());
  }
  void TearDown() override { serving_.reset(); }

  /// A task that runs until the end of its scope.
  class Service {
   public:
    Service(PeersTest& test, net::awaitable<void> task) : test_(test) {
      const auto on_end = [this](const std::exception_ptr&) { ended_ = true; };
      boost::asio::co_spawn(test.context_, std::move(task),
                            boost::asio::bind_cancellation_slot(end_.slot(), on_end));
    }
    ~Service() {
      end_.emit(boost::asio::cancellation_type::terminal);
      EXPECT_TRUE(test_.soon([this] { return ended_; }));
    }
    Service(const Service&) = delete;

   private:
    PeersTest& test_;
    bool ended_ = false;
    boost::asio::cancellation_signal end_;
  };

  /// n2's own port, and what arrives there.
  class Listening {
   public:
    explicit Listening(PeersTest& test)
        : port_(free_port()),
          listener_(net::Listener::open(test.context_.get_executor(), "127.0.0.1", port_,
                                        test.identity("n2"))),
          service_(test, listener_->serve(on_channel_)) {}
    [[nodiscard]] const std::vector<PeerMessage>& received() const { return received_; }
    [[nodiscard]] cluster::NodeCard card() const {
      cluster::NodeCard card;
      card.name = "n2";
      card.peer_host = "127.0.0.1";
      card.peer_port = port_;
      return card;
    }

   private:
    net::awaitable<void> take(net::Channel channel) {
      for (;;) {
        auto receiving = channel.receive();
        auto text = co_await std::move(receiving);
        if (!text) co_return;
        auto parsed = cluster::parse_json<PeerMessage>(*text, 1U << 20U, "message");
        if (parsed) received_.push_back(*parsed);
      }
    }

    int port_;
    std::vector<PeerMessage> received_;
    net::Listener::OnChannel on_channel_ = [this](net::Channel channel) {
      return take(std::move(channel));
    };
    Result<net::Listener> listener_;
    Service service_;
  };

  bool soon(const std::function<bool()>& condition) {
    const Instant until = boot_now() + generous;
    while (!condition()) {
      if (boot_now() >= until) return false;
      context_.restart();
      context_.run_for(Millis{5});
    }
    return true;
  }
  template <typename T>
  static net::awaitable<void> keep(net::awaitable<T> task, std::optional<T>& result) {
    auto value = co_await std::move(task);
    result.emplace(std::move(value));
  }
  template <typename T>
  T wait_for(net::awaitable<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(context_, keep(std::move(task), result), boost::asio::detached);
    EXPECT_TRUE(soon([&] { return result.has_value(); })) << "the task hangs";
    return std::move(*result);
  }
  net::ChannelIdentity identity(const char* self) const {
    return net::ChannelIdentity{"shop", NodeName{self}, net::Secret{setup_.secret}};
  }
  net::Channel connect(const char* self = "n2") {
    auto channel = wait_for(net::connect_channel("127.0.0.1", setup_.settings.peer_port,
                                                 identity(self), NodeName{"n1"}, generous));
    if (!channel) throw std::runtime_error(channel.error().one_line());
    return std::move(channel).value();
  }
  static PeerMessage message(const char* from = "n2") {
    PeerMessage message;
    message.beat.node = NodeName{from};
    message.sent = Instant{1000};
    return message;
  }
  /// Sends, and waits until it was taken or refused.
  void say(net::Channel& channel, const std::string& text) {
    const int before = changes_;
    ASSERT_TRUE(wait_for(channel.send(text)));
    ASSERT_TRUE(soon([&] { return changes_ > before; })) << text;
  }
  void say(net::Channel& channel, const PeerMessage& what) {
    say(channel, cluster::json_text(what));
  }
  const core::Peer& n2() { return know_.situation.peers[NodeName{"n2"}]; }

  boost::asio::io_context context_{1};
  Knowledge know_;
  int changes_ = 0;
  std::optional<Peers> peers_;
  std::optional<Service> serving_;
};

TEST_F(PeersTest, AnEchoOfThisRunAndNotOfTheFutureProvesLife) {
  auto channel = connect();
  auto said = message();
  say(channel, said);
  EXPECT_TRUE(n2().said);
  EXPECT_FALSE(n2().alive_at) << "a message without an echo may be as old as it likes";
  said.echo = know_.situation.started_at - Millis{1};
  say(channel, said);
  EXPECT_FALSE(n2().alive_at) << "an echo of an earlier run";
  said.echo = boot_now() + Millis{60'000};
  say(channel, said);
  EXPECT_FALSE(n2().alive_at) << "an echo of the future";
  said.echo = boot_now();
  say(channel, said);
  EXPECT_EQ(n2().alive_at, said.echo);
  const Instant newest = said.echo;
  said.echo = know_.situation.started_at;
  say(channel, said);
  EXPECT_EQ(n2().alive_at, newest) << "an older echo took life back";
}

TEST_F(PeersTest, WhatIsSentEchoesTheNewestThatWasReceived) {
  const Listening other(*this);
  const auto& received = other.received();
  know_.situation.record = fresh_record();
  know_.situation.revision = Revision{3};
  know_.cards[NodeName{"n2"}] = other.card();
  const Instant before = boot_now();
  peers_->refresh();
  ASSERT_TRUE(soon([&] { return !received.empty(); }));
  EXPECT_EQ(received.back().echo, Instant{}) << "nothing was received yet";
  EXPECT_GE(received.back().sent, before);
  EXPECT_LE(received.back().sent, boot_now());
  EXPECT_EQ(received.back().record, know_.situation.record)
      << "who may not know the record is told";
  auto channel = connect();
  auto said = message();
  said.sent = Instant{4711};
  said.beat.revision = Revision{3};
  say(channel, said);
  ASSERT_TRUE(soon([&] { return received.back().echo == Instant{4711}; }));
  EXPECT_TRUE(soon([&] { return !received.back().record; }))
      << "who knows the record is not told again";
  know_.yields = "another agent speaks in our name";
  const std::size_t heard = received.size();
  context_.restart();
  context_.run_for(Millis{700});  // three heartbeats
  EXPECT_LE(received.size(), heard + 1);
}

// An agent that began anew without a store knows nobody's address: it learns the record only from
// those who dial it, and they remember what its last run knew.
TEST_F(PeersTest, ANewConnectionBeginsWithTheRecord) {
  know_.situation.record = fresh_record();
  know_.situation.revision = Revision{3};
  auto channel = connect();
  auto said = message();
  said.beat.revision = Revision{3};
  say(channel, said);
  const Listening other(*this);
  know_.cards[NodeName{"n2"}] = other.card();
  peers_->refresh();
  ASSERT_TRUE(soon([&] { return !other.received().empty(); }));
  EXPECT_EQ(other.received().front().record, know_.situation.record);
}

// Two nodes that told each other at once what the other's message had changed sent ten thousand
// messages a second.
TEST_F(PeersTest, WhatOnlyGrowsOlderWakesNobody) {
  const Listening other(*this);
  know_.situation.record = fresh_record();
  know_.situation.revision = Revision{3};
  know_.situation.now = boot_now();
  core::LastWord word;
  word.heard_at = know_.situation.now;
  know_.situation.last_word = word;
  know_.situation.server.state = core::ServerState::primary;
  know_.situation.server.slots.emplace(1);
  know_.cards[NodeName{"n2"}] = other.card();
  const Instant began = boot_now();
  peers_->refresh();
  ASSERT_TRUE(soon([&] { return !other.received().empty(); }));
  constexpr int times = 100;
  for (int i = 0; i < times; ++i) {
    know_.situation.now = know_.situation.now + Millis{1};
    know_.situation.last_word->heard_at = know_.situation.now - Millis{i % 7};
    know_.situation.server.slots->front().retained_bytes += 1;
    peers_->refresh();
    context_.restart();
    context_.run_for(Millis{2});
  }
  const auto heartbeats = static_cast<std::size_t>((boot_now() - began) / Millis{200});
  EXPECT_LE(other.received().size(), heartbeats + 10);
  EXPECT_LT(heartbeats + 10, std::size_t{times}) << "too slow to say anything";
}

TEST_F(PeersTest, ARecordOfThisClusterIsLearnedFromAPeer) {
  auto channel = connect();
  auto said = message();
  said.record = fresh_record();
  said.record_revision = Revision{5};
  say(channel, said);
  EXPECT_EQ(know_.situation.record, fresh_record());
  said.record->term = Term{3};
  said.record_revision = Revision{4};
  say(channel, said);
  EXPECT_EQ(know_.situation.record, fresh_record()) << "an older revision";
}

TEST_F(PeersTest, ARecordOfAnotherClusterOrOneThatContradictsItselfIsNot) {
  learn_record(know_, fresh_record(), Revision{1}, boot_now());
  auto channel = connect();
  auto said = message();
  said.record_revision = Revision{9};
  said.record = fresh_record();
  said.record->cluster_id = ClusterId{"another"};
  say(channel, said);
  EXPECT_EQ(know_.situation.record->cluster_id, fresh_record().cluster_id);
  said.record = fresh_record();
  said.record->members = {NodeName{"not a name"}};
  say(channel, said);
  EXPECT_EQ(know_.situation.record, fresh_record());
  EXPECT_EQ(know_.situation.revision, Revision{1});
}

TEST_F(PeersTest, MessagesThatMakeNoSenseEndTheConnectionAndChangeNothing) {
  const std::string whole = cluster::json_text(message());
  const std::vector<std::string> hostile{"",
                                         "nonsense",
                                         "[]",
                                         "{}",
                                         whole.substr(0, whole.size() / 2),
                                         cluster::json_text(message("n3")),
                                         std::string(600'000, '[')};
  for (const std::string& text : hostile) {
    auto channel = connect();
    say(channel, text);
    EXPECT_FALSE(n2().said) << text.substr(0, 80);
    EXPECT_TRUE(n2().refused);
    EXPECT_FALSE(wait_for(channel.receive(generous)))
        << "the connection goes on after: " << text.substr(0, 80);
  }
  EXPECT_FALSE(know_.situation.peers.contains(NodeName{"n3"}));
}

TEST_F(PeersTest, OnlyTheNewestConnectionSpeaksForAPeer) {
  auto older = connect();
  say(older, message());
  auto newer = connect();
  auto said = message();
  said.beat.doing = "the newest";
  say(newer, said);
  said.beat.doing = "what the older one still held";
  ASSERT_TRUE(wait_for(older.send(cluster::json_text(said))));
  EXPECT_FALSE(wait_for(older.receive(generous))) << "the older one is closed";
  EXPECT_EQ(n2().said->doing, "the newest");
  EXPECT_FALSE(n2().refused) << "the end of an older connection is no sign of death";
  newer.close();
  EXPECT_TRUE(soon([&] { return n2().refused; }));
}

}  // namespace
}  // namespace evergres::agent::test

#include "agent/watchers.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "agent/peers.hpp"
#include "agent/place.hpp"
#include "cluster/json.hpp"

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the frame allocator of Asio's awaitables for a mismatch when it inlines at -O1.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace evergres::agent::test {
namespace {

using cluster::RouteAck;
using cluster::RouteWord;

/// The peers' port of n1 with real connections; the test is an endpoint.
class WatchersTest : public Place {
 protected:
  void SetUp() override {
    setup_.settings.peer_host = "127.0.0.1";
    setup_.settings.peer_port = 0;
    know_.situation.me = NodeName{"n1"};
    know_.situation.started_at = boot_now();
    know_.situation.record = leading();
    know_.situation.revision = Revision{5};
    know_.cards[NodeName{"n1"}] = card("n1", 15432);
    know_.cards[NodeName{"n2"}] = card("n2", 15433);
  }
  static core::Record leading() {
    core::Record record = fresh_record();
    record.term = Term{4};
    record.phase = core::Phase::leading;
    record.leader = core::Seat{NodeName{"n1"}, Incarnation{"i1"}};
    return record;
  }
  static cluster::NodeCard card(const char* name, int port) {
    cluster::NodeCard card;
    card.name = name;
    card.postgres_host = "127.0.0.1";
    card.postgres_port = port;
    card.peer_host = "127.0.0.1";
    card.peer_port = port + 1000;
    return card;
  }

  using Story = std::function<net::awaitable<void>()>;
  void with_port(const Story& story) {
    const auto executor = context_.get_executor();
    watchers_.emplace(executor, setup_, know_);
    net::ChannelIdentity identity{"shop", NodeName{"n1"}, net::Secret{setup_.secret}};
    auto listener = net::Listener::open(executor, "127.0.0.1", 0, identity);
    ASSERT_TRUE(listener);
    port_ = listener->port();
    const net::Listener::OnChannel on_member = [this](net::Channel) -> net::awaitable<void> {
      ++members_;
      co_return;
    };
    const net::Listener::OnChannel on_watcher = [this](net::Channel channel) {
      return watchers_->serve(std::move(channel));
    };
    bool ended = false;
    const auto run = [&]() -> net::awaitable<void> {
      net::TaskGroup group(executor);
      group.spawn(listener->serve(on_member, {}, on_watcher));
      auto telling = story();
      co_await std::move(telling);
      group.cancel();
      auto joining = group.join();
      co_await std::move(joining);
    };
    boost::asio::co_spawn(context_, run(), [&](const std::exception_ptr& failure) {
      ended = true;
      if (failure) std::rethrow_exception(failure);
    });
    context_.run_for(generous);
    ASSERT_TRUE(ended) << "the story hangs";
  }
  net::awaitable<Result<net::Channel>> connect() {
    net::ChannelIdentity who;
    who.cluster = "shop";
    who.self = NodeName{"proxy-1"};
    who.secret = net::watch_secret(net::Secret{setup_.secret});
    who.kind = net::CallerKind::watcher;
    return net::connect_channel("127.0.0.1", port_, who, NodeName{"n1"}, generous);
  }
  static net::awaitable<RouteWord> next_word(net::Channel& channel) {
    auto receiving = channel.receive(generous);
    auto text = co_await std::move(receiving);
    EXPECT_TRUE(text) << text.error().one_line();
    if (!text) co_return RouteWord{};
    auto word = cluster::parse_route_word(*text);
    EXPECT_TRUE(word) << word.error().one_line();
    co_return word ? std::move(*word) : RouteWord{};
  }
  static net::awaitable<void> say(net::Channel& channel, std::string text) {
    auto sending = channel.send(std::move(text));
    const Outcome sent = co_await std::move(sending);
    EXPECT_TRUE(sent);
  }
  template <typename F>
  static net::awaitable<void> until(F done) {
    const Instant limit = boot_now() + generous;
    while (!done() && boot_now() < limit) {
      auto pausing = net::pause_for(Millis{2});
      co_await std::move(pausing);
    }
    EXPECT_TRUE(done());
  }

  boost::asio::io_context context_{1};
  Knowledge know_;
  std::optional<Watchers> watchers_;
  int port_ = 0;
  int members_ = 0;
};

TEST_F(WatchersTest, AreToldAtOnceAndEachSecond) {
  const auto story = [this]() -> net::awaitable<void> {
    auto connecting = connect();
    auto channel = co_await std::move(connecting);
    EXPECT_TRUE(channel) << channel.error().one_line();
    if (!channel) co_return;
    auto receiving = next_word(*channel);
    const RouteWord first = co_await std::move(receiving);
    EXPECT_EQ(first.leader, NodeName{"n1"});
    EXPECT_EQ(first.term, Term{4});
    EXPECT_EQ(first.revision, Revision{5});
    EXPECT_EQ(first.nodes.size(), 2U);
    EXPECT_EQ(first.socket_directory, setup_.settings.run_directory.string());
    watchers_->refresh();  // the first look since it came
    auto receiving_same = next_word(*channel);
    const RouteWord same = co_await std::move(receiving_same);
    know_.situation.revision = Revision{6};  // a renewal
    watchers_->refresh();
    auto receiving_second = next_word(*channel);
    const Instant asked = boot_now();
    const RouteWord second = co_await std::move(receiving_second);
    EXPECT_GT(boot_now() - asked, Millis{300}) << "a renewal wakes nobody";
    EXPECT_EQ(second.number, same.number);
    EXPECT_EQ(second.revision, Revision{6});
    know_.situation.record->term = Term{5};
    know_.situation.record->phase = core::Phase::electing;
    know_.situation.revision = Revision{7};
    watchers_->refresh();
    auto receiving_third = next_word(*channel);
    const RouteWord third = co_await std::move(receiving_third);
    EXPECT_GT(third.number, second.number);
    EXPECT_EQ(third.term, Term{5});
    EXPECT_FALSE(third.open);
    EXPECT_EQ(third.leader, NodeName{});
  };
  with_port(story);
}

TEST_F(WatchersTest, ASilentOneIsNotWaitedForAnyLonger) {
  const auto story = [this]() -> net::awaitable<void> {
    auto connecting = connect();
    auto channel = co_await std::move(connecting);
    EXPECT_TRUE(channel);
    auto joining = until([this] { return know_.watchers->anybody(); });
    co_await std::move(joining);
    auto leaving = until([this] { return !know_.watchers->anybody(); });
    co_await std::move(leaving);
  };
  with_port(story);
}

TEST_F(WatchersTest, WhatIsNoAcknowledgementEndsTheConnectionAndChangesNothing) {
  PeerMessage as_member;
  as_member.beat.node = NodeName{"proxy-1"};
  as_member.record = fresh_record();
  as_member.record->term = Term{99};
  as_member.record_revision = Revision{99};
  const std::vector<std::string> hostile{"",
                                         "nonsense",
                                         "[]",
                                         R"({"heard":1})",
                                         R"({"heard":-1,"busy":0})",
                                         R"({"heard":1,"busy":4294967296})",
                                         R"({"heard":1000000,"busy":0})",
                                         R"({"heard":0,"busy":0,"x":")" + std::string(256, 'x') +
                                             "\"}",
                                         cluster::json_text(as_member)};
  const core::Situation before = know_.situation;
  const auto story = [this, &hostile]() -> net::awaitable<void> {
    for (const std::string& text : hostile) {
      auto connecting = connect();
      auto channel = co_await std::move(connecting);
      EXPECT_TRUE(channel);
      if (!channel) co_return;
      auto joining = until([this] { return know_.watchers->anybody(); });
      co_await std::move(joining);
      const Instant said = boot_now();
      auto saying = say(*channel, text);
      co_await std::move(saying);
      auto leaving = until([this] { return !know_.watchers->anybody(); });
      co_await std::move(leaving);
      EXPECT_LT(boot_now() - said, Millis{2500}) << "it was ended for its silence only: " << text;
    }
  };
  with_port(story);
  EXPECT_EQ(know_.situation, before);
  EXPECT_EQ(members_, 0);
}

TEST_F(WatchersTest, AHandoverWaitsUntilAllObeyItAndNothingRuns) {
  const auto story = [this]() -> net::awaitable<void> {
    auto connecting = connect();
    auto channel = co_await std::move(connecting);
    EXPECT_TRUE(channel);
    if (!channel) co_return;
    auto joining = until([this] { return know_.watchers->anybody(); });
    co_await std::move(joining);
    know_.draining = Term{4};
    EXPECT_EQ(know_.watchers->waited().unheard, 1U) << "nothing was announced yet";
    watchers_->refresh();
    RouteWord word;
    while (!word.draining) {
      auto receiving = next_word(*channel);
      word = co_await std::move(receiving);
      if (word.number == 0) co_return;
    }
    EXPECT_EQ(know_.watchers->waited().unheard, 1U);
    auto late = say(*channel, cluster::json_text(RouteAck{word.number - 1, 0}));
    co_await std::move(late);
    auto busy = say(*channel, cluster::json_text(RouteAck{word.number, 2}));
    co_await std::move(busy);
    auto hearing = until([this] { return know_.watchers->waited().unheard == 0; });
    co_await std::move(hearing);
    EXPECT_EQ(know_.watchers->waited().busy, 2U);
    auto done = say(*channel, cluster::json_text(RouteAck{word.number, 0}));
    co_await std::move(done);
    auto ending = until([this] { return know_.watchers->waited().over(); });
    co_await std::move(ending);
    know_.draining.reset();
    watchers_->refresh();
    auto receiving = next_word(*channel);
    word = co_await std::move(receiving);
    EXPECT_FALSE(word.draining);
  };
  with_port(story);
}

TEST_F(WatchersTest, OnlyTheOpenLeaderItselfSaysThatItDrains) {
  know_.draining = Term{4};
  EXPECT_TRUE(route_word_of(know_).draining);
  know_.draining = Term{3};
  EXPECT_FALSE(route_word_of(know_).draining) << "of an older term";
  know_.draining = Term{4};
  know_.situation.record->leader->node = NodeName{"n2"};
  EXPECT_FALSE(route_word_of(know_).draining);
  know_.situation.record = leading();
  know_.situation.record->phase = core::Phase::handover;
  EXPECT_FALSE(route_word_of(know_).draining);
  EXPECT_FALSE(route_word_of(know_).open);
}

TEST_F(WatchersTest, LeadershipsAreToldAsRecorded) {
  EXPECT_TRUE(route_word_of(know_).promotions.empty()) << "an older version wrote the record";
  know_.situation.record->leaderships = {{Term{2}, Term{0}, std::nullopt},
                                         {Term{4}, Term{2}, 4294968056U}};
  EXPECT_EQ(route_word_of(know_).promotions,
            (std::vector<cluster::RoutePromotion>{{Term{2}, Term{0}, std::nullopt},
                                                  {Term{4}, Term{2}, 4294968056U}}));
}

TEST_F(WatchersTest, ANodeIsToldAsItSaysItself) {
  core::Situation& s = know_.situation;
  s.now = boot_now();
  s.server.state = core::ServerState::primary;
  s.server.position = core::Position{TimelineId{2}, Lsn{5000}};
  core::Peer& peer = s.peers[NodeName{"n2"}];
  peer.alive_at = s.now;
  peer.said.emplace();
  peer.said->server = core::ServerState::standby;
  peer.said->receiving = true;
  peer.said->upstream = core::Upstream{NodeName{"n1"}, Term{4}};
  peer.said->replay = Lsn{4000};
  know_.cards[NodeName{"n2"}].tags = {{"zone", "east"}, {"noloadbalance", "true"}};
  know_.cards[NodeName{"n2"}].endpoint_host = "10.0.0.2";
  know_.cards[NodeName{"n2"}].endpoint_port = 5432;
  know_.cards[NodeName{"n3"}] = card("n3", 0);
  RouteWord word = route_word_of(know_);
  ASSERT_EQ(word.nodes.size(), 2U) << "n3 has no address that could be one";
  EXPECT_TRUE(word.nodes[0].answers);
  EXPECT_FALSE(word.nodes[0].replays);
  const cluster::RouteNode n2 = word.nodes[1];
  EXPECT_TRUE(n2.answers);
  EXPECT_TRUE(n2.replays);
  EXPECT_EQ(n2.lag, 1000U);
  EXPECT_EQ(n2.zone, "east");
  EXPECT_TRUE(n2.noloadbalance);
  EXPECT_EQ(n2.endpoint_host, "10.0.0.2");
  EXPECT_EQ(n2.endpoint_port, 5432);
  peer.said->upstream->term = Term{3};
  EXPECT_FALSE(route_word_of(know_).nodes[1].replays) << "it follows a leader of an older term";
  EXPECT_EQ(route_word_of(know_).nodes[1].lag, std::nullopt);
  peer.alive_at = s.now - Millis{60'000};
  EXPECT_FALSE(route_word_of(know_).nodes[1].answers) << "it is not heard";
}

}  // namespace
}  // namespace evergres::agent::test

// Real connections to agents that say what a test wants.
#include "proxy/feed/feed.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "cluster/json.hpp"
#include "net/channel.hpp"
#include "net/task_group.hpp"

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the frame allocator of Asio's awaitables for a mismatch when it inlines at -O1.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace evergres::proxy {
namespace {

namespace asio = boost::asio;
using cluster::RouteWord;
using net::awaitable;

constexpr Millis generous{20'000};
const net::Secret secret("0123456789abcdef");

/// An agent with a thread of its own: it tells each watcher its word, at once when that changes.
class FakeAgent {
 public:
  explicit FakeAgent(const char* name, int port = 0) : name_(name) {
    net::ChannelIdentity identity{"shop", NodeName(name), secret};
    auto opened = net::Listener::open(context_.get_executor(), "127.0.0.1", port, identity);
    EXPECT_TRUE(opened) << opened.error().one_line();
    listener_.emplace(std::move(opened).value());
    port_ = listener_->port();
    asio::co_spawn(context_, listener_->serve(on_member_, {}, on_watcher_),
                   asio::bind_cancellation_slot(end_.slot(), [](const std::exception_ptr&) {}));
    thread_ = std::thread([this] { context_.run(); });
  }
  ~FakeAgent() {
    asio::post(context_, [this] {
      end_.emit(asio::cancellation_type::terminal);
      changed_.set();
    });
    thread_.join();
  }
  [[nodiscard]] int port() const { return port_; }

  void say(RouteWord word) {
    asio::post(context_, [this, word = std::move(word)] {
      word_ = word;
      word_->speaker = NodeName(name_);
      word_->number = ++number_;
      changed_.set();
    });
  }
  /// The number of the newest word, once it was said.
  std::uint64_t number() {
    std::promise<std::uint64_t> promise;
    asio::post(context_, [&] { promise.set_value(number_); });
    return promise.get_future().get();
  }
  [[nodiscard]] std::optional<cluster::RouteAck> ack() const {
    const std::lock_guard lock(mutex_);
    return ack_;
  }

 private:
  awaitable<void> serve(net::Channel channel) {
    net::TaskGroup group(context_.get_executor());
    group.spawn(tell(channel));
    group.spawn(hear(channel));
    auto joining = group.join();
    co_await std::move(joining);
  }
  awaitable<void> tell(net::Channel& channel) {
    while (channel.open()) {
      if (word_) {
        auto sending = channel.send(cluster::json_text(*word_));
        const Outcome sent = co_await std::move(sending);
        if (!sent) break;
      }
      auto waiting = changed_.wait(Millis{200});
      co_await std::move(waiting);
    }
  }
  awaitable<void> hear(net::Channel& channel) {
    for (;;) {
      auto receiving = channel.receive();
      auto text = co_await std::move(receiving);
      if (!text) break;
      auto ack = cluster::parse_json<cluster::RouteAck>(*text, 256);
      EXPECT_TRUE(ack);
      const std::lock_guard lock(mutex_);
      if (ack) ack_ = *ack;
    }
    channel.close();
    changed_.set();
  }

  std::string name_;
  asio::io_context context_{1};
  net::Wakeup changed_{context_.get_executor()};
  net::Listener::OnChannel on_member_ = [](net::Channel) -> awaitable<void> { co_return; };
  net::Listener::OnChannel on_watcher_ = [this](net::Channel channel) {
    return serve(std::move(channel));
  };
  std::optional<net::Listener> listener_;
  asio::cancellation_signal end_;
  int port_ = 0;
  std::optional<RouteWord> word_;
  std::uint64_t number_ = 0;
  mutable std::mutex mutex_;
  std::optional<cluster::RouteAck> ack_;
  std::thread thread_;
};

bool eventually(const std::function<bool()>& condition) {
  const Instant until = boot_now() + generous;
  while (!condition()) {
    if (boot_now() > until) return false;
    std::this_thread::sleep_for(Millis{5});
  }
  return true;
}

class FeedTest : public testing::Test {
 protected:
  static RouteWord word(std::uint64_t term, std::uint64_t revision, const char* leader,
                        const std::vector<const FakeAgent*>& agents) {
    RouteWord word;
    word.cluster = ClusterId("c1");
    word.term = Term{term};
    word.revision = Revision{revision};
    word.open = leader[0] != '\0';
    word.leader = NodeName(leader);
    for (const FakeAgent* agent : agents) {
      cluster::RouteNode node;
      node.name = NodeName("n" + std::to_string(word.nodes.size() + 1));
      node.host = "127.0.0.1";
      node.port = 15432;
      node.agent_host = "127.0.0.1";
      node.agent_port = agent->port();
      node.answers = true;
      word.nodes.push_back(node);
    }
    return word;
  }
  void start(int port, unsigned shards = 1, const net::Secret& of = secret) {
    Feed::Options options;
    options.cluster = "shop";
    options.watch_secret = net::watch_secret(of);
    options.agents = {{"127.0.0.1", port}};
    options.shards = shards;
    options.stale_after = Millis{500};
    options.look_up = [](const Address& address) -> Result<std::vector<Resolved>> {
      return std::vector<Resolved>{Resolved(address.host)};
    };
    auto started = Feed::start(options, [this](std::shared_ptr<const World> world) {
      const std::lock_guard lock(mutex_);
      worlds_.push_back(std::move(world));
    });
    ASSERT_TRUE(started);
    feed_ = std::move(started).value();
  }
  std::shared_ptr<const World> world() {
    const std::lock_guard lock(mutex_);
    return worlds_.empty() ? nullptr : worlds_.back();
  }
  std::size_t worlds() {
    const std::lock_guard lock(mutex_);
    return worlds_.size();
  }
  std::string leader() {
    const auto now = world();
    return now && now->leader ? now->leader->node.value : "nobody";
  }

  std::mutex mutex_;
  std::vector<std::shared_ptr<const World>> worlds_;
  std::unique_ptr<Feed> feed_;
};

TEST_F(FeedTest, FollowsALeaderThroughAgentsThatItOnlyHeardOf) {
  FakeAgent n1("n1");
  auto n2 = std::make_unique<FakeAgent>("n2");
  n1.say(word(4, 10, "n1", {&n1, n2.get()}));
  n2->say(word(4, 10, "n1", {&n1, n2.get()}));
  start(n1.port());
  ASSERT_TRUE(eventually([this] { return leader() == "n1"; }));
  EXPECT_EQ(world()->nodes.size(), 2U);
  EXPECT_EQ(world()->nodes.at(0).resolved.at(0).bytes(), "127.0.0.1");
  ASSERT_TRUE(eventually([this] { return feed_->status().agents.size() == 2; }));
  n2->say(word(5, 12, "n2", {&n1, n2.get()}));
  ASSERT_TRUE(eventually([this] { return leader() == "n2"; })) << "only n2 tells it";
  const std::size_t before = worlds();
  n1.say(word(4, 11, "n1", {&n1, n2.get()}));
  ASSERT_TRUE(eventually([&] { return n1.ack() && n1.ack()->heard <= n1.number(); }));
  EXPECT_EQ(leader(), "n2") << "a late agent";
  EXPECT_LE(worlds(), before + 1);
  n2.reset();
  ASSERT_TRUE(eventually([this] {
    const auto agents = feed_->status().agents;
    return std::any_of(agents.begin(), agents.end(),
                       [](const Feed::Agent& one) { return !one.heard && !one.trouble.empty(); });
  }));
  EXPECT_EQ(leader(), "n2");
}

TEST_F(FeedTest, AWordIsAcknowledgedWhenEveryShardObeysItsWorld) {
  FakeAgent n1("n1");
  n1.say(word(4, 10, "n1", {&n1}));
  start(n1.port(), 2);
  ASSERT_TRUE(eventually([this] { return leader() == "n1"; }));
  const std::uint64_t first = n1.number();
  feed_->applied(0, world()->number, 3);
  feed_->applied(1, world()->number, 1);
  ASSERT_TRUE(eventually([&] { return n1.ack() && n1.ack()->heard == first; }));
  EXPECT_TRUE(eventually([&] { return n1.ack()->busy == 4; }));
  RouteWord draining = word(4, 10, "n1", {&n1});
  draining.draining = true;
  n1.say(draining);
  ASSERT_TRUE(eventually([this] { return world()->draining; }));
  const std::uint64_t second = n1.number();
  feed_->applied(0, world()->number, 2);
  ASSERT_TRUE(eventually([&] { return n1.ack()->busy == 3; }));
  EXPECT_EQ(n1.ack()->heard, first) << "one shard does not obey it yet";
  feed_->applied(1, world()->number, 0);
  ASSERT_TRUE(eventually([&] { return n1.ack()->heard == second && n1.ack()->busy == 2; }));
  const Instant asked = boot_now();
  feed_->applied(0, world()->number, 0);
  ASSERT_TRUE(eventually([&] { return n1.ack()->busy == 0; }));
  EXPECT_LT(boot_now() - asked, Millis{900}) << "it is told at once, not each second";
}

TEST_F(FeedTest, AReturningAgentIsHeardAgainAndSilenceIsSaid) {
  auto n1 = std::make_unique<FakeAgent>("n1");
  const int port = n1->port();
  n1->say(word(4, 10, "n1", {n1.get()}));
  start(port);
  ASSERT_TRUE(eventually([this] { return leader() == "n1"; }));
  EXPECT_FALSE(feed_->status().stale);
  n1.reset();
  ASSERT_TRUE(eventually([this] { return feed_->status().stale; }));
  EXPECT_EQ(leader(), "n1") << "its own supervisor decides whether it still serves";
  FakeAgent again("n1", port);
  again.say(word(5, 12, "", {&again}));
  ASSERT_TRUE(eventually([this] { return leader() == "nobody"; }));
  EXPECT_EQ(world()->highest, Term{5});
  EXPECT_TRUE(eventually([this] { return !feed_->status().stale; }));
}

TEST_F(FeedTest, WithoutTheSecretOrWithAnotherClusterNothingIsBelieved) {
  FakeAgent n1("n1");
  n1.say(word(4, 10, "n1", {&n1}));
  start(n1.port(), 1, net::Secret("another secret, of strangers"));
  ASSERT_TRUE(eventually([this] { return !feed_->status().agents.at(0).trouble.empty(); }));
  EXPECT_NE(feed_->status().agents.at(0).trouble.find("does not know the secret"),
            std::string::npos);
  EXPECT_EQ(worlds(), 0U);
}

TEST_F(FeedTest, AnAgentOfAnotherClusterIsLeft) {
  FakeAgent n1("n1");
  FakeAgent n2("n2");
  n1.say(word(4, 10, "n1", {&n1, &n2}));
  RouteWord foreign = word(9, 99, "n2", {&n1, &n2});
  foreign.cluster = ClusterId("c2");
  start(n1.port());
  ASSERT_TRUE(eventually([this] { return leader() == "n1"; }));
  n2.say(foreign);
  ASSERT_TRUE(eventually([this] {
    const auto agents = feed_->status().agents;
    return agents.size() == 2 && agents[0].trouble + agents[1].trouble != "";
  }));
  EXPECT_EQ(leader(), "n1");
}

TEST(Feed, BeginsWithTheAgentOfItsNode) {
  std::string file = (std::filesystem::temp_directory_path() / "evg-feed-XXXXXX").native();
  const int made = ::mkstemp(file.data());
  ASSERT_GE(made, 0);
  ASSERT_EQ(::write(made, "0123456789abcdef\n", 17), 17);
  ::close(made);
  config::NodeSettings node;
  node.cluster = "shop";
  node.secret_file = file;
  node.peer_host = "10.0.0.1";
  node.peer_port = 8009;
  const auto options = Feed::options_of(node);
  ::unlink(file.c_str());
  ASSERT_TRUE(options) << options.error().one_line();
  EXPECT_EQ(options.value().cluster, "shop");
  EXPECT_EQ(options.value().watch_secret, net::watch_secret(secret));
  ASSERT_EQ(options.value().agents.size(), 1U);
  EXPECT_EQ(options.value().agents[0], (WorldMaker::AgentAddress{"10.0.0.1", 8009}));
  EXPECT_EQ(Feed::options_of(node).error().code(), ErrorCode::not_found);
}

TEST(Feed, NeedsSomebodyToAsk) {
  Feed::Options options;
  options.look_up = [](const Address&) -> Result<std::vector<Resolved>> {
    return std::vector<Resolved>{};
  };
  const auto started = Feed::start(options, [](std::shared_ptr<const World>) {});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message(), "the endpoint knows no agent to ask who leads");
}

}  // namespace
}  // namespace evergres::proxy

#include "proxy/feed/feed.hpp"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "cluster/json.hpp"
#include "config/values.hpp"
#include "net/channel.hpp"
#include "net/task_group.hpp"
#include "net/worker.hpp"

namespace evergres::proxy {
namespace {

namespace asio = boost::asio;
using net::awaitable;

constexpr Millis connect_deadline{1000};
constexpr Millis longest_silence{3000};
constexpr Millis ack_interval{1000};
constexpr Millis shortest_pause{100};
constexpr Millis longest_pause{2000};
constexpr Millis pause_of_a_twin{30'000};
constexpr Millis world_interval{500};
constexpr Millis looked_up_for{30'000};
constexpr std::size_t most_lines = 128;
constexpr std::size_t most_unacknowledged = 64;

bool is_number(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

bool needs_no_resolver(const Address& address) {
  return address.host.starts_with('/') || is_number(address.host);
}

/// Our connection to one agent.
struct Line {
  Line(WorldMaker::AgentAddress where, bool stays, asio::any_io_executor executor)
      : address(std::move(where)), configured(stays), wake(std::move(executor)) {}
  WorldMaker::AgentAddress address;
  bool configured;
  net::Wakeup wake;
  NodeName name;
  bool heard = false;
  std::string trouble;
  struct Word {
    std::uint64_t number;  ///< as the agent counts
    std::uint64_t world;   ///< the World that obeys it
  };
  std::deque<Word> unacknowledged;
  std::uint64_t obeyed = 0;
};

std::string text_of(const WorldMaker::AgentAddress& address) {
  return address.host + ":" + std::to_string(address.port);
}

}  // namespace

struct Feed::Impl {
  Impl(Options wanted, OnWorld tell)
      : options(std::move(wanted)),
        on_world(std::move(tell)),
        self("proxy-" + random_hex(4)),
        maker(options.cluster_id, cluster::boot_id()),
        reports(options.shards) {
    for (const auto& address : options.agents) {
      lines[address] = std::make_unique<Line>(address, true, context.get_executor());
    }
    show();
  }

  // The thread of the feed.
  awaitable<void> live();
  awaitable<void> dial(Line& line);
  awaitable<void> talk(Line& line, net::Channel channel);
  awaitable<void> listen(Line& line, net::Channel& channel);
  awaitable<void> acknowledge(Line& line, net::Channel& channel);
  awaitable<void> publish_at_times();
  awaitable<void> resolve(Address address);
  Outcome take(Line& line, const net::Channel& channel, const std::string& text);
  void add_lines();
  bool is_wanted(const Line& line) const;
  bool is_heard_elsewhere(const Line& line, const NodeName& name) const;
  void heard_of(Line& line, const NodeName& name);
  void lost(Line& line, const std::string& why);
  std::vector<Resolved> look_up(const Address& address);
  bool reachable(const Address& local) const;
  void publish(bool lags_too);
  void take_reports();
  void show();
  void note(const std::string& text) const {
    if (options.note) options.note(text);
  }

  const Options options;
  const OnWorld on_world;
  const NodeName self;
  asio::io_context context{1};
  asio::cancellation_signal end;
  net::TaskGroup* tasks = nullptr;
  WorldMaker maker;
  std::map<WorldMaker::AgentAddress, std::unique_ptr<Line>> lines;
  std::shared_ptr<const World> published;
  std::uint64_t applied_world = 0;
  std::uint32_t busy = 0;
  struct LookedUp {
    std::vector<Resolved> found;
    std::optional<Instant> at;
    bool asking = false;
  };
  std::map<Address, LookedUp> looked_up;
  net::Worker resolver{"evg-resolve"};

  // Every thread.
  struct Report {
    std::uint64_t world = 0;
    std::uint32_t busy = 0;
  };
  mutable std::mutex mutex;
  std::vector<Report> reports;
  bool reports_posted = false;
  Status shown;
  std::optional<Instant> last_word;
  const Instant began = boot_now();

  std::thread thread;
};

awaitable<void> Feed::Impl::live() {
  net::TaskGroup group(context.get_executor());
  tasks = &group;
  for (const auto& [address, line] : lines) group.spawn(dial(*line));
  group.spawn(publish_at_times());
  auto joining = group.join();
  co_await std::move(joining);
}

bool Feed::Impl::is_wanted(const Line& line) const {
  if (line.configured) return true;
  const auto agents = maker.agents();
  return std::find(agents.begin(), agents.end(), line.address) != agents.end();
}

/// Two addresses may lead to one agent: the later connection gives way.
bool Feed::Impl::is_heard_elsewhere(const Line& line, const NodeName& name) const {
  return std::any_of(lines.begin(), lines.end(), [&](const auto& other) {
    return other.second.get() != &line && other.second->heard && other.second->name == name;
  });
}

void Feed::Impl::add_lines() {
  for (const auto& address : maker.agents()) {
    if (lines.contains(address) || lines.size() >= most_lines) continue;
    auto line = std::make_unique<Line>(address, false, context.get_executor());
    tasks->spawn(dial(*line));
    lines.emplace(address, std::move(line));
  }
}

awaitable<void> Feed::Impl::dial(Line& line) {
  net::ChannelIdentity identity;
  identity.cluster = options.cluster;
  identity.self = self;
  identity.secret = options.watch_secret;
  identity.kind = net::CallerKind::watcher;
  Millis pause = shortest_pause;
  while (is_wanted(line)) {
    auto connecting = net::connect_channel(line.address.host, line.address.port, identity,
                                           std::nullopt, connect_deadline);
    auto channel = co_await std::move(connecting);
    if (!channel) {
      lost(line, channel.error().one_line());
    } else if (is_heard_elsewhere(line, channel->peer())) {
      lost(line, "It is the agent of " + channel->peer().value + ", which is heard already.");
      pause = pause_of_a_twin;
    } else {
      const Instant talked_since = boot_now();
      auto talking = talk(line, std::move(channel).value());
      co_await std::move(talking);
      if (boot_now() - talked_since > longest_pause) pause = shortest_pause;
    }
    auto resting = net::pause_for(pause);
    co_await std::move(resting);
    pause = std::min(pause * 2, longest_pause);
  }
  const WorldMaker::AgentAddress address = line.address;
  lines.erase(address);  // `line` is gone from here on
  show();
}

awaitable<void> Feed::Impl::talk(Line& line, net::Channel channel) {
  line.unacknowledged.clear();
  line.obeyed = 0;
  net::TaskGroup group(context.get_executor());
  group.spawn(listen(line, channel));
  group.spawn(acknowledge(line, channel));
  auto joining = group.join();
  co_await std::move(joining);
}

awaitable<void> Feed::Impl::listen(Line& line, net::Channel& channel) {
  std::string why;
  while (why.empty()) {
    auto receiving = channel.receive(longest_silence, cluster::longest_route_word);
    auto text = co_await std::move(receiving);
    const Outcome taken = text ? take(line, channel, *text) : Outcome(text.error());
    if (!taken) why = taken.error().one_line();
  }
  channel.close();
  lost(line, why);
  line.wake.set();
}

Outcome Feed::Impl::take(Line& line, const net::Channel& channel, const std::string& text) {
  auto word = cluster::parse_route_word(text);
  if (!word) return word.error();
  if (word->speaker != channel.peer()) {
    return Error(ErrorCode::data_invalid, channel.peer().value + " speaks for another agent");
  }
  const LeaderView::Heard heard = maker.hear(*word);
  if (heard == LeaderView::Heard::foreign) {
    return Error(ErrorCode::data_invalid, "the agent is of another cluster",
                 "Its cluster id is " + word->cluster.value + ", not " + maker.cluster()->value +
                     ".");
  }
  if (heard == LeaderView::Heard::disputed) {
    note("two agents tell different records of term " + std::to_string(word->term.value) +
         ": nobody is believed to lead until a later one is told");
  }
  heard_of(line, word->speaker);
  add_lines();
  publish(false);
  if (line.unacknowledged.size() >= most_unacknowledged) line.unacknowledged.pop_front();
  line.unacknowledged.push_back({word->number, published->number});
  take_reports();
  return {};
}

void Feed::Impl::heard_of(Line& line, const NodeName& name) {
  {
    const std::lock_guard lock(mutex);
    last_word = boot_now();
  }
  if (line.heard) return;
  line.heard = true;
  line.name = name;
  line.trouble.clear();
  note("watches the agent of " + name.value + " at " + text_of(line.address));
  show();
}

void Feed::Impl::lost(Line& line, const std::string& why) {
  const bool was_heard = std::exchange(line.heard, false);
  if (!was_heard && line.trouble == why) return;
  line.trouble = why;
  note("does not hear the agent at " + text_of(line.address) + ": " + why);
  if (was_heard) {
    maker.lost(line.name);
    publish(false);
  }
  show();
}

awaitable<void> Feed::Impl::acknowledge(Line& line, net::Channel& channel) {
  while (channel.open()) {
    auto sending = channel.send(cluster::json_text(cluster::RouteAck{line.obeyed, busy}));
    const Outcome sent = co_await std::move(sending);
    if (!sent) break;
    auto waiting = line.wake.wait(ack_interval);
    co_await std::move(waiting);
  }
  channel.close();
}

/// What the shards obey is told on; while a handover waits for us also that a transaction ended.
void Feed::Impl::take_reports() {
  std::uint64_t obeyed = published ? published->number : 0;
  std::uint64_t running = 0;
  {
    const std::lock_guard lock(mutex);
    reports_posted = false;
    for (const Report& report : reports) {
      obeyed = std::min(obeyed, report.world);
      running += report.busy;
    }
  }
  const auto now_busy = static_cast<std::uint32_t>(std::min<std::uint64_t>(running, UINT32_MAX));
  const bool fewer = published && published->draining && now_busy != busy;
  busy = now_busy;
  for (const auto& [address, line] : lines) {
    bool wake = fewer;
    while (!line->unacknowledged.empty() && line->unacknowledged.front().world <= obeyed) {
      wake = wake || line->obeyed != line->unacknowledged.front().number;
      line->obeyed = line->unacknowledged.front().number;
      line->unacknowledged.pop_front();
    }
    if (wake) line->wake.set();
  }
}

awaitable<void> Feed::Impl::publish_at_times() {
  for (;;) {
    auto resting = net::pause_for(world_interval);
    co_await std::move(resting);
    if (published) publish(true);
  }
}

void Feed::Impl::publish(bool lags_too) {
  WorldMaker::Surroundings around;
  around.reachable = [this](const Address& local) { return reachable(local); };
  around.look_up = [this](const Address& address) { return look_up(address); };
  World world = maker.world(around);
  const auto same_lag = [](const ServerNode& one, const ServerNode& other) {
    return one.lag == other.lag;
  };
  if (published && same_routes(*published, world)) {
    const bool same_lags = std::equal(world.nodes.begin(), world.nodes.end(),
                                      published->nodes.begin(), same_lag);
    if (!lags_too || same_lags) return;
  }
  world.number = published ? published->number + 1 : 1;
  published = std::make_shared<const World>(std::move(world));
  on_world(published);
}

bool Feed::Impl::reachable(const Address& local) const {
  constexpr std::size_t longest_socket_path = 107;
  const std::string path = local.host + "/.s.PGSQL." + std::to_string(local.port);
  return options.unix_sockets && local.host.starts_with('/') &&
         path.size() <= longest_socket_path && ::access(local.host.c_str(), X_OK) == 0;
}

std::vector<Resolved> Feed::Impl::look_up(const Address& address) {
  LookedUp& entry = looked_up[address];
  if (needs_no_resolver(address)) {
    if (!entry.at) {
      auto found = options.look_up(address);
      if (found) entry.found = std::move(found).value();
      entry.at = boot_now();
    }
  } else if (!entry.asking && (!entry.at || boot_now() - *entry.at > looked_up_for)) {
    entry.asking = true;
    tasks->spawn(resolve(address));
  }
  return entry.found;
}

/// What was found before counts until something else is found.
awaitable<void> Feed::Impl::resolve(Address address) {
  auto work = [ask = options.look_up, address] { return ask(address); };
  auto asking = resolver.run(std::move(work));
  auto found = co_await std::move(asking);
  LookedUp& entry = looked_up[address];
  entry.asking = false;
  entry.at = boot_now();
  if (found) {
    entry.found = std::move(found).value();
  } else {
    note("cannot look up " + address.host + ": " + found.error().one_line());
  }
  if (published) publish(false);
}

void Feed::Impl::show() {
  Status now;
  now.cluster = maker.cluster();
  for (const auto& [address, line] : lines) {
    now.agents.push_back({address, line->name.value, line->heard, line->trouble});
  }
  const std::lock_guard lock(mutex);
  shown = std::move(now);
}

Feed::Feed(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<Feed::Options> Feed::options_of(const config::NodeSettings& node) {
  auto secret = net::load_secret(node.secret_file);
  if (!secret) return secret.error();
  Options options;
  options.cluster = node.cluster;
  if (node.proxy.alone()) {
    // There the file holds the secret of watchers itself, and nothing of a member.
    options.watch_secret = *secret;
    for (const std::string& text : node.proxy.agents) {
      const auto agent = config::parse_host_port(text, 0);
      CHECK(agent);
      options.agents.push_back({agent->host, agent->port});
    }
    return options;
  }
  options.watch_secret = net::watch_secret(*secret);
  const bool everywhere = node.peer_host == "0.0.0.0" || node.peer_host == "::";
  options.agents = {{everywhere ? "localhost" : node.peer_host, node.peer_port}};
  return options;
}

Result<std::unique_ptr<Feed>> Feed::start(Options options, OnWorld on_world) {
  CHECK(options.look_up && on_world);
  const bool possible = std::all_of(options.agents.begin(), options.agents.end(), [](auto& agent) {
    return !agent.host.empty() && agent.port > 0 && agent.port <= 65535;
  });
  if (options.agents.empty() || options.agents.size() > most_lines || !possible) {
    return Error(ErrorCode::config_invalid, "the endpoint knows no agent to ask who leads",
                 "It needs the host and the port of at least one, and of at most " +
                     std::to_string(most_lines) + ".",
                 "Name the peers' port of an agent, for example 10.0.0.1:8009.");
  }
  auto impl = std::make_unique<Impl>(std::move(options), std::move(on_world));
  Impl& feed = *impl;
  const auto ended = [&feed](const std::exception_ptr& failure) {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const boost::system::system_error& what) {
      CHECK(what.code() == asio::error::operation_aborted);
    }
  };
  asio::co_spawn(feed.context, feed.live(), asio::bind_cancellation_slot(feed.end.slot(), ended));
  feed.thread = std::thread([&feed] { feed.context.run(); });
  return std::unique_ptr<Feed>(new Feed(std::move(impl)));
}

Feed::~Feed() {
  asio::post(impl_->context, [impl = impl_.get()] {
    impl->end.emit(asio::cancellation_type::terminal);
  });
  impl_->thread.join();
}

void Feed::applied(unsigned shard, std::uint64_t world, std::uint32_t busy) {
  const std::lock_guard lock(impl_->mutex);
  CHECK(shard < impl_->reports.size());
  impl_->reports[shard] = {world, busy};
  if (std::exchange(impl_->reports_posted, true)) return;
  asio::post(impl_->context, [impl = impl_.get()] { impl->take_reports(); });
}

Feed::Status Feed::status() const {
  const std::lock_guard lock(impl_->mutex);
  Status status = impl_->shown;
  const Instant now = boot_now();
  if (impl_->last_word) status.last_word_age = now - *impl_->last_word;
  status.stale = now - impl_->last_word.value_or(impl_->began) > impl_->options.stale_after;
  return status;
}

}  // namespace evergres::proxy

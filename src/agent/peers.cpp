#include "agent/peers.hpp"

#include <spdlog/spdlog.h>

#include "agent/learning.hpp"
#include "cluster/json.hpp"
#include "core/transition.hpp"
#include "core/view.hpp"

namespace evergres::agent {
namespace {

constexpr std::size_t longest_message = std::size_t{512} << 10U;

}  // namespace

struct Peers::Line {
  explicit Line(boost::asio::any_io_executor executor) : wake(std::move(executor)) {}
  net::Wakeup wake;
  std::string host;
  int port = 0;
};

Peers::Peers(const boost::asio::any_io_executor& executor, const Setup& setup, Knowledge& knowledge,
             std::function<void()> changed, net::Listener::OnChannel on_watcher)
    : executor_(executor),
      setup_(setup),
      know_(knowledge),
      changed_(std::move(changed)),
      on_watcher_(std::move(on_watcher)),
      tasks_(executor) {}

Peers::~Peers() = default;

Outcome Peers::open() {
  const auto& settings = setup_.settings;
  net::ChannelIdentity identity{settings.cluster, settings.node, net::Secret{setup_.secret}};
  auto opened = net::Listener::open(executor_, settings.peer_host, settings.peer_port, identity);
  if (!opened) return opened.error();
  listener_.emplace(std::move(opened).value());
  return {};
}

net::awaitable<void> Peers::serve() {
  net::Listener::OnChannel on_channel = [this](net::Channel channel) {
    return listen_to(std::move(channel));
  };
  net::Listener::OnRefused on_refused = [](const std::string& address, const Error& why) {
    spdlog::warn("refused the caller at {}: {}", address, why.one_line());
  };
  auto serving = listener_->serve(on_channel, on_refused, on_watcher_);
  tasks_.spawn(std::move(serving));
  auto joining = tasks_.join();
  co_await std::move(joining);
}

void Peers::refresh() {
  for (const auto& [name, card] : know_.cards) {
    if (name == setup_.settings.node) continue;
    auto& line = lines_[name];
    const bool fresh = line == nullptr;
    if (fresh) line = std::make_unique<Line>(executor_);
    line->host = card.peer_host;
    line->port = card.peer_port;
    if (fresh) tasks_.spawn(dial(name, *line));
  }
  const bool leader_open =
      know_.situation.record && know_.situation.record->phase == core::Phase::leading;
  core::Heartbeat now = what_matters(heartbeat_of(know_), !leader_open);
  if (now == told_ && !record_is_news()) return;
  told_ = std::move(now);
  for (auto& [name, line] : lines_) line->wake.set();
}

/// Whether the record changed in more than its renewal since it was last told.
bool Peers::record_is_news() {
  if (know_.situation.revision == told_revision_ || !know_.situation.record) return false;
  told_revision_ = know_.situation.revision;
  const bool news =
      !told_record_ || !core::differs_only_in_small_things(*told_record_, *know_.situation.record);
  told_record_ = know_.situation.record;
  return news;
}

net::awaitable<void> Peers::dial(NodeName name, Line& line) {
  const net::ChannelIdentity identity{setup_.settings.cluster, setup_.settings.node,
                                      net::Secret{setup_.secret}};
  for (;;) {
    if (know_.yields) {
      auto yielding = net::pause_for(Millis{1000});
      co_await std::move(yielding);
      continue;
    }
    const std::optional<NodeName> expected = name;
    auto connecting = net::connect_channel(line.host, line.port, identity, expected, Millis{1000});
    auto channel = co_await std::move(connecting);
    if (channel) {
      auto talking = talk(name, line, std::move(channel).value());
      co_await std::move(talking);
    } else if (channel.error().code() == ErrorCode::unreachable) {
      core::Peer& peer = know_.situation.peers[name];
      if (!peer.refused) {
        peer.refused = true;
        changed_();
      }
    } else if (channel.error().code() == ErrorCode::authentication) {
      spdlog::error("{} at {}:{}: {}", name.value, line.host, line.port,
                    channel.error().one_line());
    }
    auto pausing = net::pause_for(Millis{100});
    co_await std::move(pausing);
  }
}

net::awaitable<void> Peers::talk(NodeName name, Line& line, net::Channel channel) {
  bool greets = true;
  while (!know_.yields) {  // then another one speaks in our name
    auto sending = channel.send(message_for(name, greets));
    auto sent = co_await std::move(sending);
    if (!sent) co_return;
    greets = false;
    auto waiting = line.wake.wait(Millis{200});
    co_await std::move(waiting);
  }
}

// Whoever begins a connection anew may be another run, which forgot what the last one said it knew.
std::string Peers::message_for(const NodeName& name, bool greets) {
  PeerMessage message;
  message.beat = heartbeat_of(know_, boot_now());
  message.sent = boot_now();
  const auto echo = last_sent_of_.find(name);
  if (echo != last_sent_of_.end()) message.echo = echo->second;
  const core::Peer& peer = know_.situation.peers[name];
  const bool behind = greets || !peer.said || peer.said->revision < know_.situation.revision;
  if (behind && know_.situation.record) {
    message.record = know_.situation.record;
    message.record_revision = know_.situation.revision;
  }
  return cluster::json_text(message);
}

net::awaitable<void> Peers::listen_to(net::Channel channel) {
  const NodeName from = channel.peer();
  const std::uint64_t generation = ++generation_[from];
  for (;;) {
    auto receiving = channel.receive();
    auto text = co_await std::move(receiving);
    // What an older connection still holds must not overwrite what the newest one said.
    if (!text || generation_[from] != generation) break;
    auto message = cluster::parse_json<PeerMessage>(*text, longest_message, "message");
    if (!message || message->beat.node != from) {
      spdlog::error("{} sent a message that makes no sense", from.value);
      break;
    }
    take(from, *message);
  }
  // Only the newest connection speaks for the peer: an older one may end later.
  if (generation_[from] == generation) {
    know_.situation.peers[from].refused = true;
    changed_();
  }
}

void Peers::take(const NodeName& from, const PeerMessage& message) {
  last_sent_of_[from] = message.sent;
  const Word word{message.echo, message.beat, message.record, message.record_revision};
  if (learn_word(know_, from, word, boot_now())) changed_();
}

}  // namespace evergres::agent

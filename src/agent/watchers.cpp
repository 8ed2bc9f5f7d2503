#include "agent/watchers.hpp"

#include <spdlog/spdlog.h>

#include "cluster/json.hpp"
#include "core/view.hpp"

namespace evergres::agent {
namespace {

constexpr Millis longest_silence{3000};
constexpr Millis word_interval{1000};
/// No watcher gets more of this thread than one acknowledgement in this time.
constexpr Millis between_acks{2};

bool serves(core::ServerState state) {
  return state == core::ServerState::primary || state == core::ServerState::standby;
}

/// What a node says of its own server.
struct Said {
  core::ServerState server = core::ServerState::unknown;
  bool receiving = false;
  std::optional<core::Upstream> upstream;
  std::optional<Lsn> replay;
};

std::optional<Said> said_by(const core::Situation& s, const NodeName& node) {
  if (node == s.me) {
    const bool silent = s.server.cold || s.server.unknown_since;
    return Said{silent ? core::ServerState::unknown : s.server.state, s.server.receiving,
                s.server.upstream, s.server.replay};
  }
  const auto found = s.peers.find(node);
  if (found == s.peers.end() || found->second.refused || !core::is_heard(s, found->second))
    return std::nullopt;
  const core::Heartbeat& beat = *found->second.said;
  return Said{beat.server, beat.receiving, beat.upstream, beat.replay};
}

std::optional<Lsn> end_of_leader(const core::Situation& s) {
  if (!s.record || !s.record->leader) return std::nullopt;
  const NodeName& leader = s.record->leader->node;
  const std::optional<core::Position>* position = nullptr;
  if (leader == s.me) position = &s.server.position;
  const auto found = s.peers.find(leader);
  if (found != s.peers.end() && found->second.said) position = &found->second.said->position;
  if (position == nullptr || !*position) return std::nullopt;
  return (*position)->lsn;
}

void fill_state(cluster::RouteNode& node, const core::Situation& s, const std::optional<Lsn>& end) {
  const auto said = said_by(s, node.name);
  if (!said || !s.record) return;
  node.answers = serves(said->server);
  node.replays = said->server == core::ServerState::standby && said->receiving && said->upstream &&
                 said->upstream->term == s.record->term;
  if (node.replays && end && said->replay) node.lag = bytes_between(*said->replay, *end);
}

std::string tag_of(const cluster::NodeCard& card, const std::string& tag) {
  if (!card.tags) return {};
  const auto found = card.tags->find(tag);
  return found == card.tags->end() ? std::string{} : found->second;
}

/// Positions and renewals change all the time: they are told with the next regular word. Without an
/// open leader each change of the record is told, so that what follows is never taken for older.
cluster::RouteWord what_matters(cluster::RouteWord word) {
  word.number = 0;
  if (word.open) word.revision = Revision{};
  for (cluster::RouteNode& node : word.nodes) node.lag.reset();
  return word;
}

}  // namespace

cluster::RouteWord route_word_of(const Knowledge& knowledge) {
  const core::Situation& s = knowledge.situation;
  cluster::RouteWord word;
  word.speaker = s.me;
  if (!s.record) return word;
  const core::Record& record = *s.record;
  word.cluster = record.cluster_id;
  word.term = record.term;
  word.revision = s.revision;
  word.open = record.phase == core::Phase::leading && record.leader;
  if (word.open) word.leader = record.leader->node;
  for (const core::Lineage& line : record.lineage) {
    if (word.open && line.term == record.term) word.timeline = line.timeline;
  }
  word.draining = knowledge.draining == record.term && word.open && word.leader == s.me;
  for (const core::Leadership& each : record.leaderships.value_or(std::vector<core::Leadership>{}))
    word.promotions.push_back({each.term, each.after, each.next_xid});
  const auto end = end_of_leader(s);
  for (const auto& [name, card] : knowledge.cards) {
    cluster::RouteNode node;
    node.name = name;
    node.host = card.postgres_host;
    node.port = card.postgres_port;
    node.agent_host = card.peer_host;
    node.agent_port = card.peer_port;
    node.zone = tag_of(card, "zone");
    node.noloadbalance = tag_of(card, "noloadbalance") == "true";
    node.endpoint_host = card.endpoint_host;
    node.endpoint_port = card.endpoint_port;
    if (!cluster::check_route_node(node)) continue;
    if (word.nodes.size() >= cluster::most_route_nodes) break;
    fill_state(node, s, end);
    word.nodes.push_back(std::move(node));
  }
  return word;
}

struct Watchers::Line {
  Line(Watchers& owner, boost::asio::any_io_executor executor)
      : all(owner), id(++owner.last_line_), wake(std::move(executor)) {
    all.lines_[id] = this;
    all.know_.watchers->joined(id);
  }
  ~Line() {
    all.lines_.erase(id);
    all.know_.watchers->left(id);
  }
  Line(Line&&) = delete;
  Watchers& all;
  std::uint64_t id;
  net::Wakeup wake;
};

Watchers::Watchers(boost::asio::any_io_executor executor, const Setup& setup, Knowledge& knowledge)
    : executor_(std::move(executor)),
      setup_(setup),
      know_(knowledge),
      machine_(cluster::boot_id()) {}

cluster::RouteWord Watchers::word() {
  cluster::RouteWord word = route_word_of(know_);
  word.number = number_;
  word.machine = machine_;
  word.socket_directory = setup_.settings.run_directory.string();
  return word;
}

void Watchers::refresh() {
  if (lines_.empty()) {
    // Whoever joins later has to be told of a draining before it can obey.
    told_ = {};
    know_.watchers->announced(std::nullopt);
    return;
  }
  cluster::RouteWord now = what_matters(route_word_of(know_));
  if (now == told_) return;
  const bool drained_before = told_.draining;
  told_ = std::move(now);
  ++number_;
  if (!told_.draining) know_.watchers->announced(std::nullopt);
  if (told_.draining && !drained_before) know_.watchers->announced(number_);
  for (const auto& [id, line] : lines_) line->wake.set();
}

net::awaitable<void> Watchers::serve(net::Channel channel) {
  Line line(*this, executor_);
  spdlog::info("{} watches from {}", channel.peer().value, channel.peer_address());
  net::TaskGroup tasks(executor_);
  tasks.spawn(tell(channel, line));
  tasks.spawn(hear(channel, line));
  auto joining = tasks.join();
  co_await std::move(joining);
  spdlog::info("{} watches no longer", channel.peer().value);
}

net::awaitable<void> Watchers::tell(net::Channel& channel, Line& line) {
  // Whoever yields to another agent of its name, or knows no record, has nothing to say.
  while (channel.open()) {
    if (!know_.yields && know_.situation.record) {
      auto sending = channel.send(cluster::json_text(word()));
      auto sent = co_await std::move(sending);
      if (!sent) break;
    }
    auto waiting = line.wake.wait(word_interval);
    co_await std::move(waiting);
  }
  channel.close();
}

net::awaitable<void> Watchers::hear(net::Channel& channel, Line& line) {
  for (;;) {
    auto receiving = channel.receive(longest_silence, cluster::longest_route_ack);
    auto text = co_await std::move(receiving);
    if (!text) {
      if (text.error().code() != ErrorCode::unreachable)
        spdlog::warn("{} is heard no longer: {}", channel.peer().value, text.error().one_line());
      break;
    }
    const auto ack = cluster::parse_json<cluster::RouteAck>(*text, cluster::longest_route_ack);
    if (!ack || ack->heard > number_) {
      spdlog::warn("the watcher {} said what makes no sense", channel.peer().value);
      break;
    }
    know_.watchers->acknowledged(line.id, ack->heard, ack->busy);
    auto resting = net::pause_for(between_acks);
    co_await std::move(resting);
  }
  channel.close();
  line.wake.set();
}

}  // namespace evergres::agent

#include "proxy/feed/world_maker.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace evergres::proxy {
namespace {

constexpr std::size_t most_promotions = 16;

bool same_node(const ServerNode& one, const ServerNode& other) {
  const auto same_address = [](const Resolved& left, const Resolved& right) {
    return left.bytes() == right.bytes();
  };
  return std::tie(one.name, one.address, one.zone, one.answers, one.replays) ==
             std::tie(other.name, other.address, other.zone, other.answers, other.replays) &&
         one.lag.has_value() == other.lag.has_value() &&
         std::equal(one.resolved.begin(), one.resolved.end(), other.resolved.begin(),
                    other.resolved.end(), same_address);
}

bool same_endpoint(const EndpointNode& one, const EndpointNode& other) {
  const auto same_address = [](const Resolved& left, const Resolved& right) {
    return left.bytes() == right.bytes();
  };
  return std::tie(one.node, one.address) == std::tie(other.node, other.address) &&
         std::equal(one.resolved.begin(), one.resolved.end(), other.resolved.begin(),
                    other.resolved.end(), same_address);
}

bool same_promotion(const Promotion& one, const Promotion& other) {
  return std::tie(one.term, one.after, one.next_xid) ==
         std::tie(other.term, other.after, other.next_xid);
}

}  // namespace

LeaderView::Heard WorldMaker::hear(const cluster::RouteWord& word) {
  if (!cluster_) cluster_ = word.cluster;
  if (!view_) view_.emplace(*cluster_);
  LeaderWord said;
  said.cluster = word.cluster;
  said.term = word.term;
  said.revision = word.revision;
  said.open = word.open;
  said.leader = word.leader;
  said.timeline = word.timeline;
  if (word.open && word.leader == word.speaker) said.draining = word.draining;
  const LeaderView::Heard heard = view_->hear(said);
  if (heard == LeaderView::Heard::foreign) return heard;
  Speaker& speaker = speakers_[word.speaker];
  speaker = Speaker{word, true, ++words_};
  if (speakers_.size() > cluster::most_route_nodes) {
    std::erase_if(speakers_, [](const auto& one) { return !one.second.heard; });
  }
  const bool newer = std::tie(promotions_term_, promotions_revision_) <=
                     std::tie(word.term, word.revision);
  if (newer) {
    promotions_ = word.promotions;
    promotions_term_ = word.term;
    promotions_revision_ = word.revision;
  }
  return heard;
}

bool WorldMaker::lost(const NodeName& speaker) {
  const auto found = speakers_.find(speaker);
  if (found == speakers_.end()) return false;
  found->second.heard = false;
  const auto leader = view_ ? view_->leader() : std::nullopt;
  return leader && leader->node == speaker && view_->forget_draining();
}

std::size_t WorldMaker::heard_agents() const {
  return static_cast<std::size_t>(std::count_if(
      speakers_.begin(), speakers_.end(), [](const auto& one) { return one.second.heard; }));
}

/// Whoever is connected, then the node's own agent, then who knows the highest term, then who spoke
/// last.
bool WorldMaker::better(const Told& one, const Told& other) {
  const auto rank = [](const Told& told) {
    return std::tuple{told.by->heard, told.by->word.speaker == told.node->name, told.by->word.term,
                      told.by->told_at};
  };
  return rank(one) > rank(other);
}

std::map<NodeName, WorldMaker::Told> WorldMaker::nodes() const {
  // Once somebody is heard, nodes that only the others knew are gone.
  const bool any = heard_agents() > 0;
  std::map<NodeName, Told> nodes;
  for (const auto& [name, speaker] : speakers_) {
    if (any && !speaker.heard) continue;
    for (const cluster::RouteNode& node : speaker.word.nodes) {
      const Told told{&node, &speaker};
      Told& best = nodes[node.name];
      if (best.node == nullptr || better(told, best)) best = told;
    }
  }
  return nodes;
}

std::vector<WorldMaker::AgentAddress> WorldMaker::agents() const {
  std::set<AgentAddress> found;
  for (const auto& [name, told] : nodes()) {
    found.insert(AgentAddress{told.node->agent_host, told.node->agent_port});
  }
  return {found.begin(), found.end()};
}

World WorldMaker::world(const Surroundings& around) const {
  World world;
  if (!view_) return world;
  world.highest = view_->highest();
  world.leader = view_->leader();
  world.draining = view_->draining();
  for (const auto& [name, told] : nodes()) {
    ServerNode node;
    node.name = name;
    node.address = Address{told.node->host, told.node->port};
    const auto own = speakers_.find(name);
    if (own != speakers_.end() && !machine_.empty() && own->second.word.machine == machine_) {
      const Address local{own->second.word.socket_directory, told.node->port};
      if (!local.host.empty() && around.reachable(local)) node.address = local;
    }
    node.resolved = around.look_up(node.address);
    node.zone = told.node->zone;
    node.answers = told.node->answers;
    // What an agent says of an older term says nothing of this one; and a node that is tagged
    // noloadbalance gets no readers.
    const bool current = told.by->word.term == world.highest;
    node.replays = current && told.node->replays && !told.node->noloadbalance;
    if (told.by->heard) node.lag = told.node->lag;
    world.nodes.push_back(std::move(node));
    if (!told.node->endpoint_host || !told.node->endpoint_port) continue;
    EndpointNode endpoint{name, {*told.node->endpoint_host, *told.node->endpoint_port}, {}};
    endpoint.resolved = around.look_up(endpoint.address);
    world.endpoints.push_back(std::move(endpoint));
  }
  const std::size_t skipped =
      promotions_.size() > most_promotions ? promotions_.size() - most_promotions : 0;
  for (std::size_t i = skipped; i < promotions_.size(); ++i) {
    world.promotions.push_back(
        {promotions_[i].term, promotions_[i].after, promotions_[i].next_xid});
  }
  return world;
}

bool same_routes(const World& one, const World& other) {
  return std::tie(one.highest, one.leader, one.draining) ==
             std::tie(other.highest, other.leader, other.draining) &&
         std::equal(one.nodes.begin(), one.nodes.end(), other.nodes.begin(), other.nodes.end(),
                    same_node) &&
         std::equal(one.endpoints.begin(), one.endpoints.end(), other.endpoints.begin(),
                    other.endpoints.end(), same_endpoint) &&
         std::equal(one.promotions.begin(), one.promotions.end(), other.promotions.begin(),
                    other.promotions.end(), same_promotion);
}

}  // namespace evergres::proxy

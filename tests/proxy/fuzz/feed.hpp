#pragma once

#include <string_view>

#include "base/check.hpp"
#include "cluster/json.hpp"
#include "proxy/feed/world_maker.hpp"

namespace evergres::proxy::fuzz {

/// What is accepted is read again as it was written, stays within its bounds, and makes a World
/// whose leader is the one that it names.
inline void route_word(std::string_view bytes) {
  const auto word = cluster::parse_route_word(bytes);
  if (!word) return;
  const auto again = cluster::parse_route_word(cluster::json_text(*word));
  CHECK(again.ok() && again.value() == word.value());
  WorldMaker maker(std::nullopt, "this");
  CHECK(maker.hear(*word) == LeaderView::Heard::news);
  WorldMaker::Surroundings around;
  around.reachable = [](const Address& local) { return local.host.starts_with('/'); };
  around.look_up = [](const Address&) { return std::vector<Resolved>{}; };
  const World world = maker.world(around);
  CHECK(world.highest == word->term && world.leader.has_value() == word->open);
  CHECK(!world.leader || world.leader->node == word->leader);
  CHECK(!world.draining || word->speaker == word->leader);
  CHECK(world.nodes.size() <= cluster::most_route_nodes && world.promotions.size() <= 16);
  for (const ServerNode& node : world.nodes) {
    CHECK(is_node_name(node.name.value) && !node.address.host.empty());
    CHECK(node.address.port > 0 && node.address.port <= 65535);
  }
}

}  // namespace evergres::proxy::fuzz

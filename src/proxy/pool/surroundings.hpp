#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "proxy/configuration.hpp"
#include "proxy/io/batch.hpp"
#include "proxy/io/outbox.hpp"
#include "proxy/io/reactor.hpp"
#include "proxy/io/tls.hpp"
#include "proxy/loudness.hpp"
#include "proxy/pool/permits.hpp"
#include "proxy/pool/route.hpp"
#include "proxy/pool/tally.hpp"
#include "proxy/world.hpp"

namespace evergres::proxy {

/// What everything on one shard shares. One thread, but for `say`.
struct Surroundings {
  Reactor& reactor;
  std::shared_ptr<const Configuration> configuration;
  std::shared_ptr<const World> world;  ///< never null
  std::optional<TlsContext> client_tls;
  std::optional<TlsContext> server_tls;
  Batch to_server;  ///< empty between two callbacks
  Batch to_client;
  std::function<void(Loudness, const std::string&)> say;
  std::shared_ptr<Permits> permits;  ///< of all shards; never null
  std::uint32_t turn = 0;            ///< for equals to take turns
  std::uint64_t last_number = 0;     ///< of sessions and servers
  Tallies tallies = {};
  Outbox outbox = {};  ///< to clients; sent at the end of each turn
  std::map<NodeName, std::uint32_t> readers = {};  ///< connections for reading, by node

  /// Where a transaction may begin now.
  [[nodiscard]] Route route(Port port) {
    if (port == Port::read_write && world->draining) {
      return {std::nullopt, world->highest, "The leader is being handed over."};
    }
    if (port == Port::read_write) {
      return choose_route({port, {}, 0, true, std::nullopt, 0}, world->highest, world->leader, {});
    }
    std::vector<Candidate> candidates;
    for (const ServerNode& node : world->nodes) {
      const auto busy = readers.find(node.name);
      candidates.push_back({node.name, node.zone, node.answers, node.replays, node.lag,
                            std::nullopt, busy == readers.end() ? 0 : busy->second});
    }
    return choose_route({port, configuration->zone, configuration->max_replica_lag,
                         configuration->leader_may_read, std::nullopt, turn++},
                        world->highest, world->leader, candidates);
  }

  /// Whether a transaction of the read-only port may begin on a connection that is there: by the
  /// rules of route(), but for whose turn it is. Allocates nothing.
  [[nodiscard]] bool may_read_from(const NodeName& name) const {
    const auto is_near = [this](const ServerNode& node) {
      return !(world->leader && world->leader->node == node.name) &&
             near_enough(node.answers, node.replays, node.lag, configuration->max_replica_lag);
    };
    const ServerNode* node = world->node(name);
    if (node == nullptr) return false;
    if (!world->leader || world->leader->node != name) return is_near(*node);
    return configuration->leader_may_read && world->leader->term == world->highest &&
           std::ranges::none_of(world->nodes, is_near);
  }
};

}  // namespace evergres::proxy

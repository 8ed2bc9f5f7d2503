#pragma once

#include <cstdint>
#include <functional>
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
      candidates.push_back(
          {node.name, node.zone, node.answers, node.replays, node.lag, std::nullopt, 0});
    }
    return choose_route({port, configuration->zone, configuration->max_replica_lag,
                         configuration->leader_may_read, std::nullopt, turn++},
                        world->highest, world->leader, candidates);
  }
};

}  // namespace evergres::proxy

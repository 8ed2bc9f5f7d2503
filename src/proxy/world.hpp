#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/names.hpp"
#include "proxy/io/sockets.hpp"
#include "proxy/outcome/fate.hpp"
#include "proxy/pool/leader_view.hpp"
#include "proxy/pool/route.hpp"

namespace evergres::proxy {

/// A PostgreSQL server that traffic may be sent to.
struct ServerNode {
  NodeName name;
  Address address;
  std::vector<Resolved> resolved;  ///< looked up by whoever made this World
  std::string zone;
  bool answers = false;
  bool replays = false;              ///< see Candidate
  std::optional<std::uint64_t> lag;  ///< bytes
};

/// An endpoint of the cluster, our own among them, and where others reach it.
struct EndpointNode {
  NodeName node;
  Address address;
  std::vector<Resolved> resolved;
};

/// What the workers know about the cluster: one immutable value, made by the control thread from
/// what agents say (or from looking at an external server) and handed to every worker.
struct World {
  std::uint64_t number = 0;  ///< grows with every World that is handed out
  Term highest;
  std::optional<OpenLeader> leader;
  /// The leader, which still serves, is about to hand over in order: what runs may end, nothing new
  /// begins. Once the handover has begun there is a higher term without a leader.
  bool draining = false;
  std::vector<ServerNode> nodes;
  std::vector<EndpointNode> endpoints;
  std::vector<Promotion> promotions;  ///< ascending by term, the last sixteen or so

  [[nodiscard]] const ServerNode* node(const NodeName& name) const {
    for (const ServerNode& node : nodes) {
      if (node.name == name) return &node;
    }
    return nullptr;
  }
};

}  // namespace evergres::proxy

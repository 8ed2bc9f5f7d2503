#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/demo/plan.hpp"
#include "cli/session.hpp"
#include "config/node_settings.hpp"

namespace evergres::cli {

struct KnownNode {
  std::filesystem::path config_file;  ///< absolute
  config::NodeSettings settings;
};

/// Which nodes a command is about: the node of the configuration file, and when that file is part
/// of a demo all nodes of the demo.
struct Place {
  std::vector<KnownNode> nodes;  ///< never empty; the first is the one that was named
  std::optional<demo::Plan> demo;
};

/// -c FILE, $EVERGRES_CONFIG, /etc/evergres/node.yaml, else this user's demo, which is said on
/// stderr. Errors: not_found with what to do, config_invalid.
Result<Place> find_place(Session& session);

/// The same, for commands that are about one node; says nothing about other nodes. Error
/// config_invalid also for the file of an endpoint without a node.
Result<KnownNode> find_node(Session& session);

/// The same, for the command that may run without a node.
Result<KnownNode> find_endpoint(Session& session);

/// All nodes of a demo.
Place demo_place(const demo::Plan& plan);

/// The control socket of a node's agent.
std::filesystem::path agent_socket(const config::NodeSettings& settings);

}  // namespace evergres::cli

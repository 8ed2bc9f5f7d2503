#include "cli/rolling.hpp"

#include <algorithm>

namespace evergres::cli {
namespace {

using cluster::ClusterStatus;
using cluster::NodeStatus;

const NodeStatus* find(const ClusterStatus& status, const std::string& name) {
  const auto found = std::ranges::find(status.nodes, name, &NodeStatus::name);
  return found == status.nodes.end() ? nullptr : &*found;
}

int rank(const NodeStatus& node) {
  if (node.role == "leader") return 2;
  return node.role == "voter" ? 1 : 0;
}

}  // namespace

Result<std::vector<std::string>> rolling_order(const ClusterStatus& status,
                                               const RollingChoice& choice) {
  std::vector<const NodeStatus*> nodes;
  for (const std::string& name : choice.names) {
    const NodeStatus* const node = find(status, name);
    if (node == nullptr) {
      return Error(ErrorCode::not_found, "there is no node \"" + name + "\"", "",
                   "Run \"evergres list\" to see the nodes.");
    }
    if (std::ranges::find(nodes, node) == nodes.end()) nodes.push_back(node);
  }
  if (choice.names.empty()) {
    for (const NodeStatus& node : status.nodes) nodes.push_back(&node);
  }
  std::erase_if(nodes, [&](const NodeStatus* node) {
    if (choice.role.empty()) return false;
    return (node->role == "leader") != (choice.role == "leader");
  });
  for (const NodeStatus* node : nodes) {
    if (node->state != "silent") continue;
    return Error(ErrorCode::refused, "\"" + node->name + "\" is silent, so it cannot be restarted",
                 "A rolling restart begins only when it can end.",
                 "Bring the node back, or name the others.");
  }
  std::ranges::stable_sort(nodes, {}, [](const NodeStatus* node) { return rank(*node); });
  std::vector<std::string> names;
  names.reserve(nodes.size());
  for (const NodeStatus* node : nodes) names.push_back(node->name);
  return names;
}

std::string rolling_impact(const ClusterStatus& status, const std::vector<std::string>& names) {
  std::string standbys;
  std::string leader;
  for (const std::string& name : names) {
    const NodeStatus* const node = find(status, name);
    if (node != nullptr && node->role == "leader") {
      leader = name;
    } else {
      standbys += (standbys.empty() ? "" : ", ") + name;
    }
  }
  std::string text;
  if (!standbys.empty()) {
    const bool several = standbys.find(',') != std::string::npos;
    text = standbys + ": PostgreSQL restarts" + (several ? ", one after the other" : "") +
           "; readers there are disconnected.";
  }
  if (leader.empty()) return text;
  return text + (text.empty() ? "" : " ") + "The leader " + leader +
         " restarts: all its sessions end, writes pause for about two seconds.";
}

}  // namespace evergres::cli

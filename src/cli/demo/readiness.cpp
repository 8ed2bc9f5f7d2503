#include "cli/demo/readiness.hpp"

#include <fmt/format.h>

namespace evergres::cli::demo {

std::string lacks(const cluster::ClusterStatus& status, std::size_t nodes) {
  if (status.phase != "leading" || !status.leader) return "a leader (" + status.phase + ")";
  for (const cluster::NodeStatus& node : status.nodes) {
    const bool serves = node.state == "running" || node.state == "streaming";
    if (!serves) {
      const std::string& does = node.doing.empty() ? node.state : node.doing;
      return fmt::format("{} ({})", node.name, does);
    }
  }
  if (status.nodes.size() < nodes) {
    return fmt::format("{} more to join", nodes - status.nodes.size());
  }
  if (status.durability != "async" && status.voters.size() + 1 < nodes) {
    return fmt::format("voters ({} of {})", status.voters.size(), nodes - 1);
  }
  if (status.unproven > 0) return "the proof of the policy";
  return "";
}

}  // namespace evergres::cli::demo

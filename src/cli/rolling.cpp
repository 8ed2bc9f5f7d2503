#include "cli/rolling.hpp"

#include <algorithm>

#include "config/values.hpp"
#include "postgres/parameters.hpp"

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

bool waits(const NodeStatus& node) {
  return node.settings && !node.settings->pending_restart.empty();
}

/// The limit that "max_connections: 100 -> 60" lowers or raises, "" if it is about something else.
std::string limit_changed(const std::string& line, bool lowered) {
  const std::size_t colon = line.find(": ");
  const std::size_t arrow = line.find(" -> ", colon == std::string::npos ? 0 : colon);
  if (colon == std::string::npos || arrow == std::string::npos) return {};
  const std::string name = line.substr(0, colon);
  const auto now = config::parse_integer(line.substr(colon + 2, arrow - colon - 2));
  const auto then = config::parse_integer(line.substr(arrow + 4));
  if (!postgres::is_standby_limit(name) || !now || !then) return {};
  return (*then < *now) == lowered && *then != *now ? name : "";
}

std::string limit_that_waits(const NodeStatus& node, bool lowered) {
  if (!node.settings) return {};
  for (const std::string& line : node.settings->pending_restart) {
    if (const std::string name = limit_changed(line, lowered); !name.empty()) return name;
  }
  return {};
}

/// Lowered limits begin with the leader, raised ones with the standbys.
Outcome put_in_order(const ClusterStatus& status, std::vector<const NodeStatus*>& nodes) {
  const auto is_chosen = [&](const NodeStatus& node) {
    return std::ranges::find(nodes, &node) != nodes.end();
  };
  std::string raised;
  std::string lowered;
  for (const NodeStatus* node : nodes) {
    if (raised.empty()) raised = limit_that_waits(*node, false);
    if (lowered.empty()) lowered = limit_that_waits(*node, true);
  }
  if (!raised.empty() && !lowered.empty()) {
    return Error(ErrorCode::refused, raised + " is raised and " + lowered + " is lowered",
                 "Raising begins with the standbys, lowering with the leader.",
                 "Take one of them back with `evergres edit-config`.");
  }
  for (const NodeStatus& node : status.nodes) {
    const bool leads = node.role == "leader";
    const std::string limit = leads ? limit_that_waits(node, true) : limit_that_waits(node, false);
    const bool first = leads ? !lowered.empty() && limit == lowered
                             : !raised.empty() && limit == raised && node.state == "streaming";
    const bool leader_is_chosen = std::ranges::any_of(
        nodes, [](const NodeStatus* chosen) { return chosen->role == "leader"; });
    if (!first || is_chosen(node) || (!leads && !leader_is_chosen)) continue;
    return Error(ErrorCode::refused, node.name + " must be restarted first",
                 "A standby may not have less of " + limit + " than its primary.",
                 "`evergres restart --pending` takes all of them in the right order.");
  }
  if (lowered.empty()) return {};
  std::ranges::stable_sort(nodes, {}, [](const NodeStatus* node) { return -rank(*node); });
  return {};
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
    for (const NodeStatus& node : status.nodes) {
      if (!node.fenced_by) nodes.push_back(&node);  // out by hand, its PostgreSQL is stopped
    }
  }
  std::erase_if(nodes, [&](const NodeStatus* node) {
    if (choice.role.empty()) return false;
    return (node->role == "leader") != (choice.role == "leader");
  });
  if (choice.pending) std::erase_if(nodes, [](const NodeStatus* node) { return !waits(*node); });
  for (const NodeStatus* node : nodes) {
    if (node->state != "silent") continue;
    return Error(ErrorCode::refused, "\"" + node->name + "\" is silent, so it cannot be restarted",
                 "A rolling restart begins only when it can end.",
                 "Bring the node back, or name the others.");
  }
  std::ranges::stable_sort(nodes, {}, [](const NodeStatus* node) { return rank(*node); });
  if (auto ordered = put_in_order(status, nodes); !ordered) return ordered.error();
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

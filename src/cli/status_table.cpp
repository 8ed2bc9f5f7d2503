#include "cli/status_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/instant.hpp"

namespace evergres::cli {
namespace {

using cluster::ClusterStatus;
using cluster::HistoryEntry;
using cluster::NodeStatus;

std::string title(const ClusterStatus& status, bool colour) {
  std::string line = fmt::format("Database cluster {}", shown(status.cluster));
  line += fmt::format("   system {}", status.system_id.empty() ? "-" : shown(status.system_id));
  line += fmt::format("   term {}", status.term);
  if (status.timeline) line += fmt::format("   timeline {}", *status.timeline);
  line += fmt::format("   durability {}", shown(status.durability));
  if (status.durability != "async")
    line += fmt::format("   quorum {}/{}", status.k, status.wanted_k);
  if (!status.voters.empty()) {
    line += fmt::format(" (any {} of {})", status.k, joined(status.voters, ", "));
  }
  if (status.phase != "leading")
    line += "   " + painted(shown(status.phase), Colour::yellow, colour);
  return line + "\n";
}

Colour state_colour(const NodeStatus& node) {
  if (node.state == "running" || node.state == "streaming") return Colour::green;
  if (node.state == "silent" || node.state == "stopped" || node.state == "failed") {
    return Colour::red;
  }
  return Colour::yellow;
}

std::string seconds_text(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<long>(seconds);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
}

std::string replay_lag(const NodeStatus& node) {
  if (node.lag_seconds && *node.lag_seconds > 0) return seconds_text(*node.lag_seconds);
  if (node.replay_lag_bytes) return bytes_text(*node.replay_lag_bytes);
  return "-";
}

Cell can_lead(const ClusterStatus& status, const NodeStatus& node) {
  if (status.leader == node.name && node.role == "leader") return {"-"};
  if (!node.why_not) return {"yes", Colour::green};
  return {"no: " + shown(*node.why_not), Colour::yellow};
}

bool has_tags(const NodeStatus& node) {
  return node.tags && !node.tags->empty();
}

/// "nofailover, zone: east"
std::string tags_text(const NodeStatus& node) {
  std::vector<std::string> texts;
  for (const auto& [name, value] : node.tags.value_or(std::map<std::string, std::string>{}))
    texts.push_back(value == "true" ? name : name + ": " + value);
  return texts.empty() ? "-" : shown(joined(texts, ", "));
}

Row node_row(const ClusterStatus& status, const NodeStatus& node) {
  std::string state = shown(node.state);
  if (node.seen_seconds_ago && *node.seen_seconds_ago >= 3) {
    state += fmt::format(" (seen {} ago)", seconds_text(*node.seen_seconds_ago));
  }
  return {{shown(node.name)},
          {fmt::format("{}:{}", shown(node.host), node.port)},
          {shown(node.role), node.role == "leader" ? Colour::bold : Colour::none},
          {state, state_colour(node)},
          {node.timeline ? std::to_string(*node.timeline) : "-", Colour::none, true},
          {shown(node.receive_lsn.value_or("-"))},
          {node.receive_lag_bytes ? bytes_text(*node.receive_lag_bytes) : "-", Colour::none, true},
          {shown(node.replay_lsn.value_or("-"))},
          {replay_lag(node), Colour::none, true},
          can_lead(status, node)};
}

/// What of the cluster's settings is not in force, and what was changed beside them.
std::string settings_lines(const ClusterStatus& status, bool colour) {
  std::string text;
  const auto add = [&](const std::string& line) {
    text += " " + painted(line, Colour::yellow, colour) + "\n";
  };
  if (status.settings_trouble) add("Settings: " + shown(*status.settings_trouble));
  for (const NodeStatus& node : status.nodes) {
    if (!node.settings) continue;
    const std::string name = shown(node.name);
    for (const std::string& line : node.settings->pending_restart) {
      add(name + " waits for a restart: " + shown(line));
    }
    if (!node.settings->trouble.empty()) add(name + ": " + shown(node.settings->trouble));
    if (node.settings->generation < status.settings_generation && node.settings->trouble.empty()) {
      add(fmt::format("{} has generation {} of the settings, not {}", name,
                      node.settings->generation, status.settings_generation));
    }
    for (const auto& [parameter, value] : node.settings->altered) {
      add(name + ": altered by ALTER SYSTEM, until its next start: " + shown(parameter) + " = " +
          shown(value) + " (edit-config --adopt or --revert)");
    }
    for (const std::string& line : node.settings->edited) {
      add(name + ": changed by hand in a managed file: " + shown(line) + " (edit-config --revert)");
    }
  }
  return text;
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  static constexpr std::array units{"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (bytes >= 10'000 && unit + 1 < units.size()) {
    bytes = bytes / 1024 + (bytes % 1024 >= 512 ? 1 : 0);
    ++unit;
  }
  return fmt::format("{} {}", bytes, units.at(unit));
}

std::vector<Row> status_rows(const ClusterStatus& status) {
  std::vector<Row> rows{{{"NODE"},
                         {"ADDRESS"},
                         {"ROLE"},
                         {"STATE"},
                         {"TL"},
                         {"RECEIVE LSN"},
                         {"LAG", Colour::none, true},
                         {"REPLAY LSN"},
                         {"LAG", Colour::none, true},
                         {"CAN LEAD"}}};
  for (const NodeStatus& node : status.nodes) rows.push_back(node_row(status, node));
  if (std::ranges::any_of(status.nodes, has_tags)) {
    rows.front().emplace_back("TAGS");
    for (std::size_t i = 0; i < status.nodes.size(); ++i)
      rows[i + 1].emplace_back(tags_text(status.nodes[i]));
  }
  return rows;
}

std::string status_table(const ClusterStatus& status, bool colour) {
  std::string text = title(status, colour);
  text += lines_of(status_rows(status), colour);
  for (const NodeStatus& node : status.nodes) {
    if (!node.doing.empty()) {
      text += fmt::format(" {}: {}\n", shown(node.name), shown(node.doing));
    }
    if (node.fenced_by) {
      const std::string line = fmt::format("{}: {}", shown(node.name), shown(*node.fenced_by));
      text += " " + painted(line, Colour::yellow, colour) + "\n";
    }
  }
  if (status.paused) {
    text += " " +
            painted("PAUSED: no automatic failover; `evergres resume` ends it.", Colour::yellow,
                    colour) +
            "\n";
  }
  text += settings_lines(status, colour);
  if (status.request) text += " Asked for: " + shown(*status.request) + "\n";
  if (status.unproven > 0) {
    text += fmt::format(" Policy changes not yet proven: {}\n", status.unproven);
  }
  if (!status.leader) text += " " + painted("Nobody leads.", Colour::red, colour) + "\n";
  if (status.degraded) {
    text += " " + painted(shown(*status.degraded), Colour::yellow, colour) + "\n";
  }
  if (status.weak_settings && !status.weak_settings->empty()) {
    const std::string line = fmt::format(
        "synchronous_commit is weaker than the durability for {} ({} sessions): their commits may "
        "be lost in a failover",
        joined(*status.weak_settings, "; "), status.weak_sessions.value_or(0));
    text += " " + painted(line, Colour::yellow, colour) + "\n";
  }
  const std::vector<cluster::SlotStatus> none;
  for (const cluster::SlotStatus& slot : status.slots ? *status.slots : none) {
    if (slot.note.empty() || !(slot.declared || slot.wal_status == "lost")) continue;
    const std::string line = fmt::format("slot {}: {}", shown(slot.name), shown(slot.note));
    text += " " + painted(line, Colour::yellow, colour) + "\n";
  }
  if (status.store_trouble) {
    text += " " + painted("Store: " + shown(*status.store_trouble), Colour::yellow, colour) + "\n";
  }
  return text;
}

namespace {

/// "8 kB of n1 (0/3000060 to 0/3002060), measured"
std::string lost_text(const cluster::LostTail& lost) {
  const std::string whose = " of " + shown(lost.leader);
  if (!lost.bytes || !lost.to) return "an unknown amount" + whose + " after " + shown(lost.from);
  std::string text = fmt::format("{} bytes{} ({} to {})", *lost.bytes, whose, shown(lost.from),
                                 shown(*lost.to));
  if (lost.measured) return text + ", measured";
  const double silent = static_cast<double>(lost.silent_ms) / 1e3;
  return text + fmt::format(", and what it wrote in its last {}", seconds_text(silent));
}

}  // namespace

std::vector<Row> history_rows(const std::vector<HistoryEntry>& entries) {
  std::vector<Row> rows{
      {{"TERM"}, {"TL"}, {"OPENED"}, {"WHAT"}, {"FROM"}, {"TO"}, {"SWITCH LSN"}, {"REASON"}}};
  for (const HistoryEntry& entry : entries) {
    std::string reason = shown(entry.reason);
    if (entry.lost) reason += "; lost " + lost_text(*entry.lost);
    if (!entry.phases.empty()) reason += " [" + joined(entry.phases, ", ") + "]";
    rows.push_back({{std::to_string(entry.term), Colour::none, true},
                    {std::to_string(entry.timeline), Colour::none, true},
                    {wall_text(entry.wall_ms)},
                    {shown(entry.kind)},
                    {entry.from.empty() ? "-" : shown(entry.from)},
                    {shown(entry.to), Colour::bold},
                    {entry.switch_lsn.empty() ? "-" : shown(entry.switch_lsn)},
                    {reason}});
  }
  return rows;
}

std::string history_table(const std::vector<HistoryEntry>& entries, bool colour) {
  return lines_of(history_rows(entries), colour);
}

std::string history_detail(const HistoryEntry& entry, bool colour) {
  const std::string way =
      (entry.from.empty() ? std::string("nobody") : shown(entry.from)) + " -> " + shown(entry.to);
  std::string text =
      painted(fmt::format("Term {}: {}", entry.term, shown(entry.kind)), Colour::bold, colour) +
      "   " + way + "\n";
  std::vector<Row> rows{{{"opened"}, {wall_text(entry.wall_ms)}},
                        {{"timeline"}, {std::to_string(entry.timeline)}}};
  if (!entry.switch_lsn.empty()) rows.push_back({{"begins at"}, {shown(entry.switch_lsn)}});
  rows.push_back({{"because"}, {shown(entry.reason)}});
  if (entry.lost) rows.push_back({{"lost"}, {lost_text(*entry.lost)}});
  text += lines_of(rows, colour);
  if (!entry.phases.empty()) text += " phases\n";
  for (const std::string& phase : entry.phases) text += "   " + shown(phase) + "\n";
  if (!entry.facts.empty()) text += " what the coordinator knew when it chose\n";
  for (const std::string& fact : entry.facts) text += "   " + shown(fact) + "\n";
  return text;
}

namespace {

std::string topology_lag(const NodeStatus& node) {
  if (!node.replay_lag_bytes && !node.receive_lag_bytes) return "-";
  const std::string received =
      node.receive_lag_bytes ? bytes_text(*node.receive_lag_bytes) : std::string("?");
  return "received " + received + ", replayed " + replay_lag(node) + " behind";
}

Row tree_row(const NodeStatus& node, std::string_view branch, const std::string& lag) {
  return {{std::string(branch) + shown(node.name)},
          {shown(node.role), node.role == "leader" ? Colour::bold : Colour::none},
          {shown(node.state), state_colour(node)},
          {fmt::format("{}:{}", shown(node.host), node.port)},
          {node.timeline ? "timeline " + std::to_string(*node.timeline) : "-"},
          {lag}};
}

}  // namespace

namespace {

using Nodes = std::vector<const NodeStatus*>;

/// Each node that streams from another standby is moved behind it.
Nodes in_branches(const Nodes& nodes) {
  const auto is_here = [&](const NodeStatus& node) {
    return node.follows && std::ranges::any_of(nodes, [&](const NodeStatus* other) {
             return other != &node && other->name == *node.follows;
           });
  };
  Nodes tree;
  for (const NodeStatus* node : nodes) {
    if (!is_here(*node)) tree.push_back(node);
  }
  for (std::size_t round = 0; round < nodes.size() && tree.size() < nodes.size(); ++round) {
    for (const NodeStatus* node : nodes) {
      if (std::ranges::find(tree, node) != tree.end()) continue;
      const auto upstream = std::ranges::find_if(
          tree, [&](const NodeStatus* other) { return other->name == *node->follows; });
      if (upstream != tree.end()) tree.insert(upstream + 1, node);
    }
  }
  for (const NodeStatus* node : nodes) {  // what agents said at different moments may be a circle
    if (std::ranges::find(tree, node) == tree.end()) tree.push_back(node);
  }
  return tree;
}

std::size_t depth_of(const Nodes& tree, const NodeStatus& node) {
  const NodeStatus* at = &node;
  for (std::size_t depth = 0; depth < tree.size(); ++depth) {
    const auto upstream = std::ranges::find_if(tree, [&](const NodeStatus* other) {
      return other != at && at->follows && other->name == *at->follows;
    });
    if (upstream == tree.end()) return depth;
    at = *upstream;
  }
  return 0;
}

}  // namespace

Topology topology_of(const ClusterStatus& status) {
  Topology tree;
  for (const NodeStatus& node : status.nodes) {
    if (status.leader == node.name && node.role == "leader") {
      tree.leader = &node;
    } else if (status.leader && node.state == "streaming") {
      tree.followers.push_back(&node);
    } else {
      tree.others.push_back(&node);
    }
  }
  // Voters first: they decide how soon a commit is acknowledged.
  std::stable_sort(tree.followers.begin(), tree.followers.end(),
                   [](const NodeStatus* a, const NodeStatus* b) {
                     return (a->role == "voter") > (b->role == "voter");
                   });
  tree.followers = in_branches(tree.followers);
  return tree;
}

std::string topology_text(const ClusterStatus& status, bool colour) {
  const Topology tree = topology_of(status);
  std::vector<Row> rows;
  if (tree.leader != nullptr) {
    rows.push_back(tree_row(*tree.leader, "", shown(tree.leader->receive_lsn.value_or("-"))));
  } else {
    rows.push_back({{"nobody leads", Colour::red}});
  }
  for (std::size_t i = 0; i < tree.followers.size(); ++i) {
    const NodeStatus& node = *tree.followers[i];
    const std::size_t depth = depth_of(tree.followers, node);
    const bool last = std::none_of(
        tree.followers.begin() + static_cast<std::ptrdiff_t>(i) + 1, tree.followers.end(),
        [&](const NodeStatus* other) { return depth_of(tree.followers, *other) <= depth; });
    const std::string branch = std::string(3 * depth, ' ') + (last || depth > 0 ? "└─ " : "├─ ");
    rows.push_back(tree_row(node, branch, topology_lag(node)));
  }
  for (const NodeStatus* node : tree.others) {
    rows.push_back(tree_row(*node, "   ", "follows nobody"));
  }
  return title(status, colour) + lines_of(rows, colour) + settings_lines(status, colour);
}

std::vector<Row> topology_rows(const ClusterStatus& status) {
  const Topology tree = topology_of(status);
  std::vector<Row> rows{
      {{"NODE"}, {"FOLLOWS"}, {"ROLE"}, {"STATE"}, {"RECEIVE LAG BYTES"}, {"REPLAY LAG BYTES"}}};
  const auto add = [&](const NodeStatus& node, const std::string& follows) {
    const auto number = [](const std::optional<std::uint64_t>& bytes) {
      return bytes ? std::to_string(*bytes) : std::string();
    };
    rows.push_back({{node.name},
                    {follows},
                    {node.role},
                    {node.state},
                    {number(node.receive_lag_bytes)},
                    {number(node.replay_lag_bytes)}});
  };
  if (tree.leader != nullptr) add(*tree.leader, "");
  for (const NodeStatus* node : tree.followers)
    add(*node, node->follows.value_or(status.leader.value_or("")));
  for (const NodeStatus* node : tree.others) add(*node, "");
  return rows;
}

}  // namespace evergres::cli

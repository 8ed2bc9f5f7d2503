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

/// Agents are peers, not masters: nothing they say may move the cursor of a terminal.
std::string shown(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    result += (byte < 0x20 || byte == 0x7f) ? ' ' : c;
  }
  return result;
}

/// Columns on a screen: UTF-8 continuation bytes take none.
std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xC0U) == 0x80U ? 0 : 1;
  return width;
}

enum class Colour { none, bold, green, yellow, red };

std::string painted(const std::string& text, Colour colour, bool wanted) {
  static constexpr std::array codes{"", "\033[1m", "\033[32m", "\033[33m", "\033[31m"};
  if (!wanted || colour == Colour::none || text.empty()) return text;
  return codes.at(static_cast<std::size_t>(colour)) + text + "\033[0m";
}

struct Cell {
  std::string text;
  Colour colour = Colour::none;
  bool right = false;
};
using Row = std::vector<Cell>;

std::string lines_of(const std::vector<Row>& rows, bool colour) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(row[i].text));
    }
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i].text), ' ');
      const bool is_last = i + 1 == row.size();
      line += i == 0 ? " " : "  ";
      if (row[i].right) line += padding;
      line += painted(row[i].text, row[i].colour, colour);
      if (!row[i].right && !is_last) line += padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += between;
    text += shown(word);
  }
  return text;
}

std::string title(const ClusterStatus& status, bool colour) {
  std::string line = fmt::format("Database cluster {}", shown(status.cluster));
  line += fmt::format("   system {}", status.system_id.empty() ? "-" : shown(status.system_id));
  line += fmt::format("   term {}", status.term);
  if (status.timeline) line += fmt::format("   timeline {}", *status.timeline);
  line += fmt::format("   durability {}", shown(status.durability));
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

std::string status_table(const ClusterStatus& status, bool colour) {
  std::string text = title(status, colour);
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
  text += lines_of(rows, colour);
  for (const NodeStatus& node : status.nodes) {
    if (!node.doing.empty()) {
      text += fmt::format(" {}: {}\n", shown(node.name), shown(node.doing));
    }
  }
  if (status.request) text += " Asked for: " + shown(*status.request) + "\n";
  if (status.unproven > 0) {
    text += fmt::format(" Policy changes not yet proven: {}\n", status.unproven);
  }
  if (!status.leader) text += " " + painted("Nobody leads.", Colour::red, colour) + "\n";
  if (status.degraded) {
    text += " " + painted(shown(*status.degraded), Colour::yellow, colour) + "\n";
  }
  if (status.store_trouble) {
    text += " " + painted("Store: " + shown(*status.store_trouble), Colour::yellow, colour) + "\n";
  }
  return text;
}

std::string history_table(const std::vector<HistoryEntry>& entries, bool colour) {
  std::vector<Row> rows{
      {{"TERM"}, {"TL"}, {"OPENED"}, {"WHAT"}, {"FROM"}, {"TO"}, {"SWITCH LSN"}, {"REASON"}}};
  for (const HistoryEntry& entry : entries) {
    std::string reason = shown(entry.reason);
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
  return lines_of(rows, colour);
}

}  // namespace evergres::cli

#include <fmt/format.h>

#include <algorithm>

#include "explore/walk.hpp"

namespace evergres::explore {

std::string heading() {
  return fmt::format("{:<16} {:>10} {:>11} {:>6} {:>7} {:>9} {:>8} {:>7} {:>6} {}\n", "world",
                     "states", "steps", "depth", "beyond", "node st.", "states/s", "seconds", "MB",
                     "seen");
}

std::string line_of(const std::string& name, const Found& found) {
  return fmt::format("{:<16} {:>10} {:>11} {:>6} {:>7} {:>9} {:>8.0f} {:>7.1f} {:>6} {}\n", name,
                     found.states, found.steps, found.depth, found.beyond, found.node_states,
                     static_cast<double>(found.states) / std::max(found.seconds, 0.001),
                     found.seconds, found.memory >> 20U,
                     found.complete                           ? "whole"
                     : found.beyond > 0 && found.all_followed ? "whole within its bounds"
                                                              : "in part");
}

std::string table_of(const std::map<std::string, std::uint64_t>& rules) {
  std::string text = "Rules (different states of one node in which they answered)\n";
  for (const core::Rule& rule : core::rules()) {
    const auto found = rules.find(std::string(rule.name));
    text += fmt::format("  {:<46} {:>10}\n", rule.name, found == rules.end() ? 0 : found->second);
  }
  return text;
}

}  // namespace evergres::explore

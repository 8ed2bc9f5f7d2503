#include "config/cluster_printer.hpp"

#include <fmt/format.h>

namespace evergres::config {
namespace {

std::string in_quotes(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    result += c;
    if (c == '\'') result += c;
  }
  return result + "'";
}

/// What stands behind "name:"; empty for an option that is not set.
struct ValueText {
  const ClusterSettings& settings;
  std::string operator()(std::optional<std::string> ClusterSettings::*field) const {
    const auto& value = settings.*field;
    return value ? " " + *value : "";
  }
  std::string operator()(std::optional<std::uint32_t> ClusterSettings::*field) const {
    const auto& value = settings.*field;
    return value ? " " + std::to_string(*value) : "";
  }
  std::string operator()(std::map<std::string, std::string> ClusterSettings::*field) const {
    std::string lines;
    for (const auto& [name, value] : settings.*field) {
      lines += fmt::format("\n    {}: {}", name, in_quotes(value));
    }
    return lines;
  }
  std::string operator()(std::vector<Allow> ClusterSettings::*field) const {
    std::string lines;
    for (const Allow& allow : settings.*field) {
      lines +=
          fmt::format("\n  - address: {}\n    database: {}\n    user: {}", in_quotes(allow.address),
                      in_quotes(allow.database), in_quotes(allow.user));
      if (allow.world_open) lines += "\n    world_open: yes";
    }
    return lines;
  }
  std::string operator()(std::map<std::string, DeclaredSlot> ClusterSettings::*field) const {
    std::string lines;
    for (const auto& [name, slot] : settings.*field) {
      lines += fmt::format("\n  {}:\n    type: {}", in_quotes(name),
                           slot.logical ? "logical" : "physical");
      if (slot.logical) {
        lines += fmt::format("\n    database: {}\n    plugin: {}", in_quotes(slot.database),
                             in_quotes(slot.plugin));
      }
    }
    return lines;
  }
};

/// "postgresql.parameters" stands as two lines.
std::string key_text(const ClusterOption& option) {
  if (option.name == parameters_option) return "postgresql:\n  parameters:";
  return std::string(option.name) + ":";
}

std::string commented(const std::string& lines) {
  std::string result = "#";
  for (const char c : lines) {
    result += c;
    if (c == '\n') result += '#';
  }
  return result + "\n";
}

}  // namespace

std::string as_comment(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    std::size_t length = text.size();
    if (length > 96) {
      length = text.rfind(' ', 96);
      if (length == std::string_view::npos || length == 0) length = text.size();
    }
    result += fmt::format("# {}\n", text.substr(0, length));
    text.remove_prefix(length);
    if (text.starts_with(' ')) text.remove_prefix(1);
  }
  return result;
}

std::string cluster_text(const ClusterSettings& settings) {
  std::string text;
  for (const ClusterOption& option : cluster_options()) {
    const std::string value = std::visit(ValueText{settings}, option.field);
    if (!value.empty()) text += key_text(option) + value + "\n";
  }
  return text;
}

std::string cluster_edit_text(const ClusterSettings& settings, std::string_view head) {
  std::string text = as_comment(head);
  for (const ClusterOption& option : cluster_options()) {
    text += "\n" + as_comment(option.help) +
            as_comment(fmt::format("Default: {}.", option.default_text));
    const std::string value = std::visit(ValueText{settings}, option.field);
    if (!value.empty()) {
      text += key_text(option) + value + "\n";
      continue;
    }
    const bool below = option.sample.starts_with('\n');
    text += commented(key_text(option) + (below ? "" : " ") + std::string(option.sample));
  }
  return text;
}

std::string cluster_reference() {
  std::string text =
      "# Options of the cluster\n\n"
      "One document for all nodes, kept in the store and changed with `evergres edit-config`. "
      "Unknown\noptions are errors.\n";
  for (const ClusterOption& option : cluster_options()) {
    text += fmt::format("\n## {}\n\n{}\n\n", option.name, option.help);
    text += fmt::format("- value: {}\n", kind_text(option.kind));
    if (option.kind == ClusterKind::count) {
      text += fmt::format("- range: {} to {}\n", option.least, option.most);
    }
    text += fmt::format("- default: {}\n", option.default_text);
    const bool below = option.sample.starts_with('\n');
    text +=
        fmt::format("\n```yaml\n{}{}{}\n```\n", key_text(option), below ? "" : " ", option.sample);
  }
  return text;
}

}  // namespace evergres::config

#include "config/proxy_printer.hpp"

#include <fmt/format.h>

#include "config/cluster_printer.hpp"
#include "config/printer.hpp"

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

struct OverrideText {
  const ProxyOverride& entry;
  std::string operator()(std::optional<std::string> ProxyOverride::*field) const {
    return (entry.*field).value_or("");
  }
  std::string operator()(std::optional<std::uint32_t> ProxyOverride::*field) const {
    return entry.*field ? std::to_string(*(entry.*field)) : "";
  }
  std::string operator()(std::optional<Millis> ProxyOverride::*field) const {
    return entry.*field ? duration_text(*(entry.*field)) : "";
  }
};

std::string override_text(const ProxyOverride& entry) {
  std::string text;
  for (const OverrideKey& key : override_keys()) {
    const std::string value = std::visit(OverrideText{entry}, key.field);
    if (!value.empty()) text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", key.name, value);
  }
  return "{" + text + "}";
}

/// As it stands behind "name: ", in one line.
struct ValueText {
  const ProxySettings& settings;
  bool quotes = true;
  std::string operator()(bool ProxySettings::*field) const {
    return settings.*field ? "yes" : "no";
  }
  std::string operator()(int ProxySettings::*field) const {
    return std::to_string(settings.*field);
  }
  std::string operator()(std::uint32_t ProxySettings::*field) const {
    return std::to_string(settings.*field);
  }
  std::string operator()(std::uint64_t ProxySettings::*field) const {
    return size_text(settings.*field);
  }
  std::string operator()(Millis ProxySettings::*field) const {
    return duration_text(settings.*field);
  }
  std::string operator()(std::string ProxySettings::*field) const {
    return quotes ? in_quotes(settings.*field) : settings.*field;
  }
  std::string operator()(std::filesystem::path ProxySettings::*field) const {
    return in_quotes((settings.*field).string());
  }
  std::string operator()(std::vector<std::string> ProxySettings::*field) const {
    std::string text;
    for (const std::string& entry : settings.*field) {
      text += (text.empty() ? "" : ", ") + in_quotes(entry);
    }
    return "[" + text + "]";
  }
  std::string operator()(ProxyOverrides ProxySettings::*field) const {
    std::string text;
    for (const auto& [name, entry] : settings.*field) {
      text +=
          fmt::format("{}{}: {}", text.empty() ? "" : ", ", in_quotes(name), override_text(entry));
    }
    return "{" + text + "}";
  }
};

std::string default_of(const ProxyOption& option) {
  if (!option.default_text.empty()) return std::string(option.default_text);
  const ProxySettings defaults;
  return std::visit(ValueText{defaults, false}, option.field);
}

}  // namespace

std::string proxy_lines(const ProxySettings& settings) {
  const ProxySettings defaults;
  if (settings == defaults) return "";
  std::string text;
  for (const ProxyOption& option : proxy_options()) {
    const std::string value = std::visit(ValueText{settings}, option.field);
    const bool said =
        option.name == "enabled" || value != std::visit(ValueText{defaults}, option.field);
    if (said) text += fmt::format("\n  {}: {}", option.name, value);
  }
  return text;
}

std::string proxy_reference() {
  std::string text;
  for (const ProxyOption& option : proxy_options()) {
    text += fmt::format("\n### proxy.{}\n\n{}\n\n", option.name, option.help);
    text += fmt::format("- value: {}\n", proxy_value_text(option));
    if (option.kind == ProxyKind::count || option.kind == ProxyKind::port) {
      text += fmt::format("- range: {} to {}\n", option.least, option.most);
    } else if (option.kind == ProxyKind::duration) {
      text += fmt::format("- range: {} to {}\n", duration_text(Millis{option.least}),
                          duration_text(Millis{option.most}));
    }
    text += fmt::format("- default: {}\n", default_of(option));
    if (option.kind != ProxyKind::overrides) continue;
    text += fmt::format("- example: `{}`\n- keys:", option.sample);
    std::string between = " ";
    for (const OverrideKey& key : override_keys()) {
      text += fmt::format("{}`{}`", std::exchange(between, ", "), key.name);
    }
    text += "\n";
  }
  return text;
}

std::string proxy_sample() {
  const char* const mark = proxy_by_default ? "" : "#";
  std::string text = fmt::format("{}proxy:\n", mark);
  for (const ProxyOption& option : proxy_options()) {
    if (option.alone) continue;  // the sample is a node's
    text += as_comment(option.help);
    const bool shown = option.name == "enabled";
    text += fmt::format("{}  {}: {}\n", shown ? mark : "#", option.name, option.sample);
  }
  return text;
}

}  // namespace evergres::config

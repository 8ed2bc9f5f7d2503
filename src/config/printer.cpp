#include "config/printer.hpp"

#include <fmt/format.h>

#include "config/alone.hpp"
#include "config/cluster_printer.hpp"
#include "config/options.hpp"
#include "config/proxy_printer.hpp"
#include "config/values.hpp"

namespace evergres::config {
namespace {

template <typename Type>
using Field = Type NodeSettings::*;

std::string in_quotes(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    result += c;
    if (c == '\'') result += c;
  }
  return result + "'";
}

struct ValueText {
  const NodeSettings& settings;
  std::string operator()(Field<std::string> field) const { return settings.*field; }
  std::string operator()(Field<NodeName> field) const { return (settings.*field).value; }
  std::string operator()(Field<std::filesystem::path> field) const {
    return (settings.*field).string();
  }
  std::string operator()(Field<int> field) const { return std::to_string(settings.*field); }
  std::string operator()(Field<std::uint32_t> field) const {
    return std::to_string(settings.*field);
  }
  std::string operator()(Field<std::uint64_t> field) const { return size_text(settings.*field); }
  std::string operator()(Field<Millis> field) const { return duration_text(settings.*field); }
  std::string operator()(Field<TextMap> field) const {
    std::string lines;
    for (const auto& [name, value] : settings.*field) {
      lines += fmt::format("\n  {}: {}", name, in_quotes(value));
    }
    return lines;
  }
  std::string operator()(Field<ProxySettings> field) const { return proxy_lines(settings.*field); }
};

bool is_map(const Option& option) {
  return option.kind == Kind::parameters || option.kind == Kind::application ||
         option.kind == Kind::tags || option.kind == Kind::proxy;
}

bool needs_quotes(const Option& option) {
  return option.kind == Kind::path || option.kind == Kind::store || option.kind == Kind::host ||
         option.kind == Kind::node_name || option.kind == Kind::cluster_name ||
         option.kind == Kind::user;
}

std::string sample_map(const Option& option) {
  if (option.kind == Kind::parameters) {
    return "#parameters:\n#  shared_buffers: 1GB\n#  max_connections: '200'\n";
  }
  if (option.kind == Kind::tags) {
    return "#tags:\n#  failover_priority: 2\n#  zone: east\n";
  }
  if (option.kind == Kind::proxy) return proxy_sample();
  return "#application:\n#  role: app\n#  database: app\n#  password_file: app.password\n";
}

}  // namespace

std::string_view kind_text(Kind kind) {
  switch (kind) {
    case Kind::cluster_name: return "a name of 1 to 32 of a-z, 0-9 and -, starting with a letter";
    case Kind::node_name: return "a name of 1 to 32 of a-z, 0-9 and -, starting with a letter";
    case Kind::path: return "a path";
    case Kind::store: return "sqlite:PATH";
    case Kind::host: return "a host name or an address";
    case Kind::port: return "a port";
    case Kind::durability: return "quorum, strict or async";
    case Kind::size: return "a number of bytes with kB, MB or GB, or unlimited";
    case Kind::count: return "a whole number";
    case Kind::duration: return "a number with ms, s, min, h or d";
    case Kind::parameters: return "name: value lines";
    case Kind::tags: return "name: value lines";
    case Kind::application: return "role, database and password_file";
    case Kind::user: return "a name of 1 to 63 printable characters without a colon";
    case Kind::changes_from: return "this-machine or anywhere";
    case Kind::proxy: return "the lines below";
  }
  return "a value";
}

std::string duration_text(Millis duration) {
  const auto millis = duration.count();
  if (millis % 3'600'000 == 0 && millis > 0) return fmt::format("{}h", millis / 3'600'000);
  if (millis % 60'000 == 0 && millis > 0) return fmt::format("{}min", millis / 60'000);
  if (millis % 1000 == 0) return fmt::format("{}s", millis / 1000);
  return fmt::format("{}ms", millis);
}

std::string size_text(std::uint64_t bytes) {
  if (bytes == unlimited_size) return "unlimited";
  for (const auto& [unit, length] :
       {std::pair{"GB", 1U << 30U}, {"MB", 1U << 20U}, {"kB", 1U << 10U}}) {
    if (bytes > 0 && bytes % length == 0) return fmt::format("{}{}", bytes / length, unit);
  }
  return std::to_string(bytes);
}

std::string default_of(const Option& option) {
  if (option.need == Need::required) return "";
  if (!option.default_text.empty()) return std::string(option.default_text);
  const NodeSettings defaults;
  return std::visit(ValueText{defaults}, option.field);
}

std::string options_reference() {
  std::string text =
      "# Options of node.yaml\n\n"
      "Relative paths are relative to the directory of the file. Unknown options are errors.\n";
  for (const Option& option : options()) {
    text += fmt::format("\n## {}\n\n{}\n\n", option.name, option.help);
    text += fmt::format("- value: {}\n", kind_text(option.kind));
    if (option.kind == Kind::count) {
      text += fmt::format("- range: {} to {}\n", option.least, option.most);
    } else if (option.kind == Kind::duration) {
      text += fmt::format("- range: {} to {}\n", duration_text(Millis{option.least}),
                          duration_text(Millis{option.most}));
    }
    if (option.need == Need::required) {
      text += "- required\n";
    } else {
      text += fmt::format("- default: {}\n", default_of(option));
    }
    if (option.kind == Kind::tags) {
      for (const TagKey& key : tag_keys()) text += fmt::format("- `{}`: {}\n", key.name, key.help);
    }
    if (option.kind == Kind::application) {
      for (const ApplicationKey& key : application_keys()) {
        text += fmt::format("- `{}`: {}\n", key.name, key.help);
      }
    }
    if (option.kind == Kind::proxy) text += proxy_reference();
  }
  return text;
}

std::string sample_file() {
  std::string text = "# node.yaml of Evergres. Lines that start with # show the defaults.\n";
  for (const Option& option : options()) {
    text += "\n" + as_comment(option.help);
    if (is_map(option)) {
      text += sample_map(option);
    } else if (option.need == Need::required) {
      text += fmt::format("{}: {}\n", option.name, option.sample);
    } else {
      text += fmt::format("#{}: {}\n", option.name, option.sample);
    }
  }
  return text;
}

std::string node_file_text(const NodeSettings& settings) {
  std::string text;
  for (const Option& option : options()) {
    std::string value = std::visit(ValueText{settings}, option.field);
    if (value.empty()) continue;
    if (settings.proxy.alone() && !belongs_to_alone(option.name)) continue;
    if (needs_quotes(option)) value = in_quotes(value);
    text += fmt::format("{}:{}{}\n", option.name, is_map(option) ? "" : " ", value);
  }
  return text;
}

}  // namespace evergres::config

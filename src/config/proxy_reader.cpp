#include "config/proxy_reader.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include <fmt/format.h>

#include "config/printer.hpp"
#include "config/spelling.hpp"
#include "config/values.hpp"
#include "config/yaml_walk.hpp"

namespace evergres::config {
namespace {

namespace fs = std::filesystem;

template <typename Type>
using Field = Type ProxySettings::*;

constexpr std::size_t most_names = 256;
constexpr std::size_t most_agents = 64;
constexpr int usual_peer_port = 8009;

/// 0 has no unit: it means none.
std::optional<Millis> duration_of(const std::string& text) {
  if (text == "0") return Millis{0};
  return parse_duration(text);
}

/// As PostgreSQL's names are: what is longer it would cut.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 63 &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < ' '; });
}

const ProxyOption* find_option(std::string_view name) {
  const auto list = proxy_options();
  const auto found = std::ranges::find(list, name, &ProxyOption::name);
  return found == list.end() ? nullptr : &*found;
}

class ProxyPass : private YamlWalk {
 public:
  explicit ProxyPass(const fs::path& base) : YamlWalk(""), base_(base) {}

  ProxyReading run(const YAML::Node& map) {
    settings_.enabled = true;
    each_entry(map, "proxy.", [this](auto& key, auto& node) { take_entry(key, node); });
    check_relations(line_of(map));
    ProxyReading reading{std::move(settings_), alone_, {}};
    for (Diagnostic& said : said_) {
      reading.problems.push_back({said.line, std::move(said.message), std::move(said.hint)});
    }
    return reading;
  }

 private:
  void take_entry(const YAML::Node& key, const YAML::Node& node) {
    const std::string& name = key.Scalar();
    const ProxyOption* const option = find_option(name);
    if (option == nullptr) {
      std::vector<std::string> names;
      for (const ProxyOption& known : proxy_options()) names.emplace_back(known.name);
      const auto meant = nearest(name, names);
      return say(line_of(key), fmt::format("unknown option \"proxy.{}\"", name.substr(0, 100)),
                 meant ? fmt::format("did you mean \"{}\"?", *meant) : "");
    }
    alone_ = alone_ || name == "agents" || name == "external";
    if (option->alone) for_alone_.emplace_back(line_of(key), name);
    if (option->kind == ProxyKind::addresses) return take_addresses(*option, key, node);
    if (option->kind == ProxyKind::overrides) return take_overrides(*option, key, node);
    if (option->kind == ProxyKind::hosts || option->kind == ProxyKind::role_names) {
      return take_list(*option, key, node);
    }
    if (!node.IsScalar() || node.Scalar().empty()) {
      return say(line_of(key), fmt::format("option \"proxy.{}\" has no value", name),
                 fmt::format("write {}", proxy_value_text(*option)));
    }
    const std::string hint = take_scalar(*option, node.Scalar());
    if (!hint.empty()) wrong(name, node, hint);
  }

  void wrong(const std::string& name, const YAML::Node& node, std::string hint) {
    say(line_of(node),
        fmt::format("\"{}\" is no value for proxy.{}", node.Scalar().substr(0, 100), name),
        std::move(hint));
  }

  /// "" or what to write instead.
  std::string take_scalar(const ProxyOption& option, const std::string& text) {
    const std::string wanted = fmt::format("write {}", proxy_value_text(option));
    switch (option.kind) {
      case ProxyKind::flag: {
        const auto value = parse_flag(text);
        if (!value) return wanted;
        settings_.*std::get<Field<bool>>(option.field) = *value;
        return "";
      }
      case ProxyKind::host:
        if (!is_host(text)) return wanted;
        settings_.*std::get<Field<std::string>>(option.field) = text;
        return "";
      case ProxyKind::word:
        if (!is_choice(option.choices, text)) return wanted;
        settings_.*std::get<Field<std::string>>(option.field) = text;
        return "";
      case ProxyKind::path:
        settings_.*std::get<Field<fs::path>>(option.field) =
            fs::absolute(base_ / text).lexically_normal();
        return "";
      case ProxyKind::size: {
        const auto bytes = parse_size(text);
        if (!bytes) return wanted;
        settings_.*std::get<Field<std::uint64_t>>(option.field) = *bytes;
        return "";
      }
      case ProxyKind::port:
      case ProxyKind::count: return take_number(option, text);
      case ProxyKind::duration: {
        const auto span = duration_of(text);
        const std::string hint = duration_hint(option, text, span);
        if (hint.empty()) settings_.*std::get<Field<Millis>>(option.field) = *span;
        return hint;
      }
      case ProxyKind::dsn:
        if (text.size() > 4096 || text.find('\n') != std::string::npos) return wanted;
        settings_.*std::get<Field<std::string>>(option.field) = text;
        return "";
      case ProxyKind::hosts:
      case ProxyKind::addresses:
      case ProxyKind::role_names:
      case ProxyKind::overrides: break;
    }
    return "";
  }

  static std::string duration_hint(const ProxyOption& option, const std::string& text,
                                   std::optional<Millis> span) {
    if (!span) {
      return parse_integer(text) ? "a duration needs a unit: ms, s, min, h or d"
                                 : fmt::format("write {}", proxy_value_text(option));
    }
    if (span->count() >= option.least && span->count() <= option.most) return "";
    return fmt::format("write a duration from {} to {}", duration_text(Millis{option.least}),
                       duration_text(Millis{option.most}));
  }

  static std::string number_hint(const ProxyOption& option, std::optional<std::int64_t> number) {
    if (number && *number >= option.least && *number <= option.most) return "";
    return fmt::format("write a whole number from {} to {}", option.least, option.most);
  }

  std::string take_number(const ProxyOption& option, const std::string& text) {
    const auto number = parse_integer(text);
    std::string hint = number_hint(option, number);
    if (!hint.empty()) return hint;
    if (const auto* port = std::get_if<Field<int>>(&option.field)) {
      settings_.** port = static_cast<int>(*number);
    } else {
      settings_.*std::get<Field<std::uint32_t>>(option.field) = static_cast<std::uint32_t>(*number);
    }
    return "";
  }

  void take_list(const ProxyOption& option, const YAML::Node& key, const YAML::Node& node) {
    if (node.IsNull()) return;
    if (!node.IsSequence() || node.size() > most_names) {
      return say(line_of(key),
                 fmt::format("proxy.{} is not a list of at most {} names", option.name, most_names),
                 fmt::format("write {}", option.sample));
    }
    auto& to = settings_.*std::get<Field<std::vector<std::string>>>(option.field);
    for (const YAML::Node& entry : node) {
      const bool fits =
          entry.IsScalar() &&
          (option.kind == ProxyKind::hosts ? is_host(entry.Scalar()) : is_name(entry.Scalar()));
      if (fits) {
        to.push_back(entry.Scalar());
      } else {
        say(line_of(entry), fmt::format("proxy.{} has a line that is no name", option.name),
            fmt::format("write {}", option.sample));
      }
    }
  }

  /// Spelled alike: "host:port", "[address]:port".
  void take_addresses(const ProxyOption& option, const YAML::Node& key, const YAML::Node& node) {
    const bool fits = node.IsSequence() && node.size() > 0 && node.size() <= most_agents;
    if (!fits) {
      return say(line_of(key),
                 fmt::format("proxy.{} is not a list of 1 to {} addresses", option.name,
                             most_agents),
                 fmt::format("write {}", option.sample));
    }
    for (const YAML::Node& entry : node) {
      const auto read = entry.IsScalar() ? parse_host_port(entry.Scalar(), usual_peer_port)
                                         : std::nullopt;
      if (read) {
        (settings_.*std::get<Field<std::vector<std::string>>>(option.field))
            .push_back(host_port_text(*read));
      } else {
        say(line_of(entry), fmt::format("proxy.{} has a line that is no address", option.name),
            fmt::format("write {}", option.sample));
      }
    }
  }

  void take_overrides(const ProxyOption& option, const YAML::Node& key, const YAML::Node& node) {
    if (node.IsNull()) return;
    if (!node.IsMap() || node.size() > most_names) {
      return say(line_of(key),
                 fmt::format("proxy.{} is not a list of at most {} names", option.name, most_names),
                 fmt::format("write {}", option.sample));
    }
    auto& to = settings_.*std::get<Field<ProxyOverrides>>(option.field);
    const std::string path = fmt::format("proxy.{}.", option.name);
    each_entry(node, path, [&](auto& name, auto& lines) {
      if (!is_name(name.Scalar()) || !lines.IsMap()) {
        return say(line_of(name),
                   fmt::format("{}{} has no lines", path, name.Scalar().substr(0, 63)),
                   fmt::format("write {}", option.sample));
      }
      ProxyOverride& entry = to[name.Scalar()];
      const std::string below = path + name.Scalar() + ".";
      each_entry(lines, below,
                 [&](auto& inner, auto& value) { take_override(entry, below, inner, value); });
    });
  }

  void take_override(ProxyOverride& to, const std::string& path, const YAML::Node& key,
                     const YAML::Node& node) {
    const std::string& name = key.Scalar();
    const auto keys = override_keys();
    const auto known = std::ranges::find(keys, name, &OverrideKey::name);
    if (known == keys.end()) {
      std::vector<std::string> names;
      for (const OverrideKey& one : keys) names.emplace_back(one.name);
      const auto meant = nearest(name, names);
      return say(line_of(key), fmt::format("unknown option \"{}{}\"", path, name.substr(0, 100)),
                 meant ? fmt::format("did you mean \"{}\"?", *meant) : "");
    }
    const std::string text = node.IsScalar() ? node.Scalar() : "";
    const ProxyOption& option = *find_option(name);
    std::string hint;
    if (const auto* number =
            std::get_if<std::optional<std::uint32_t> ProxyOverride::*>(&known->field)) {
      const auto value = parse_integer(text);
      hint = number_hint(option, value);
      if (hint.empty()) to.** number = static_cast<std::uint32_t>(*value);
    } else if (const auto* span =
                   std::get_if<std::optional<Millis> ProxyOverride::*>(&known->field)) {
      const auto value = duration_of(text);
      hint = duration_hint(option, text, value);
      if (hint.empty()) to.** span = *value;
    } else if (is_choice(option.choices, text)) {
      to.*std::get<std::optional<std::string> ProxyOverride::*>(known->field) = text;
    } else {
      hint = fmt::format("write {}", proxy_value_text(option));
    }
    if (hint.empty()) return;
    say(line_of(key), fmt::format("\"{}\" is no value for {}{}", text.substr(0, 100), path, name),
        hint);
  }

  /// What one value alone does not show.
  void check_relations(int line) {
    if (settings_.port == settings_.read_only_port) {
      say(line, fmt::format("proxy.port and proxy.read_only_port are both {}", settings_.port),
          "give each its own port");
    }
    if (settings_.tls_certificate.empty() != settings_.tls_certificate_key.empty()) {
      say(line, "proxy.tls_certificate and proxy.tls_certificate_key belong together",
          "give both, or none of them");
    }
    for (const auto& [at, name] : for_alone_) {
      if (alone_) break;
      say(at, fmt::format("proxy.{} is for an endpoint on a machine without a node", name),
          "take it away; beside a node nothing of that is needed");
    }
    if (!settings_.agents.empty() && !settings_.external.empty()) {
      say(line, "proxy.agents and proxy.external exclude each other",
          "agents know who leads, external servers are looked at: take one of them away");
    }
    if (settings_.tls_required && !settings_.tls) {
      say(line, "proxy.tls_required needs proxy.tls", "take one of them away");
    }
  }

  const fs::path base_;
  ProxySettings settings_;
  bool alone_ = false;
  std::vector<std::pair<int, std::string>> for_alone_;  ///< options of an endpoint alone
};

}  // namespace

ProxyReading read_proxy(const YAML::Node& map, const fs::path& base) {
  return ProxyPass(base).run(map);
}

std::optional<bool> parse_flag(std::string_view text) {
  if (text == "yes" || text == "true" || text == "on") return true;
  if (text == "no" || text == "false" || text == "off") return false;
  return std::nullopt;
}

}  // namespace evergres::config

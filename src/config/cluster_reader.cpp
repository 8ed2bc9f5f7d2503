#include "config/cluster_reader.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "config/spelling.hpp"
#include "config/values.hpp"
#include "config/yaml_walk.hpp"

namespace evergres::config {
namespace {

template <typename Type>
using Field = Type ClusterSettings::*;

constexpr std::array durabilities{"quorum", "strict", "async"};
constexpr std::array slot_keys{"type", "database", "plugin"};
constexpr std::array allow_keys{"address", "database", "user", "method", "world_open"};

/// Names in pg_hba.conf are written in quotes; what may stand in them is narrow all the same.
bool is_hba_name(std::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  return std::ranges::all_of(text, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.' ||
           c == '$';
  });
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

/// One pass over one text. Each take_… reads one value into its field or says what is wrong.
class ClusterPass : private YamlWalk {
 public:
  explicit ClusterPass(const std::string& shown) : YamlWalk(shown) {}

  ClusterReading run(std::string_view text) {
    if (text.size() > cluster_text_limit) {
      say(0, fmt::format("it has more than {} bytes", cluster_text_limit), "");
    } else {
      try {
        take_root(YAML::Load(std::string(text)));
      } catch (const YAML::Exception& problem) {
        say(problem.mark.is_null() ? 0 : problem.mark.line + 1, "this is not YAML: " + problem.msg,
            "");
      }
    }
    std::ranges::stable_sort(said_, {}, &Diagnostic::line);
    return {std::move(settings_), std::move(said_)};
  }

 private:
  void take_root(const YAML::Node& root) {
    if (!root.IsDefined() || root.IsNull()) return;
    if (!root.IsMap()) return say(line_of(root), "this is not a list of \"name: value\" lines", "");
    each_entry(root, "", [this](auto& key, auto& node) { take_entry("", key, node); });
  }

  void take_entry(const std::string& prefix, const YAML::Node& key, const YAML::Node& node) {
    const std::string name = prefix + key.Scalar();
    if (name == "postgresql") {
      if (node.IsNull()) return;
      if (!node.IsMap()) return say(line_of(key), "\"postgresql\" has no lines below it", "");
      each_entry(node, "postgresql.",
                 [this](auto& inner, auto& value) { take_entry("postgresql.", inner, value); });
      return;
    }
    const auto list = cluster_options();
    const auto option = std::ranges::find(list, name, &ClusterOption::name);
    if (option == list.end()) return unknown(name, line_of(key));
    switch (option->kind) {
      case ClusterKind::parameters: return take_parameters(key, node);
      case ClusterKind::allow: return take_allow(key, node);
      case ClusterKind::slots: return take_slots(key, node);
      default: break;
    }
    if (node.IsNull()) return;
    if (!node.IsScalar() || node.Scalar().empty()) {
      return say(line_of(key), fmt::format("option \"{}\" has no value", name),
                 fmt::format("write {}", kind_text(option->kind)));
    }
    take_scalar(*option, node);
  }

  void unknown(const std::string& name, int line) {
    std::vector<std::string> names;
    for (const ClusterOption& option : cluster_options()) names.emplace_back(option.name);
    const auto meant = nearest(name, names);
    std::string hint = meant ? fmt::format("did you mean \"{}\"?", *meant) : "";
    if (name == "parameters") hint = "it stands below \"postgresql\"";
    say(line, fmt::format("unknown option \"{}\"", name.substr(0, 100)), hint);
  }

  void take_scalar(const ClusterOption& option, const YAML::Node& node) {
    const std::string& text = node.Scalar();
    const auto wrong = [&](std::string hint) {
      say(line_of(node), fmt::format("\"{}\" is no value for {}", text.substr(0, 100), option.name),
          std::move(hint));
    };
    if (option.kind == ClusterKind::durability) {
      if (std::ranges::find(durabilities, text) == durabilities.end()) {
        return wrong(fmt::format("write {}", kind_text(option.kind)));
      }
      settings_.*std::get<Field<std::optional<std::string>>>(option.field) = text;
    } else if (option.kind == ClusterKind::size) {
      const auto size = parse_size(text);
      if (!size) return wrong(fmt::format("write {}", kind_text(option.kind)));
      if (*size < option.least)
        return wrong(fmt::format("write at least {}MB", option.least >> 20U));
      settings_.*std::get<Field<std::optional<std::string>>>(option.field) = text;
    } else {
      const auto number = parse_integer(text);
      if (!number || *number < static_cast<std::int64_t>(option.least) ||
          *number > static_cast<std::int64_t>(option.most)) {
        return wrong(fmt::format("write a whole number from {} to {}", option.least, option.most));
      }
      settings_.*std::get<Field<std::optional<std::uint32_t>>>(option.field) =
          static_cast<std::uint32_t>(*number);
    }
  }

  void take_parameters(const YAML::Node& key, const YAML::Node& node) {
    if (node.IsNull()) return;
    if (!node.IsMap()) {
      return say(line_of(key), "\"parameters\" is not a list of \"name: value\" lines",
                 "indent them below it");
    }
    if (node.size() > most_parameters) {
      return say(line_of(key), fmt::format("more than {} parameters", most_parameters), "");
    }
    each_entry(node, "parameters.", [this](auto& name, auto& value) {
      const std::string folded = lower(name.Scalar());
      if (!is_setting_name(name.Scalar())) {
        say(line_of(name),
            fmt::format("\"{}\" cannot be the name of a PostgreSQL setting",
                        name.Scalar().substr(0, 100)),
            "");
      } else if (!value.IsScalar() || value.Scalar().find('\n') != std::string::npos) {
        say(line_of(name), fmt::format("parameters.{} has no value in one line", folded),
            "write '' for an empty text");
      } else if (!settings_.parameters.try_emplace(folded, value.Scalar()).second) {
        say(line_of(name), fmt::format("option \"parameters.{}\" is given twice", folded), "");
      }
    });
  }

  void take_slots(const YAML::Node& key, const YAML::Node& node) {
    if (node.IsNull()) return;
    if (!node.IsMap()) {
      return say(line_of(key), "\"slots\" is not a list of names",
                 "write below it, for example, \"archive: {type: physical}\"");
    }
    if (node.size() > most_slots) {
      return say(line_of(key), fmt::format("more than {} slots", most_slots), "");
    }
    each_entry(node, "slots.", [this](auto& name, auto& value) { take_slot(name, value); });
  }

  void take_slot(const YAML::Node& key, const YAML::Node& node) {
    const std::string name = key.Scalar();
    if (const std::string why = why_no_slot_name(name); !why.empty()) {
      return say(line_of(key),
                 fmt::format("\"{}\" cannot be the name of a slot", name.substr(0, 100)), why);
    }
    const std::string path = "slots." + name;
    if (!node.IsMap()) {
      return say(line_of(key), path + " has no type", "write {type: physical} behind it");
    }
    DeclaredSlot slot;
    const std::size_t problems = said_.size();
    each_entry(node, path + ".", [&](auto& inner, auto& value) {
      take_slot_value(slot, path, inner, value);
    });
    if (said_.size() > problems) return;
    if (slot.logical && slot.database.empty()) {
      return say(line_of(key), path + " is logical and names no database",
                 "add \"database: NAME\" to it");
    }
    if (!slot.logical && !(slot.database + slot.plugin).empty()) {
      return say(line_of(key), path + " is physical: it has no database and no plugin",
                 "write \"type: logical\", or take both away");
    }
    if (slot.logical && slot.plugin.empty()) slot.plugin = "pgoutput";
    settings_.slots.emplace(name, std::move(slot));
  }

  void take_slot_value(DeclaredSlot& slot, const std::string& path, const YAML::Node& key,
                       const YAML::Node& value) {
    const std::string word = key.Scalar();
    if (std::ranges::find(slot_keys, word) == slot_keys.end()) {
      const auto meant = nearest(word, {slot_keys.begin(), slot_keys.end()});
      return say(line_of(key), fmt::format("unknown option \"{}.{}\"", path, word.substr(0, 100)),
                 meant ? fmt::format("did you mean \"{}\"?", *meant) : "");
    }
    if (!value.IsScalar()) return say(line_of(key), path + "." + word + " has no value", "");
    const std::string& text = value.Scalar();
    const auto wrong = [&](const char* hint) {
      say(line_of(value),
          fmt::format("\"{}\" is no value for {}.{}", text.substr(0, 100), path, word), hint);
    };
    if (word == "type") {
      if (text != "physical" && text != "logical") return wrong("write physical or logical");
      slot.logical = text == "logical";
    } else if (!is_hba_name(text)) {
      wrong("write one name of letters, digits, _, -, . and $");
    } else {
      (word == "database" ? slot.database : slot.plugin) = text;
    }
  }

  void take_allow(const YAML::Node& key, const YAML::Node& node) {
    if (node.IsNull()) return;
    if (!node.IsSequence() || node.size() > most_allowed) {
      return say(line_of(key),
                 fmt::format("\"allow\" is not a list of at most {} lines", most_allowed),
                 "begin each line with \"- address: \"");
    }
    for (const auto& entry : node) {
      if (!entry.IsMap()) {
        say(line_of(entry), "a line of allow has no names", "write \"- address: 10.0.0.0/8\"");
        continue;
      }
      take_allow_line(entry);
    }
  }

  void take_allow_line(const YAML::Node& entry) {
    Allow allow;
    each_entry(entry, "allow.", [&](auto& name, auto& value) {
      const std::string& word = name.Scalar();
      if (std::ranges::find(allow_keys, word) == allow_keys.end()) {
        const auto meant = nearest(word, {allow_keys.begin(), allow_keys.end()});
        return say(line_of(name), fmt::format("unknown option \"allow.{}\"", word.substr(0, 100)),
                   meant ? fmt::format("did you mean \"{}\"?", *meant) : "");
      }
      if (!value.IsScalar()) return say(line_of(name), "allow." + word + " has no value", "");
      take_allow_value(allow, word, value.Scalar(), line_of(name));
    });
    if (allow.address.empty()) return say(line_of(entry), "a line of allow has no address", "");
    if (is_world(allow.address) && !allow.world_open) {
      return say(line_of(entry), allow.address + " lets everybody try a password",
                 "narrow it, or add \"world_open: yes\" to this line");
    }
    if (allow.database == "replication" && allow.user == "all") {
      return say(line_of(entry), "a line of allow for replication names no user",
                 "add \"user: \" and the role that receives WAL: it can read everything");
    }
    settings_.allow.push_back(std::move(allow));
  }

  void take_allow_value(Allow& allow, const std::string& name, const std::string& text, int line) {
    const std::string shown = text.substr(0, 100);
    if (name == "address") {
      if (is_cidr(text)) {
        allow.address = text;
      } else {
        say(line, fmt::format("\"{}\" is no address range", shown),
            "write an address, a slash and the length of the prefix, with no bit set behind it: "
            "10.1.0.0/16, 10.1.2.3/32, fd00::/8");
        allow.address = "192.0.2.0/24";  // so that one mistake is not reported as two
      }
    } else if (name == "method") {
      if (text == "scram-sha-256") return;
      say(line, fmt::format("the method \"{}\" is refused", shown),
          "scram-sha-256 is the only one");
    } else if (name == "world_open") {
      if (text == "yes" || text == "true") allow.world_open = true;
      if (allow.world_open || text == "no" || text == "false") return;
      say(line, fmt::format("\"{}\" is no value for world_open", shown), "write yes or no");
    } else if (!is_hba_name(text)) {
      say(line, fmt::format("\"{}\" is no name of a {}", shown, name),
          "write one name of letters, digits, _, -, . and $, or all");
    } else {
      (name == "database" ? allow.database : allow.user) = text;
    }
  }

  ClusterSettings settings_;
};

Error not_an_assignment(std::string_view text) {
  return Error(ErrorCode::usage, fmt::format("\"{}\" is not key=value", text.substr(0, 100)), "",
               "`evergres print cluster-options` explains every key.");
}

}  // namespace

ClusterReading parse_cluster_text(std::string_view text, const std::string& shown) {
  return ClusterPass(shown).run(text);
}

Outcome set_option(ClusterSettings& settings, std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) return not_an_assignment(assignment);
  const std::string name(assignment.substr(0, equals));
  const std::string value(assignment.substr(equals + 1));
  const std::string below = std::string(parameters_option) + ".";
  if (name.starts_with(below)) return set_parameter(settings, assignment.substr(below.size()));
  const bool nested = name == parameters_option;
  const std::string text =
      (nested ? "postgresql: {parameters: " : name + ": ") + value + (nested ? "}" : "");
  const ClusterReading reading = parse_cluster_text(text + "\n", "-s " + name);
  if (!reading.diagnostics.empty()) {
    const Diagnostic& first = reading.diagnostics.front();
    return Error(ErrorCode::usage, "-s " + name + ": " + first.message, "", first.hint);
  }
  const auto list = cluster_options();
  const auto option = std::ranges::find(list, name, &ClusterOption::name);
  if (option == list.end()) return not_an_assignment(assignment);
  std::visit([&](auto field) { settings.*field = reading.settings.*field; }, option->field);
  return {};
}

Outcome set_parameter(ClusterSettings& settings, std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) return not_an_assignment(assignment);
  const std::string name = lower(assignment.substr(0, equals));
  std::string value(assignment.substr(equals + 1));
  if (!is_setting_name(name) || value.find('\n') != std::string::npos) {
    return not_an_assignment(assignment);
  }
  if (value.empty()) {
    settings.parameters.erase(name);
    return {};
  }
  const bool quoted = value.size() >= 2 && value.front() == '\'' && value.back() == '\'';
  if (quoted) value = value.substr(1, value.size() - 2);
  settings.parameters[name] = value;
  return {};
}

}  // namespace evergres::config

#include "config/tags.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "base/names.hpp"
#include "config/options.hpp"
#include "config/spelling.hpp"
#include "config/values.hpp"

namespace evergres::config {
namespace {

constexpr std::size_t most_tags = 64;
constexpr std::int64_t highest_priority = 1'000'000;

/// Tags of Patroni that this version does not follow: to take them for custom ones would pass over
/// a wish in silence.
constexpr std::array refused_tags{"nostream", "sync_priority"};

int line_of(const YAML::Node& node) {
  return node.Mark().is_null() ? 0 : node.Mark().line + 1;
}

bool is_tag_name(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
  });
}

bool is_tag_value(std::string_view text) {
  return !text.empty() && text.size() <= 256 &&
         std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string in_lower_case(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::optional<bool> parse_flag(const std::string& text) {
  const std::string lower = in_lower_case(text);
  if (lower == "true" || lower == "yes" || lower == "on") return true;
  if (lower == "false" || lower == "no" || lower == "off") return false;
  return std::nullopt;
}

class Pass {
 public:
  TagReading run(const YAML::Node& map) {
    for (const auto& entry : map) take(entry.first, entry.second);
    if (map.size() > most_tags) say(line_of(map), "there are more than 64 tags", "");
    return std::move(reading_);
  }

 private:
  void say(int line, std::string message, std::string hint) {
    reading_.problems.push_back({line, std::move(message), std::move(hint)});
  }

  void take(const YAML::Node& key, const YAML::Node& value) {
    const int line = line_of(key);
    if (!key.IsScalar() || !is_tag_name(key.Scalar())) {
      return say(line, "the name of a tag has up to 63 letters, digits, _, - and .", "");
    }
    const std::string name = key.Scalar();
    if (!seen_.insert(name).second)
      return say(line, fmt::format("tags.{} is given twice", name), "");
    if (!value.IsScalar() || !is_tag_value(value.Scalar())) {
      return say(line, fmt::format("tags.{} has no value", name),
                 "write a text, a number, true or false");
    }
    if (std::ranges::find(refused_tags, name) != refused_tags.end()) {
      return say(line, fmt::format("this version does not follow the tag \"{}\"", name),
                 "remove it");
    }
    const auto known = std::ranges::find(tag_keys(), name, &TagKey::name);
    if (known != tag_keys().end()) return take_known(*known, line, value.Scalar());
    if (const auto meant = nearest(name, known_names()); meant && name.size() > 4) {
      return say(line, fmt::format("\"{}\" looks like the tag \"{}\"", name, *meant),
                 fmt::format("write {}, or choose a name that cannot be mistaken", *meant));
    }
    const std::string lower = in_lower_case(value.Scalar());
    const bool is_truth = lower == "true" || lower == "false";  // YAML also writes True and TRUE
    reading_.tags[name] = is_truth ? lower : value.Scalar();
  }

  static std::vector<std::string> known_names() {
    std::vector<std::string> names;
    for (const TagKey& key : tag_keys()) names.emplace_back(key.name);
    return names;
  }

  void take_known(const TagKey& key, int line, const std::string& text) {
    const std::string name(key.name);
    const auto wrong = [&](const char* hint) {
      say(line, fmt::format("\"{}\" is no value for tags.{}", text, name), hint);
    };
    switch (key.value) {
      case TagKey::Value::flag: {
        const auto flag = parse_flag(text);
        if (!flag) return wrong("write true or false");
        if (*flag) reading_.tags[name] = "true";
        contradict(line, name, *flag);
        return;
      }
      case TagKey::Value::priority: {
        const auto number = parse_integer(text);
        if (!number || *number < 0 || *number > highest_priority)
          return wrong("write a whole number from 0 to 1000000");
        reading_.tags[name] = std::to_string(*number);
        contradict(line, name, *number == 0);
        return;
      }
      case TagKey::Value::node:
        if (!is_node_name(text)) return wrong("write the name of a node");
        reading_.tags[name] = text;
        return;
      case TagKey::Value::text: reading_.tags[name] = text; return;
    }
  }

  /// nofailover and failover_priority say the same thing twice.
  void contradict(int line, const std::string& name, bool kept_out) {
    if (name != "nofailover" && name != "failover_priority") return;
    if (kept_out_ && *kept_out_ != kept_out) {
      say(line, "tags.nofailover and tags.failover_priority contradict each other",
          "failover_priority: 0 means nofailover; write only one of them");
    }
    kept_out_ = kept_out;
  }

  TagReading reading_;
  std::set<std::string> seen_;
  std::optional<bool> kept_out_;
};

}  // namespace

TagReading read_tags(const YAML::Node& map) {
  return Pass().run(map);
}

}  // namespace evergres::config

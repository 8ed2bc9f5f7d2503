#pragma once

#include <yaml-cpp/yaml.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "config/diagnostic.hpp"

namespace evergres::config {

/// What the readers of YAML share: diagnostics with lines, and maps whose keys are words that come
/// once. Only for the .cpp files of this folder.
class YamlWalk {
 public:
  explicit YamlWalk(std::string shown) : shown_(std::move(shown)) {}

 protected:
  void say(int line, std::string message, std::string hint) {
    said_.push_back({shown_, line, std::move(message), std::move(hint)});
  }
  static int line_of(const YAML::Node& node) {
    return node.Mark().is_null() ? 0 : node.Mark().line + 1;
  }

  /// Calls `take` for each key once; complains about keys that are no text or come twice.
  template <typename Take>
  void each_entry(const YAML::Node& map, const std::string& prefix, const Take& take) {
    std::map<std::string, int> first_line;
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) {
        say(line_of(entry.first), "the name of an option is a single word", "");
        continue;
      }
      const std::string key = entry.first.Scalar();
      const auto [first, is_new] = first_line.try_emplace(key, line_of(entry.first));
      if (!is_new) {
        say(line_of(entry.first), fmt::format("option \"{}{}\" is given twice", prefix, key),
            fmt::format("the first is in line {}", first->second));
        continue;
      }
      take(entry.first, entry.second);
    }
  }

  std::vector<Diagnostic> said_;

 private:
  std::string shown_;
};

}  // namespace evergres::config

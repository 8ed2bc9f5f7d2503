#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/proxy_settings.hpp"

namespace YAML {
class Node;
}

namespace evergres::config {

/// What stands below `proxy:`.
struct ProxyReading {
  struct Problem {
    int line = 0;
    std::string message;
    std::string hint;
  };
  ProxySettings settings;
  bool alone = false;  ///< the text names agents or external servers, perhaps wrongly
  std::vector<Problem> problems;
};

/// Reads the map; without problems the settings are complete. Relative paths are relative to
/// `base`.
ProxyReading read_proxy(const YAML::Node& map, const std::filesystem::path& base);

/// "yes", "no", "true", "false", "on", "off"; nothing for anything else.
std::optional<bool> parse_flag(std::string_view text);

}  // namespace evergres::config

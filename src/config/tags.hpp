#pragma once

#include <map>
#include <string>
#include <vector>

namespace YAML {
class Node;
}

namespace evergres::config {

/// What stands below `tags:`.
struct TagReading {
  struct Problem {
    int line = 0;
    std::string message;
    std::string hint;
  };
  std::map<std::string, std::string> tags;  ///< as NodeSettings::tags wants them
  std::vector<Problem> problems;
};

/// Reads a map of tags. At most 64, names of at most 63 letters, digits and -_. , values of at most
/// 256 bytes without control characters.
TagReading read_tags(const YAML::Node& map);

}  // namespace evergres::config

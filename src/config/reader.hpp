#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/diagnostic.hpp"
#include "config/node_settings.hpp"

namespace evergres::config {

/// What one pass over a file gave. `settings` may be used only if there are no diagnostics.
struct Reading {
  NodeSettings settings;
  std::vector<Diagnostic> diagnostics;  ///< ascending by line
};

/// Reads the text of a node file; every problem is reported, not only the first. `file` is shown in
/// the diagnostics, and relative paths are relative to its directory. No I/O.
Reading parse_node_file(std::string_view text, const std::filesystem::path& file);

/// Reads node.yaml. Errors: not_found, permission, config_invalid (its detail lists all problems).
/// All paths in the result are absolute. A file above 1 MB is refused.
Result<NodeSettings> read_node_file(const std::filesystem::path& file);

}  // namespace evergres::config

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/cluster_settings.hpp"
#include "config/diagnostic.hpp"

namespace evergres::config {

/// What one pass over a text gave. `settings` may be used only if there are no diagnostics.
struct ClusterReading {
  ClusterSettings settings;
  std::vector<Diagnostic> diagnostics;  ///< ascending by line
};

/// The longest text that is read.
inline constexpr std::size_t cluster_text_limit = std::size_t{64} << 10U;

/// Reads settings from YAML; every problem is reported, not only the first. `shown` names the text
/// in the diagnostics. The text may be hostile. No I/O.
ClusterReading parse_cluster_text(std::string_view text, const std::string& shown);

/// Carries out "key=value": the value is YAML as it would stand behind "key:", an empty one takes
/// the option away. "postgresql.parameters.NAME=value" is set_parameter. Error usage.
Outcome set_option(ClusterSettings& settings, std::string_view assignment);
/// Carries out "name=value" for one parameter of PostgreSQL; an empty value takes it away
/// ("name=''" sets it to the empty text). Error usage.
Outcome set_parameter(ClusterSettings& settings, std::string_view assignment);

}  // namespace evergres::config

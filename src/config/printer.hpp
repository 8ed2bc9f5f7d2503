#pragma once

#include <string>

#include "base/instant.hpp"
#include "config/node_settings.hpp"

namespace evergres::config {

/// "8MB", "1000", "unlimited": what parse_size reads.
std::string size_text(std::uint64_t bytes);

/// The reference of all options as Markdown (docs/reference/node-options.md is this text).
std::string options_reference();

/// A commented node.yaml to start from; the reader accepts it as it is.
std::string sample_file();

/// A node.yaml that reads back as these settings. Used by the demo.
std::string node_file_text(const NodeSettings& settings);

/// "1200ms", "3s", "5min": the shortest text that reads back as this duration.
std::string duration_text(Millis duration);

}  // namespace evergres::config

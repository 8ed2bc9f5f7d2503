#pragma once

#include <string>
#include <string_view>

#include "config/cluster_settings.hpp"

namespace evergres::config {

/// YAML that reads back as these settings, without comments: what the store keeps. Options that are
/// not set are left out.
std::string cluster_text(const ClusterSettings& settings);

/// The same for an editor: every option with its help; those that are not set as comments. `head`
/// becomes the first comment.
std::string cluster_edit_text(const ClusterSettings& settings, std::string_view head);

/// The reference as Markdown (docs/reference/cluster-options.md is this text).
std::string cluster_reference();

/// "# " before each line of at most 96 bytes of a text.
std::string as_comment(std::string_view text);

}  // namespace evergres::config

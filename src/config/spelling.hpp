#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace evergres::config {

/// How many insertions, deletions, replacements and swaps of neighbours lead from one to the other.
std::size_t edit_distance(std::string_view from, std::string_view to);

/// The candidate that somebody who wrote `word` probably meant; nothing if none is near (more than
/// a third of its letters differ). For "did you mean", in files and on the command line.
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);

}  // namespace evergres::config

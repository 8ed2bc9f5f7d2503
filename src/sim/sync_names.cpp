#include "sim/sync_names.hpp"

#include <algorithm>

namespace evergres::sim {

SyncNames SyncNames::parse(std::string_view text) {
  SyncNames parsed;
  parsed.text = text;
  if (!text.starts_with("ANY ")) return parsed;
  std::size_t at = 4;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    parsed.k = parsed.k * 10 + static_cast<std::uint32_t>(text[at] - '0');
  }
  for (;;) {
    const std::size_t begin = text.find('"', at);
    if (begin == std::string_view::npos) return parsed;
    const std::size_t end = text.find('"', begin + 1);
    if (end == std::string_view::npos) return parsed;
    parsed.names.emplace_back(text.substr(begin + 1, end - begin - 1));
    at = end + 1;
  }
}

namespace {

/// "evg_n2_" of "evg_n2_7f3a_t12".
std::string_view node_of(std::string_view name) {
  return name.substr(0, name.find('_', name.find('_') + 1) + 1);
}

}  // namespace

bool SyncNames::match(std::string_view application_name) const {
  if (nodes_only) {
    return std::ranges::find(names, node_of(application_name), node_of) != names.end();
  }
  return std::find(names.begin(), names.end(), application_name) != names.end();
}

}  // namespace evergres::sim

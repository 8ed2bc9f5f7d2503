#include "checks/told.hpp"

#include <algorithm>

namespace evergres::checks {

std::string examples(const std::vector<std::string>& all) {
  constexpr std::size_t shown = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(shown, all.size()); ++i) {
    text += (i > 0 ? ", " : "") + all[i];
  }
  if (all.size() > shown) text += " and " + std::to_string(all.size() - shown) + " more";
  return text;
}

double unknown_share(const std::vector<Told>& told) {
  if (told.empty()) return 0;
  const auto unknown = std::count(told.begin(), told.end(), Told::unknown);
  return static_cast<double>(unknown) / static_cast<double>(told.size());
}

}  // namespace evergres::checks

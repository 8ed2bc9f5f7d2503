#pragma once

#include <string>
#include <vector>

#include "checks/told.hpp"

namespace evergres::checks {

/// Something that leaves its id behind when it commits; each id is used once.
struct Addition {
  std::string id;
  Told told = Told::unknown;
};
constexpr auto fields(const Addition*) {
  return std::tuple{Field{"id", &Addition::id}, Field{"told", &Addition::told}};
}

/// `there`: every id that was found, as often as it was found. Kinds: lost, twice, denied (told as
/// failed, and there), strange (nobody asked for it).
Anomalies check_set(const std::vector<Addition>& additions, const std::vector<std::string>& there);

}  // namespace evergres::checks

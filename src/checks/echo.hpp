#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "checks/told.hpp"

namespace evergres::checks {

/// A client asked for so many rows with a token that nobody else has; `answers` says how many rows
/// with which token it got.
struct Echo {
  std::string token;
  std::uint64_t rows = 0;
  std::map<std::string, std::uint64_t> answers;
};
constexpr auto fields(const Echo*) {
  return std::tuple{Field{"token", &Echo::token}, Field{"rows", &Echo::rows},
                    Field{"answers", &Echo::answers}};
}

/// Kinds: foreign (a row of somebody else), short (another number of rows).
Anomalies check_echo(const std::vector<Echo>& echoes);

}  // namespace evergres::checks

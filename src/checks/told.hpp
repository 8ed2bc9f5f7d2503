#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/field.hpp"

/// Whether what clients were told agrees with what is in the database. Every function is pure: it
/// takes what was told and what was found afterwards. The simulator uses check_set(), and
/// `evergres-check` all of them on what clients of real PostgreSQL wrote down.
namespace evergres::checks {

/// What a client knows of one thing that it asked for. `unknown` stays so for ever: it may take
/// effect at any time after it was asked for, or never.
enum class Told { ok, failed, unknown };
constexpr auto words(const Told*) {
  return std::array{Word{"ok", Told::ok}, Word{"failed", Told::failed},
                    Word{"unknown", Told::unknown}};
}

/// When it was asked for and when the answer came; nanoseconds of one clock. What is unknown has no
/// end.
struct Span {
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
  std::int64_t began = 0;
  std::optional<std::int64_t> ended;
  [[nodiscard]] std::int64_t end() const { return ended.value_or(never); }
};
constexpr auto fields(const Span*) {
  return std::tuple{Field{"began", &Span::began}, Field{"ended", &Span::ended}};
}

struct Anomaly {
  std::string kind;      ///< one word: "lost", "G-single"
  std::string sentence;  ///< what exactly, with at most a few examples
  bool operator==(const Anomaly&) const = default;
};
/// None: all is well.
using Anomalies = std::vector<Anomaly>;

/// "a, b, c and 4 more".
std::string examples(const std::vector<std::string>& all);

/// The part of `told` that is unknown, 0 to 1.
double unknown_share(const std::vector<Told>& told);

}  // namespace evergres::checks

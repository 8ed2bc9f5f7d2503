#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checks/told.hpp"

namespace evergres::checks {

/// One use of a register. A register begins without a value.
struct RegisterUse {
  enum class Kind { read, write, compare_and_set };
  std::string key;
  Kind kind = Kind::read;
  std::optional<std::int64_t> value;     ///< what was read; what is written
  std::optional<std::int64_t> expected;  ///< of compare_and_set, which changed it if told ok
  Told told = Told::unknown;
  Span span;
};
constexpr auto words(const RegisterUse::Kind*) {
  return std::array{Word{"read", RegisterUse::Kind::read}, Word{"write", RegisterUse::Kind::write},
                    Word{"compare_and_set", RegisterUse::Kind::compare_and_set}};
}
constexpr auto fields(const RegisterUse*) {
  return std::tuple{Field{"key", &RegisterUse::key},     Field{"kind", &RegisterUse::kind},
                    Field{"value", &RegisterUse::value}, Field{"expected", &RegisterUse::expected},
                    Field{"told", &RegisterUse::told},   Field{"span", &RegisterUse::span}};
}

/// Whether there is one order of the uses of each key that explains every answer and in which
/// nothing stands before what had ended when it began (linearizability; the search of Wing and Gong
/// with Lowe's memory of what was tried). Kinds: order, and undecided if `most_steps` were not
/// enough for a key: many unknown writes make the search long.
Anomalies check_registers(const std::vector<RegisterUse>& uses, std::size_t most_steps = 2'000'000);

}  // namespace evergres::checks

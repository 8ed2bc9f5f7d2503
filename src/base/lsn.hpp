#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace evergres {

/// A byte position in the write-ahead log, written "16/B374D848".
struct Lsn {
  std::uint64_t value = 0;

  auto operator<=>(const Lsn&) const = default;
  [[nodiscard]] std::string text() const;
  /// Nothing unless the whole text is an LSN as PostgreSQL prints it.
  static std::optional<Lsn> parse(std::string_view text);
};

/// How many bytes `behind` lacks of `ahead`; 0 if it lacks none.
constexpr std::uint64_t bytes_between(Lsn behind, Lsn ahead) {
  return ahead.value > behind.value ? ahead.value - behind.value : 0;
}

}  // namespace evergres

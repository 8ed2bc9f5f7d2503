#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

namespace evergres {

/// A number that cannot be mixed up with another number. `Tag` is any incomplete type.
template <typename Tag, typename Value = std::uint64_t>
struct StrongNumber {
  Value value{};
  auto operator<=>(const StrongNumber&) const = default;
};

/// A string that cannot be mixed up with another string.
template <typename Tag>
struct StrongText {
  std::string value;
  StrongText() = default;
  explicit StrongText(std::string text) : value(std::move(text)) {}
  [[nodiscard]] bool empty() const { return value.empty(); }
  auto operator<=>(const StrongText&) const = default;
};

}  // namespace evergres

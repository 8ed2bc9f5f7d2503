#include "base/lsn.hpp"

#include <charconv>
#include <cstdio>

namespace evergres {
namespace {

std::optional<std::uint32_t> parse_half(std::string_view text) {
  if (text.empty() || text.size() > 8) return std::nullopt;
  std::uint32_t half = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), half, 16);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return half;
}

}  // namespace

std::string Lsn::text() const {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%X/%X", static_cast<unsigned>(value >> 32U),
                static_cast<unsigned>(value & 0xFFFFFFFFU));
  return buffer;
}

std::optional<Lsn> Lsn::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto high = parse_half(text.substr(0, slash));
  const auto low = parse_half(text.substr(slash + 1));
  if (!high || !low) return std::nullopt;
  return Lsn{(static_cast<std::uint64_t>(*high) << 32U) | *low};
}

}  // namespace evergres

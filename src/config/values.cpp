#include "config/values.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>

namespace evergres::config {
namespace {

bool is_word_byte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Millis> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view word;
    std::int64_t millis;
  };
  static constexpr std::array units{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"min", 60'000},
                                    Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};
  const auto digits = static_cast<std::size_t>(
      std::ranges::find_if_not(text, [](char c) { return c >= '0' && c <= '9'; }) - text.begin());
  std::string_view word = text.substr(digits);
  while (word.starts_with(' ')) word.remove_prefix(1);
  const std::optional<std::int64_t> count = parse_integer(text.substr(0, digits));
  const auto* const unit = std::ranges::find(units, word, &Unit::word);
  if (!count || unit == units.end()) return std::nullopt;
  if (*count > std::numeric_limits<std::int64_t>::max() / unit->millis) return std::nullopt;
  return Millis{*count * unit->millis};
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  struct Unit {
    std::string_view word;
    std::uint64_t bytes;
  };
  static constexpr std::array units{Unit{"", 1}, Unit{"kB", 1U << 10U}, Unit{"MB", 1U << 20U},
                                    Unit{"GB", 1U << 30U}};
  if (text == "unlimited") return unlimited_size;
  const auto digits = static_cast<std::size_t>(
      std::ranges::find_if_not(text, [](char c) { return c >= '0' && c <= '9'; }) - text.begin());
  std::string_view word = text.substr(digits);
  while (word.starts_with(' ')) word.remove_prefix(1);
  const std::optional<std::int64_t> count = parse_integer(text.substr(0, digits));
  const auto* const unit = std::ranges::find(units, word, &Unit::word);
  if (!count || unit == units.end()) return std::nullopt;
  const auto number = static_cast<std::uint64_t>(*count);
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  if (number > most / unit->bytes) return std::nullopt;
  return number * unit->bytes;
}

bool is_host(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  const bool is_ipv6 = std::ranges::count(text, ':') >= 2;
  if (is_ipv6) {
    return std::ranges::all_of(text, [](char c) {
      return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '.';
    });
  }
  if (text.front() == '-' || text.front() == '.') return false;
  return std::ranges::all_of(text, [](char c) { return is_word_byte(c) || c == '-' || c == '.'; });
}

bool is_user(std::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f' && c != ':'; });
}

bool is_setting_name(std::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  if (!is_word_byte(text.front()) || !is_word_byte(text.back())) return false;
  if (std::isdigit(static_cast<unsigned char>(text.front())) != 0) return false;
  if (std::ranges::count(text, '.') > 1) return false;
  return std::ranges::all_of(text, [](char c) { return is_word_byte(c) || c == '.'; });
}

}  // namespace evergres::config

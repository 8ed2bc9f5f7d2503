#include "config/values.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <span>

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

namespace {

/// What one of a unit is, in the smallest of them.
struct Unit {
  std::string_view word;
  std::int64_t size;
};

/// "5min", "64 MB": digits, blanks, one of the words. Nothing if the product does not fit.
std::optional<std::int64_t> parse_quantity(std::string_view text, std::span<const Unit> units) {
  const auto digits = static_cast<std::size_t>(
      std::ranges::find_if_not(text, [](char c) { return c >= '0' && c <= '9'; }) - text.begin());
  std::string_view word = text.substr(digits);
  while (word.starts_with(' ')) word.remove_prefix(1);
  const std::optional<std::int64_t> count = parse_integer(text.substr(0, digits));
  const auto unit = std::ranges::find(units, word, &Unit::word);
  if (!count || unit == units.end()) return std::nullopt;
  if (*count > std::numeric_limits<std::int64_t>::max() / unit->size) return std::nullopt;
  return *count * unit->size;
}

}  // namespace

std::optional<Millis> parse_duration(std::string_view text) {
  static constexpr std::array units{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"min", 60'000},
                                    Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};
  const auto millis = parse_quantity(text, units);
  if (!millis) return std::nullopt;
  return Millis{*millis};
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  static constexpr std::array units{Unit{"", 1}, Unit{"kB", 1 << 10}, Unit{"MB", 1 << 20},
                                    Unit{"GB", 1 << 30}};
  if (text == "unlimited") return unlimited_size;
  const auto bytes = parse_quantity(text, units);
  if (!bytes) return std::nullopt;
  return static_cast<std::uint64_t>(*bytes);
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

std::optional<HostPort> parse_host_port(std::string_view text, int usual_port) {
  HostPort address{"", usual_port};
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    address.host = std::string(text.substr(1, end - 1));
    const std::string_view rest = text.substr(end + 1);
    has_port = !rest.empty();
    if (has_port && rest.front() != ':') return std::nullopt;
    if (has_port) port = rest.substr(1);
  } else {
    const std::size_t colon = text.find(':');
    has_port = colon != std::string_view::npos;
    address.host = std::string(text.substr(0, colon));
    if (has_port) port = text.substr(colon + 1);
  }
  if (!is_host(address.host)) return std::nullopt;
  if (has_port) {
    const auto number = parse_integer(port);
    if (!number || *number < 1 || *number > 65'535) return std::nullopt;
    address.port = static_cast<int>(*number);
  }
  return address;
}

std::string host_port_text(const HostPort& address) {
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
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

#include "proxy/session/statement_timeout.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>

#include "proxy/sql/words.hpp"

namespace evergres::proxy {
namespace {

constexpr std::string_view timeout_name = "statement_timeout";

bool names_it(std::string_view name) {
  return std::ranges::equal(name, timeout_name, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
  });
}

struct Unit {
  std::string_view name;
  double millis;
};
/// time_unit_conversion_table of guc.c: each before the next smaller one.
constexpr std::array units{Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"min", 60'000},
                           Unit{"s", 1'000},      Unit{"ms", 1},        Unit{"us", 0.001}};

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view blanks = " \t\n\r\f\v";
  const std::size_t from = text.find_first_not_of(blanks);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

/// As convert_to_base_unit() of guc.c: a fraction is one of whole smaller units.
std::optional<double> in_millis(double value, std::string_view unit) {
  if (unit.empty()) return value;
  const auto* const at = std::ranges::find(units, unit, &Unit::name);
  if (at == units.end()) return std::nullopt;
  const double millis = value * at->millis;
  if (std::next(at) == units.end()) return millis;
  const double smaller = std::next(at)->millis;
  return std::nearbyint(millis / smaller) * smaller;
}

std::string_view unquoted(std::string_view text) {
  const bool quoted = text.size() >= 2 && text.front() == '\'' && text.back() == '\'';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

/// One SET or RESET. `usual` is what RESET and DEFAULT lead back to.
void read_set(std::string_view sql, const std::optional<Millis>& usual,
              std::optional<Millis>& timeout) {
  SqlWords words(sql);
  const SqlWord verb = words.next();
  SqlWord name = words.next();
  if (is_keyword(verb, "reset")) {
    if (is_keyword(name, "all") || names_it(name.text)) timeout = usual;
    return;
  }
  if (!is_keyword(verb, "set")) return;
  if (is_keyword(name, "session")) name = words.next();
  if (!names_it(name.text)) return;
  words.next();  // "=" or TO
  const SqlWord value = words.next();
  timeout = is_keyword(value, "default") ? usual : read_timeout(unquoted(value.text));
}

}  // namespace

std::optional<Millis> read_timeout(std::string_view text) {
  text = without_blanks(text);
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc{} || !(value > 0)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
  const auto millis = in_millis(value, without_blanks(text));
  if (!millis) return std::nullopt;
  const double rounded = std::nearbyint(*millis);
  if (rounded < 1 || rounded > 2147483647.0) return std::nullopt;
  return Millis{static_cast<Millis::rep>(rounded)};
}

std::optional<Millis> statement_timeout_of(std::string_view sets, std::optional<Millis> usual) {
  std::optional<Millis> timeout = usual;
  while (!sets.empty()) {
    const std::string_view one = sets.substr(0, sets.find('\0'));
    read_set(one, usual, timeout);
    sets.remove_prefix(std::min(sets.size(), one.size() + 1));
  }
  return timeout;
}

}  // namespace evergres::proxy

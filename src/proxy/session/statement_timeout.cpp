#include "proxy/session/statement_timeout.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <string>

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

struct Number {
  double value = 0;
  std::size_t length = 0;  ///< characters of it
};

/// As parse_int() of guc.c: a whole number may be octal or hexadecimal, one with a fraction or an
/// exponent is decimal.
std::optional<Number> leading_number(std::string_view text) {
  const std::size_t sign = text.starts_with('+') ? 1 : 0;
  const std::string_view digits = text.substr(sign);
  const bool hex = digits.starts_with("0x") || digits.starts_with("0X");
  const std::size_t prefix = hex ? 2 : 0;
  const int base = hex ? 16 : digits.starts_with('0') ? 8 : 10;
  const char* const end = text.data() + text.size();
  std::int64_t whole = 0;
  const auto read = std::from_chars(digits.data() + prefix, end, whole, base);
  const bool goes_on =
      read.ptr != end && std::string_view(".eE").find(*read.ptr) != std::string_view::npos;
  if (read.ec == std::errc{} && !goes_on)
    return Number{static_cast<double>(whole), static_cast<std::size_t>(read.ptr - text.data())};
  double value = 0;
  const auto decimal = std::from_chars(digits.data(), end, value);
  if (decimal.ec != std::errc{}) return std::nullopt;
  return Number{value, static_cast<std::size_t>(decimal.ptr - text.data())};
}

/// A number as the grammar reads it, without its sign: zeros in front mean nothing, and since
/// PostgreSQL 16 there may be underscores between digits.
std::string number_in(std::string_view text) {
  std::string number;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool of_exponent =
        (c == '+' || c == '-') && (number.ends_with('e') || number.ends_with('E'));
    if (c == '_') continue;
    if (!digit && !letter && c != '.' && !of_exponent) break;
    if (number == "0" && digit) number.clear();
    number += c;
  }
  return number;
}

/// What a SET command says; `sql` ends with the value and what follows it.
std::optional<Millis> read_value(const SqlWord& value, std::string_view sql) {
  const std::string_view text = value.text;
  if (value.kind == SqlWord::Kind::quoted) return read_timeout(text);
  const bool string = text.size() >= 2 && text.front() == '\'' && text.back() == '\'';
  if (string) return read_timeout(text.substr(1, text.size() - 2));
  return read_timeout(number_in(sql.substr(static_cast<std::size_t>(text.data() - sql.data()))));
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
  SqlWord value = words.next();
  if (value.text == "+") value = words.next();
  if (value.text.empty()) return;
  timeout = is_keyword(value, "default") ? usual : read_value(value, sql);
}

}  // namespace

std::optional<Millis> read_timeout(std::string_view text) {
  text = without_blanks(text);
  const auto number = leading_number(text);
  if (!number || !(number->value > 0)) return std::nullopt;
  text.remove_prefix(number->length);
  const auto millis = in_millis(number->value, without_blanks(text));
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

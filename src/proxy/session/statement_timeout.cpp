#include "proxy/session/statement_timeout.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "proxy/sql/words.hpp"

namespace evergres::proxy {
namespace {

constexpr std::string_view timeout_name = "statement_timeout";

/// Case does not count, and in an option "-" stands for "_" (ParseLongOption in guc.c).
bool names_it(std::string_view name) {
  return std::ranges::equal(name, timeout_name, [](char a, char b) {
    const char lower = a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a;
    return lower == b || (lower == '-' && b == '_');
  });
}

struct Unit {
  std::string_view name;
  double millis;
};
constexpr std::array units{Unit{"", 1},          Unit{"us", 0.001},   Unit{"ms", 1},
                           Unit{"s", 1'000},     Unit{"min", 60'000}, Unit{"h", 3'600'000},
                           Unit{"d", 86'400'000}};

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view blanks = " \t\n\r\f\v";
  const std::size_t from = text.find_first_not_of(blanks);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

/// "5000", "5s", " 1.5 min": as parse_int() of guc.c, which rounds. Nothing if it is not one, or 0.
std::optional<Millis> read_millis(std::string_view text) {
  text = without_blanks(text);
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc{} || !(value > 0)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
  text = without_blanks(text);
  const auto unit = std::ranges::find(units, text, &Unit::name);
  if (unit == units.end()) return std::nullopt;
  const double millis = std::nearbyint(value * unit->millis);
  if (millis < 1 || millis > 2147483647.0) return std::nullopt;
  return Millis{static_cast<Millis::rep>(millis)};
}

/// The words of "options", where a backslash keeps the character behind it (pg_split_opts).
std::vector<std::string> split_options(std::string_view options) {
  std::vector<std::string> words;
  bool inside = false;
  for (std::size_t i = 0; i < options.size(); ++i) {
    const bool blank = std::string_view(" \t\n\r\f\v").find(options[i]) != std::string_view::npos;
    if (blank) {
      inside = false;
      continue;
    }
    if (!std::exchange(inside, true)) words.emplace_back();
    if (options[i] == '\\' && i + 1 < options.size()) ++i;
    words.back().push_back(options[i]);
  }
  return words;
}

/// "-c name=value", "-cname=value" and "--name=value": the last one counts.
void read_options(std::string_view options, std::optional<Millis>& timeout) {
  const std::vector<std::string> words = split_options(options);
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (!word.starts_with("-c") && !word.starts_with("--")) continue;
    word.remove_prefix(2);
    if (word.empty() && ++i < words.size()) word = words[i];
    const std::size_t sign = word.find('=');
    if (sign == std::string_view::npos || !names_it(word.substr(0, sign))) continue;
    timeout = read_millis(word.substr(sign + 1));
  }
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
  timeout = is_keyword(value, "default") ? usual : read_millis(unquoted(value.text));
}

}  // namespace

std::optional<Millis> statement_timeout_of(
    std::string_view sets, const std::vector<std::pair<std::string, std::string>>& startup) {
  std::optional<Millis> usual;
  // As ProcessStartupPacket has them: options first, then the others.
  for (const auto& [name, value] : startup) {
    if (name == "options") read_options(value, usual);
  }
  for (const auto& [name, value] : startup) {
    if (names_it(name)) usual = read_millis(value);
  }
  std::optional<Millis> timeout = usual;
  while (!sets.empty()) {
    const std::string_view one = sets.substr(0, sets.find('\0'));
    read_set(one, usual, timeout);
    sets.remove_prefix(std::min(sets.size(), one.size() + 1));
  }
  return timeout;
}

}  // namespace evergres::proxy

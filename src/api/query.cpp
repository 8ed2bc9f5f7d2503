#include "api/query.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>

namespace evergres::api {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
                        hex_digit(text[i + 2]) >= 0;
    if (escape) {
      result += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      result += text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

/// The part before `mark`; what follows it stays in `rest`.
std::string_view cut(std::string_view& rest, char mark) {
  const std::size_t at = rest.find(mark);
  const std::string_view before = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
  return before;
}

struct Unit {
  std::string_view name;  ///< in lower case
  unsigned shift;
};
constexpr std::array units{Unit{"", 0},    Unit{"b", 0},   Unit{"kb", 10},
                           Unit{"mb", 20}, Unit{"gb", 30}, Unit{"tb", 40}};

}  // namespace

Query parse_target(std::string_view target) {
  if (const auto scheme = target.find("://");
      scheme != std::string_view::npos && scheme < target.find('/') && target[0] != '/') {
    const auto slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  target = target.substr(0, target.find('#'));
  Query query;
  query.path = std::string(cut(target, '?'));
  while (query.path.size() > 1 && query.path.back() == '/') query.path.pop_back();
  while (!target.empty()) {
    std::string_view value = cut(target, '&');
    const std::string name = decoded(cut(value, '='));
    if (!value.empty()) query.values.try_emplace(name, decoded(value));
  }
  return query;
}

Result<std::uint64_t> parse_bytes(const std::string& name, std::string_view text) {
  const Error bad(ErrorCode::usage, "\"" + std::string(text) + "\" is no value for " + name,
                  "It is a number of bytes, or a number with kB, MB, GB or TB.",
                  "Write for example " + name + "=10MB.");
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc()) return bad;
  std::string_view rest(read.ptr, static_cast<std::size_t>(end - read.ptr));
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  std::string unit(rest);
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const Unit& known : units) {
    if (unit != known.name) continue;
    if (number > std::numeric_limits<std::uint64_t>::max() >> known.shift) return bad;
    return number << known.shift;
  }
  return bad;
}

}  // namespace evergres::api

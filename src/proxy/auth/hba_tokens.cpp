#include "proxy/auth/hba_tokens.hpp"

#include <algorithm>

namespace evergres::proxy {
namespace {

/// Nobody writes longer lines; one that is longer is not read.
constexpr std::size_t line_most = 8192;

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

}  // namespace

std::string HbaLines::joined() {
  std::string line;
  while (!rest_.empty()) {
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    std::string_view part = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    ++lines_;
    if (part.ends_with('\r')) part.remove_suffix(1);
    const bool goes_on = part.ends_with('\\');
    if (goes_on) part.remove_suffix(1);
    line += part;
    if (!goes_on) break;
  }
  return line;
}

bool HbaLines::next() {
  if (rest_.empty()) return false;
  fields_.clear();
  problem_ = {};
  number_ = lines_ + 1;
  const std::string line = joined();
  if (line.size() > line_most) {
    problem_ = "the line is longer than 8,192 bytes";
  } else if (line.find('\0') != std::string::npos) {
    problem_ = "the line has a zero byte";
  } else {
    divide(line);
  }
  return true;
}

void HbaLines::divide(std::string_view line) {
  bool comma = false;  // the field goes on, also behind blanks
  std::size_t i = 0;
  while (true) {
    while (i < line.size() && is_blank(line[i])) ++i;
    if (i == line.size() || line[i] == '#') break;
    HbaToken token;
    bool inside = false;
    for (; i < line.size(); ++i) {
      const char c = line[i];
      if (!inside && (is_blank(c) || c == ',' || c == '#')) break;
      if (c != '"') {
        token.text += c;
      } else if (inside && i + 1 < line.size() && line[i + 1] == '"') {
        token.text += line[i++];
      } else {
        inside = !inside;
        token.quoted = true;
      }
    }
    if (inside) {
      problem_ = "a quote is not closed";
      return;
    }
    const bool nothing = token.text.empty() && !token.quoted;
    if (nothing) {
      problem_ = "a comma stands between two words";
      return;
    }
    if (!comma) fields_.emplace_back();
    fields_.back().push_back(std::move(token));
    comma = i < line.size() && line[i] == ',';
    if (comma) ++i;
  }
  if (comma) problem_ = "a comma stands between two words";
}

std::string printable(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, 80)) shown += c >= 0x20 && c <= 0x7e ? c : '?';
  return shown;
}

}  // namespace evergres::proxy

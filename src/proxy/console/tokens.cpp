#include "proxy/console/tokens.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "proxy/sql/words.hpp"

namespace evergres::proxy {
namespace {

using Kind = ConsoleToken::Kind;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool is_part_of_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || static_cast<unsigned char>(c) >= 0x80;
}

Kind kind_of(const SqlWord& word) {
  switch (word.kind) {
    case SqlWord::Kind::word: return Kind::word;
    case SqlWord::Kind::quoted: return Kind::quoted;
    case SqlWord::Kind::semicolon: return Kind::semicolon;
    default: break;
  }
  if (word.text.starts_with('\'')) return Kind::literal;
  if (!word.text.empty() && word.text.front() >= '0' && word.text.front() <= '9') return Kind::word;
  return Kind::symbol;
}

/// Appends to the word before if nothing stands between.
bool joined(ConsoleToken& before, const ConsoleToken& token) {
  if (before.kind != Kind::word || (token.kind != Kind::word && token.kind != Kind::symbol)) {
    return false;
  }
  if (before.raw.data() + before.raw.size() != token.raw.data()) return false;
  if (token.kind == Kind::symbol && !std::ranges::all_of(token.raw, is_part_of_word)) return false;
  before.raw = std::string_view(before.raw.data(), before.raw.size() + token.raw.size());
  return true;
}

}  // namespace

std::string ConsoleToken::text() const {
  if (kind != Kind::quoted && kind != Kind::literal) return std::string(raw);
  const char quote = kind == Kind::quoted ? '"' : '\'';
  const std::string_view inner =
      kind == Kind::literal && raw.size() >= 2 ? raw.substr(1, raw.size() - 2) : raw;
  std::string result;
  for (std::size_t i = 0; i < inner.size(); ++i) {
    result += inner[i];
    if (inner[i] == quote && i + 1 < inner.size() && inner[i + 1] == quote) ++i;
  }
  return result;
}

bool ConsoleToken::is(std::string_view word) const {
  return kind == Kind::word &&
         std::ranges::equal(raw, word, [](char a, char b) { return lower(a) == b; });
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

ConsoleTokens console_tokens(std::string_view text) {
  ConsoleTokens found;
  SqlWords words(text);
  std::optional<ConsoleToken> semicolon;  // counts only if something follows
  while (true) {
    const SqlWord word = words.next();
    if (word.kind == SqlWord::Kind::end) break;
    if (word.kind == SqlWord::Kind::open || word.kind == SqlWord::Kind::ambiguous) {
      found.broken = true;
      break;
    }
    const ConsoleToken token{kind_of(word), word.text};
    if (token.kind == Kind::semicolon) {
      if (!found.tokens.empty()) semicolon = token;
      continue;
    }
    if (!semicolon && !found.tokens.empty() && joined(found.tokens.back(), token)) continue;
    if (found.tokens.size() + (semicolon ? 2 : 1) > ConsoleTokens::most) {
      found.cut = true;
      break;
    }
    if (semicolon) found.tokens.push_back(*std::exchange(semicolon, std::nullopt));
    found.tokens.push_back(token);
  }
  return found;
}

}  // namespace evergres::proxy

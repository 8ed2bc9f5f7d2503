#include "proxy/sql/words.hpp"

namespace evergres::proxy {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool begins_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool goes_on(char c) {
  return begins_word(c) || is_digit(c) || c == '$';
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

}  // namespace

bool is_keyword(const SqlWord& word, std::string_view keyword) {
  if (word.kind != SqlWord::Kind::word || word.text.size() != keyword.size()) return false;
  for (std::size_t i = 0; i < keyword.size(); ++i) {
    if (lower(word.text[i]) != keyword[i]) return false;
  }
  return true;
}

SqlWord SqlWords::ended(SqlWord::Kind kind, std::size_t length) {
  const SqlWord found{kind, rest_.substr(0, length)};
  rest_.remove_prefix(found.text.size());
  return found;
}

SqlWord SqlWords::left_open() {
  return ended(SqlWord::Kind::open, rest_.size());
}

/// Blanks and comments, which nest. False if a comment does not end.
bool SqlWords::skip_blanks() {
  while (!rest_.empty()) {
    if (is_blank(rest_.front())) {
      rest_.remove_prefix(1);
    } else if (rest_.starts_with("--")) {
      // A comment ends at a carriage return as well (scan.l, non_newline).
      const std::size_t end = rest_.find_first_of("\n\r");
      rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end);
    } else if (rest_.starts_with("/*")) {
      std::size_t depth = 0;
      std::size_t at = 0;
      do {
        if (rest_.size() - at < 2) return false;
        const std::string_view two = rest_.substr(at, 2);
        if (two == "/*") ++depth;
        if (two == "*/") --depth;
        at += two == "/*" || two == "*/" ? 2 : 1;
      } while (depth > 0);
      rest_.remove_prefix(at);
    } else {
      break;
    }
  }
  return true;
}

SqlWord SqlWords::quoted_name() {
  for (std::size_t i = 1; i < rest_.size(); ++i) {
    if (rest_[i] != '"') continue;
    if (i + 1 < rest_.size() && rest_[i + 1] == '"') {
      ++i;
      continue;
    }
    SqlWord name = ended(SqlWord::Kind::quoted, i + 1);
    name.text = name.text.substr(1, i - 1);
    return name;
  }
  return left_open();
}

/// `rest_` begins with the quote. In '…' a backslash is a letter or an escape, depending on
/// standard_conforming_strings.
SqlWord SqlWords::string(bool escapes) {
  bool backslash = false;
  for (std::size_t i = 1; i < rest_.size(); ++i) {
    if (rest_[i] == '\\') {
      backslash = true;
      // In SJIS, BIG5, GBK and their like it may be the second half of a letter.
      if (static_cast<unsigned char>(rest_[i - 1]) >= 0x80) {
        return ended(SqlWord::Kind::ambiguous, rest_.size());
      }
      if (escapes) ++i;
    } else if (rest_[i] == '\'') {
      if (i + 1 < rest_.size() && rest_[i + 1] == '\'') {
        ++i;
        continue;
      }
      if (backslash && !escapes) break;
      return ended(SqlWord::Kind::other, i + 1);
    }
  }
  if (backslash && !escapes) return ended(SqlWord::Kind::ambiguous, rest_.size());
  return left_open();
}

/// $tag$ … $tag$, or $1, or a lone dollar.
SqlWord SqlWords::dollar() {
  std::size_t end = 1;
  if (end < rest_.size() && begins_word(rest_[end])) {
    while (end < rest_.size() && rest_[end] != '$' && goes_on(rest_[end])) ++end;
  }
  if (end >= rest_.size() || rest_[end] != '$') {
    // No tag: $1 or a lone dollar. What follows is looked at as it comes.
    return ended(SqlWord::Kind::other, 1);
  }
  const std::string_view tag = rest_.substr(0, end + 1);
  const std::size_t close = rest_.find(tag, tag.size());
  if (close == std::string_view::npos) return left_open();
  return ended(SqlWord::Kind::other, close + tag.size());
}

SqlWord SqlWords::word() {
  const char first = lower(rest_.front());
  const char second = rest_.size() > 1 ? rest_[1] : '\0';
  if (second == '\'' && (first == 'e' || first == 'b' || first == 'x' || first == 'n')) {
    rest_.remove_prefix(1);
    return string(first == 'e');
  }
  if (first == 'u' && (rest_.substr(1).starts_with("&'") || rest_.substr(1).starts_with("&\""))) {
    return ended(SqlWord::Kind::ambiguous, rest_.size());
  }
  std::size_t end = 1;
  while (end < rest_.size() && goes_on(rest_[end])) ++end;
  return ended(SqlWord::Kind::word, end);
}

SqlWord SqlWords::next() {
  if (!skip_blanks()) return left_open();
  if (rest_.empty()) return {};
  const char c = rest_.front();
  if (c == ';') return ended(SqlWord::Kind::semicolon, 1);
  if (c == '\'') return string(false);
  if (c == '"') return quoted_name();
  if (c == '$') return dollar();
  if (begins_word(c)) return word();
  if (is_digit(c)) {
    // Up to what cannot be part of a number: 1e5 has no word in it. The rest of 1abc is one.
    std::size_t end = 1;
    while (end < rest_.size() && (is_digit(rest_[end]) || rest_[end] == '.')) ++end;
    return ended(SqlWord::Kind::other, end);
  }
  return ended(SqlWord::Kind::other, 1);
}

}  // namespace evergres::proxy

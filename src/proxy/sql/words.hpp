#pragma once

#include <cstdint>
#include <string_view>

namespace evergres::proxy {

/// What the lexer of PostgreSQL (scan.l) would see, as far as a pooler has to know it: words, and
/// where a statement ends. Strings, numbers and operators are passed over.
struct SqlWord {
  enum class Kind : std::uint8_t {
    word,    ///< a keyword or a name, as it is written: case does not count
    quoted,  ///< "a name", as it stands between the quotes
    semicolon,
    other,      ///< a string, a number, a parameter, an operator
    open,       ///< the text ends inside a string, a quoted name or a comment
    ambiguous,  ///< what it is depends on a setting, or hides a name: \ in '…', U&"…"
    end,
  };
  Kind kind = Kind::end;
  std::string_view text;
};

/// Walks a statement's text once, from left to right, without allocating. Views point into it.
class SqlWords {
 public:
  explicit SqlWords(std::string_view sql) : rest_(sql) {}
  SqlWord next();

 private:
  bool skip_blanks();
  SqlWord quoted_name();
  SqlWord string(bool escapes);
  SqlWord dollar();
  SqlWord word();
  SqlWord ended(SqlWord::Kind kind, std::size_t length);
  SqlWord left_open();

  std::string_view rest_;
};

/// Whether a word is this keyword, which is in lower case.
bool is_keyword(const SqlWord& word, std::string_view keyword);

}  // namespace evergres::proxy

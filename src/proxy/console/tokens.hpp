#pragma once

#include <string>
#include <string_view>
#include <vector>

/// The words of the console's language: those of SQL, but numbers, names and what is written
/// together with them (15s, my-db, pg_catalog.version) are one word.
namespace evergres::proxy {

struct ConsoleToken {
  enum class Kind {
    word,
    quoted,   ///< "a name"
    literal,  ///< 'a text'
    symbol,   ///< a single character
    semicolon,
  };
  Kind kind = Kind::symbol;
  std::string_view raw;  ///< as it stands there; of `quoted` without the outer quotes

  /// Without quotes, doubled quotes made single.
  [[nodiscard]] std::string text() const;
  /// Whether it is this word, which is in lower case. Quoted names are no words.
  [[nodiscard]] bool is(std::string_view word) const;
};

struct ConsoleTokens {
  std::vector<ConsoleToken> tokens;  ///< at most `most`
  bool broken = false;  ///< a quote or comment that does not end, or a text with a backslash
  bool cut = false;     ///< there are more

  static constexpr std::size_t most = 32;
};

/// Without the semicolons at both ends. Views point into `text`.
ConsoleTokens console_tokens(std::string_view text);

std::string lower_case(std::string_view text);

}  // namespace evergres::proxy

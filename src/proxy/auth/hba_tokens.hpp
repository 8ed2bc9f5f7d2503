#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace evergres::proxy {

/// A word of a rule. In quotes it is a name, whatever it says: "all" is a database called all.
struct HbaToken {
  std::string text;
  bool quoted = false;
  [[nodiscard]] bool is(std::string_view keyword) const { return !quoted && text == keyword; }
};
/// What stands between blanks: words divided by commas.
using HbaField = std::vector<HbaToken>;

/// The lines of a file of rules, as PostgreSQL divides them (libpq/hba.c, next_token): # begins a
/// comment, quotes hold blanks, commas and #, a backslash at the end joins the next line.
class HbaLines {
 public:
  explicit HbaLines(std::string_view text) : rest_(text) {}

  /// Reads the next line; false at the end.
  bool next();
  [[nodiscard]] std::size_t number() const { return number_; }  ///< of its first line, from 1
  [[nodiscard]] const std::vector<HbaField>& fields() const { return fields_; }
  /// Why the line cannot be divided, or "".
  [[nodiscard]] std::string_view problem() const { return problem_; }

 private:
  std::string joined();
  void divide(std::string_view line);

  std::string_view rest_;
  std::size_t number_ = 0;
  std::size_t lines_ = 0;
  std::vector<HbaField> fields_;
  std::string_view problem_;
};

/// The text with everything but printable ASCII as '?', at most 80 letters: for messages.
std::string printable(std::string_view text);

}  // namespace evergres::proxy

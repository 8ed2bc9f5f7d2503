#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Columns for people and lines for programs, made from the same rows.
namespace evergres::cli {

enum class Colour { none, bold, green, yellow, red };

struct Cell {
  std::string text;
  Colour colour = Colour::none;
  bool right = false;  ///< aligned to the right
};
using Row = std::vector<Cell>;

/// Agents are peers, not masters: nothing they say may move the cursor of a terminal. Control
/// characters become spaces.
std::string shown(std::string_view text);

/// `text` in a colour if colours are wanted.
std::string painted(const std::string& text, Colour colour, bool wanted);

/// shown() of each word, with `between` in between.
std::string joined(const std::vector<std::string>& words, std::string_view between);

/// The rows with aligned columns; every line begins with a space and ends with \n.
std::string lines_of(const std::vector<Row>& rows, bool colour);

/// The rows with tabs between the cells, without colours or padding; the first row in small
/// letters with '_' for spaces.
std::string tsv_of(const std::vector<Row>& rows);

}  // namespace evergres::cli

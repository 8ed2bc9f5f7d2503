#include "cli/table.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace evergres::cli {
namespace {

/// Columns on a screen: UTF-8 continuation bytes take none.
std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xC0U) == 0x80U ? 0 : 1;
  return width;
}

std::string as_name(std::string_view header) {
  std::string name;
  for (const char c : header) {
    const bool space = c == ' ';
    name += space ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

}  // namespace

std::string shown(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    result += (byte < 0x20 || byte == 0x7f) ? ' ' : c;
  }
  return result;
}

std::string painted(const std::string& text, Colour colour, bool wanted) {
  static constexpr std::array codes{"", "\033[1m", "\033[32m", "\033[33m", "\033[31m"};
  if (!wanted || colour == Colour::none || text.empty()) return text;
  return codes.at(static_cast<std::size_t>(colour)) + text + "\033[0m";
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += between;
    text += shown(word);
  }
  return text;
}

std::string lines_of(const std::vector<Row>& rows, bool colour) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(row[i].text));
    }
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i].text), ' ');
      const bool is_last = i + 1 == row.size();
      line += i == 0 ? " " : "  ";
      if (row[i].right) line += padding;
      line += painted(row[i].text, row[i].colour, colour);
      if (!row[i].right && !is_last) line += padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string tsv_of(const std::vector<Row>& rows) {
  std::string text;
  for (std::size_t line = 0; line < rows.size(); ++line) {
    for (std::size_t i = 0; i < rows[line].size(); ++i) {
      if (i > 0) text += '\t';
      const std::string cell = shown(rows[line][i].text);
      text += line == 0 ? as_name(cell) : cell;
    }
    text += '\n';
  }
  return text;
}

}  // namespace evergres::cli

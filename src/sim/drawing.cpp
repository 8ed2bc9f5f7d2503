#include "sim/drawing.hpp"

#include <algorithm>
#include <cstdio>

namespace evergres::sim {
namespace {

struct Row {
  std::int64_t millis = 0;
  Mark::Kind kind = Mark::Kind::fault;
  std::size_t from = 0;  ///< column
  std::size_t to = 0;
  std::string text;
};

/// Columns from the left: the store, the machines, the clients.
std::size_t column_of(Place place, std::size_t machines) {
  if (place == machines) return 0;
  return place > machines ? machines + 1 : place + 1;
}

std::string title_of(std::size_t column, std::size_t machines) {
  if (column == 0) return "store";
  return column > machines ? "clients" : "n" + std::to_string(column);
}

std::vector<Row> rows_of(const Drawing& drawing, const Verdict& verdict) {
  std::vector<Mark> marks = verdict.marks;
  std::stable_sort(marks.begin(), marks.end(),
                   [](const Mark& a, const Mark& b) { return a.at < b.at; });
  std::vector<Row> rows;
  for (const Mark& mark : marks) {
    const bool early = mark.at < verdict.chaos_began && mark.kind != Mark::Kind::acknowledged;
    if (early && !drawing.with_warm_up) continue;
    Row row;
    row.millis = (mark.at - verdict.chaos_began).count() / 1'000'000;
    row.kind = mark.kind;
    row.from = column_of(mark.from, drawing.machines);
    row.to = column_of(mark.to, drawing.machines);
    row.text = mark.text;
    rows.push_back(std::move(row));
  }
  return rows;
}

char sign_of(Mark::Kind kind) {
  switch (kind) {
    case Mark::Kind::fault: return '!';
    case Mark::Kind::term: return 'T';
    case Mark::Kind::promise: return 'F';
    case Mark::Kind::names: return 'N';
    case Mark::Kind::server: return 's';
    case Mark::Kind::promoted: return 'P';
    case Mark::Kind::opened: return 'O';
    case Mark::Kind::acknowledged: return 'A';
    case Mark::Kind::broken: return 'X';
  }
  return '?';
}

const char* colour_of(Mark::Kind kind) {
  switch (kind) {
    case Mark::Kind::fault: return "#b35900";
    case Mark::Kind::term: return "#1f4e9c";
    case Mark::Kind::promise: return "#6b2fa0";
    case Mark::Kind::names: return "#4d6b00";
    case Mark::Kind::server: return "#666666";
    case Mark::Kind::promoted:
    case Mark::Kind::opened: return "#00703c";
    case Mark::Kind::acknowledged: return "#007a87";
    case Mark::Kind::broken: return "#c00000";
  }
  return "#000000";
}

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      default: safe += c;
    }
  }
  return safe;
}

// --- SVG ---------------------------------------------------------------------------------------

constexpr int time_width = 70;
constexpr int column_width = 90;
constexpr int row_height = 18;
constexpr int head_height = 56;

int x_of(std::size_t column) {
  return time_width + column_width / 2 + static_cast<int>(column) * column_width;
}

std::string svg_text(int x, int y, const char* more, const std::string& text) {
  return "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\"" + more + ">" +
         escaped(text) + "</text>\n";
}

std::string svg_line(int x1, int y1, int x2, int y2, const std::string& more) {
  return "<line x1=\"" + std::to_string(x1) + "\" y1=\"" + std::to_string(y1) + "\" x2=\"" +
         std::to_string(x2) + "\" y2=\"" + std::to_string(y2) + "\" " + more + "/>\n";
}

std::string svg_row(const Row& row, int y, std::size_t columns) {
  const std::string colour = colour_of(row.kind);
  std::string svg = svg_text(time_width - 14, y + 4, " text-anchor=\"end\" fill=\"#666666\"",
                             std::to_string(row.millis));
  if (row.from != row.to) {
    const int end = x_of(row.to) + (row.to > row.from ? -5 : 5);
    svg += svg_line(x_of(row.from), y, end, y, "stroke=\"" + colour + "\" stroke-width=\"1.5\"");
    const int back = row.to > row.from ? end - 7 : end + 7;
    svg += "<path d=\"M" + std::to_string(end) + " " + std::to_string(y) + " L" +
           std::to_string(back) + " " + std::to_string(y - 4) + " L" + std::to_string(back) + " " +
           std::to_string(y + 4) + " Z\" fill=\"" + colour + "\"/>\n";
  }
  svg += "<circle cx=\"" + std::to_string(x_of(row.from)) + "\" cy=\"" + std::to_string(y) +
         "\" r=\"4\" fill=\"" + colour + "\"/>\n";
  const std::string fill =
      " fill=\"" + colour + "\"" + (row.kind == Mark::Kind::broken ? " font-weight=\"bold\"" : "");
  return svg + svg_text(time_width + static_cast<int>(columns) * column_width + 6, y + 4,
                        fill.c_str(), row.text);
}

}  // namespace

std::string as_text(const Drawing& drawing, const Verdict& verdict) {
  constexpr std::size_t width = 8;
  const std::size_t columns = drawing.machines + 2;
  std::string text = drawing.title + "\n\n      ms ";
  for (std::size_t column = 0; column < columns; ++column) {
    std::string title = title_of(column, drawing.machines);
    title.resize(width, ' ');
    text += title;
  }
  text += "\n";
  for (const Row& row : rows_of(drawing, verdict)) {
    std::string lanes(columns * width, ' ');
    for (std::size_t column = 0; column < columns; ++column) lanes[column * width + 1] = '|';
    const auto [left, right] = std::minmax(row.from, row.to);
    for (std::size_t at = left * width + 2; at < right * width + 1; ++at) lanes[at] = '-';
    lanes[row.to * width + 1] = row.to < row.from ? '<' : '>';
    lanes[row.from * width + 1] = sign_of(row.kind);
    char when[16];
    std::snprintf(when, sizeof when, "%8lld ", static_cast<long long>(row.millis));
    text += when + lanes + row.text + "\n";
  }
  return text +
         "\n! fault   T term   F promise, fence   N names   s server   P promoted   O opened   A "
         "acknowledged   X broken\n";
}

std::string as_svg(const Drawing& drawing, const Verdict& verdict) {
  const std::vector<Row> rows = rows_of(drawing, verdict);
  const std::size_t columns = drawing.machines + 2;
  std::size_t longest = drawing.title.size();
  for (const Row& row : rows) longest = std::max(longest, row.text.size());
  const int width = x_of(columns) + static_cast<int>(longest) * 7;
  const int height = head_height + static_cast<int>(rows.size() + 1) * row_height;
  const std::string size = std::to_string(width) + " " + std::to_string(height);
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + size +
                    "\" font-family=\"sans-serif\" font-size=\"12\">\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  svg += svg_text(14, 20, " font-size=\"14\" font-weight=\"bold\"", drawing.title);
  svg += svg_text(time_width - 14, head_height - 12, " text-anchor=\"end\" fill=\"#666666\"", "ms");
  for (std::size_t column = 0; column < columns; ++column) {
    svg += svg_text(x_of(column), head_height - 12, " text-anchor=\"middle\" font-weight=\"bold\"",
                    title_of(column, drawing.machines));
    svg += svg_line(x_of(column), head_height - 6, x_of(column), height - 8, "stroke=\"#cccccc\"");
  }
  int y = head_height + row_height / 2;
  for (const Row& row : rows) {
    svg += svg_row(row, y, columns);
    y += row_height;
  }
  return svg + "</svg>\n";
}

}  // namespace evergres::sim

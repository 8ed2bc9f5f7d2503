#include "metrics/page.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace evergres::metrics {
namespace {

/// Label values escape the backslash, the quote and the line feed.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\' || c == '"') result += '\\';
    result += c == '\n' ? "\\n" : std::string(1, c);
  }
  return result;
}

void append(std::string& to, const Labels& labels) {
  for (const auto& [name, value] : labels) {
    if (!to.empty()) to += ',';
    to += name + "=\"" + escaped(value) + "\"";
  }
}

std::string text_of(const Value& value) {
  if (const auto* number = std::get_if<double>(&value); number != nullptr) {
    if (std::isnan(*number)) return "NaN";
    if (std::isinf(*number)) return *number > 0 ? "+Inf" : "-Inf";
  }
  // The shortest text that reads back as the same number; no locale is asked.
  std::array<char, 64> text{};
  const auto end = std::visit(
      [&](auto number) { return std::to_chars(text.data(), text.data() + text.size(), number); },
      value);
  return std::string(text.data(), end.ptr);
}

}  // namespace

Page::Page(Labels common) : common_(std::move(common)) {}

void Page::add(Metric metric, Value value, const Labels& labels) {
  std::string rendered;
  append(rendered, common_);
  append(rendered, labels);
  samples_.push_back(Sample{metric, std::move(rendered), text_of(value)});
}

std::string Page::text() const {
  std::string page;
  for (const Family& family : families) {
    std::string values;
    for (const std::string_view prefix : {"evergres_", "patroni_"}) {
      const bool ours = prefix == "evergres_";
      if (family.prefix == (ours ? Prefix::patroni : Prefix::evergres)) continue;
      const std::string name = std::string(prefix) + std::string(family.name);
      values.clear();
      for (const Sample& sample : samples_) {
        if (sample.metric != family.metric) continue;
        values += name;
        if (!sample.labels.empty()) values += "{" + sample.labels + "}";
        values += " " + sample.value + "\n";
      }
      if (values.empty()) continue;
      page += "# HELP " + name + " " + std::string(family.help) + "\n";
      page += "# TYPE " + name + (family.type == Type::gauge ? " gauge\n" : " counter\n");
      page += values;
    }
  }
  return page;
}

}  // namespace evergres::metrics

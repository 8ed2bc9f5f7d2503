#include "metrics/page.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/check.hpp"

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

Type type_of(Metric metric) {
  return families[static_cast<std::size_t>(metric)].type;
}

}  // namespace

Page::Page(Labels common) : common_(std::move(common)) {}

void Page::append_sample(Metric metric, std::string_view suffix, Value value,
                         const Labels& labels) {
  std::string rendered;
  append(rendered, common_);
  append(rendered, labels);
  samples_.push_back(Sample{metric, suffix, std::move(rendered), text_of(value)});
}

void Page::add(Metric metric, Value value, const Labels& labels) {
  CHECK(type_of(metric) != Type::histogram);
  append_sample(metric, "", value, labels);
}

void Page::add_histogram(Metric metric, const Distribution& distribution, const Labels& labels) {
  CHECK(type_of(metric) == Type::histogram);
  const auto bucket = [&](double most, std::uint64_t count) {
    Labels with = labels;
    with.emplace_back("le", text_of(Value(most)));
    append_sample(metric, "_bucket", count, with);
  };
  for (const Distribution::Bound& bound : distribution.bounds) bucket(bound.most, bound.count);
  bucket(std::numeric_limits<double>::infinity(), distribution.count);
  append_sample(metric, "_sum", distribution.sum, labels);
  append_sample(metric, "_count", distribution.count, labels);
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
        values += sample.suffix;
        if (!sample.labels.empty()) values += "{" + sample.labels + "}";
        values += " " + sample.value + "\n";
      }
      if (values.empty()) continue;
      page += "# HELP " + name + " " + std::string(family.help) + "\n";
      page += "# TYPE " + name + " " + std::string(word_of(family.type)) + "\n";
      page += values;
    }
  }
  return page;
}

}  // namespace evergres::metrics

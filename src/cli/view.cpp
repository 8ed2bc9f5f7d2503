#include "cli/view.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <ostream>
#include <thread>

namespace evergres::cli {
namespace {

namespace json = boost::json;

bool is_plain(std::string_view text) {
  static constexpr std::array reserved{"true", "false", "null", "yes", "no", "on",
                                       "off",  "y",     "n",    "nan", "inf"};
  if (text.empty() || text.front() < 'a' || text.front() > 'z') return false;
  const bool simple = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  return simple && std::find(reserved.begin(), reserved.end(), text) == reserved.end();
}

std::string scalar(const json::value& value) {
  if (value.is_string()) {
    const json::string& text = value.get_string();
    if (is_plain({text.data(), text.size()})) return {text.data(), text.size()};
  }
  return json::serialize(value);
}

bool is_block(const json::value& value) {
  return (value.is_object() && !value.get_object().empty()) ||
         (value.is_array() && !value.get_array().empty());
}

std::string key_text(json::string_view key) {
  return scalar(json::value(key));
}

/// The lines of a block, each indented by `depth`; values come from our own agents and are not
/// nested deeper than the JSON reader allows.
std::string block(const json::value& value, std::size_t depth) {
  const std::string indent(depth, ' ');
  std::string text;
  if (value.is_object()) {
    for (const auto& member : value.get_object()) {
      text += indent + key_text(member.key()) + ":";
      text += is_block(member.value()) ? "\n" + block(member.value(), depth + 2)
                                       : " " + scalar(member.value()) + "\n";
    }
    return text;
  }
  for (const json::value& element : value.get_array()) {
    if (!is_block(element)) {
      text += indent + "- " + scalar(element) + "\n";
      continue;
    }
    std::string inner = block(element, depth + 2);
    inner[depth] = '-';
    text += inner;
  }
  return text;
}

}  // namespace

std::string yaml_text(const json::value& value) {
  return is_block(value) ? block(value, 0) : scalar(value) + "\n";
}

std::string text_in_form(const std::string& form, const std::string& table,
                         const std::vector<Row>& rows, const json::value& value) {
  if (form == "json") return json::serialize(value) + "\n";
  if (form == "yaml") return yaml_text(value);
  if (form == "tsv") return tsv_of(rows);
  return table;
}

std::shared_ptr<View> add_view(CLI::App& parser, Watch watch) {
  auto view = std::make_shared<View>();
  parser.add_option("-o,--output", view->form, "table, json, yaml or tsv")
      ->check(CLI::IsMember({"table", "json", "yaml", "tsv"}));
  if (watch == Watch::no) return view;
  CLI::Option* const option =
      parser.add_option("-w,--watch", view->every_seconds, "again every so many seconds (2)")
          ->expected(0, 1)
          ->check(CLI::Range(0.1, 3600.0));
  view->again = [option] { return option->count() > 0; };
  return view;
}

Result<int> show(Session& session, const View& view,
                 const std::function<Result<std::string>()>& render) {
  const bool again = view.again && view.again();
  const double every = view.every_seconds > 0 ? view.every_seconds : 2;
  while (true) {
    Result<std::string> text = render();
    if (!text && !again) return text.error();
    if (again && session.out_is_terminal) session.out << "\033[H\033[J";
    session.out << (text ? *text : text.error().for_people()) << std::flush;
    if (!again || !session.out) return 0;
    std::this_thread::sleep_for(std::chrono::duration<double>(every));
  }
}

}  // namespace evergres::cli

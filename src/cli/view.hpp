#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/session.hpp"
#include "cli/table.hpp"

namespace evergres::cli {

/// How a command shows what it found: -o, and --watch where it was asked for.
struct View {
  std::string form = "table";   ///< "table", "json", "yaml" or "tsv"
  std::function<bool()> again;  ///< whether --watch was given; empty without Watch::yes
  double every_seconds = 0;     ///< 0: the default
};

enum class Watch { no, yes };

/// Adds -o/--output and, with Watch::yes, -w/--watch. The view is filled when the line is parsed.
std::shared_ptr<View> add_view(CLI::App& parser, Watch watch);

/// The text of `value` or `rows` in the wanted form; `table` for people.
std::string text_in_form(const std::string& form, const std::string& table,
                         const std::vector<Row>& rows, const boost::json::value& value);

/// Block style YAML 1.2 of any JSON value. Text is quoted as JSON unless it is a plain word, so
/// that no reader takes it for a number, a date or a truth value.
std::string yaml_text(const boost::json::value& value);

/// Prints what `render` returns, once or again and again. With --watch a failure is shown and the
/// next try made; the command ends when its output is closed.
Result<int> show(Session& session, const View& view,
                 const std::function<Result<std::string>()>& render);

}  // namespace evergres::cli

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>

#include "cli/agents.hpp"
#include "cli/commands/all.hpp"
#include "cli/status_table.hpp"
#include "cli/view.hpp"
#include "cluster/json.hpp"

namespace evergres::cli {
namespace {

using Entries = std::vector<cluster::HistoryEntry>;

/// The object has the member "entries", as the agent's answer has.
std::string all_of(const View& view, const Entries& entries, bool colour) {
  boost::json::object value;
  value["entries"] = cluster::to_json(entries);
  return text_in_form(view.form, history_table(entries, colour), history_rows(entries), value);
}

Result<std::string> one_of(const View& view, const Entries& entries, std::uint64_t term,
                           bool colour) {
  const auto found = std::ranges::find(entries, term, &cluster::HistoryEntry::term);
  if (found != entries.end()) {
    return text_in_form(view.form, history_detail(*found, colour), history_rows({*found}),
                        cluster::to_json(*found));
  }
  return Error(ErrorCode::not_found, "there is no term " + std::to_string(term) + " in the history",
               "A term in which nobody opened leaves no entry.",
               "`evergres history` lists the terms.");
}

}  // namespace

Action add_history(CLI::App& parser, Session& session) {
  const std::shared_ptr<View> view = add_view(parser, Watch::yes);
  auto term = std::make_shared<std::uint64_t>(0);
  CLI::Option* const one =
      parser.add_option("TERM", *term, "only this term, with phases and facts");
  return [&session, view, term, one]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    return show(session, *view, [&]() -> Result<std::string> {
      Result<Entries> entries = ask_history(*place);
      if (!entries) return entries.error();
      if (one->count() > 0) return one_of(*view, *entries, *term, session.colour);
      return all_of(*view, *entries, session.colour);
    });
  };
}

}  // namespace evergres::cli

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>
#include <ostream>

#include "cli/agents.hpp"
#include "cli/commands/all.hpp"
#include "cli/status_table.hpp"

namespace evergres::cli {

Action add_history(CLI::App& parser, Session& session) {
  auto form = std::make_shared<std::string>("table");
  parser.add_option("-o,--output", *form, "table or json")->check(CLI::IsMember({"table", "json"}));
  return [&session, form]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    if (*form == "json") {
      const boost::json::value request = boost::json::object{{"verb", "history"}};
      Result<boost::json::value> answer = ask_one(*place, request, std::chrono::seconds(5));
      if (!answer) return answer.error();
      session.out << boost::json::serialize(*answer) << "\n";
      return 0;
    }
    Result<std::vector<cluster::HistoryEntry>> entries = ask_history(*place);
    if (!entries) return entries.error();
    session.out << history_table(*entries, session.colour);
    return 0;
  };
}

}  // namespace evergres::cli

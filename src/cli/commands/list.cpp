#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>
#include <ostream>
#include <thread>

#include "cli/agents.hpp"
#include "cli/commands/all.hpp"
#include "cli/status_table.hpp"

namespace evergres::cli {
namespace {

struct ListOptions {
  std::string form = "table";
  double every_seconds = 0;
};

Result<std::string> one_view(const Place& place, const ListOptions& options, bool colour) {
  if (options.form == "json") {
    const boost::json::value request = boost::json::object{{"verb", "status"}};
    Result<boost::json::value> answer = ask_one(place, request, std::chrono::seconds(2));
    if (!answer) return answer.error();
    return boost::json::serialize(*answer) + "\n";
  }
  Result<cluster::ClusterStatus> status = ask_status(place);
  if (!status) return status.error();
  return status_table(*status, colour);
}

}  // namespace

Action add_list(CLI::App& parser, Session& session) {
  auto options = std::make_shared<ListOptions>();
  parser.add_option("-o,--output", options->form, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  CLI::Option* const watch =
      parser.add_option("-w,--watch", options->every_seconds, "again every so many seconds (2)")
          ->expected(0, 1)
          ->check(CLI::Range(0.1, 3600.0));
  return [&session, options, watch]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    const bool again = watch->count() > 0;
    const double every = options->every_seconds > 0 ? options->every_seconds : 2;
    while (true) {
      Result<std::string> view = one_view(*place, *options, session.colour);
      if (!view && !again) return view.error();
      if (again && session.out_is_terminal) session.out << "\033[H\033[J";
      session.out << (view ? *view : view.error().for_people()) << std::flush;
      if (!again || !session.out) return 0;
      std::this_thread::sleep_for(std::chrono::duration<double>(every));
    }
  };
}

}  // namespace evergres::cli

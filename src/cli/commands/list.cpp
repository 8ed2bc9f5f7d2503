#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/agents.hpp"
#include "cli/commands/all.hpp"
#include "cli/status_table.hpp"
#include "cli/view.hpp"
#include "cluster/json.hpp"

namespace evergres::cli {

Action add_list(CLI::App& parser, Session& session) {
  const std::shared_ptr<View> view = add_view(parser, Watch::yes);
  return [&session, view]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    return show(session, *view, [&]() -> Result<std::string> {
      const Result<cluster::ClusterStatus> status = ask_status(*place);
      if (!status) return status.error();
      return text_in_form(view->form, status_table(*status, session.colour), status_rows(*status),
                          cluster::to_json(*status));
    });
  };
}

}  // namespace evergres::cli

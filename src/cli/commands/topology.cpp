#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/agents.hpp"
#include "cli/commands/all.hpp"
#include "cli/status_table.hpp"
#include "cli/view.hpp"
#include "cluster/json.hpp"

namespace evergres::cli {
namespace {

boost::json::value as_value(const cluster::ClusterStatus& status) {
  const Topology tree = topology_of(status);
  boost::json::object object{{"cluster", status.cluster}, {"leader", nullptr}};
  if (tree.leader != nullptr) object["leader"] = cluster::to_json(*tree.leader);
  boost::json::array followers;
  for (const cluster::NodeStatus* node : tree.followers) {
    followers.push_back(cluster::to_json(*node));
  }
  boost::json::array others;
  for (const cluster::NodeStatus* node : tree.others) others.push_back(cluster::to_json(*node));
  object["followers"] = std::move(followers);
  object["others"] = std::move(others);
  return object;
}

}  // namespace

Action add_topology(CLI::App& parser, Session& session) {
  const std::shared_ptr<View> view = add_view(parser, Watch::yes);
  return [&session, view]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    return show(session, *view, [&]() -> Result<std::string> {
      Result<cluster::ClusterStatus> status = ask_status(*place);
      if (!status) return status.error();
      return text_in_form(view->form, topology_text(*status, session.colour),
                          topology_rows(*status), as_value(*status));
    });
  };
}

}  // namespace evergres::cli

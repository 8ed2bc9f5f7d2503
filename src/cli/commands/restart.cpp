#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <memory>
#include <ostream>

#include "cli/agents.hpp"
#include "cli/change.hpp"
#include "cli/commands/all.hpp"
#include "cli/rolling.hpp"
#include "cli/table.hpp"

namespace evergres::cli {
namespace {

struct RestartOptions {
  RollingChoice choice;
  bool all = false;
  bool wait = false;
  bool force = false;
};

/// The cards say what waits for a restart some seconds late; agents of this machine say it now.
void ask_what_waits(const Place& place, cluster::ClusterStatus& status) {
  const boost::json::value request = boost::json::object{{"verb", "settings"}};
  for (const KnownNode& node : place.nodes) {
    const auto found =
        std::ranges::find(status.nodes, node.settings.node.value, &cluster::NodeStatus::name);
    const auto answer = ask_node(node, request, std::chrono::seconds(10));
    const auto pending = answer ? texts_of(*answer, "pending_restart")
                                : Result<std::vector<std::string>>(answer.error());
    if (!pending || found == status.nodes.end()) continue;
    if (!found->settings) found->settings.emplace();
    found->settings->pending_restart = *pending;
  }
}

void print_what_waits(Session& session, const cluster::ClusterStatus& status,
                      const std::vector<std::string>& names) {
  for (const cluster::NodeStatus& node : status.nodes) {
    if (!node.settings || std::ranges::find(names, node.name) == names.end()) continue;
    for (const std::string& line : node.settings->pending_restart) {
      session.out << "  " << node.name << ": " << shown(line) << "\n";
    }
  }
}

Outcome restart_one(Session& session, const Place& place, const std::string& name) {
  const boost::json::object request{{"verb", "restart"}, {"node", name}, {"dry_run", false}};
  const auto show_line = [&](std::string_view line) {
    session.out << "  " << line << "\n" << std::flush;
  };
  auto answer = ask_one(place, request, std::chrono::seconds(300), show_line);
  if (!answer) return answer.error();
  const Result<std::string> text = text_of(*answer, "text");
  if (!text) return text.error();
  session.out << *text << "\n" << std::flush;
  return {};
}

Result<int> restart(Session& session, const RestartOptions& options) {
  Result<Place> place = find_place(session);
  if (!place) return place.error();
  Result<cluster::ClusterStatus> status = ask_status(*place);
  if (!status) return status.error();
  ask_what_waits(*place, *status);
  Result<std::vector<std::string>> names = rolling_order(*status, options.choice);
  if (!names) return names.error();
  print_what_waits(session, *status, *names);
  if (names->empty()) {
    session.out << "No node has to be restarted.\n";
    return 0;
  }
  session.out << "Impact: " << rolling_impact(*status, *names) << "\n";
  std::string list;
  for (const std::string& name : *names) list += (list.empty() ? "" : ", then ") + name;
  if (!go_ahead(session, options.force, "Restart PostgreSQL on " + list + "?")) return 1;
  for (const std::string& name : *names) {
    if (Outcome done = restart_one(session, *place, name); !done) return done.error();
    // The next one only when commits no longer depend on it alone.
    if (name == names->back() && !options.wait) break;
    const auto settled =
        wait_until_settled(session, *place, status->voters.size(), std::chrono::seconds(120));
    if (!settled) return settled.error();
  }
  return 0;
}

}  // namespace

Action add_restart(CLI::App& parser, Session& session) {
  auto options = std::make_shared<RestartOptions>();
  parser.add_option("NODE", options->choice.names, "names of nodes; else say which others");
  parser.add_option("--role", options->choice.role, "only nodes of this role")
      ->check(CLI::IsMember({"leader", "standby"}));
  parser.add_flag("--pending,--if-pending", options->choice.pending,
                  "only where a setting waits for a restart");
  parser.add_flag("--all", options->all, "every node");
  parser.add_flag("--wait", options->wait, "return when all nodes are back");
  parser.add_flag("--force", options->force, "do not ask");
  parser.footer(
      "One node after the other: standbys first, each back as a voter before the next; the leader "
      "last, as a handover to itself. The leader is first where a limit is lowered of which a "
      "standby may not have less (max_connections and its like).");
  return [&session, options]() -> Result<int> {
    const RollingChoice& choice = options->choice;
    if (choice.names.empty() && choice.role.empty() && !choice.pending && !options->all) {
      return Error(ErrorCode::usage, "evergres restart does not know which nodes",
                   "Neither a name nor --role, --pending or --all was given.",
                   "`evergres restart --help` shows what is possible.");
    }
    return restart(session, *options);
  };
}

}  // namespace evergres::cli

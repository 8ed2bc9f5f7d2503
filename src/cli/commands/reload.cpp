#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <memory>
#include <ostream>
#include <thread>

#include "cli/agents.hpp"
#include "cli/change.hpp"
#include "cli/commands/all.hpp"
#include "cli/table.hpp"

namespace evergres::cli {
namespace {

namespace json = boost::json;

struct ReloadOptions {
  std::vector<std::string> names;
  bool all = false;
  bool dry_run = false;
  bool wait = false;
  bool force = false;
};

Result<std::vector<KnownNode>> chosen_nodes(const Place& place, const ReloadOptions& options) {
  if (options.all) return place.nodes;
  if (options.names.empty()) return std::vector<KnownNode>{place.nodes.front()};
  std::vector<KnownNode> nodes;
  for (const std::string& name : options.names) {
    const auto found = std::ranges::find_if(
        place.nodes, [&](const KnownNode& node) { return node.settings.node.value == name; });
    if (found == place.nodes.end()) {
      return Error(ErrorCode::not_found, "the node.yaml of \"" + name + "\" is not known here",
                   "A reload reads the file of a node on its own machine.",
                   "Run this command on the machine of " + name + ".");
    }
    nodes.push_back(*found);
  }
  return nodes;
}

Result<json::value> ask_reload(const KnownNode& node, bool dry_run) {
  const json::value request = json::object{
      {"verb", "reload"}, {"config_file", node.config_file.string()}, {"dry_run", dry_run}};
  return ask_node(node, request, std::chrono::seconds(30));
}

Outcome print_list(Session& session, const json::value& answer, const char* member,
                   const char* title) {
  const Result<std::vector<std::string>> lines = texts_of(answer, member);
  if (!lines) return lines.error();
  if (!lines->empty()) session.out << "  " << title << "\n";
  for (const std::string& line : *lines) session.out << "    " << shown(line) << "\n";
  return {};
}

/// What would change, or has changed; false if nothing.
Result<bool> print_difference(Session& session, const KnownNode& node, const json::value& answer) {
  const auto changed = texts_of(answer, "changed");
  const auto drift = texts_of(answer, "drift");
  if (!changed) return changed.error();
  if (!drift) return drift.error();
  const bool nothing = changed->empty() && drift->empty();
  session.out << node.settings.node.value << (nothing ? ": as its node.yaml says\n" : ":\n");
  for (const Outcome& done : {print_list(session, answer, "changed", "node.yaml"),
                              print_list(session, answer, "drift",
                                         "postgresql.conf was changed by hand; written anew")}) {
    if (!done) return done.error();
  }
  return !nothing;
}

/// The agent starts anew with the new file: waits until another run of it answers.
Outcome wait_for_agent(const KnownNode& node, const std::string& before) {
  const json::value request = json::object{{"verb", "settings"}};
  const Instant until = boot_now() + std::chrono::seconds(30);
  while (boot_now() < until) {
    const auto answer = ask_node(node, request, std::chrono::seconds(3));
    const auto run = answer ? text_of(*answer, "agent") : Result<std::string>(answer.error());
    if (run && *run != before) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return Error(ErrorCode::timed_out,
               "the agent of " + node.settings.node.value + " is not back after 30 s", "",
               "See `evergres logs " + node.settings.node.value + "`.");
}

Outcome reload_one(Session& session, const KnownNode& node) {
  const Result<json::value> answer = ask_reload(node, false);
  if (!answer) return answer.error();
  const Result<std::string> run = text_of(*answer, "agent");
  if (!run) return run.error();
  const Result<std::string> trouble = text_of(*answer, "trouble");
  if (!trouble) return trouble.error();
  const json::value* const restarts = answer->get_object().if_contains("agent_restarts");
  if (restarts != nullptr && restarts->is_bool() && restarts->get_bool()) {
    if (Outcome back = wait_for_agent(node, *run); !back) return back;
  }
  session.out << node.settings.node.value << ": reloaded\n";
  if (!trouble->empty()) {
    session.out << "  PostgreSQL could not be asked: " << shown(*trouble) << "\n";
  }
  for (const Outcome& done :
       {print_list(session, *answer, "pending_restart", "waits for `evergres restart --pending`"),
        print_list(session, *answer, "refused", "not accepted by PostgreSQL")}) {
    if (!done) return done;
  }
  return {};
}

Result<int> reload(Session& session, const ReloadOptions& options) {
  Result<Place> place = find_place(session);
  if (!place) return place.error();
  const Result<std::vector<KnownNode>> nodes = chosen_nodes(*place, options);
  if (!nodes) return nodes.error();
  bool anything = false;
  for (const KnownNode& node : *nodes) {
    const Result<json::value> would = ask_reload(node, true);
    if (!would) return would.error();
    const Result<bool> differs = print_difference(session, node, *would);
    if (!differs) return differs.error();
    anything = anything || *differs;
  }
  if (options.dry_run) return 0;
  session.out << "Impact: PostgreSQL reads its files again; sessions stay. Where node.yaml changed "
                 "the agent starts anew, without disturbing PostgreSQL.\n";
  if (anything && !go_ahead(session, options.force, "Reload?")) return 1;
  for (const KnownNode& node : *nodes) {
    if (Outcome done = reload_one(session, node); !done) return done.error();
  }
  if (!options.wait) return 0;
  const auto settled = wait_until_settled(session, *place, 0, std::chrono::seconds(60));
  if (!settled) return settled.error();
  return 0;
}

}  // namespace

Action add_reload(CLI::App& parser, Session& session) {
  auto options = std::make_shared<ReloadOptions>();
  parser.add_option("NODE", options->names, "names of nodes on this machine; else the configured");
  parser.add_flag("--all", options->all, "every node whose node.yaml is known here");
  parser.add_flag("--dry-run", options->dry_run, "only say what would change");
  parser.add_flag("--wait", options->wait, "return when every node runs or streams");
  parser.add_flag("--force", options->force, "do not ask");
  parser.footer(
      "Reads node.yaml again, renders postgresql.conf and reloads PostgreSQL. Says what changed, "
      "what was changed by hand, and what waits for a restart.");
  return [&session, options] { return reload(session, *options); };
}

}  // namespace evergres::cli

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <ostream>
#include <thread>

#include "cli/agents.hpp"
#include "cli/demo/caller.hpp"
#include "cli/demo/processes.hpp"
#include "cli/demo/verbs.hpp"
#include "cli/status_table.hpp"

namespace evergres::cli::demo {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

Result<NodeName> node_named(const Plan& plan, const std::string& word) {
  std::string name = word;
  if (word == "primary" || word == "leader") {
    Result<cluster::ClusterStatus> status = ask_status(demo_place(plan), Millis{1000});
    if (!status) return status.error();
    if (!status->leader) return Error(ErrorCode::not_found, "nobody leads at the moment");
    name = *status->leader;
  }
  for (const NodeName& node : plan.names()) {
    if (node.value == name) return node;
  }
  return Error(ErrorCode::usage, "the demo has no node \"" + name + "\"",
               fmt::format("Its nodes are n1 to n{}.", plan.nodes));
}

Result<int> start(Session& session, const Plan& plan, const NodeName& node) {
  if (caller_is_root()) {
    Outcome done = make_for_postgres(plan.run_directory, 0700);
    if (!done) return done.error();
    return run_as_postgres(plan.program(),
                           {"demo", "start", node.value, "--directory", plan.directory.string()});
  }
  if (keeper_of(processes_of(plan, node)) != 0) {
    session.out << node.value << " is running already.\n";
    return 0;
  }
  if (Outcome killed = kill_node(plan, node); !killed) return killed.error();
  Result<pid_t> pid = start_node(plan, node);
  if (!pid) return pid.error();
  session.out << fmt::format("{} started (keeper {}).\n", node.value, *pid);
  return 0;
}

Result<int> signal_all(Session& session, const Plan& plan, const NodeName& node, NodeVerb verb) {
  if (processes_of(plan, node).empty()) {
    return Error(ErrorCode::not_found, node.value + " has no process", "",
                 "Start it with `evergres demo start " + node.value + "`.");
  }
  if (verb == NodeVerb::kill) {
    const std::size_t count = processes_of(plan, node).size();
    if (Outcome killed = kill_node(plan, node); !killed) return killed.error();
    session.out << fmt::format("{}: {} processes killed.\n", node.value, count);
    return 0;
  }
  const bool freezes = verb == NodeVerb::freeze;
  const std::size_t count = signal_node(plan, node, freezes ? SIGSTOP : SIGCONT);
  session.out << fmt::format("{}: {} processes {}.\n", node.value, count,
                             freezes ? "frozen" : "thawed");
  return 0;
}

std::string process_line(const Plan& plan, const NodeName& node) {
  const std::vector<Process> processes = processes_of(plan, node);
  if (processes.empty()) return fmt::format(" {}  stopped\n", node.value);
  const auto frozen = std::ranges::count(processes, 'T', &Process::state);
  const auto servers = std::ranges::count(processes, std::string("postgres"), &Process::program);
  return fmt::format(" {}  keeper {}  {} processes, {} of PostgreSQL{}   log {}\n", node.value,
                     keeper_of(processes), processes.size(), servers,
                     frozen > 0 ? fmt::format(", {} frozen", frozen) : "",
                     plan.log_file(node).string());
}

/// What `up` made, and nothing else: a file that somebody put there stays.
void remove_made(const Plan& plan) {
  std::error_code ignored;
  for (const NodeName& node : plan.names()) fs::remove_all(plan.node_directory(node), ignored);
  for (const char* made : {"bin", "store", "secret", "app.password", "app.pgpass"}) {
    fs::remove_all(plan.directory / made, ignored);
  }
  fs::remove_all(plan.run_directory, ignored);
  // Last, so that an interrupted `down` can be repeated.
  fs::remove(plan.plan_file(), ignored);
  fs::remove(plan.directory, ignored);
}

Outcome stop_all(Session& session, const Plan& plan) {
  for (const NodeName& node : plan.names()) {
    signal_node(plan, node, SIGCONT);
    const pid_t keeper = keeper_of(processes_of(plan, node));
    if (keeper != 0) {
      kill(keeper, SIGTERM);
    } else if (Outcome killed = kill_node(plan, node); !killed) {
      return killed;  // nobody is left who could stop the rest in an orderly way
    }
  }
  const Instant deadline = boot_now() + 20s;
  for (const NodeName& node : plan.names()) {
    if (gone(plan, node, deadline)) continue;
    session.out << node.value << " did not stop in time and is killed.\n" << std::flush;
    if (Outcome killed = kill_node(plan, node); !killed) return killed;
  }
  return {};
}

}  // namespace

Result<int> do_to_node(Session& session, const fs::path& directory, NodeVerb verb,
                       const std::string& word) {
  Result<Plan> plan = existing_plan(directory);
  if (!plan) return plan.error();
  Result<NodeName> node = node_named(*plan, word);
  if (!node) return node.error();
  if (verb == NodeVerb::start) return start(session, *plan, *node);
  return signal_all(session, *plan, *node, verb);
}

Result<int> show_status(Session& session, const fs::path& directory) {
  Result<Plan> plan = existing_plan(directory);
  if (!plan) return plan.error();
  session.out << "Demo in " << plan->directory.string() << "\n";
  for (const NodeName& node : plan->names()) session.out << process_line(*plan, node);
  session.out << std::flush;
  Result<cluster::ClusterStatus> status = ask_status(demo_place(*plan));
  if (!status) return status.error();
  session.out << status_table(*status, session.colour);
  return 0;
}

Result<int> down(Session& session, const fs::path& directory) {
  Result<Plan> plan = existing_plan(directory);
  if (!plan) return plan.error();
  if (Outcome stopped = stop_all(session, *plan); !stopped) return stopped.error();
  remove_made(*plan);
  std::error_code ignored;
  if (fs::exists(plan->directory, ignored)) {
    return Error(
        ErrorCode::internal, plan->directory.string() + " could not be removed",
        "The nodes are stopped. Something is left in it that the demo did not make or that "
        "this user may not remove.");
  }
  session.out << "The demo is stopped and removed.\n";
  return 0;
}

}  // namespace evergres::cli::demo

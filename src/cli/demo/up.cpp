#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ostream>
#include <thread>

#include "base/file.hpp"
#include "cli/agents.hpp"
#include "cli/demo/caller.hpp"
#include "cli/demo/processes.hpp"
#include "cli/demo/readiness.hpp"
#include "cli/demo/verbs.hpp"
#include "cli/initialise_cluster.hpp"
#include "cli/status_table.hpp"

namespace evergres::cli::demo {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto up_within = 90s;

/// Short, because socket paths are; of the user who runs the nodes.
fs::path choose_run_directory(int port) {
  const passwd* const postgres = caller_is_root() ? getpwnam("postgres") : nullptr;
  const uid_t uid = postgres != nullptr ? postgres->pw_uid : geteuid();
  const std::string name = fmt::format("evergres-demo-{}-{}", uid, port);
  if (caller_is_root()) return fs::path("/run") / name;
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  const bool usable = runtime != nullptr && runtime[0] == '/' && access(runtime, W_OK) == 0;
  return (usable ? fs::path(runtime) : fs::path("/tmp")) / name;
}

/// A fresh or known directory of ours; a stranger's (think of /tmp) is refused.
Outcome make_own_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory.parent_path(), error);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return error_from_errno("could not make " + directory.string(), errno);
  }
  struct stat seen {};
  if (lstat(directory.c_str(), &seen) != 0) {
    return error_from_errno("could not look at " + directory.string(), errno);
  }
  if (!S_ISDIR(seen.st_mode) || seen.st_uid != geteuid() || (seen.st_mode & 022U) != 0) {
    return Error(ErrorCode::permission, directory.string() + " is not ours alone",
                 "It belongs to another user, others may write to it, or it is no directory.");
  }
  return {};
}

Result<Plan> plan_for(const UpRequest& request) {
  Result<std::optional<Plan>> known = read_plan(request.directory);
  if (!known) return known.error();
  if (*known) return **known;
  std::error_code ignored;
  const bool is_strange = fs::exists(request.directory, ignored) &&
                          !fs::is_empty(request.directory / "", ignored) &&
                          !fs::exists(request.directory / "bin" / "evergres", ignored);
  if (is_strange) {
    return Error(ErrorCode::already_exists, request.directory.string() + " is not empty",
                 "It is no demo: it has no demo.yaml.", "Choose another one with --directory.");
  }
  Plan plan;
  plan.directory = fs::absolute(request.directory).lexically_normal();
  plan.nodes = request.nodes;
  plan.ports = request.ports;
  if (plan.ports.empty()) {
    auto chosen = choose_ports(ports_per_node * plan.nodes, ephemeral_ports(), is_free_port);
    if (!chosen) return chosen.error();
    plan.ports = std::move(*chosen);
  }
  plan.run_directory = request.run_directory.empty() ? choose_run_directory(plan.ports.front())
                                                     : request.run_directory;
  return plan;
}

Result<int> up_for_root(Session& session, const Plan& plan) {
  session.out << "(root: everything of the demo runs as the user postgres)\n" << std::flush;
  Outcome done = make_for_postgres(plan.directory, 0700);
  if (done) done = make_for_postgres(plan.run_directory, 0700);
  if (done) done = copy_own_program(plan.program());
  if (!done) return done.error();
  return run_as_postgres(
      plan.program(),
      {"demo", "up", "--directory", plan.directory.string(), "--nodes", std::to_string(plan.nodes),
       "--ports", fmt::format("{}", fmt::join(plan.ports, ",")), "--run-directory",
       plan.run_directory.string()});
}

bool has_data(const Plan& plan) {
  for (const NodeName& node : plan.names()) {
    std::error_code ignored;
    if (fs::exists(plan.settings(node).data_directory, ignored)) return true;
  }
  return false;
}

std::string end_of_log(const fs::path& log) {
  const Result<std::string> text = read_file(log, 64U << 20U);
  if (!text) return "";
  std::size_t start = text->size();
  for (int lines = 0; lines < 6 && start > 0; ++lines) {
    const std::size_t newline = text->rfind('\n', start >= 2 ? start - 2 : 0);
    start = newline == std::string::npos ? 0 : newline + 1;
  }
  return text->substr(start);
}

/// Says each new thing that is waited for, once.
class Progress {
 public:
  explicit Progress(Session& session) : session_(session) {}
  void say(const std::string& what) {
    if (what == last_) return;
    last_ = what;
    const double seconds = std::chrono::duration<double>(boot_now() - begin_).count();
    session_.out << fmt::format("  {:5.1f} s  {}\n", seconds, what) << std::flush;
  }
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(boot_now() - begin_).count();
  }
  [[nodiscard]] const std::string& last() const { return last_; }

 private:
  Session& session_;
  Instant begin_ = boot_now();
  std::string last_;
};

Result<cluster::ClusterStatus> wait_until_up(const Plan& plan, Progress& progress) {
  const Place place = demo_place(plan);
  const Instant deadline = boot_now() + up_within;
  while (boot_now() < deadline) {
    for (const NodeName& node : plan.names()) {
      if (processes_of(plan, node).empty()) {
        return Error(ErrorCode::internal, node.value + " ended",
                     "The end of its log:\n" + end_of_log(plan.log_file(node)),
                     "The whole log is " + plan.log_file(node).string() + ".");
      }
    }
    Result<cluster::ClusterStatus> status = ask_status(place, 1s);
    if (!status && status.error().code() == ErrorCode::data_invalid) return status.error();
    const std::string missing = status ? lacks(*status, plan.nodes) : "an agent that answers";
    if (status && missing.empty()) return status;
    progress.say("waiting for " + missing);
    std::this_thread::sleep_for(100ms);
  }
  return Error(ErrorCode::timed_out, "the demo is not up after 90 seconds",
               "The last thing that it waited for: " + progress.last() + ".",
               "`evergres demo status` shows more; the logs are " +
                   (plan.directory / "n*/log/evergres.log").string() + ".");
}

void show_ways(Session& session, const Plan& plan) {
  const bool is_default =
      plan.directory == default_directory() || plan.directory == "/var/lib/evergres-demo";
  const std::string option = is_default ? "" : " --directory '" + plan.directory.string() + "'";
  const std::string config =
      is_default ? "" : " -c '" + plan.config_file(NodeName("n1")).string() + "'";
  session.out << "\nConnect with:\n  " << plan.dsn() << "\n  evergres" << config << " psql\n"
              << "\nThree experiments; keep the first command running in another terminal:\n"
              << "  evergres demo watch" << option
              << "          a writer that counts what it loses\n"
              << "  evergres demo kill primary" << option << "   then: evergres" << config
              << " history, evergres demo start NODE\n"
              << "  evergres" << config << " switchover          the planned way\n"
              << "  evergres demo freeze primary" << option << " then: evergres demo thaw NODE\n"
              << "\nRemove everything with: evergres demo down" << option << "\n";
}

Outcome prepare(Session& session, const Plan& plan, Progress& progress) {
  Outcome done = make_own_directory(plan.directory);
  if (done) done = make_own_directory(plan.run_directory);
  if (done) done = copy_own_program(plan.program());
  if (done) done = write_plan(plan);
  if (!done || has_data(plan)) return done;
  session.out << fmt::format("Making a cluster of {} in {}\n", plan.nodes, plan.directory.string());
  progress.say("creating the database (initdb)");
  Result<NewCluster> made = initialise_cluster(plan.settings(NodeName("n1")));
  if (!made) return made.error();
  progress.say("cluster created, system " + made->system_id);
  return {};
}

}  // namespace

Result<Plan> existing_plan(const fs::path& directory) {
  Result<std::optional<Plan>> plan = read_plan(directory);
  if (!plan) return plan.error();
  if (!*plan) {
    return Error(ErrorCode::not_found, "there is no demo in " + directory.string(), "",
                 "Make one with `evergres demo up`.");
  }
  return **plan;
}

Result<int> up(Session& session, UpRequest request) {
  Result<Plan> plan = plan_for(request);
  if (!plan) return plan.error();
  if (caller_is_root()) return up_for_root(session, *plan);
  Progress progress(session);
  if (Outcome done = prepare(session, *plan, progress); !done) return done.error();
  std::vector<std::string> started;
  for (const NodeName& node : plan->names()) {
    const std::vector<Process> processes = processes_of(*plan, node);
    if (keeper_of(processes) != 0) continue;
    // Survivors of a killed keeper end by themselves or are in the way of the new one.
    if (Outcome killed = kill_node(*plan, node); !killed) return killed.error();
    Result<pid_t> pid = start_node(*plan, node);
    if (!pid) return pid.error();
    started.push_back(node.value);
  }
  if (started.empty()) {
    session.out << "The demo is running already.\n";
  } else {
    std::string names;
    for (const std::string& name : started) names += " " + name;
    progress.say("started" + names);
  }
  Result<cluster::ClusterStatus> status = wait_until_up(*plan, progress);
  if (!status) return status.error();
  session.out << fmt::format("Up after {:.1f} s.\n\n", progress.seconds())
              << status_table(*status, session.colour);
  show_ways(session, *plan);
  return 0;
}

}  // namespace evergres::cli::demo

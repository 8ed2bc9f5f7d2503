#include "cli/demo/processes.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <set>
#include <thread>

#include "base/file.hpp"

namespace evergres::cli::demo {
namespace {

namespace fs = std::filesystem;

std::string link_target(const std::string& path) {
  std::error_code error;
  const fs::path target = fs::read_symlink(path, error);
  return error ? std::string() : target.string();
}

std::vector<std::string> split_words(std::string_view bytes) {
  std::vector<std::string> words;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\0');
    words.emplace_back(bytes.substr(0, end));
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
  }
  return words;
}

/// Nothing if the process ended meanwhile. proc(5): the name in stat is in the last parentheses.
std::optional<Process> read_process(pid_t pid) {
  const std::string base = fmt::format("/proc/{}/", pid);
  const Result<std::string> stat = read_file(base + "stat", 4096);
  if (!stat) return std::nullopt;
  const std::size_t close = stat->rfind(") ");
  if (close == std::string::npos || close + 4 > stat->size()) return std::nullopt;
  Process process;
  process.pid = pid;
  process.state = (*stat)[close + 2];
  const char* const end = stat->data() + stat->size();
  std::from_chars(stat->data() + close + 4, end, process.parent);
  std::string exe = link_target(base + "exe");
  constexpr std::string_view deleted = " (deleted)";  // the copy was refreshed by a later `up`
  if (exe.ends_with(deleted)) exe.resize(exe.size() - deleted.size());
  process.program = fs::path(exe).filename().string();
  if (const Result<std::string> line = read_file(base + "cmdline", 1U << 17U)) {
    process.words = split_words(*line);
  }
  return process;
}

std::vector<Process> all_processes() {
  std::vector<Process> all;
  DIR* const proc = opendir("/proc");
  if (proc == nullptr) return all;
  while (const dirent* const entry = readdir(proc)) {
    pid_t pid = 0;
    const std::string_view name = entry->d_name;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc{} || end != name.data() + name.size()) continue;
    if (auto process = read_process(pid)) all.push_back(std::move(*process));
  }
  closedir(proc);
  return all;
}

bool runs_node(const Process& process, const std::string& config_file) {
  const auto has = [&](std::string_view word) {
    return std::ranges::find(process.words, word) != process.words.end();
  };
  return (has("run") || has("agent")) && has(config_file);
}

/// Everything between fork and exec: async-signal-safe calls only.
[[noreturn]] void become_node(const char* program, char* const* words, int log, int report) {
  setsid();
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const bool wired =
      nothing >= 0 && dup2(nothing, 0) == 0 && dup2(log, 1) == 1 && dup2(log, 2) == 2;
  if (wired && chdir("/") == 0) {
    // A caller's blocked or ignored signals would be inherited through exec.
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGCHLD}) {
      signal(number, SIG_DFL);
    }
    execv(program, words);
  }
  const int why = errno;
  if (write(report, &why, sizeof why) < 0) _exit(126);
  _exit(127);
}

Outcome make_run_directory(const Plan& plan, const NodeName& node) {
  const fs::path directory = plan.settings(node).run_directory;
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return error_from_errno("could not make " + directory.string(), error.value());
  fs::permissions(directory, fs::perms::owner_all, error);
  return {};
}

}  // namespace

std::vector<Process> select_node(const std::vector<Process>& all, const std::string& config_file,
                                 const std::string& data_directory,
                                 const std::function<std::string(pid_t)>& working_directory) {
  std::set<pid_t> chosen;
  for (const Process& process : all) {
    const bool is_postgres =
        process.program == "postgres" && working_directory(process.pid) == data_directory;
    if (is_postgres || runs_node(process, config_file)) chosen.insert(process.pid);
  }
  for (bool grew = true; grew;) {
    grew = false;
    for (const Process& process : all) {
      if (chosen.contains(process.parent)) grew |= chosen.insert(process.pid).second;
    }
  }
  std::vector<Process> selected;
  for (const Process& process : all) {
    const bool lives = process.state != 'Z' && process.state != 'X';
    if (lives && chosen.contains(process.pid)) selected.push_back(process);
  }
  std::stable_partition(selected.begin(), selected.end(),
                        [](const Process& p) { return p.program != "postgres"; });
  return selected;
}

std::vector<Process> processes_of(const Plan& plan, const NodeName& node) {
  const config::NodeSettings settings = plan.settings(node);
  const auto directory_of = [](pid_t pid) { return link_target(fmt::format("/proc/{}/cwd", pid)); };
  std::error_code ignored;
  const fs::path data = fs::weakly_canonical(settings.data_directory, ignored);
  std::vector<Process> found =
      select_node(all_processes(), plan.config_file(node).string(), data.string(), directory_of);
  std::erase_if(found, [](const Process& process) { return process.pid == getpid(); });
  return found;
}

pid_t keeper_of(const std::vector<Process>& processes) {
  for (const Process& process : processes) {
    const bool has_parent_here =
        std::ranges::find(processes, process.parent, &Process::pid) != processes.end();
    const bool is_run = std::ranges::find(process.words, "run") != process.words.end();
    if (!has_parent_here && is_run) return process.pid;
  }
  return 0;
}

Result<pid_t> start_node(const Plan& plan, const NodeName& node) {
  if (Outcome made = make_run_directory(plan, node); !made) return made.error();
  const std::string log_path = plan.log_file(node).string();
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return error_from_errno("could not open " + log_path, errno);
  int report[2] = {-1, -1};
  if (pipe2(report, O_CLOEXEC) != 0) {
    const int why = errno;
    close(log);
    return error_from_errno("could not make a pipe", why);
  }
  std::string program = plan.program().string();
  std::string run = "run";
  std::string option = "-c";
  std::string file = plan.config_file(node).string();
  char* const words[] = {program.data(), run.data(), option.data(), file.data(), nullptr};
  const pid_t child = fork();
  if (child == 0) become_node(program.c_str(), words, log, report[1]);
  const int fork_errno = errno;
  close(log);
  close(report[1]);
  int why = 0;
  const ssize_t got = child > 0 ? read(report[0], &why, sizeof why) : 0;
  close(report[0]);
  if (child < 0) return error_from_errno("could not fork", fork_errno);
  if (got == static_cast<ssize_t>(sizeof why)) {
    return error_from_errno("could not execute " + program, why);
  }
  return child;
}

std::size_t signal_node(const Plan& plan, const NodeName& node, int signal_number) {
  std::size_t reached = 0;
  for (const Process& process : processes_of(plan, node)) {
    if (kill(process.pid, signal_number) == 0) ++reached;
  }
  return reached;
}

Outcome kill_node(const Plan& plan, const NodeName& node) {
  // A process may fork while we look at the list, hence the rounds.
  const Instant deadline = boot_now() + std::chrono::seconds(10);
  while (boot_now() < deadline) {
    if (signal_node(plan, node, SIGKILL) == 0 && processes_of(plan, node).empty()) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return Error(ErrorCode::timed_out, "processes of " + node.value + " do not end",
               "They got SIGKILL 10 seconds ago; the kernel may be waiting for a disk.");
}

bool gone(const Plan& plan, const NodeName& node, Instant deadline) {
  while (!processes_of(plan, node).empty()) {
    if (boot_now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

}  // namespace evergres::cli::demo

#include "supervisor/processes.hpp"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <sstream>

namespace evergres::supervisor {

namespace fs = std::filesystem;

namespace {

fs::path proc_path(pid_t pid, const char* name) {
  return fs::path("/proc") / std::to_string(pid) / name;
}

std::string read_proc(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::optional<pid_t> pid_of(const std::string& text) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || end != text.data() + text.size() || pid <= 0) return {};
  return pid;
}

std::vector<pid_t> all_pids() {
  std::vector<pid_t> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    if (const auto pid = pid_of(entry.path().filename().string())) found.push_back(*pid);
  }
  return found;
}

}  // namespace

std::optional<Process> read_process(pid_t pid) {
  const std::string text = read_proc(proc_path(pid, "stat"));
  // The program's name stands in parentheses and may itself contain any byte.
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest(text.substr(name_end + 1));
  Process process;
  pid_t group = 0;
  process.pid = pid;
  rest >> process.state >> process.parent >> group >> process.session;
  if (!rest) return {};
  return process;
}

std::vector<Process> all_processes() {
  std::vector<Process> found;
  for (const pid_t pid : all_pids()) {
    if (const auto process = read_process(pid)) found.push_back(*process);
  }
  return found;
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  const std::string self = std::to_string(pid);
  std::ifstream listed(fs::path("/proc") / self / "task" / self / "children");
  if (listed) {
    for (pid_t child = 0; listed >> child;) children.push_back(child);
    return children;
  }
  for (const auto& process : all_processes()) {
    if (process.parent == pid) children.push_back(process.pid);
  }
  return children;
}

void signal_child(pid_t parent, pid_t child, int signal) {
  const int handle = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  if (handle < 0) return;
  const auto process = read_process(child);
  if (process && process->parent == parent && process->state != 'Z') {
    syscall(SYS_pidfd_send_signal, handle, signal, nullptr, 0);
  }
  close(handle);
}

// All but a few have another working directory: that is looked at first, it costs least.
std::vector<Process> servers_in(const fs::path& data_directory) {
  std::vector<Process> servers;
  std::error_code error;
  const fs::path wanted = fs::canonical(data_directory, error);
  if (error) return servers;
  for (const pid_t pid : all_pids()) {
    if (fs::read_symlink(proc_path(pid, "cwd"), error) != wanted || error) continue;
    const auto process = read_process(pid);
    if (!process || process->state == 'Z' || process->state == 'X') continue;
    std::string program = fs::read_symlink(proc_path(pid, "exe"), error).filename();
    if (error) continue;
    // The kernel marks a program whose file was replaced by an upgrade.
    constexpr std::string_view replaced = " (deleted)";
    if (program.ends_with(replaced)) program.resize(program.size() - replaced.size());
    if (program == "postgres") servers.push_back(*process);
  }
  return servers;
}

bool environment_has(pid_t pid, std::string_view entry) {
  std::istringstream environment(read_proc(proc_path(pid, "environ")));
  for (std::string one; std::getline(environment, one, '\0');) {
    if (one == entry) return true;
  }
  return false;
}

std::string describe_wait_status(int wait_status) {
  if (WIFSIGNALED(wait_status)) return "signal " + std::to_string(WTERMSIG(wait_status));
  return "exited " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace evergres::supervisor

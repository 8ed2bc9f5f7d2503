#include "supervisor/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

extern char** environ;

namespace evergres::supervisor {

namespace {

void reset_signals() {
  for (int signal_number = 1; signal_number < NSIG; ++signal_number) {
    signal(signal_number, SIG_DFL);  // fails for SIGKILL and SIGSTOP, which need no reset
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool redirect(const ChildPlan& plan) {
  const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input < 0 || dup2(input, STDIN_FILENO) < 0) return false;
  if (!plan.output) return true;
  const int output = open(plan.output->c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  return output >= 0 && dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0;
}

void set_oom_score(int value) {
  const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  const std::string text = std::to_string(value);
  [[maybe_unused]] const auto written = write(file, text.data(), text.size());
  close(file);
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// In the child: returns only if it failed, with errno.
int become(const ChildPlan& plan, pid_t parent, char** argv, char** environment) {
  reset_signals();
  if (plan.own_session) setsid();
  if (plan.death_signal != 0) {
    if (prctl(PR_SET_PDEATHSIG, plan.death_signal) != 0) return errno;
    // The parent may have died before the request was in place.
    if (getppid() != parent) _exit(1);
  }
  if (!redirect(plan)) return errno;
  if (plan.oom_score_adj) set_oom_score(*plan.oom_score_adj);
  execve(plan.program.c_str(), argv, environment);
  return errno;
}

}  // namespace

Result<pid_t> spawn(const ChildPlan& plan) {
  auto argv_texts = plan.argv;
  auto environment_texts = plan.environment;
  auto argv = pointers_to(argv_texts);
  auto environment = pointers_to(environment_texts);
  const std::string what = "could not execute " + plan.program.string();
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return error_from_errno(what, errno);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    const int failure = become(plan, parent, argv.data(), environment.data());
    [[maybe_unused]] const auto written = write(report[1], &failure, sizeof failure);
    _exit(127);
  }
  const int fork_failure = errno;
  close(report[1]);
  int failure = child < 0 ? fork_failure : 0;
  if (child > 0) {
    ssize_t got = 0;
    do {
      got = read(report[0], &failure, sizeof failure);
    } while (got < 0 && errno == EINTR);
    if (got > 0) waitpid(child, nullptr, 0);
  }
  close(report[0]);
  if (failure != 0) return error_from_errno(what, failure);
  return child;
}

std::vector<std::string> inherited_environment() {
  std::vector<std::string> kept;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (text.starts_with("PG") || text.starts_with("NOTIFY_SOCKET=")) continue;
    kept.emplace_back(text);
  }
  return kept;
}

}  // namespace evergres::supervisor

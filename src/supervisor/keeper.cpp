#include "supervisor/keeper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/result.hpp"
#include "supervisor/guards.hpp"
#include "supervisor/log.hpp"
#include "supervisor/processes.hpp"
#include "supervisor/supervisor.hpp"

namespace evergres::supervisor {

namespace {

constexpr Millis first_backoff{100};
constexpr Millis longest_backoff{5'000};
constexpr Millis long_life{10'000};  ///< a supervisor that lived as long resets the backoff
constexpr Millis kill_interval{5};
constexpr Millis longest_sleep{1'000};
constexpr Millis late_wakeup{1'000};  ///< after this we were stopped or the machine slept
/// A supervisor may be this long without a sign of life however short the grants are: clearing what
/// survived another one takes up to 8 s.
constexpr Millis least_patience{10'000};

/// sd_notify(3) by hand; nothing happens without systemd.
void notify(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  const std::size_t length = path == nullptr ? 0 : std::strlen(path);
  if (length < 2 || length >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // the abstract name space
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  sendto(fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
         reinterpret_cast<const sockaddr*>(&address), size);
  close(fd);
}

class Keeper {
 public:
  explicit Keeper(const Settings& settings) : settings_(settings) {}
  int run();

 private:
  Outcome open();
  bool start_supervisor();
  void wait_for_signal(Millis at_most);
  void forward(int signal_number);
  void reap();
  void kill_everything();
  void look_for_life();
  void forget_life();
  void end_a_silent_supervisor();

  const Settings& settings_;
  int signals_ = -1;
  int life_ = -1;  ///< where the supervisor shows life; -1: it closed the pipe
  Instant life_seen_;
  pid_t supervisor_ = 0;
  int wait_status_ = 0;  ///< of the last supervisor
  bool ever_ready_ = false;
  bool ending_ = false;
};

Outcome Keeper::open() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal_number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR2}) {
    sigaddset(&set, signal_number);
  }
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals_ < 0) return error_from_errno("could not make a descriptor", errno);
  return {};
}

bool Keeper::start_supervisor() {
  constexpr int exited_1 = 1 << 8;
  wait_status_ = exited_1;  // what holds if there is no supervisor to wait for
  int life[2];
  if (pipe2(life, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child == 0) {
    close(life[0]);
    close(signals_);
    _exit(run_supervisor(settings_, self, life[1]));
  }
  close(life[1]);
  if (child < 0) {
    close(life[0]);
    return false;
  }
  supervisor_ = child;
  life_ = life[0];
  life_seen_ = boot_now();
  return true;
}

void Keeper::look_for_life() {
  char bytes[64];
  ssize_t got = 0;
  while (life_ >= 0 && (got = read(life_, bytes, sizeof bytes)) > 0) {
    life_seen_ = boot_now();
    if (!ever_ready_) notify("READY=1");
    ever_ready_ = true;
  }
  if (got == 0) forget_life();  // the other end is closed
}

void Keeper::forget_life() {
  if (life_ >= 0) close(life_);
  life_ = -1;
}

/// Frozen or hanging, it would not end a grant. What it leaves is killed when it is gone.
void Keeper::end_a_silent_supervisor() {
  const Millis patience = std::max(settings_.silent_agent_limit, least_patience);
  if (supervisor_ == 0 || boot_now() - life_seen_ < patience) return;
  say("keeper",
      "the supervisor has shown no life for " + std::to_string(patience.count()) + " ms: killed");
  kill(supervisor_, SIGKILL);
  life_seen_ = boot_now();
}

void Keeper::forward(int signal_number) {
  if (signal_number != SIGHUP && signal_number != SIGUSR2 && !ending_) {
    ending_ = true;
    notify("STOPPING=1");
  }
  if (supervisor_ != 0) kill(supervisor_, signal_number);
}

void Keeper::wait_for_signal(Millis at_most) {
  pollfd polled[] = {{signals_, POLLIN, 0}, {life_, POLLIN, 0}};
  const Instant wake = boot_now() + at_most;
  poll(polled, life_ < 0 ? 1 : 2, static_cast<int>(at_most.count()));
  if (boot_now() - wake > late_wakeup)
    life_seen_ = boot_now();  // we were stopped, perhaps both of us
  look_for_life();
  signalfd_siginfo info{};
  while (read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGCHLD) forward(static_cast<int>(info.ssi_signo));
  }
  reap();
}

void Keeper::reap() {
  int wait_status = 0;
  for (pid_t pid = 0; (pid = waitpid(-1, &wait_status, WNOHANG)) > 0;) {
    if (pid != supervisor_) continue;
    supervisor_ = 0;
    wait_status_ = wait_status;
  }
}

/// Without a supervisor: every child is an orphan of it. Their own children come to us as they die.
void Keeper::kill_everything() {
  while (true) {
    reap();
    const auto children = children_of(getpid());
    for (const pid_t child : children) kill(child, SIGKILL);
    if (children.empty() && waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD) return;
    wait_for_signal(kill_interval);
  }
}

Outcome check_paths(const Settings& settings) {
  // PostgreSQL changes its directory: a relative path would mean something else to it.
  for (const auto& path :
       {settings.data_directory, settings.state_directory, settings.run_directory,
        settings.log_directory, settings.postgres_program, settings.agent_program,
        settings.proxy_program}) {
    if (path.is_absolute()) continue;
    return Error(ErrorCode::config_invalid, "the path \"" + path.string() + "\" is not absolute");
  }
  return {};
}

int Keeper::run() {
  if (auto checked = check_paths(settings_); !checked) {
    say("keeper", checked.error().one_line());
    return 1;
  }
  raise_guards();
  if (auto opened = open(); !opened) {
    say("keeper", opened.error().one_line());
    return 1;
  }
  Millis backoff = first_backoff;
  while (true) {
    const Instant started = boot_now();
    if (!start_supervisor()) say("keeper", "could not fork the supervisor");
    while (supervisor_ != 0) {
      wait_for_signal(longest_sleep);
      end_a_silent_supervisor();
    }
    look_for_life();
    forget_life();
    kill_everything();
    const bool orderly = WIFEXITED(wait_status_) && WEXITSTATUS(wait_status_) == 0;
    if (ending_ || orderly) return 0;
    say("keeper", "the supervisor ended (" + describe_wait_status(wait_status_) +
                      "); everything that it left was killed");
    if (!ever_ready_) return 1;
    if (boot_now() - started >= long_life) backoff = first_backoff;
    for (const Instant until = boot_now() + backoff; boot_now() < until && !ending_;) {
      wait_for_signal(Millis{(until - boot_now()).count() / 1'000'000 + 1});
    }
    if (ending_) return 0;
    backoff = std::min(backoff * 2, longest_backoff);
  }
}

}  // namespace

int run_keeper(const Settings& settings) {
  return Keeper(settings).run();
}

}  // namespace evergres::supervisor

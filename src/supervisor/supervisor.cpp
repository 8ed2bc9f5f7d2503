#include "supervisor/supervisor.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "supervisor/guards.hpp"
#include "supervisor/listener.hpp"
#include "supervisor/log.hpp"
#include "supervisor/postmaster.hpp"
#include "supervisor/processes.hpp"
#include "supervisor/protocol.hpp"
#include "supervisor/service.hpp"

namespace evergres::supervisor {

namespace json = boost::json;

namespace {

constexpr Millis longest_sleep{500};  ///< the parent is looked for at least as often
constexpr Millis late_wakeup{1'000};  ///< after this we were stopped or the machine slept
constexpr Millis agent_patience{3'000};
constexpr Millis sweep_interval{5};

class Supervisor {
 public:
  Supervisor(const Settings& settings, pid_t keeper, int life, Listener listener)
      : settings_(settings),
        keeper_(keeper),
        life_(life),
        listener_(std::move(listener)),
        guards_(raise_guards()),
        postmaster_(settings_, std::count(guards_.begin(), guards_.end(), guard_oom) > 0),
        agent_(
            {"agent", settings_.agent_program, settings_.agent_argv, settings_.silent_agent_limit},
            run_),
        proxy_({"proxy", settings_.proxy_program, settings_.proxy_argv}, run_) {}

  Outcome open();
  int run();

 private:
  /// Nothing: the reply comes later.
  using Answer = std::optional<Result<json::object>>;
  struct WaitingForStop {
    Listener::ConnectionId connection;
    json::value id;
  };

  void show_life();
  void wait_for_work();
  void take_signals();
  void reap();
  void look_after_keeper();
  void begin_shutdown(bool at_once);
  void stop_postgres(bool at_once);
  bool shutdown_is_complete();
  void handle(const Listener::Line& line);
  void answer_stops();
  void tell_changes();
  [[nodiscard]] Status status() const;

  Answer perform(const AskStatus&) { return Result<json::object>(to_json(status())); }
  Answer perform(const AskStart& start);
  Answer perform(const AskStop& stop);
  Answer perform(const AskReload&);
  Answer perform(const AskGrant& grant);
  Answer perform(const AskRevoke&);
  Answer perform(const AskAlive&);
  Answer perform(const AskSubscribe&);
  Answer perform(const AskReloadProxy&);
  [[nodiscard]] std::vector<pid_t> services() const;
  /// The services and PostgreSQL but for `without`.
  [[nodiscard]] std::vector<pid_t> others_than(const Service& without) const;

  const Settings settings_;
  const pid_t keeper_;
  const int life_;  ///< the pipe to the keeper
  Instant life_shown_;
  const std::string run_ = random_hex(8);
  Listener listener_;
  const std::vector<std::string> guards_;
  Postmaster postmaster_;
  Service agent_;
  Service proxy_;
  int signals_ = -1;
  int timer_ = -1;
  Listener::ConnectionId asking_ = 0;  ///< whose request is being performed
  json::value asking_id_;
  std::vector<WaitingForStop> waiting_;
  Status told_;
  bool shutting_down_ = false;
  std::optional<Instant> drain_until_;  ///< at a shutdown: PostgreSQL waits for the endpoint
  bool keeper_gone_ = false;
  Instant services_until_;  ///< at a shutdown; 0: not all were asked to end yet
};

Outcome Supervisor::open() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal_number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR2}) {
    sigaddset(&set, signal_number);
  }
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  timer_ = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (signals_ < 0 || timer_ < 0) return error_from_errno("could not make a descriptor", errno);
  return {};
}

Status Supervisor::status() const {
  Status status;
  status.supervisor_run = run_;
  postmaster_.describe(status);
  if (agent_.pid() != 0) status.agent_pid = agent_.pid();
  status.agent_restarts = agent_.restarts();
  if (proxy_.pid() != 0) status.proxy_pid = proxy_.pid();
  status.proxy_restarts = proxy_.restarts();
  status.guards = guards_;
  return status;
}

std::vector<pid_t> Supervisor::services() const {
  std::vector<pid_t> all = agent_.pids();
  for (const pid_t pid : proxy_.pids()) all.push_back(pid);
  return all;
}

std::vector<pid_t> Supervisor::others_than(const Service& without) const {
  std::vector<pid_t> others = (&without == &agent_ ? proxy_ : agent_).pids();
  others.push_back(postmaster_.pid());
  return others;
}

int Supervisor::run() {
  show_life();
  if (auto cleared = clear_survivors(settings_); !cleared) {
    say("supervisor", cleared.error().one_line());
  }
  while (true) {
    show_life();
    reap();
    // Grants end before requests are read: an expired one cannot be extended.
    postmaster_.tick(services());
    for (const auto& line : listener_.serve()) handle(line);
    agent_.tick(others_than(agent_));
    proxy_.tick(others_than(proxy_));
    reap();
    postmaster_.tick(services());
    look_after_keeper();
    if (drain_until_ && (proxy_.pids().empty() || *drain_until_ <= boot_now())) stop_postgres(false);
    answer_stops();
    tell_changes();
    if (shutting_down_ && shutdown_is_complete()) return 0;
    wait_for_work();
    take_signals();
  }
}

/// The keeper replaces a supervisor that shows no life: a frozen one ends no grant.
void Supervisor::show_life() {
  const Instant now = boot_now();
  if (now - life_shown_ < sign_of_life_interval) return;
  life_shown_ = now;
  [[maybe_unused]] const auto written = write(life_, "l", 1);
}

void Supervisor::wait_for_work() {
  Instant wake = std::min({boot_now() + longest_sleep, postmaster_.next_tick(), agent_.next_tick(),
                           proxy_.next_tick()});
  if (shutting_down_) wake = std::min(wake, boot_now() + sweep_interval);
  // A timer on CLOCK_BOOTTIME and not poll's timeout: grants also end while the machine sleeps.
  itimerspec when{};
  when.it_value.tv_sec = wake.nanos / 1'000'000'000;
  when.it_value.tv_nsec = wake.nanos % 1'000'000'000;
  if (wake.nanos <= 0) when.it_value.tv_nsec = 1;  // zero would disarm it
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
  std::vector<pollfd> polled{{signals_, POLLIN, 0}, {timer_, POLLIN, 0}};
  listener_.add_to(polled);
  poll(polled.data(), polled.size(), -1);
  if (boot_now() - wake > late_wakeup) agent_.forgive_silence();
}

void Supervisor::take_signals() {
  signalfd_siginfo info{};
  while (read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGHUP) {
      agent_.send(SIGHUP);
      proxy_.send(SIGHUP);
    }
    if (info.ssi_signo == SIGUSR2) proxy_.replace();
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) begin_shutdown(shutting_down_);
  }
}

void Supervisor::reap() {
  int wait_status = 0;
  for (pid_t pid = 0; (pid = waitpid(-1, &wait_status, WNOHANG)) > 0;) {
    if (postmaster_.reaped(pid, wait_status)) continue;
    if (agent_.reaped(pid, wait_status)) continue;
    proxy_.reaped(pid, wait_status);  // else an orphan: there is nothing to remember of it
  }
}

void Supervisor::look_after_keeper() {
  if (keeper_gone_ || getppid() == keeper_) return;
  keeper_gone_ = true;
  say("supervisor", "the keeper is gone: ending everything");
  begin_shutdown(true);
  for (Service* service : {&agent_, &proxy_}) {
    service->retire();
    service->send(SIGKILL);
  }
}

void Supervisor::begin_shutdown(bool at_once) {
  shutting_down_ = true;
  proxy_.retire();
  if (at_once || proxy_.pids().empty()) return stop_postgres(at_once);
  // Its clients are in the middle of something, perhaps on this very server.
  proxy_.send(SIGTERM);
  drain_until_ = boot_now() + settings_.drain_deadline;
}

void Supervisor::stop_postgres(bool at_once) {
  drain_until_.reset();
  postmaster_.stop(at_once ? StopMode::immediate : StopMode::fast, settings_.stop_deadline,
                   "the supervisor was told to end");
}

bool Supervisor::shutdown_is_complete() {
  if (drain_until_ || postmaster_.state() != State::stopped) return false;
  agent_.retire();
  if (!services().empty()) {
    const bool asked = services_until_.nanos != 0;
    if (!asked) services_until_ = boot_now() + agent_patience;
    for (const Service* service : {&agent_, &proxy_}) {
      if (!asked) service->send(SIGTERM);
      if (asked && services_until_ <= boot_now()) service->send(SIGKILL);
    }
    return false;
  }
  const auto children = children_of(getpid());
  for (const pid_t child : children) kill(child, SIGKILL);
  return children.empty();
}

void Supervisor::handle(const Listener::Line& line) {
  const auto object = parse_line(line.text);
  if (!object) {
    listener_.send(line.from, error_reply(nullptr, object.error()));
    return listener_.disconnect(line.from);
  }
  const auto* id = object->if_contains("id");
  asking_id_ = id == nullptr ? json::value() : *id;
  asking_ = line.from;
  const auto request = request_from_json(*object);
  if (!request) return listener_.send(line.from, error_reply(asking_id_, request.error()));
  const auto answer = std::visit([this](const auto& asked) { return perform(asked); }, *request);
  if (!answer) return;
  listener_.send(line.from, *answer ? ok_reply(asking_id_, **answer)
                                    : error_reply(asking_id_, answer->error()));
}

Supervisor::Answer Supervisor::perform(const AskStart& start) {
  if (shutting_down_) return Error(ErrorCode::refused, "the supervisor is ending");
  if (auto begun = postmaster_.begin_start(); !begun) return begun.error();
  tell_changes();
  const auto pid = postmaster_.start(start);
  agent_.forgive_silence();  // the start may have blocked
  if (!pid) {
    say("supervisor", "PostgreSQL was not started: " + pid.error().one_line());
    return pid.error();
  }
  return to_json(Started{run_, postmaster_.start_id(), *pid});
}

Supervisor::Answer Supervisor::perform(const AskStop& stop) {
  waiting_.push_back(WaitingForStop{asking_, asking_id_});
  postmaster_.stop(stop.mode, stop.deadline, "asked to stop");
  return {};
}

Supervisor::Answer Supervisor::perform(const AskReload&) {
  if (auto done = postmaster_.reload(); !done) return done.error();
  return json::object();
}

Supervisor::Answer Supervisor::perform(const AskGrant& grant) {
  const auto given = postmaster_.grant(grant);
  if (!given) return given.error();
  return json::object{{"deadline", given->deadline.nanos}};
}

Supervisor::Answer Supervisor::perform(const AskRevoke&) {
  if (auto done = postmaster_.revoke(); !done) return done.error();
  return json::object();
}

Supervisor::Answer Supervisor::perform(const AskAlive&) {
  agent_.alive();
  return json::object();
}

Supervisor::Answer Supervisor::perform(const AskReloadProxy&) {
  proxy_.send(SIGHUP);
  return json::object();
}

Supervisor::Answer Supervisor::perform(const AskSubscribe&) {
  listener_.subscribe(asking_);
  return to_json(status());
}

void Supervisor::answer_stops() {
  if (postmaster_.state() != State::stopped || waiting_.empty()) return;
  const Status now = status();
  for (const auto& one : waiting_) {
    listener_.send(one.connection, ok_reply(one.id, to_json(Stopped{now.exit && now.exit->clean})));
  }
  waiting_.clear();
}

void Supervisor::tell_changes() {
  Status now = status();
  if (now == told_) return;
  json::object event = to_json(now);
  event["event"] = "status";
  listener_.send_to_subscribers(event);
  told_ = std::move(now);
}

}  // namespace

int run_supervisor(const Settings& settings, pid_t keeper, int life_fd) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  signal(SIGPIPE, SIG_IGN);  // a keeper that is gone does not read; children get the default back
  // A session of its own: Ctrl-C at a terminal reaches the keeper alone, which passes it on once.
  setsid();
  auto listener = Listener::open(settings.run_directory);
  if (!listener) {
    say("supervisor", listener.error().one_line());
    return exit_could_not_begin;
  }
  Supervisor supervisor(settings, keeper, life_fd, std::move(*listener));
  if (auto opened = supervisor.open(); !opened) {
    say("supervisor", opened.error().one_line());
    return exit_could_not_begin;
  }
  return supervisor.run();
}

}  // namespace evergres::supervisor

#include "supervisor/service.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "supervisor/log.hpp"
#include "supervisor/processes.hpp"
#include "supervisor/spawn.hpp"

namespace evergres::supervisor {

namespace {

constexpr Millis first_backoff{100};
constexpr Millis longest_backoff{5'000};
constexpr Millis long_life{10'000};  ///< one that lived as long resets the backoff
constexpr Millis orphan_interval{5};
/// One that was just started gets so long before another is to replace it.
constexpr Millis first_steps{2'000};

}  // namespace

std::string Service::mark() const {
  std::string name = plan_.name;
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return "EVERGRES_" + name + "_OF=" + run_;
}

void Service::tick(const std::vector<pid_t>& others) {
  if (plan_.argv.empty()) return;
  if (pid_ != 0) {
    if (replace_wanted_ && boot_now() - started_ >= first_steps) replace();
    if (!plan_.silent_limit || boot_now() - heard_ < *plan_.silent_limit) return;
    say("supervisor", "the " + plan_.name + " has been silent for " +
                          std::to_string(plan_.silent_limit->count()) + " ms: killed");
    send(SIGKILL);
    heard_ = boot_now();
    return;
  }
  if (orphans_possible_ && !kill_orphans(others)) return;
  orphans_possible_ = false;
  past_sessions_.clear();
  if (!retired_ && boot_now() >= start_at_) start();
}

void Service::replace() {
  if (pid_ == 0 || retired_ || plan_.argv.empty()) return;
  replace_wanted_ = boot_now() - started_ < first_steps;
  if (replace_wanted_) {
    return say("supervisor", "the " + plan_.name +
                                 " was only just started: it will be replaced "
                                 "in a moment");
  }
  const auto pid = spawn_one();
  if (!pid) return say("supervisor", pid.error().one_line());
  say("supervisor", "started a second " + plan_.name + ", process " + std::to_string(*pid) +
                        ", to replace process " + std::to_string(pid_));
  replaced_.insert(pid_);
  pid_ = *pid;
  started_ = heard_ = boot_now();
}

std::vector<pid_t> Service::pids() const {
  std::vector<pid_t> all(replaced_.begin(), replaced_.end());
  if (pid_ != 0) all.push_back(pid_);
  return all;
}

Result<pid_t> Service::spawn_one() {
  ChildPlan plan;
  plan.program = plan_.program;
  plan.argv = plan_.argv;
  plan.environment = inherited_environment();
  plan.environment.push_back(mark());
  // libpq brings LDAP, which brings GnuTLS, which initialises itself when it is loaded: 0.7 MB that
  // nobody uses (its manual, "Initialization"). LDAP still initialises it if it is ever asked for.
  plan.environment.emplace_back("GNUTLS_NO_IMPLICIT_INIT=1");
  plan.death_signal = SIGKILL;
  plan.own_session = true;
  plan.oom_score_adj = 0;
  return spawn(plan);
}

void Service::start() {
  if (starts_++ > 0) ++restarts_;
  const auto pid = spawn_one();
  started_ = heard_ = boot_now();
  if (!pid) {
    say("supervisor", pid.error().one_line());
    start_at_ = boot_now() + backoff_;
    backoff_ = std::min(backoff_ * 2, longest_backoff);
    return;
  }
  pid_ = *pid;
  say("supervisor", "started the " + plan_.name + ", process " + std::to_string(pid_));
}

bool Service::reaped(pid_t pid, int wait_status) {
  if (replaced_.erase(pid) > 0) {
    say("supervisor", "process " + std::to_string(pid) + " of the " + plan_.name +
                          ", which was replaced, ended: " + describe_wait_status(wait_status));
    return true;
  }
  if (pid_ == 0 || pid != pid_) return false;
  const Instant now = boot_now();
  if (now - started_ >= long_life) backoff_ = first_backoff;
  start_at_ = now + backoff_;
  backoff_ = std::min(backoff_ * 2, longest_backoff);
  past_sessions_.insert(pid_);
  orphans_possible_ = true;
  replace_wanted_ = false;  // a new one starts anyway
  pid_ = 0;
  say("supervisor", "the " + plan_.name + " ended: " + describe_wait_status(wait_status));
  return true;
}

bool Service::left_by_it(pid_t orphan) const {
  const auto process = read_process(orphan);
  if (!process) return false;
  // What a zombie left comes to us, perhaps after the list of children was read: not done yet.
  if (process->state == 'Z') return true;
  return past_sessions_.contains(process->session) || environment_has(orphan, mark());
}

bool Service::kill_orphans(const std::vector<pid_t>& others) {
  bool none = true;
  for (const pid_t child : children_of(getpid())) {
    const bool is_other = std::find(others.begin(), others.end(), child) != others.end();
    if (is_other || replaced_.contains(child) || !left_by_it(child)) continue;
    none = false;
    kill(child, SIGKILL);  // our own child: its pid is not used again before we wait for it
  }
  return none;
}

Instant Service::next_tick() const {
  if (plan_.argv.empty()) return boot_now() + long_life;
  if (pid_ != 0) {
    const Instant at = plan_.silent_limit ? heard_ + *plan_.silent_limit : boot_now() + long_life;
    return replace_wanted_ ? std::min(at, started_ + first_steps) : at;
  }
  if (orphans_possible_) return boot_now() + orphan_interval;
  return retired_ ? boot_now() + long_life : start_at_;
}

void Service::send(int signal) const {
  for (const pid_t pid : pids()) kill(pid, signal);
}

}  // namespace evergres::supervisor

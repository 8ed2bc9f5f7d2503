#include "supervisor/postmaster.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "supervisor/grant.hpp"
#include "supervisor/log.hpp"
#include "supervisor/processes.hpp"
#include "supervisor/spawn.hpp"

namespace evergres::supervisor {

namespace {

constexpr Millis check_interval{500};   ///< of standby.signal
constexpr Millis quit_patience{300};    ///< between SIGQUIT and SIGKILL
constexpr Millis revoke_patience{500};  ///< for the walsenders
constexpr Millis sweep_interval{5};
constexpr Millis warning_interval{1'000};

}  // namespace

Outcome Postmaster::begin_start() {
  if (state_ != State::stopped) {
    return Error(ErrorCode::refused, "PostgreSQL is " + std::string(word_of(state_)) + " already",
                 "Start " + std::to_string(start_id_) + " has not ended.", "Stop it first.");
  }
  state_ = State::starting;
  return {};
}

std::vector<std::string> Postmaster::environment() const {
  auto environment = inherited_environment();
  environment.push_back("PGSERVICEFILE=" +
                        upstream_service_file(settings_.state_directory).string());
  if (oom_protected_) {
    // PostgreSQL's own way to unprotect its children (manual, "Linux Memory Overcommit").
    environment.emplace_back("PG_OOM_ADJUST_FILE=/proc/self/oom_score_adj");
    environment.emplace_back("PG_OOM_ADJUST_VALUE=0");
  }
  return environment;
}

Result<pid_t> Postmaster::start(const AskStart& ask) {
  CHECK(state_ == State::starting);
  state_ = State::stopped;
  if (auto cleared = clear_survivors(settings_); !cleared) return cleared.error();
  if (auto prepared = prepare_standby(settings_.data_directory, ask.forget); !prepared) {
    return prepared.error();
  }
  std::error_code error;
  std::filesystem::create_directories(settings_.log_directory, error);
  ChildPlan plan;
  plan.program = settings_.postgres_program;
  // PostgreSQL finds its own files through argv[0]; PATH need not hold it.
  plan.argv = {settings_.postgres_program.string(), "-D", settings_.data_directory.string()};
  plan.argv.insert(plan.argv.end(), ask.arguments.begin(), ask.arguments.end());
  plan.environment = environment();
  plan.death_signal = SIGQUIT;
  plan.output = settings_.log_directory / "postgres.log";
  auto pid = spawn(plan);
  if (!pid) return pid;
  pid_ = *pid;
  ++start_id_;
  state_ = State::running;
  memory_.reset();
  grant_.reset();
  exit_.reset();
  ever_granted_ = false;
  next_check_ = boot_now();
  say("supervisor", "started PostgreSQL as a standby, start " + std::to_string(start_id_) +
                        ", process " + std::to_string(pid_));
  return pid;
}

void Postmaster::begin_stop(const std::string& reason) {
  CHECK(state_ == State::running);
  state_ = State::stopping;
  reason_ = reason;
  asked_fast_ = immediate_ = killed_ = false;
  next_warning_ = boot_now() + warning_interval;
  // A clean stop removes postmaster.pid: remember now which shared memory has to become free.
  remember_memory();
}

void Postmaster::remember_memory() {
  if (memory_) return;
  const auto file = read_pid_file(settings_.data_directory);
  if (file && file->pid == pid_) memory_ = file->memory;
}

void Postmaster::stop(StopMode mode, Millis deadline, const std::string& reason) {
  if (state_ != State::running && state_ != State::stopping) return;
  if (state_ == State::running) begin_stop(reason);
  if (pid_ == 0) return;
  if (mode == StopMode::immediate) {
    if (!immediate_ && asked_fast_) reason_ = reason;
    become_immediate();
  } else if (!asked_fast_ && !immediate_) {
    asked_fast_ = true;
    fast_until_ = boot_now() + deadline;
    kill(pid_, SIGINT);
    say("supervisor", "stopping PostgreSQL fast: " + reason);
  } else {
    fast_until_ = std::min(fast_until_, boot_now() + deadline);
  }
}

void Postmaster::become_immediate() {
  if (immediate_) return;
  immediate_ = true;
  kill_at_ = boot_now() + quit_patience;
  kill(pid_, SIGQUIT);
  say("supervisor", "stopping PostgreSQL immediately: " + reason_);
}

void Postmaster::kill_postmaster() {
  const auto children = children_of(pid_);
  kill(pid_, SIGKILL);
  // They come to us as orphans in a moment; they are killed now in case that the postmaster hangs
  // in the kernel and does not die.
  for (const pid_t child : children) signal_child(pid_, child, SIGKILL);
  if (!killed_) say("supervisor", "killed the postmaster and all its processes");
  killed_ = true;
}

Outcome Postmaster::reload() {
  if (state_ != State::running) {
    return Error(ErrorCode::refused, "PostgreSQL is not running",
                 "Its state is " + std::string(word_of(state_)) + ".");
  }
  kill(pid_, SIGHUP);
  return {};
}

Result<Grant> Postmaster::grant(const AskGrant& asked) {
  GrantFacts facts{state_, start_id_, grant_, boot_now()};
  auto decided = decide_grant(asked, facts);
  if (!decided) return decided;
  if (!grant_ || grant_->kind != decided->kind || grant_->term != decided->term) {
    say("supervisor", "PostgreSQL may be primary in term " + std::to_string(decided->term.value) +
                          " (" + std::string(word_of(decided->kind)) + ")");
  }
  grant_ = *decided;
  ever_granted_ = true;
  return decided;
}

Outcome Postmaster::revoke() {
  if (!grant_) return Error(ErrorCode::refused, "there is no grant to revoke");
  // Not at once: what was acknowledged under wrong settings may not have left the machine yet, and
  // a fast stop sends it.
  stop(StopMode::fast, revoke_patience,
       "the grant of term " + std::to_string(grant_->term.value) + " was revoked");
  return {};
}

bool Postmaster::reaped(pid_t pid, int wait_status) {
  if (pid_ == 0 || pid != pid_) return false;
  const std::string how = describe_wait_status(wait_status);
  if (state_ == State::running) begin_stop("the postmaster ended unasked: " + how);
  const bool exited_0 = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
  exit_ = Exit{how, exited_0 && asked_fast_ && !immediate_};
  pid_ = 0;
  grant_.reset();
  return true;
}

void Postmaster::tick(const std::vector<pid_t>& spared) {
  if (state_ == State::running) check_permission();
  if (state_ != State::stopping) return;
  const Instant now = boot_now();
  if (grant_ && grant_->deadline <= now && pid_ != 0) {
    stop(StopMode::immediate, Millis{0},
         "the grant of term " + std::to_string(grant_->term.value) + " ended");
    grant_.reset();
  }
  if (pid_ != 0 && asked_fast_ && !immediate_ && fast_until_ <= now) {
    reason_ += "; the fast stop took too long";
    become_immediate();
  }
  if (pid_ != 0 && immediate_ && kill_at_ <= now) kill_postmaster();
  if (pid_ == 0) sweep(spared);
}

void Postmaster::check_permission() {
  const Instant now = boot_now();
  if (grant_ && grant_->deadline <= now) {
    const std::string reason = "the grant of term " + std::to_string(grant_->term.value) + " ended";
    stop(StopMode::immediate, Millis{0}, reason);
    grant_.reset();
    return;
  }
  if (next_check_ > now) return;
  next_check_ = now + check_interval;
  remember_memory();
  if (!ever_granted_ && standby_signal_is_gone(settings_.data_directory)) {
    stop(StopMode::immediate, Millis{0},
         "standby.signal is gone without a grant: somebody promoted it or removed the file");
  }
}

void Postmaster::sweep(const std::vector<pid_t>& spared) {
  const pid_t self = getpid();
  std::size_t alive = 0;
  for (const pid_t child : children_of(self)) {
    if (std::find(spared.begin(), spared.end(), child) != spared.end()) continue;
    ++alive;
    kill(child, SIGKILL);  // our own child: its pid is not used again before we wait for it
  }
  const std::uint64_t attached = memory_ ? attachments_of(*memory_) : 0;
  if (alive == 0 && attached == 0) {
    // The list of children may miss one while they come and go; this look at everything may not.
    const auto servers = servers_in(settings_.data_directory);
    for (const auto& server : servers) kill(server.pid, SIGKILL);
    if (servers.empty()) return finish_stop();
  }
  if (boot_now() < next_warning_) return;
  next_warning_ = boot_now() + warning_interval;
  say("supervisor", "waiting for the end of " + std::to_string(alive) + " processes; " +
                        std::to_string(attached) + " are attached to the shared memory");
}

void Postmaster::finish_stop() {
  CHECK(state_ == State::stopping && pid_ == 0);
  state_ = State::stopped;
  grant_.reset();
  memory_.reset();
  last_stop_reason_ = reason_;
  say("supervisor", "postgres stopped: " + reason_ + " (" + exit_->how + ")");
}

Instant Postmaster::next_tick() const {
  const Instant now = boot_now();
  if (state_ == State::stopping) {
    if (pid_ == 0) return now + sweep_interval;
    if (immediate_) return killed_ ? now + sweep_interval : kill_at_;
    return grant_ ? std::min(grant_->deadline, fast_until_) : fast_until_;
  }
  if (state_ != State::running) return now + check_interval;
  return grant_ ? std::min(grant_->deadline, next_check_) : next_check_;
}

void Postmaster::describe(Status& status) const {
  status.start_id = start_id_;
  status.state = state_;
  if (pid_ != 0) status.postmaster_pid = pid_;
  status.exit = exit_;
  status.grant = grant_;
  status.last_stop_reason = last_stop_reason_;
}

}  // namespace evergres::supervisor

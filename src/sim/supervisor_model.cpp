#include "sim/supervisor_model.hpp"

#include <utility>

namespace evergres::sim {

SupervisorModel::SupervisorModel(Process& process, PostgresModel& postgres, Choices& choices,
                                 Clock clock, const Planted& planted)
    : process_(process),
      postgres_(postgres),
      choices_(choices),
      clock_(std::move(clock)),
      planted_(planted) {
  postgres_.on_exit = [this] {
    // SIGCHLD and the pidfd: at once, if the supervisor gets to run.
    process_.deliver([this] { process_.after(Nanos{500'000}, [this] { postmaster_ended(); }); });
  };
}

void SupervisorModel::begin(std::string run) {
  process_.start();
  run_ = std::move(run);
  start_id_ = 0;
  state_ = supervisor::State::stopped;
  grant_.reset();
  exit_.reset();
  overdue_since_.reset();
  waiting_for_stop_.clear();
  check_signal();
}

void SupervisorModel::end() {
  process_.kill();
  waiting_for_stop_.clear();
}

Outcome SupervisorModel::start(const std::vector<TimelineId>& forget) {
  if (state_ != supervisor::State::stopped || postgres_.anything_alive()) {
    return Error(ErrorCode::refused, "PostgreSQL is not stopped");
  }
  // Reserved history files above the newest real one make every start fail.
  if (!planted_.contains(Bug::placeholders_stay)) postgres_.disk.remove_leftover_placeholders();
  postgres_.disk.signal = true;
  for (const TimelineId id : forget) postgres_.disk.histories.erase(id);
  if (auto started = postgres_.start(planted_.contains(Bug::start_as_primary)); !started) {
    return started;
  }
  ++start_id_;
  ever_granted_ = false;
  state_ = supervisor::State::running;
  grant_.reset();
  exit_.reset();
  if (on_change) on_change();
  return {};
}

void SupervisorModel::stop(supervisor::StopMode mode, Nanos deadline,
                           std::function<void(bool)> done) {
  using supervisor::State;
  if (state_ == State::stopped) return done(false);
  waiting_for_stop_.push_back(std::move(done));
  const bool first = state_ == State::running;
  state_ = State::stopping;
  if (first && on_change) on_change();
  if (mode == supervisor::StopMode::immediate) {
    const Nanos patience = choices_.skewed(Millis{3}, Millis{60});
    process_.after(patience, [this] {
      if (planted_.contains(Bug::stop_leaves_children)) {
        postgres_.lose_postmaster();
        return leave_children("signal 3");
      }
      postgres_.reap();
      finish(false, "signal 3");
    });
  } else if (first) {
    postgres_.stop_fast(deadline, [this](bool clean) {
      process_.deliver([this, clean] { finish(clean, clean ? "exited 0" : "signal 3"); });
    });
  }
}

void SupervisorModel::postmaster_ended() {
  if (state_ == supervisor::State::stopped || postgres_.postmaster_lives()) return;
  state_ = supervisor::State::stopping;
  grant_.reset();
  if (on_change) on_change();
  sweep();
}

// Its children came to us as orphans: each is killed before the server counts as stopped.
void SupervisorModel::sweep() {
  if (planted_.contains(Bug::running_counts_as_stopped)) return leave_children("signal 9");
  process_.after(choices_.skewed(Millis{1}, Millis{40}), [this] {
    postgres_.reap();
    finish(false, "signal 9");
  });
}

// Planted: what is left goes on until it has nothing more to do.
void SupervisorModel::leave_children(std::string how) {
  process_.after(Millis{3500}, [this] {
    if (!postgres_.postmaster_lives()) postgres_.reap();
  });
  finish(false, std::move(how));
}

void SupervisorModel::finish(bool clean, std::string how) {
  if (state_ == supervisor::State::stopped) return;
  state_ = supervisor::State::stopped;
  grant_.reset();
  overdue_since_.reset();
  exit_ = supervisor::Exit{std::move(how), clean};
  auto waiting = std::exchange(waiting_for_stop_, {});
  if (on_change) on_change();
  for (const auto& done : waiting) done(clean);
}

Outcome SupervisorModel::grant(const supervisor::AskGrant& asked) {
  const supervisor::GrantFacts facts{state_, start_id_, grant_, clock_()};
  auto decided = supervisor::decide_grant(asked, facts);
  if (!decided) return decided.error();
  const bool news = !grant_ || grant_->kind != decided->kind || grant_->term != decided->term;
  grant_ = *decided;
  ever_granted_ = true;
  const Nanos left = decided->deadline - clock_();
  process_.after(left + Nanos{1'000'000}, [this] { check_grant(); });
  if (news && on_change) on_change();
  return {};
}

void SupervisorModel::revoke() {
  if (grant_) stop(supervisor::StopMode::fast, Millis{500}, [](bool) {});
}

// A grant that nobody extended: a rival may be at work.
void SupervisorModel::check_grant() {
  if (!grant_ || grant_->deadline > clock_()) return;
  if (!overdue_since_) overdue_since_ = process_.events().now();
  if (planted_.contains(Bug::no_end_of_grant)) return;
  grant_.reset();
  stop(supervisor::StopMode::immediate, Millis{0}, [](bool) {});
}

// "standby.signal is gone without a grant": somebody promoted it. Looked at each second.
void SupervisorModel::check_signal() {
  process_.after(Millis{1000}, [this] {
    const bool gone = postgres_.state() == PostgresModel::State::primary && !ever_granted_;
    if (state_ == supervisor::State::running && gone && !planted_.contains(Bug::start_as_primary)) {
      stop(supervisor::StopMode::immediate, Millis{0}, [](bool) {});
    }
    check_signal();
  });
}

supervisor::Status SupervisorModel::status() const {
  supervisor::Status status;
  status.supervisor_run = run_;
  status.start_id = start_id_;
  status.state = state_;
  if (postgres_.postmaster_lives()) status.postmaster_pid = 1000 + static_cast<int>(start_id_);
  status.exit = exit_;
  status.grant = grant_;
  return status;
}

}  // namespace evergres::sim

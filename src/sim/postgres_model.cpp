#include "sim/postgres_model.hpp"

#include <algorithm>
#include <utility>

/// Life of a server: start, recovery, promotion, the ways to end. Commits and walsenders are in
/// postgres_sending.cpp, the receiver in postgres_receiving.cpp.
namespace evergres::sim {

TimelineId DataDirectory::timeline_at(std::uint64_t lsn) const {
  if (lsn == 0 || wal.empty()) return TimelineId{1};
  return wal[std::min<std::uint64_t>(lsn, wal.size()) - 1].timeline;
}

TimelineId DataDirectory::newest_real() const {
  TimelineId newest{1};
  for (const auto& [timeline, file] : histories) {
    if (!file.placeholder) newest = timeline;
  }
  return newest;
}

TimelineId DataDirectory::highest_id() const {
  TimelineId highest = timeline_at(end());
  if (!histories.empty()) highest = std::max(highest, histories.rbegin()->first);
  if (!fresh_segments.empty()) highest = std::max(highest, *fresh_segments.rbegin());
  return highest;
}

TimelineId DataDirectory::newest_from(TimelineId timeline) const {
  while (histories.contains(TimelineId{timeline.value + 1})) ++timeline.value;
  return timeline;
}

std::vector<core::Fork> DataDirectory::history_of(TimelineId timeline) const {
  std::vector<core::Fork> forks;
  const auto file = histories.find(timeline);
  if (file == histories.end()) return forks;
  const auto& steps = file->second.steps;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    forks.push_back({timeline, step->parent, step->at});
    timeline = step->parent;
  }
  return forks;
}

std::optional<TimelineId> DataDirectory::timeline_in(TimelineId timeline, std::uint64_t lsn) const {
  std::uint64_t end = UINT64_MAX;
  for (const core::Fork& fork : history_of(timeline)) {
    if (fork.at.value <= lsn && lsn < end) return timeline;
    end = fork.at.value;
    timeline = fork.parent;
  }
  return lsn < end ? std::optional(timeline) : std::nullopt;
}

void DataDirectory::reserve(TimelineId parent, TimelineId wanted) {
  for (auto id = parent.value + 1; id < wanted.value; ++id) {
    histories.emplace(TimelineId{id}, HistoryFile{{}, true});
  }
}

void DataDirectory::reserve_below_newest() {
  const TimelineId newest = newest_real();
  const auto forks = history_of(newest);
  if (!forks.empty()) reserve(forks.front().parent, newest);
}

void DataDirectory::remove_leftover_placeholders() {
  histories.erase(histories.upper_bound(newest_real()), histories.end());
}

bool DataDirectory::can_recover(TimelineId target) const {
  const auto has = [&](std::uint64_t end) {
    return timeline_in(target, end - 1) == timeline_at(end);
  };
  return has(std::max<std::uint64_t>(redo, 1)) && (least_end == 0 || has(least_end));
}

std::uint64_t DataDirectory::end_towards(TimelineId target) const {
  std::set<TimelineId> on_the_way{target, TimelineId{1}};
  for (const core::Fork& fork : history_of(target)) on_the_way.insert(fork.parent);
  const auto is_apart = [&](const WalRecord& r) { return !on_the_way.contains(r.timeline); };
  const auto from = wal.begin() + static_cast<std::ptrdiff_t>(redo);
  return static_cast<std::uint64_t>(std::find_if(from, wal.end(), is_apart) - wal.begin());
}

std::vector<TimelineId> DataDirectory::what_is_no_child(bool of_all_wal) const {
  const TimelineId own = control_timeline();
  const TimelineId newest = newest_from(own);
  bool all_reserved = true;
  TimelineId last = newest;
  for (; last > own; --last.value) {
    if (histories.at(last).placeholder) continue;
    if (can_recover(last)) break;
    all_reserved = false;
  }
  if (all_reserved) last = newest;
  const TimelineId at_the_end = timeline_at(end());
  const std::uint64_t last_record = std::max<std::uint64_t>(end(), 1) - 1;
  const TimelineId stays = of_all_wal ? std::max(own, at_the_end) : last;
  for (TimelineId id = stays; ++id.value <= last.value;) {
    if (histories.at(id).placeholder || timeline_in(id, last_record) == at_the_end) continue;
    last.value = id.value - 1;
    while (last > stays && histories.at(last).placeholder) --last.value;
  }
  std::vector<TimelineId> found;
  while (++last.value <= newest.value) found.push_back(last);
  return found;
}

void DataDirectory::become_copy_of(const DataDirectory& other) {
  const bool by_backup = wal.empty();
  wal.assign(other.wal.begin(), other.wal.begin() + static_cast<std::ptrdiff_t>(other.flushed));
  flushed = durable = end();
  redo = std::min(other.redo, end());
  least_end = end();
  oldest = other.oldest;
  histories = other.histories;
  if (by_backup) {
    const TimelineId own = timeline_at(end());
    std::erase_if(histories, [&](const auto& file) { return file.first != own; });
  }
  signal = true;
  begun.clear();
  cut.clear();
  fresh_segments.clear();
  slots.clear();
  clean = false;
  led = false;
  upstream.reset();
  kind = Kind::valid;
}

PostgresModel::PostgresModel(EventQueue& events, Network& network, Choices& choices, Place place,
                             Find find, PostgresWatcher& watcher)
    : events_(events),
      network_(network),
      choices_(choices),
      place_(place),
      find_(std::move(find)),
      watcher_(watcher),
      processes_(events) {}

bool PostgresModel::answers() const {
  const bool up = state_ == State::standby || state_ == State::primary;
  return postmaster_ && up && processes_.acts() && ails.hung == 0;
}

Nanos PostgresModel::disk_time() {
  return hang_of_disk() + choices_.skewed(Nanos{300'000}, Millis{20}) * ails.slow_disk;
}

Nanos PostgresModel::hang_of_disk() {
  return ails.disk_hung > 0 ? choices_.between(Millis{1000}, Millis{8000}) : Nanos{0};
}

DataDirectory::Begun DataDirectory::what_began() const {
  Begun known{begun, cut};
  if (signal) return known;
  const TimelineId last = newest_real();
  bool cut_off = false;
  for (const TimelineId id : fresh_segments) {
    if (id <= last) continue;
    const auto [noted, first_look] = known.cut.emplace(id, last);
    cut_off = cut_off || first_look || noted->second == last;
  }
  if (!cut_off && last > TimelineId{1}) known.begun.insert(last);
  return known;
}

void DataDirectory::note_begun() {
  Begun known = what_began();
  begun = std::move(known.begun);
  cut = std::move(known.cut);
}

Outcome PostgresModel::start(bool as_primary) {
  if (processes_.lives()) return Error(ErrorCode::refused, "processes of it are still alive");
  if (disk.kind != DataDirectory::Kind::valid) {
    return Error(ErrorCode::postgres_failed, "there is no usable data directory");
  }
  processes_.start();
  postmaster_ = true;
  state_ = State::starting;
  loaded_ = names_on_disk();
  gate_ = disk.gate_open;
  sync_defined_ = !loaded_.empty();
  ails.replay_paused = false;
  // "requested timeline N is not a child of this server's history", or, on the way to a
  // placeholder, "could not locate a valid checkpoint record": at every start. One that has been in
  // recovery since its last checkpoint, or was shut down, seeks it for ever (InitWalRecovery; the
  // end of a promotion notes a least end of recovery).
  const TimelineId target = disk.newest_from(disk.control_timeline());
  const auto followed = disk.histories.find(target);
  const bool reserved = followed != disk.histories.end() && followed->second.placeholder;
  const bool recovers = !disk.led || disk.timeline_at(disk.redo) != disk.timeline_at(disk.end());
  if (reserved && (disk.clean || recovers)) return {};
  const bool refuses = !disk.can_recover(target) || ails.disk_full > 0;
  const Nanos recovery = Millis{30} + Millis{2} * std::int64_t(disk.end() - disk.redo);
  const bool primary = as_primary && disk.led;
  processes_.after(choices_.skewed(recovery, recovery + Millis{3000}) * ails.slow_disk,
                   [this, refuses, primary, target] {
                     if (state_ == State::stopping) return;
                     if (refuses || ails.disk_full > 0) return panic();
                     target_ = target;
                     disk.wal.resize(disk.end_towards(target));
                     become_ready(primary);
                   });
  return {};
}

// Crash recovery reads to the end of what was written and makes it durable, flushed before or not.
void PostgresModel::become_ready(bool as_primary) {
  disk.flushed = disk.durable = disk.redo = replayed_ = disk.end();
  disk.least_end = 0;
  disk.clean = false;
  state_ = as_primary ? State::primary : State::standby;
  disk.led = as_primary;
  if (!as_primary) look_for_upstream();
}

void PostgresModel::forget_run() {
  promote_asked_ = promoting_ = looking_ = promoted_by_hand = false;
  sync_defined_ = false;
  released_ = 0;
  waiting_.clear();
  const auto close = [this](const std::shared_ptr<Connection>& connection, Place other,
                            std::uint64_t receiver, std::uint64_t sender) {
    connection->down.close();
    connection->up.close();
    if (!powered) return;
    network_.send(place_, other, Traffic::replication, [this, other, receiver, sender] {
      PostgresModel* there = find_(other);
      there->processes_.deliver([there, receiver, sender] {
        if (receiver != 0) there->receiver_gone(receiver);
        if (sender != 0) there->drop_sender(sender);
      });
    });
  };
  for (const Sender& sender : senders_) {
    close(sender.connection, sender.node, sender.connection->receiver, 0);
  }
  senders_.clear();
  if (receiver_ && receiver_->connection) {
    receiver_->connection->given_up = true;
    close(receiver_->connection, receiver_->upstream.node, 0, receiver_->connection->sender);
  }
  receiver_.reset();
  received_end_.reset();
  received_timeline_.reset();
  stop_done_ = nullptr;
}

void PostgresModel::reap() {
  if (state_ == State::primary) disk.led = true;
  processes_.kill();
  forget_run();
  postmaster_ = false;
  state_ = State::stopped;
}

void PostgresModel::kill_postmaster() {
  if (!postmaster_) return;
  postmaster_ = false;
  // Whoever waits for anything notices it (WL_POSTMASTER_DEATH): a commit that waits is not
  // answered any more, walsenders and the receiver end. What computes goes on, and may commit.
  processes_.after(Nanos{1'000'000}, [this] {
    waiting_.clear();
    for (const Sender& sender : std::vector<Sender>(senders_)) {
      if (!is_frozen(sender)) drop_sender(sender.id);
    }
    end_receiver();
  });
  if (on_exit) on_exit();
}

void PostgresModel::panic() {
  reap();
  if (on_exit) on_exit();
}

void PostgresModel::lose_power() {
  reap();
  disk.wal.resize(std::min<std::uint64_t>(disk.durable, disk.end()));
  disk.flushed = disk.durable = disk.end();
  disk.redo = std::min(disk.redo, disk.end());
  disk.least_end = std::min(disk.least_end, disk.end());
}

// Fast: sessions end first; then walsenders may stay until whoever still streams has everything,
// the shutdown checkpoint included (it waits for each of them: a frozen one holds it up).
void PostgresModel::stop_fast(Nanos deadline, std::function<void(bool)> done) {
  if (!processes_.lives() || state_ == State::stopped) return done(false);
  stop_done_ = std::move(done);
  stop_end_.reset();
  const bool was_primary = state_ == State::primary;
  const bool was_standby = state_ == State::standby;
  const bool was_starting = state_ == State::starting;
  end_sessions();
  state_ = State::stopping;
  processes_.after(deadline, [this] {
    auto report = std::move(stop_done_);
    reap();
    if (report) report(false);
  });
  if (ails.hung > 0) return;
  // The startup process obeys its SIGTERM between two records.
  if (was_starting) return processes_.after(Millis{15}, [this] { end_in_order(); });
  if (!was_primary && !was_standby) return;
  if (was_standby && receiver_) end_receiver();
  // A promotion that has begun takes effect: the postmaster waits for the startup process, which
  // has looked for its SIGTERM for the last time.
  if (!(was_standby && promoting_)) write_shutdown_checkpoint(was_primary);
}

void PostgresModel::write_shutdown_checkpoint(bool leads) {
  processes_.after(disk_time() + Millis{15}, [this, leads] {
    if (leads) {
      append();
      flush_up_to(disk.end());
      disk.led = true;
    }
    stop_end_ = disk.end();
    push_all();
    check_stop();
  });
}

void PostgresModel::check_stop() {
  if (state_ != State::stopping || !stop_done_ || stop_end_ != disk.end()) return;
  for (const Sender& sender : senders_) {
    if (!sender.until && sender.flush.value_or(0) < stop_end_) return;
  }
  disk.redo = disk.end();
  end_in_order();
}

void PostgresModel::end_in_order() {
  auto report = std::move(stop_done_);
  reap();
  disk.clean = true;
  report(true);
}

void PostgresModel::promote() {
  if (state_ != State::standby) return;
  promote_asked_ = true;
  try_to_promote();
}

void PostgresModel::unblock_replay() {
  replay();
}

// The startup process hears of it when it has nothing more to replay: until then the receiver goes
// on. Then that one ends, what it left is replayed, and the timeline is the first one above that
// which recovery follows without a history file here. Nothing that the asker does meanwhile stops
// it.
void PostgresModel::try_to_promote() {
  if (!promote_asked_ || promoting_ || state_ != State::standby) return;
  replay();
  if (ails.replay_blocked == 0) end_receiver();
  if (replayed_ < disk.end() || ails.replay_blocked > 0) {
    processes_.after(Millis{50}, [this] { try_to_promote(); });
    return;
  }
  promoting_ = true;
  processes_.after(choices_.skewed(Millis{15}, Millis{1500}) * ails.slow_disk, [this] {
    if (ails.disk_full > 0) return panic();
    const TimelineId fresh{disk.newest_from(target_).value + 1};
    // StartupXLOG: the first segment, the signal, the history file, the end of recovery.
    disk.fresh_segments.insert(fresh);
    disk.signal = false;
    processes_.after(choices_.skewed(Nanos{200'000}, Millis{30}) * ails.slow_disk,
                     [this, fresh] { begin_timeline(fresh); });
  });
}

void PostgresModel::begin_timeline(TimelineId fresh) {
  if (ails.disk_full > 0) return panic();
  // The parent is what recovery followed, even if it never got to where that one begins.
  const core::Fork fork{fresh, target_, Lsn{disk.end()}};
  HistoryFile file;
  if (const auto parent = disk.histories.find(target_); parent != disk.histories.end()) {
    file.steps = parent->second.steps;
  }
  file.steps.push_back({fork.parent, fork.at});
  disk.histories[fresh] = std::move(file);
  processes_.after(choices_.skewed(Nanos{100'000}, Millis{10}) * ails.slow_disk,
                   [this, fork] { end_recovery(fork); });
}

// A server that is being stopped meanwhile admits nobody any more, and then goes on with its stop.
void PostgresModel::end_recovery(const core::Fork& fork) {
  if (ails.recovery_held > 0) {
    return processes_.after(Millis{10}, [this, fork] { end_recovery(fork); });
  }
  const bool stops = state_ == State::stopping;
  if (!stops) state_ = State::primary;
  disk.led = true;
  // A walsender of a standby ends where its timeline does.
  for (const Sender& sender : std::vector<Sender>(senders_)) drop_sender(sender.id);
  disk.wal.push_back({watcher_.next_record(), fork.timeline});
  flush_up_to(disk.end());
  replayed_ = disk.end();
  if (!promoted_by_hand) watcher_.promoted(place_, fork);
  if (stops) write_shutdown_checkpoint(true);
}

}  // namespace evergres::sim

#include <algorithm>
#include <set>
#include <utility>

#include "sim/postgres_model.hpp"

/// Commits, whom they wait for (syncrep.c), and the sending side of replication (walsender.c).
namespace evergres::sim {
namespace {

constexpr Millis sender_timeout{60'000};  // wal_sender_timeout

}  // namespace

std::uint64_t PostgresModel::append() {
  const std::uint64_t id = watcher_.next_record();
  disk.wal.push_back({id, disk.timeline_at(disk.end())});
  return id;
}

void PostgresModel::flush_up_to(std::uint64_t lsn) {
  lsn = std::min(lsn, disk.end());
  disk.flushed = std::max(disk.flushed, lsn);
  if (!ails.fsync_lies) disk.durable = std::max(disk.durable, lsn);
  constexpr std::uint64_t between_checkpoints = 400;
  if (disk.flushed > disk.redo + between_checkpoints) disk.redo = disk.flushed - 50;
}

void PostgresModel::commit(bool has_wal, Answered done) {
  if (!answers() || state_ != State::primary) return done(Answer::refused, 0, 0);
  if (!has_wal) return done(Answer::acknowledged, 0, disk.flushed);
  write_commit(false, std::move(done));
}

std::uint64_t PostgresModel::commit_in_session(Answered done, bool local) {
  const bool runs = processes_.acts() && ails.hung == 0;
  if (runs && state_ == State::primary) return write_commit(local, std::move(done));
  done(Answer::refused, 0, 0);
  return 0;
}

void PostgresModel::load(std::uint64_t records) {
  if (!answers() || state_ != State::primary) return;
  for (std::uint64_t i = 0; i < records; ++i) append();
  processes_.after(disk_time(), [this, lsn = disk.end()] {
    flush_up_to(lsn);
    replayed_ = std::max(replayed_, disk.flushed);
    push_all();
  });
}

std::uint64_t PostgresModel::write_commit(bool local, Answered done) {
  if (ails.disk_full > 0) {  // "could not write to file": PANIC
    panic();
    return 0;
  }
  const std::uint64_t id = append();
  const std::uint64_t lsn = disk.end();
  processes_.after(disk_time(), [this, local, id, lsn, done = std::move(done)] {
    flush_up_to(lsn);
    replayed_ = std::max(replayed_, disk.flushed);
    push_all();
    if (local) return done(Answer::acknowledged, id, lsn);
    begin_to_wait({events_.now(), lsn, id, done});
  });
  return id;
}

// SyncRepWaitForLSN: the flag is the checkpointer's, the released position sticks.
void PostgresModel::begin_to_wait(Waiter waiter) {
  if (!sync_defined_ || waiter.lsn <= released_) {
    return waiter.done(Answer::acknowledged, waiter.record, waiter.lsn);
  }
  if (!postmaster_) return;  // an orphan that would have to wait ends, and answers nobody
  waiting_.push_back(std::move(waiter));
}

std::optional<Moment> PostgresModel::waits_since() const {
  const auto oldest = std::ranges::min_element(waiting_, {}, &Waiter::since);
  return oldest == waiting_.end() ? std::nullopt : std::optional(oldest->since);
}

void PostgresModel::wake(std::uint64_t up_to) {
  std::vector<Waiter> woken;
  std::erase_if(waiting_, [&](Waiter& waiter) {
    if (waiter.lsn > up_to) return false;
    woken.push_back(std::move(waiter));
    return true;
  });
  for (const Waiter& waiter : woken) {
    waiter.done(Answer::acknowledged, waiter.record, waiter.lsn);
  }
}

// SyncRepWaitForLSN: "canceling wait for synchronous replication due to user request".
void PostgresModel::cancel(std::uint64_t record) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiter& waiter) { return waiter.record == record; });
  if (found == waiting_.end() || ails.hung > 0) return;
  const Waiter cancelled = *found;
  waiting_.erase(found);
  cancelled.done(Answer::warned, cancelled.record, cancelled.lsn);
}

void PostgresModel::end_sessions() {
  std::vector<Waiter> ended;
  ended.swap(waiting_);
  for (const Waiter& waiter : ended) waiter.done(Answer::warned, waiter.record, waiter.lsn);
}

SyncNames PostgresModel::names_on_disk() const {
  SyncNames names = SyncNames::parse(disk.names);
  if (misreads) misreads(names);
  return names;
}

// The postmaster reads first, then its children are told: a new connection shows the new value
// while the checkpointer and each walsender still have the old one.
void PostgresModel::reload() {
  if (!postmaster_) return;
  processes_.after(Nanos{300'000}, [this] {
    loaded_ = names_on_disk();
    gate_ = disk.gate_open;
    processes_.after(choices_.skewed(Nanos{100'000}, Millis{30}), [this] { publish_names(); });
    for (Sender& sender : senders_) {
      if (!sender.told_at) sender.told_at = sender.sent;
      const auto copy = [this, id = sender.id](const auto& again) -> void {
        Sender* own = find_sender(id);
        if (own == nullptr) return;
        if (is_frozen(*own)) return processes_.after(Millis{100}, [again] { again(again); });
        read_names(*own);
      };
      processes_.after(choices_.skewed(Nanos{100'000}, Millis{10}), [copy] { copy(copy); });
    }
  });
}

void PostgresModel::read_names(Sender& sender) {
  sender.names = loaded_;
  sender.told_at.reset();
  sender.wakes_idle = false;
}

// SyncRepUpdateSyncStandbysDefined: only the checkpointer does it, between two pieces of work.
void PostgresModel::publish_names() {
  if (ails.checkpointer_busy > 0) {
    processes_.after(Millis{100}, [this] { publish_names(); });
    return;
  }
  sync_defined_ = !loaded_.empty();
  if (!sync_defined_) wake(UINT64_MAX);
}

// SyncRepReleaseWaiters, run by one walsender with its own copy of the setting; whether another
// counts is what that one's own copy says.
void PostgresModel::release(const Sender& by) {
  if (!by.streaming || !by.flush || !by.names.match(by.name)) return;
  std::vector<std::uint64_t> positions;
  for (const Sender& sender : senders_) {
    if (sender.streaming && sender.flush && sender.names.match(sender.name)) {
      positions.push_back(*sender.flush);
    }
  }
  if (by.names.k == 0 || positions.size() < by.names.k) return;
  std::sort(positions.rbegin(), positions.rend());
  released_ = std::max(released_, positions[by.names.k - 1]);
  wake(released_);
}

std::vector<std::string> PostgresModel::lagging(const std::vector<std::string>& names,
                                                std::uint64_t lsn) const {
  std::vector<std::string> behind;
  for (const Sender& sender : senders_) {
    const bool meant = std::find(names.begin(), names.end(), sender.name) != names.end();
    if (meant && sender.flush.value_or(0) < lsn) behind.push_back(sender.name);
  }
  return behind;
}

std::size_t PostgresModel::passed(const std::vector<std::string>& names, std::uint64_t lsn) const {
  std::set<std::string> all;
  for (const Sender& sender : senders_) {
    const bool meant = std::find(names.begin(), names.end(), sender.name) != names.end();
    if (meant && sender.flush.value_or(0) >= lsn) all.insert(sender.name);
  }
  return all.size();
}

void PostgresModel::end_senders(const std::function<bool(const std::string&)>& which) {
  // A stopped process does not see the signal.
  for (const Sender& sender : std::vector<Sender>(senders_)) {
    if (!is_frozen(sender) && which(sender.name)) drop_sender(sender.id);
  }
}

void PostgresModel::forget_connections() {
  constexpr Millis keepalives{5000};
  for (const Sender& sender : senders_) {
    sender.connection->down.close();
    sender.connection->up.close();
    sender.connection->sender = 0;  // the receiver's end is told to nobody
    PostgresModel* there = find_(sender.node);
    there->processes_.after(
        keepalives, [there, id = sender.connection->receiver] { there->receiver_gone(id); });
  }
}

PostgresModel::Sender* PostgresModel::find_sender(std::uint64_t id) {
  for (Sender& sender : senders_) {
    if (sender.id == id) return &sender;
  }
  return nullptr;
}

void PostgresModel::drop_sender(std::uint64_t id) {
  const auto found = std::find_if(senders_.begin(), senders_.end(),
                                  [&](const Sender& sender) { return sender.id == id; });
  if (found == senders_.end()) return;
  const Place node = found->node;
  const std::uint64_t receiver = found->connection->receiver;
  senders_.erase(found);
  network_.send(place_, node, Traffic::replication, [this, node, receiver] {
    PostgresModel* there = find_(node);
    there->processes_.deliver([there, receiver] { there->receiver_gone(receiver); });
  });
  check_stop();
}

std::uint64_t PostgresModel::send_limit() const {
  const bool leads = state_ == State::primary || (state_ == State::stopping && !receiver_);
  return leads ? disk.flushed : replayed_;
}

void PostgresModel::push_all() {
  for (Sender& sender : senders_) push(sender);
}

void PostgresModel::push(Sender& sender) {
  if (is_frozen(sender)) {
    if (std::exchange(sender.moving, true)) return;
    processes_.after(Millis{100}, [this, id = sender.id] {
      Sender* own = find_sender(id);
      if (own == nullptr) return;
      own->moving = false;
      push(*own);
    });
    return;
  }
  std::uint64_t limit = send_limit();
  // A standby may have followed its own upstream onto another timeline.
  for (const core::Fork& fork : disk.history_of(disk.timeline_at(limit))) {
    if (!sender.until && fork.parent == sender.timeline) sender.until = fork;
  }
  if (sender.until) limit = std::min(limit, sender.until->at.value);
  const std::uint64_t from = sender.sent;
  PostgresModel* there = find_(sender.node);
  const std::uint64_t receiver = sender.connection->receiver;
  if (from < limit) {
    sender.sent = limit;
    Wal records(disk.wal.begin() + static_cast<std::ptrdiff_t>(from),
                disk.wal.begin() + static_cast<std::ptrdiff_t>(limit));
    sender.connection->down.send([there, receiver, from, limit, records = std::move(records)] {
      there->processes_.deliver([=] { there->take_wal(receiver, from, records, limit); });
    });
  }
  sender.streaming = true;  // caught up, also at the end of a historic timeline
  if (!sender.until || sender.sent < sender.until->at.value) return;
  if (std::exchange(sender.ended, true)) return;
  sender.connection->down.send(
      [there, receiver, next = *sender.until,
       histories = histories_between(sender.until->parent, sender.until->timeline)] {
        there->processes_.deliver([=] { there->timeline_ended(receiver, next, histories); });
      });
}

TimelineId PostgresModel::own_timeline() const {
  return disk.timeline_at(state_ == State::primary ? disk.end() : replayed_);
}

bool PostgresModel::lends(const std::string& slot) const {
  if (slot.empty()) return true;
  return disk.slots.contains(slot) &&
         std::none_of(senders_.begin(), senders_.end(),
                      [&](const Sender& sender) { return sender.slot == slot; });
}

/// A member asks with the slot that is its own: as long as a walsender of before has it, also one
/// whose connection is dead, the next one is refused. Two of one name would count twice.
bool PostgresModel::is_served(Place node) const {
  return std::ranges::any_of(senders_, [&](const Sender& sender) { return sender.node == node; });
}

// What START_REPLICATION looks at: the slot must be there and free, the timeline must be ours or an
// ancestor that we left behind the starting point, which is the beginning of a segment, and the WAL
// must still be there.
PostgresModel::Refusal PostgresModel::judge(const Request& request,
                                            std::optional<core::Fork>& until) const {
  if (!answers() && !(postmaster_ && processes_.acts() && state_ == State::stopping)) {
    return Refusal::unreachable;
  }
  if (state_ == State::stopping) return Refusal::unreachable;
  const TimelineId own = own_timeline();
  if (request.timeline > own) return Refusal::behind;
  if (!lends(request.slot) || is_served(request.node)) return Refusal::slot;
  if (request.timeline < own) {
    Lsn left{UINT64_MAX};
    for (const core::Fork& fork : disk.history_of(own)) {
      left = std::min(left, fork.at);
      if (fork.parent != request.timeline) continue;
      until = fork;
      break;
    }
    if (!until || request.start > until->at.value) return Refusal::diverged;
    // We left before a later timeline of our history began, and never had that one's segments.
    if (left < until->at) return Refusal::removed;
  } else if (request.start > send_limit()) {
    return Refusal::diverged;
  }
  return request.start < disk.oldest ? Refusal::removed : Refusal::none;
}

HistoryFiles PostgresModel::histories_between(TimelineId first, TimelineId last) const {
  return {disk.histories.lower_bound(first), disk.histories.upper_bound(last)};
}

/// "could not open file pg_wal/0000000N.history": the receiver asks for each that it lacks, from
/// the timeline that it needs to ours, before it asks for WAL.
bool PostgresModel::can_give_histories(const Request& request) const {
  for (auto id = std::max(request.timeline, TimelineId{2}); id <= own_timeline(); ++id.value) {
    if (!request.known.contains(id) && !disk.histories.contains(id)) return false;
  }
  return true;
}

void PostgresModel::accept(const Request& request) {
  // The handshake takes several round trips: who gave up never sends START_REPLICATION.
  if (request.connection->given_up) return;
  Sender sender;
  sender.id = ++next_id_;
  sender.node = request.node;
  sender.name = request.name;
  sender.slot = request.slot;
  sender.sent = request.start;
  sender.timeline = request.timeline;
  sender.names = loaded_;
  sender.replied = events_.now();
  sender.connection = request.connection;
  Refusal refusal = judge(request, sender.until);
  Request answer = request;
  if (refusal != Refusal::unreachable && refusal != Refusal::behind) {
    answer.newest = own_timeline();
    answer.histories = histories_between(request.timeline, answer.newest);
    if (!can_give_histories(request)) refusal = Refusal::history;
  }
  if (refusal == Refusal::none) request.connection->sender = sender.id;
  PostgresModel* there = find_(request.node);
  request.connection->down.send([there, refusal, answer = std::move(answer)] {
    there->processes_.deliver(
        [=] { there->answered(answer.connection->receiver, refusal, answer); });
  });
  if (refusal != Refusal::none) return;
  senders_.push_back(std::move(sender));
  watch_sender(senders_.back().id);
  push(senders_.back());
}

/// Whoever is gone without a word (power, a cut) holds its walsender for wal_sender_timeout.
void PostgresModel::watch_sender(std::uint64_t id) {
  processes_.after(Millis{1000}, [this, id] {
    const Sender* own = find_sender(id);
    if (own == nullptr) return;
    if (events_.now() - own->replied > sender_timeout && !is_frozen(*own)) {
      return drop_sender(id);
    }
    watch_sender(id);
  });
}

// As the session that asks sees it: whether a standby is a candidate is what its own walsender says
// (pg_stat_get_wal_senders).
std::string PostgresModel::sync_state(const Sender& sender) const {
  if (!sender.flush || !sender.names.match(sender.name)) return "async";
  return sender.streaming && !loaded_.empty() ? "quorum" : "potential";
}

bool PostgresModel::counts(const std::string& name) const {
  return loaded_.match(name) || names_on_disk().match(name) ||
         std::any_of(senders_.begin(), senders_.end(),
                     [&](const Sender& sender) { return sender.names.match(name); });
}

bool PostgresModel::reads_part_of_a_reply(Place receiver) const {
  return std::ranges::any_of(senders_, [&](const Sender& sender) {
    return sender.node == receiver && sender.inside_reply;
  });
}

bool PostgresModel::cannot_take_reply(Sender& sender) {
  if (ails.idle_sender_to_frozen.contains(sender.node)) sender.wakes_idle = true;
  sender.inside_reply = ails.cut_replies_of.contains(sender.node);
  return is_frozen(sender);
}

void PostgresModel::take_reply(std::uint64_t id, std::uint64_t flush) {
  Sender* sender = find_sender(id);
  if (sender == nullptr) return;
  if (cannot_take_reply(*sender)) {
    return processes_.after(Millis{20}, [this, id, flush] { take_reply(id, flush); });
  }
  // WalSndLoop reads the configuration before replies: one to what was sent after the SIGHUP, also
  // to a process that stood still meanwhile, is never handled with the old names. Any other is only
  // if the process stood still between the two, or has to wait for the rest of it.
  if (sender->told_at && (sender->wakes_idle || flush > *sender->told_at)) read_names(*sender);
  sender->flush = flush;
  sender->replied = events_.now();
  release(*sender);
  check_stop();
}

}  // namespace evergres::sim

#include <algorithm>
#include <utility>

#include "sim/postgres_model.hpp"

/// The receiving side (walreceiver.c, xlogrecovery.c) and what a server shows of itself.
namespace evergres::sim {
namespace {

constexpr Millis retry_interval{100};
constexpr Millis receiver_timeout{60'000};
constexpr Millis connect_timeout{3'000};

}  // namespace

void PostgresModel::wake_startup() {
  looking_ = false;
  look_for_upstream();
}

// The startup process wants a receiver once it has replayed all that is here.
void PostgresModel::look_for_upstream() {
  if (looking_ || receiver_ || state_ != State::standby || promote_asked_) return;
  replay();
  adopt_newest();
  if (!disk.upstream || replayed_ < disk.end()) {
    looking_ = true;
    return processes_.after(retry_interval, [this] {
      looking_ = false;
      look_for_upstream();
    });
  }
  looking_ = true;
  // RequestXLogStreaming copies what it knows; the process is forked when the postmaster gets to
  // it.
  std::optional<ServiceFile> copied;
  if (conninfo_is_copied_early) copied = disk.upstream;
  const Nanos late = ails.late_receivers > 0 ? choices_.between(Millis{20}, Millis{600})
                                             : choices_.skewed(Nanos{500'000}, Millis{20});
  processes_.after(late, [this, copied] {
    looking_ = false;
    fork_receiver(copied);
  });
}

void PostgresModel::fork_receiver(const std::optional<ServiceFile>& copied) {
  if (receiver_ || state_ != State::standby || promote_asked_ || !postmaster_) return;
  receiver_ = Receiver{};
  receiver_->id = ++next_id_;
  receiver_->heard = events_.now();
  // Its process is there before it reads the service file.
  processes_.after(Nanos{500'000}, [this, id = receiver_->id, copied] {
    if (!receiver_ || receiver_->id != id) return;
    const auto upstream = copied ? copied : disk.upstream;
    if (!upstream) return receiver_gone(id);
    connect(*upstream);
  });
}

TimelineId PostgresModel::timeline_to_request() const {
  return disk.timeline_in(target_, replayed_).value_or(target_);
}

void PostgresModel::connect(const ServiceFile& upstream) {
  Receiver& own = *receiver_;
  own.upstream = upstream;
  own.phase = ReceiverPhase::connecting;
  own.connection = std::make_shared<Connection>(events_, network_, upstream.node, place_);
  own.connection->receiver = own.id;
  Request request;
  request.node = place_;
  request.name = upstream.application_name;
  request.slot = upstream.slot;
  request.timeline = timeline_to_request();
  request.start = replayed_ / segment * segment;
  for (const auto& [timeline, file] : disk.histories) request.known.insert(timeline);
  request.connection = own.connection;
  PostgresModel* there = find_(upstream.node);
  own.connection->up.send([there, request] {
    if (!there->powered || there->ails.hung > 0) return;
    if (there->processes_.lives()) {
      return there->processes_.deliver([there, request] { there->accept(request); });
    }
    there->accept(request);  // nobody listens: refused
  });
  processes_.after(connect_timeout, [this, id = own.id] {
    const bool connecting =
        receiver_ && receiver_->id == id && receiver_->phase != ReceiverPhase::streaming;
    if (connecting) receiver_gone(id);
  });
}

// walreceiver.c:413: the flush position of a new receiver is the replay position, whatever timeline
// it is on; and its first reply tells it.
void PostgresModel::answered(std::uint64_t id, Refusal refusal, const Request& request) {
  if (!receiver_ || receiver_->id != id) return;
  if (refusal == Refusal::removed) refusals_.removed = events_.now();
  if (refusal == Refusal::diverged) refusals_.diverged = events_.now();
  if (refusal == Refusal::behind) refusals_.behind = events_.now();
  if (refusal == Refusal::slot) refusals_.slot = events_.now();
  if (refusal == Refusal::history) refusals_.history = events_.now();
  take_histories(request.timeline, request.newest, request.histories);
  if (refusal != Refusal::none) return receiver_gone(id);
  Receiver& own = *receiver_;
  own.phase = ReceiverPhase::streaming;
  own.timeline = request.timeline;
  own.heard = events_.now();
  own.written = request.start;
  if (received_timeline_ != own.timeline) {
    received_timeline_ = own.timeline;
    received_end_ = request.start;
  }
  own.received = replayed_;
  watcher_.attached(place_, own.upstream.node, own.upstream.application_name);
  reply(id);
  keep_status(id);
}

void PostgresModel::take_wal(std::uint64_t id, std::uint64_t from, const Wal& records,
                             std::uint64_t end) {
  if (!receiver_ || receiver_->id != id) return;
  if (ails.disk_full > 0) return receiver_gone(id);
  Receiver& own = *receiver_;
  own.heard = events_.now();
  own.latest_end = std::max(own.latest_end, end);
  for (std::uint64_t i = 0; i < records.size(); ++i) {
    const std::uint64_t at = from + i;
    if (at < disk.end() && disk.wal[at] == records[i]) continue;
    if (at < disk.end()) {
      refusals_.diverged = events_.now();
      return receiver_gone(id);
    }
    disk.wal.push_back(records[i]);
  }
  own.written = std::max(own.written, from + records.size());
  if (reports_written) {
    own.received = std::max(own.received, own.written);
    reply(id);
  }
  if (std::exchange(own.flushing, true)) return;
  processes_.after(disk_time(), [this, id] { flush_received(id); });
}

void PostgresModel::flush_received(std::uint64_t id) {
  if (!receiver_ || receiver_->id != id) return;
  Receiver& own = *receiver_;
  own.flushing = false;
  flush_up_to(disk.end());
  own.received = std::max(own.received, own.written);
  received_end_ = std::max(received_end_.value_or(0), own.written);
  reply(id);
  replay();
}

void PostgresModel::reply(std::uint64_t id) {
  if (!receiver_ || receiver_->id != id || !receiver_->connection) return;
  Receiver& own = *receiver_;
  PostgresModel* there = find_(own.upstream.node);
  own.connection->up.send([this, there, sender = own.connection->sender, flush = own.received, id] {
    there->processes_.deliver([this, there, sender, flush, id] {
      there->take_reply(sender, flush);
      Sender* row = there->find_sender(sender);
      if (row == nullptr) return;
      row->connection->down.send([this, id] {
        processes_.deliver([this, id] {
          if (receiver_ && receiver_->id == id) receiver_->heard = events_.now();
        });
      });
    });
  });
}

// wal_receiver_status_interval is a second; the rest of the connection's life is
// wal_receiver_timeout.
void PostgresModel::keep_status(std::uint64_t id) {
  processes_.after(Millis{1000}, [this, id] {
    if (!receiver_ || receiver_->id != id) return;
    if (events_.now() - receiver_->heard > receiver_timeout) return receiver_gone(id);
    reply(id);
    keep_status(id);
  });
}

// WalRcvFetchTimeLineHistoryFiles: one after the other, and the first that is not there ends the
// receiver. A file that is here is not fetched again, be it a placeholder.
void PostgresModel::take_histories(TimelineId first, TimelineId last,
                                   const HistoryFiles& histories) {
  for (auto id = std::max(first, TimelineId{2}); id <= last; ++id.value) {
    if (disk.histories.contains(id)) continue;
    const auto found = histories.find(id);
    if (found == histories.end()) return;
    disk.histories.insert(*found);
  }
}

void PostgresModel::timeline_ended(std::uint64_t id, const core::Fork& next,
                                   const HistoryFiles& histories) {
  if (!receiver_ || receiver_->id != id) return;
  flush_received(id);
  take_histories(next.parent, next.timeline, histories);
  receiver_gone(id);
}

// rescanLatestTimeLine, whenever nothing comes any more: the newest timeline must have the one that
// is followed among its ancestors ("is not a child of database system timeline"), and have left it
// behind what was replayed ("forked off current database system timeline before current recovery
// point").
void PostgresModel::adopt_newest() {
  if (state_ != State::standby || promote_asked_ || replayed_ < disk.end()) return;
  const TimelineId newest = disk.newest_from(target_);
  for (const core::Fork& fork : disk.history_of(newest)) {
    if (fork.parent != target_) continue;
    if (fork.at.value < replayed_) {
      refusals_.diverged = events_.now();
    } else {
      target_ = newest;
    }
    return;
  }
  if (newest != target_) refusals_.off_branch = events_.now();
}

void PostgresModel::end_receiver() {
  if (receiver_) receiver_gone(receiver_->id);
}

// A receiver that ends flushes what it has written.
void PostgresModel::receiver_gone(std::uint64_t id) {
  if (!receiver_ || receiver_->id != id) return;
  if (receiver_->phase == ReceiverPhase::streaming && ails.disk_full == 0) {
    flush_up_to(disk.end());
    received_end_ = std::max(received_end_.value_or(0), receiver_->written);
  }
  if (receiver_->connection) {
    receiver_->connection->given_up = true;
    const Place node = receiver_->upstream.node;
    const std::uint64_t sender = receiver_->connection->sender;
    network_.send(place_, node, Traffic::replication, [this, node, sender] {
      PostgresModel* there = find_(node);
      there->processes_.deliver([there, sender] { there->drop_sender(sender); });
    });
  }
  receiver_.reset();
  replay();
  adopt_newest();
  if (looking_) return;
  looking_ = true;
  processes_.after(retry_interval, [this] {
    looking_ = false;
    look_for_upstream();
  });
}

void PostgresModel::replay() {
  if (state_ != State::standby || ails.replay_blocked > 0) return;
  if (ails.replay_paused && !promote_asked_) return;
  // Without a receiver it reads what stands in the files, flushed or not
  // (WaitForWALToBecomeAvailable).
  const std::uint64_t until = receiver_ ? disk.flushed : disk.end();
  if (replayed_ >= until) return;
  replayed_ = until;
  push_all();
}

std::optional<postgres::Observation> PostgresModel::observe(Instant now) const {
  if (!answers()) return std::nullopt;
  postgres::Observation seen;
  seen.at = now;
  seen.in_recovery = state_ == State::standby;
  seen.system_id = SystemId{77};
  seen.timeline = disk.timeline_at(seen.in_recovery ? replayed_ : disk.end());
  seen.synchronous_standby_names = loaded_.text;
  seen.slots.emplace(disk.slots.begin(), disk.slots.end());
  if (seen.in_recovery) {
    if (received_end_) seen.receive = Lsn{*received_end_};
    seen.replay = Lsn{replayed_};
    seen.replay_paused = ails.replay_paused;
  } else {
    seen.flush = Lsn{disk.flushed};
    seen.sync_waits = waiting_.size();
  }
  if (receiver_ && receiver_->phase == ReceiverPhase::streaming) {
    postgres::ReceiverFacts facts;
    facts.pid = 1;
    facts.status = "streaming";
    facts.timeline = receiver_->timeline;
    facts.flushed = Lsn{receiver_->received};
    facts.latest_end = Lsn{receiver_->latest_end};
    seen.receiver = facts;
  }
  for (const Sender& sender : senders_) {
    postgres::SenderFacts facts;
    facts.pid = static_cast<pid_t>(sender.id);
    facts.application_name = sender.name;
    facts.state = sender.streaming ? "streaming" : "catchup";
    facts.sync_state = sync_state(sender);
    if (sender.flush) facts.flushed = Lsn{*sender.flush};
    facts.reply_age_ms = (events_.now() - sender.replied).count() / 1'000'000;
    seen.senders.push_back(std::move(facts));
  }
  return seen;
}

}  // namespace evergres::sim

#include "sim/store_model.hpp"

#include <algorithm>
#include <utility>

namespace evergres::sim {
namespace {

/// An asker waits for one outcome: the answer, or the end of its patience.
struct Waiting {
  bool over = false;
};

constexpr std::size_t most_past = 6;

}  // namespace

StoreModel::StoreModel(EventQueue& events, Network& network, Choices& choices, Place place,
                       std::int64_t usual_slowness)
    : events_(events),
      network_(network),
      choices_(choices),
      place_(place),
      usual_slowness_(usual_slowness),
      store_(store::open_memory(store::make_memory_content()), "sim") {}

void StoreModel::ask(Process& caller, Place from, bool changes, Nanos deadline, Work work,
                     const std::function<void(Error)>& failed) {
  auto waiting = std::make_shared<Waiting>();
  const std::uint64_t life = caller.life();
  const auto finish = [&caller, life, waiting](EventQueue::Action with) {
    if (caller.life() != life) return;
    caller.deliver([waiting, with = std::move(with)] {
      if (waiting->over) return;
      waiting->over = true;
      with();
    });
  };
  caller.after(deadline, [finish, failed] {
    finish([failed] {
      failed(Error(ErrorCode::timed_out, "the store did not answer", "The effect is unknown."));
    });
  });
  const auto at_store = [this, from, changes, finish, failed, work = std::move(work)] {
    if (health.down > 0) return;
    const auto refuse = [this, from, finish, failed](ErrorCode code, const char* why) {
      network_.send(place_, from, Traffic::store, [finish, failed, code, why] {
        finish([failed, code, why] { failed(Error(code, why)); });
      });
    };
    if (health.refused.contains(from)) {
      return refuse(ErrorCode::permission, "the store does not admit us");
    }
    if (changes && health.read_only > 0) {
      return refuse(ErrorCode::store_unavailable, "the store takes no changes just now");
    }
    EventQueue::Action answer = work(store_);
    if (changes && choices_.chance(health.lost_answers)) return;
    network_.send(place_, from, Traffic::store,
                  [finish, answer = std::move(answer)] { finish(answer); });
  };
  const auto came = std::make_shared<bool>(false);  // a client of a store asks once
  const Moment patience = events_.now() + deadline;
  network_.send(from, place_, Traffic::store, [this, at_store, came, changes, patience] {
    if (std::exchange(*came, true)) return;
    const std::int64_t slowness = std::max(health.slowness, usual_slowness_);
    events_.after(choices_.skewed(Millis{1}, Millis{12}) * slowness,
                  [this, at_store, changes, patience] {
                    if (!changes) return at_store();
                    when_unlocked(at_store, patience);
                  });
  });
}

// SQLite's busy timeout: who waits gets the lock late, or has given up by then. Readers read on.
void StoreModel::when_unlocked(EventQueue::Action change, Moment until) {
  if (health.locked == 0) return change();
  if (events_.now() >= until) return;
  events_.after(Millis{20},
                [this, change = std::move(change), until] { when_unlocked(change, until); });
}

void StoreModel::note(const core::Record& record, Revision revision) {
  if (!past_.empty() && past_.back().value.term < record.term) of_last_term_ = past_.back();
  past_.push_back({record, revision});
  if (past_.size() > most_past) past_.erase(past_.begin());
  if (watcher_) watcher_(record);
}

void StoreModel::read_record(Process& caller, Place from, Nanos deadline,
                             const std::function<void(Read)>& done) {
  const auto work = [this, from, done](cluster::ClusterStore& store) -> EventQueue::Action {
    Read read = store.read_record(Millis{0});
    if (!past_.empty() && choices_.chance(health.stale)) {
      read = Read(std::optional(past_[choices_.below(static_cast<std::uint32_t>(past_.size()))]));
    }
    if (of_last_term_ && health.of_yesterday.contains(from)) read = Read(of_last_term_);
    return [done, read = std::move(read)] { done(read); };
  };
  ask(caller, from, false, deadline, work, [done](const Error& error) { done(Read(error)); });
}

void StoreModel::write_record(Process& caller, Place from, core::Record record, Revision expected,
                              Nanos deadline, const std::function<void(Write)>& done) {
  const auto work = [this, done, record = std::move(record),
                     expected](cluster::ClusterStore& store) -> EventQueue::Action {
    Write outcome = store.write_record(record, expected, Millis{0});
    if (outcome) {
      const auto* applied = std::get_if<cluster::RecordApplied>(&*outcome);
      if (applied != nullptr) note(record, applied->revision);
    }
    return [done, outcome = std::move(outcome)] { done(outcome); };
  };
  ask(caller, from, true, deadline, work, [done](const Error& error) { done(Write(error)); });
}

std::optional<cluster::Versioned<core::Record>> StoreModel::read_now() {
  auto read = store_.read_record(Millis{0});
  return read ? *read : std::nullopt;
}

Outcome StoreModel::put_now(const core::Record& record) {
  const auto before = read_now();
  const auto expected = before ? std::optional(before->revision) : std::nullopt;
  auto outcome = store_.write_record(record, expected, Millis{0});
  if (!outcome) return outcome.error();
  if (const auto* applied = std::get_if<cluster::RecordApplied>(&*outcome)) {
    note(record, applied->revision);
  }
  return {};
}

}  // namespace evergres::sim

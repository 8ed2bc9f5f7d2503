#include "sim/judge.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/loss.hpp"
#include "core/quorum.hpp"
#include "core/transition.hpp"

namespace evergres::sim {
namespace {

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

constexpr Millis stop_budget{1000};
constexpr Millis agent_budget{10'000};

}  // namespace

void Judge::complain(const std::string& what) {
  if (!violation_.empty()) return;
  violation_ = what;
  trace_.say("judge", what);
  trace_.mark(Mark::Kind::broken, machines_.size() + 1, machines_.size() + 1, what);
}

const Machine& Judge::of(const NodeName& name) const {
  const auto found = std::find_if(machines_.begin(), machines_.end(),
                                  [&](const auto& each) { return each->name == name; });
  return **found;
}

// A record has its place: nobody moves WAL.
bool Judge::holds(const DataDirectory& disk, std::uint64_t record, std::uint64_t end) {
  return end >= 1 && end <= disk.wal.size() && disk.wal[end - 1].id == record;
}

bool Judge::holds(const Machine& machine, std::uint64_t record, std::uint64_t end) const {
  return holds(machine.postgres.disk, record, end);
}

void Judge::check_terms(const core::Record& record) {
  if (!last_) return;
  if (record.term < last_->term) complain("I1: the term went back to " + number(record.term.value));
  if (record.system_id != last_->system_id || record.cluster_id != last_->cluster_id) {
    complain("I13: the cluster was initialised again");
  }
  if (record.term <= last_->term) return;
  if (record.why.empty() || record.kind.empty()) {
    complain("I28: term " + number(record.term.value) + " has no reason");
  }
  if (quiet_) complain("I22: a new term without a cause: " + record.why);
  const bool asked = last_->request && last_->request->kind == core::RequestKind::failover;
  const bool stood_still = last_->paused && last_->phase == core::Phase::leading && !asked;
  if (stood_still && record.kind == "failover") {
    complain("I15: a failover while the cluster is paused");
  }
}

void Judge::recorded(const core::Record& record) {
  trace_.say("store", "term " + number(record.term.value) + " " +
                          std::string(word_of(record.phase)) + " renewed " +
                          number(record.renewed));
  if (const auto trouble = core::inconsistency(record); !trouble.empty()) {
    complain("I9: the record contradicts itself: " + trouble);
  }
  check_terms(record);
  if (record.loss) told_at_.emplace(record.loss->term, events_.now());
  draw(record);
  if (record.phase == core::Phase::leading && record.leader) {
    led_with_[record.leader->node] = record.policy;
    check_opening(record);
  }
  last_ = record;
}

// A term, an opening, a policy. Who may take the next step has written it.
void Judge::draw(const core::Record& record) {
  const Place store = machines_.size();
  const auto wrote = std::find_if(machines_.begin(), machines_.end(),
                                  [&](const auto& each) { return each->name == record.claimant; });
  const Place from = wrote == machines_.end() ? store : (*wrote)->place;
  const std::string term = "term " + number(record.term.value);
  const bool fresh = !last_ || record.term > last_->term;
  if (fresh) trace_.mark(Mark::Kind::term, from, store, term + ": " + record.why);
  const auto& book = record.policy;
  if (last_ && book.unproven.size() > last_->policy.unproven.size()) {
    trace_.mark(Mark::Kind::names, from, store,
                term + ": " + core::describe(book.unproven.back()) + ", not proven yet");
  }
  const bool leads = record.phase == core::Phase::leading && record.leader;
  if (!leads) return;
  const Place leader = of(record.leader->node).place;
  if (fresh || last_->phase != core::Phase::leading) {
    trace_.mark(Mark::Kind::opened, leader, store,
                "opens " + term + " with " + core::describe(book.current));
  } else if (book.current != last_->policy.current) {
    trace_.mark(Mark::Kind::names, leader, store, "proven: " + core::describe(book.current));
  }
}

/// The moment in which what is missed now was acknowledged.
void Judge::draw_lost(std::uint64_t record) {
  const Acknowledged& how = acknowledged_.at(record);
  trace_.mark_then({how.at, Mark::Kind::acknowledged, how.node, machines_.size() + 1,
                    "record " + number(record) + " is acknowledged"});
}

// I5, I8: whoever opens holds everything that was ever acknowledged. I1: one per term.
void Judge::check_opening(const core::Record& record) {
  const auto opener = opened_by_.find(record.term);
  if (opener != opened_by_.end()) {
    if (opener->second != record.leader->node) {
      complain("I1: two leaders opened term " + number(record.term.value));
    }
    return;
  }
  opened_by_[record.term] = record.leader->node;
  const Machine& leader = of(record.leader->node);
  excuse_what_was_told(record, leader);
  check_tags(record);
  for (const auto& [id, how] : acknowledged_) {
    if (holds(leader, id, how.end)) continue;
    draw_lost(id);
    return complain("I5: " + leader.name.value + " opened term " + number(record.term.value) +
                    " without record " + number(id) + ", which " + name_of(how.node) +
                    " had acknowledged");
  }
}

// I2: a server that is no leader any more may still answer what its standbys had flushed before
// they were fenced; what the leader of a newer term lacks it must not.
void Judge::acknowledged(Place node, std::uint64_t record, std::uint64_t end) {
  const bool async = leads_async(node);
  acknowledged_[record] = {node, end, events_.now(), async};
  if (next_) std::exchange(next_, nullptr)();
  check_gate(node, end);
  if (machines_[node]->supervisor.status().state == supervisor::State::stopped) {
    complain("I3: " + name_of(node) + " acknowledged record " + number(record) +
             " although it counts as stopped");
  }
  const int leaderships = static_cast<int>(opened_by_.size());
  if (leaderships != acknowledged_in_ && acknowledged_in_ > 0) {
    gaps_.push_back(std::chrono::duration_cast<Millis>(events_.now() - last_acknowledgement_));
  }
  acknowledged_in_ = leaderships;
  last_acknowledgement_ = events_.now();
  if (opened_by_.empty()) return complain("I2: a commit was acknowledged before anybody led");
  const Machine& leader = of(opened_by_.rbegin()->second);
  if (leader.place == node || holds(leader, record, end)) return;
  if (async && woke_up(node)) {
    acknowledged_.erase(record);
    return;
  }
  draw_lost(record);
  complain("I2: " + name_of(node) + " acknowledged record " + number(record) + ", which " +
           leader.name.value + " lacks, the leader of term " +
           number(opened_by_.rbegin()->first.value));
}

// I10: an id names one history, that of the WAL before it.
void Judge::promoted(Place node, const core::Fork& fork) {
  const std::string what =
      "promoted to timeline " + number(fork.timeline.value) + " at " + number(fork.at.value);
  trace_.say(name_of(node), what);
  trace_.mark(Mark::Kind::promoted, node, node, what);
  const auto [known, fresh] = timelines_.emplace(fork.timeline, std::pair{node, fork});
  if (!fresh) {
    complain("I10: timeline " + number(fork.timeline.value) + " began on " +
             name_of(known->second.first) + " and on " + name_of(node));
  }
  const DataDirectory& disk = machines_[node]->postgres.disk;
  const TimelineId own = disk.timeline_at(fork.at.value);
  const auto named = disk.timeline_in(fork.timeline, std::max<std::uint64_t>(fork.at.value, 1) - 1);
  if (named != own) {
    complain("I10: timeline " + number(fork.timeline.value) + " on " + name_of(node) +
             " does not name timeline " + number(own.value) + " as its parent, which it came from");
  }
}

// A name of the current term may be counted by the next policy. No policy of a term that is over is
// recorded any more: its names count only where they stand, or where a recorded policy has them.
bool Judge::may_count(const std::string& name, Place sender) const {
  if (!name.starts_with("evg_")) return false;
  const auto at = name.rfind("_t");
  if (!last_ || at == std::string::npos) return true;
  if (std::strtoull(name.c_str() + at + 2, nullptr, 10) >= last_->term.value) return true;
  const auto has = [&](const core::Policy& policy) {
    return SyncNames::parse(core::synchronous_standby_names(policy)).match(name);
  };
  const auto& book = last_->policy;
  return machines_[sender]->postgres.counts(name) || has(book.current) ||
         std::any_of(book.unproven.begin(), book.unproven.end(), has);
}

// I12: under a name that counts nobody attaches with WAL that the sender lacks.
void Judge::attached(Place receiver, Place sender, const std::string& name) {
  trace_.say(name_of(receiver), "streams from " + name_of(sender) + " as " + name);
  trace_.mark(Mark::Kind::server, receiver, sender, "streams as " + name);
  // The answer may come when the sender is gone, and its disk with it.
  if (!machines_[sender]->postgres.anything_alive() || !may_count(name, sender)) return;
  const Wal& own = machines_[receiver]->postgres.disk.wal;
  const Wal& theirs = machines_[sender]->postgres.disk.wal;
  const bool prefix =
      own.size() <= theirs.size() && std::equal(own.begin(), own.end(), theirs.begin());
  if (!prefix) {
    complain("I12: " + name_of(receiver) + " attached to " + name_of(sender) +
             " with WAL that it lacks");
  }
}

// A data directory that is being rebuilt is nobody's copy, neither here nor elsewhere.
std::optional<std::uint64_t> Judge::only_copy(Place node, const DataDirectory* instead) const {
  const auto is_usable = [](const Machine& machine) {
    return machine.postgres.disk.kind == DataDirectory::Kind::valid;
  };
  if (!is_usable(*machines_[node])) return std::nullopt;
  for (const auto& [id, how] : acknowledged_) {
    if (!holds(*machines_[node], id, how.end)) continue;
    if (instead != nullptr && holds(*instead, id, how.end)) continue;
    const auto elsewhere = [&, record = id, end = how.end](const auto& machine) {
      return machine->place != node && is_usable(*machine) && holds(*machine, record, end);
    };
    if (std::none_of(machines_.begin(), machines_.end(), elsewhere)) return id;
  }
  return std::nullopt;
}

// I11: no data directory with the only copy of something acknowledged is overwritten.
void Judge::destroys(Place node) {
  give_up(node, nullptr);
}

void Judge::replaces(Place node, const DataDirectory& copy) {
  give_up(node, &copy);
}

void Judge::give_up(Place node, const DataDirectory* instead) {
  trace_.say(name_of(node), "gives up its data");
  trace_.mark(Mark::Kind::server, node, node, "gives up its data");
  const auto only = only_copy(node, instead);
  if (only)
    complain("I11: " + name_of(node) + " destroys the only copy of record " + number(*only));
}

// I3, I4: a primary whose grant ended is stopped, and one that nobody granted anything as well.
void Judge::look() {
  for (const auto& machine : machines_) {
    const auto overdue = machine->supervisor.overdue_since();
    const bool supervised = machine->supervisor_process.acts();
    PostgresModel& server = machine->postgres;
    const bool primary = server.anything_alive() && server.state() == PostgresModel::State::primary;
    if (supervised && primary && overdue && events_.now() - *overdue > stop_budget) {
      complain("I4: " + machine->name.value + " is primary although its grant ended");
    }
    if (primary) check_names(*machine);
    const bool granted = machine->supervisor.status().grant.has_value();
    const bool watched = supervised && machine->agent_process.acts() &&
                         !server.processes().frozen() && server.postmaster_lives();
    if (!primary || granted || !watched) {
      primary_without_grant_.erase(machine->place);
      continue;
    }
    const auto since = primary_without_grant_.emplace(machine->place, events_.now()).first->second;
    if (events_.now() - since > agent_budget) {
      complain("I3: " + machine->name.value + " is primary and nobody granted it");
    }
  }
}

// I9: the open leader asks for those whom a recorded policy has.
void Judge::check_names(const Machine& machine) {
  const bool open = last_ && last_->phase == core::Phase::leading && last_->leader &&
                    last_->leader->node == machine.name && machine.postgres.gate_in_force();
  if (!open) return;
  const std::string& shown = machine.postgres.names_shown();
  const auto has = [&](const core::Policy& policy) {
    return core::synchronous_standby_names(policy) == shown;
  };
  const auto& book = last_->policy;
  if (shown == core::names_nobody || has(book.current)) return;
  if (std::any_of(book.unproven.begin(), book.unproven.end(), has)) return;
  complain("I9: " + machine.name.value + " leads with the names '" + shown +
           "', which no recorded policy has");
}

// I12: in the end everybody has the WAL of the leader, each as far as it is.
void Judge::compare_copies(const core::Record& record) {
  const Machine& leader = of(record.leader->node);
  const Wal& all = leader.postgres.disk.wal;
  for (const auto& machine : machines_) {
    const DataDirectory& disk = machine->postgres.disk;
    if (disk.kind != DataDirectory::Kind::valid) continue;
    const bool prefix =
        disk.wal.size() <= all.size() && std::equal(disk.wal.begin(), disk.wal.end(), all.begin());
    if (!prefix) {
      complain("I12: in the end " + machine->name.value + " has WAL that " + leader.name.value +
               " lacks");
    }
  }
}

void Judge::finish(const core::Record& record) {
  if (record.phase != core::Phase::leading || !record.leader) return;
  const Machine& leader = of(record.leader->node);
  for (const auto& [id, how] : acknowledged_) {
    if (holds(leader, id, how.end)) continue;
    draw_lost(id);
    return complain("I5: in the end " + leader.name.value + " lacks record " + number(id) +
                    ", which " + name_of(how.node) + " had acknowledged");
  }
}

}  // namespace evergres::sim

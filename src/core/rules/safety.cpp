#include <algorithm>

#include "core/rules/rules.hpp"

namespace evergres::core {
namespace {

std::string number(Term term) {
  return std::to_string(term.value);
}

bool is_rebuilding(const Situation& s) {
  return s.operation && (s.operation->kind == Clone::kind || s.operation->kind == Rewind::kind);
}

/// Nobody has been in charge for a while, and our data has not been given up for a copy yet.
bool is_needed_to_elect(const Situation& s) {
  const auto seat = my_seat(s);
  if (!seat || s.server.rebuilding || somebody_in_charge(s).yes) return false;
  if (!s.nobody_in_charge_since) return false;
  if (s.now - *s.nobody_in_charge_since < s.tuning.voter_timeout) return false;
  const auto counts_us = [&](const Policy& policy) {
    return std::ranges::find(policy.voters, *seat) != policy.voters.end();
  };
  const PolicyBook& book = s.record->policy;
  return counts_us(book.current) || std::ranges::any_of(book.unproven, counts_us);
}

/// It runs and has not answered for a while: what it does cannot be known.
bool does_not_answer(const Situation& s) {
  return s.server.state == ServerState::unknown && s.server.unknown_since &&
         s.now - *s.server.unknown_since >= Millis{2000};
}

/// Fencing the server as it runs took too long, or failed again and again, since its last start.
bool cannot_be_fenced(const Situation& s) {
  const auto fence = s.attempts.find(Fence::kind);
  if (fence == s.attempts.end() || fence->second.failures == 0) return false;
  if (fence->second.term != s.record->term) return false;
  if (fence->second.ending != Ending::timed_out && fence->second.failures < 3) return false;
  const auto start = s.attempts.find(StartServer::kind);
  return start == s.attempts.end() || start->second.ended < fence->second.ended;
}

}  // namespace

// A record that is older than a promise, or gone while data exists: the store lost history.
Judgement keep_hands_off_a_lost_history(const Situation& s) {
  if (s.record_missing && !s.record) {
    if (!s.server.incarnation) {
      return Answer{
          StayPut{}, "the store has no record of this cluster; only init creates one", {}};
    }
    return Answer{StayPut{},
                  "the store lost the record while our data exists; an operator must repair it",
                  {}};
  }
  if (!s.record) return Answer{StayPut{}, "the record is not known yet", {}};
  if (s.record->term < s.promise.term) {
    return Answer{StayPut{},
                  "the record is at term " + number(s.record->term) +
                      ", below our promise of term " + number(s.promise.term) +
                      ": the store lost history",
                  {}};
  }
  for (const auto& [name, peer] : s.peers) {
    if (!peer.said || !is_heard(s, peer) || peer.said->system_id != s.record->system_id) continue;
    // It promised after it had seen a record of that term, and what it has seen is not newer than
    // ours.
    if (peer.said->promise.term > s.record->term && peer.said->revision <= s.revision) {
      return Answer{StayPut{},
                    "the record is at term " + number(s.record->term) + ", below the promise of " +
                        name.value + ": the store lost history",
                    {}};
    }
  }
  return std::nullopt;
}

// A data directory of another cluster is neither started nor replaced.
Judgement keep_hands_off_foreign_data(const Situation& s) {
  if (s.record->system_id.value == 0) return Answer{StayPut{}, "init has not finished yet", {}};
  if (s.server.system_id.value == 0 || s.server.system_id == s.record->system_id)
    return std::nullopt;
  return Answer{StayPut{},
                "the data directory has system identifier " +
                    std::to_string(s.server.system_id.value) + ", the cluster has " +
                    std::to_string(s.record->system_id.value),
                {}};
}

// A server that is primary, or may become it, without the record naming it, is stopped.
Judgement stop_a_primary_without_leadership(const Situation& s) {
  const bool runs =
      s.server.state == ServerState::standby || s.server.state == ServerState::starting;
  const bool may_be_primary =
      s.server.state == ServerState::primary || (s.server.asked_to_promote && runs);
  if (!may_be_primary) return std::nullopt;
  const Verdict entitled = entitled_to_be_primary(s);
  if (entitled.yes) return std::nullopt;
  return Answer{StopServer{}, entitled.why, {}};
}

// A clone or rewind from a node that no longer leads is given up; so is one that has given nothing
// up yet, when what is there may be needed to elect.
Judgement abandon_a_rebuild_that_lost_its_leader(const Situation& s) {
  if (!is_rebuilding(s)) return std::nullopt;
  if (is_needed_to_elect(s)) {
    return Answer{StayPut{},
                  somebody_in_charge(s).why + ", and a policy still counts what the " +
                      s.operation->kind + " is to replace",
                  {}};
  }
  if (s.operation->term == s.record->term) return std::nullopt;
  return Answer{StayPut{},
                "the leadership changed from term " + number(s.operation->term) + " to " +
                    number(s.record->term) + " while the " + s.operation->kind + " ran",
                {}};
}

// Before anything else in a new term: promise it, cut the receiver, read the position.
Judgement fence_for_the_term_of_the_record(const Situation& s) {
  if (s.server.rebuilding || is_rebuilding(s)) return std::nullopt;
  const bool unreadable = s.server.state == ServerState::unknown ||
                          s.server.state == ServerState::stopping ||
                          s.server.state == ServerState::starting;
  const bool stopped = s.server.state == ServerState::stopped;
  // A stopped server is started first: it can then also lead. What does not start is read offline.
  const auto starts = s.attempts.find(StartServer::kind);
  const bool does_not_start = starts != s.attempts.end() && starts->second.failures >= 2;
  const bool starts_soon = stopped && !does_not_start && hand_fence(*s.record, s.me) == nullptr;
  if (unreadable || s.server.state == ServerState::absent || starts_soon) {
    return std::nullopt;
  }
  if (s.operation && s.operation->kind == StartServer::kind) return std::nullopt;
  const Verdict fence = must_fence(s);
  if (cannot_be_fenced(s)) return std::nullopt;
  if (!fence.yes || !may_try(s, Fence::kind, Millis{100})) return std::nullopt;
  return Answer{Fence{s.record->term, s.record->claim}, fence.why, {}};
}

// A server that does not answer is not provably in recovery, nor is a receiver that does not end
// provably gone: it is fenced by stop and start.
Judgement stop_a_server_that_cannot_be_fenced(const Situation& s) {
  const bool silent = does_not_answer(s);
  const bool stuck = s.server.state == ServerState::standby && !s.operation && cannot_be_fenced(s);
  if ((!silent && !stuck) || s.server.rebuilding || !must_fence(s).yes) return std::nullopt;
  const std::string term = "term " + number(s.record->term) + " is to be fenced";
  if (silent) return Answer{StopServer{}, "our server does not answer and " + term, {}};
  return Answer{
      StopServer{}, term + " and our running server cannot be", {s.attempts.at(Fence::kind).error}};
}

// A node that an operator fenced stops and stays so, also when its server does not answer. First it
// gives back what it claimed, so that others can go on, and leaves the policy, so that no commit
// waits for it.
Judgement stay_out_by_hand(const Situation& s) {
  const HandFence* fence = hand_fence(*s.record, s.me);
  if (fence == nullptr) return std::nullopt;
  const std::string why = "fenced by " + fence->who + (fence->why.empty() ? "" : ": " + fence->why);
  const Record& record = *s.record;
  if (claim_is_mine(s) && record.phase != Phase::vacant && may_try(s, Vacate::kind, Millis{200}))
    return Answer{Vacate{record.term, s.me.value + " was " + why}, why, {}};
  if (s.operation && s.operation->kind == StopServer::kind) return Answer{Wait{}, why, {}};
  const bool silent = does_not_answer(s);
  const bool runs = s.server.state == ServerState::standby ||
                    s.server.state == ServerState::primary ||
                    s.server.state == ServerState::starting || silent;
  if (!runs) return Answer{StayPut{}, why, {}};
  const bool leader_acts = record.leader && leads_as_heard(s);
  const bool is_counted =
      counts_node(record.policy.current, s.me) || !record.policy.unproven.empty();
  // With strict it leaves the policy only if k others stay. Else writes wait, as was accepted.
  const bool may_leave =
      record.policy.current.mode != Durability::strict || others_acknowledge_enough(s, s.me);
  // A server that hangs acknowledges nothing: stopping it takes nothing from anybody.
  if (!silent && leader_acts && is_counted && may_leave) {
    return Answer{StayPut{},
                  why + "; first " + record.leader->node.value + " takes us out of the policy",
                  {}};
  }
  if (silent) return Answer{StopServer{}, why + "; our server does not answer", {}};
  return Answer{StopServer{true}, why, {}};
}

// One operation at a time. A checkpoint alone may take minutes: a voter that fell silent meanwhile
// would hold up every commit, so it gives way to a change of the policy.
Judgement wait_for_the_running_operation(const Situation& s) {
  if (!s.operation) return std::nullopt;
  const bool only_checkpoints = s.operation->kind == AllowRewinds::kind &&
                                s.record->phase == Phase::leading && record_names_me(s) &&
                                claim_is_mine(s);
  if (only_checkpoints && !wanted_policy(s).why.empty()) return std::nullopt;
  return Answer{Wait{}, s.operation->kind + " is running", {}};
}

// What somebody altered behind our back is written again. (A leader whose names differ has lost its
// grant by then.)
Judgement mend_altered_settings(const Situation& s) {
  const bool runs =
      s.server.state == ServerState::standby || s.server.state == ServerState::primary;
  if (!runs || s.server.drift.empty() || !may_try(s, MendSettings::kind, Millis{1000}))
    return std::nullopt;
  return Answer{MendSettings{}, "safety settings were altered", s.server.drift};
}

}  // namespace evergres::core

#include <algorithm>

#include "core/loss.hpp"
#include "core/view.hpp"
#include "sim/hands.hpp"

/// Promotion, barrier, changes of the policy, and the proof that two of them need.
namespace evergres::sim {
namespace {

Task<Result<Instant>> confirm_choice(Hands& hands, Term term) {
  const Instant asked_at = hands.now();
  auto reading = hands.read_record();
  const auto read = co_await reading;
  if (!read) co_return read.error();
  const bool ours =
      *read && (*read)->value.term == term && (*read)->value.claim == hands.situation().agent;
  if (!ours) co_return Error(ErrorCode::conflict, "the record does not name us any more");
  co_return asked_at;
}

/// Placeholders below the timeline that was given out, so that PostgreSQL takes that one.
Outcome reserve_history(Hands& hands, TimelineId timeline) {
  if (hands.planted(Bug::own_timeline_id)) return {};
  DataDirectory& disk = hands.postgres().disk;
  const auto& fenced = hands.situation().fenced;
  const TimelineId parent = fenced && fenced->position ? fenced->position->timeline : TimelineId{1};
  if (parent >= timeline || disk.histories.contains(timeline)) {
    return Error(ErrorCode::already_exists, "the timeline is already known here");
  }
  disk.reserve(parent, timeline);
  return {};
}

/// Which nodes the slots are for: all whose cards are known.
std::vector<NodeName> others(const Hands& hands) {
  std::vector<NodeName> nodes;
  for (const auto& [name, card] : hands.known.cards) {
    if (name != hands.situation().me) nodes.push_back(name);
  }
  return nodes;
}

/// From here on the server may become primary at any time, whatever is answered: noted before.
Task<Outcome> ask_to_promote(Hands& hands, TimelineId given) {
  auto noting = hands.write_file();
  co_await noting;
  hands.state().asked_to_promote.insert(hands.supervisor().run());
  hands.learn([](agent::Knowledge& k) { k.situation.server.asked_to_promote = true; });
  auto before_the_asking = hands.crash_point();
  co_await before_the_asking;
  hands.postgres().promote();
  const Instant until = hands.now() + hands.situation().tuning.promote_timeout;
  while (hands.postgres().state() != PostgresModel::State::primary) {
    const bool gone = !hands.postgres().postmaster_lives();
    if (gone || hands.stopped() || hands.now() >= until) {
      co_return Error(ErrorCode::timed_out, "it was asked to promote itself and has not yet");
    }
    auto pause = hands.pause_for(Millis{5});
    co_await pause;
  }
  if (hands.postgres().own_timeline() != given && !hands.planted(Bug::own_timeline_id)) {
    co_return Error(ErrorCode::conflict, "the server began another timeline than it was given");
  }
  auto before_the_learning = hands.crash_point();
  co_await before_the_learning;
  co_return Outcome{};
}

}  // namespace

Task<Outcome> promote(core::Promote intent, Hands& hands) {
  const Instant deadline = hands.now() + Millis{20'000};
  auto confirming = confirm_choice(hands, intent.term);
  const auto asked_at = co_await confirming;
  if (!asked_at) co_return asked_at.error();
  if (auto reserved = reserve_history(hands, intent.timeline); !reserved) co_return reserved;
  if (auto granted = hands.ask_grant(supervisor::GrantKind::promote, intent.term, *asked_at);
      !granted) {
    co_return granted;
  }
  auto connecting = hands.connect(deadline);
  const Outcome connected = co_await connecting;
  if (!connected) co_return connected;
  if (!hands.planted(Bug::gate_stays_open)) hands.postgres().disk.gate_open = false;
  if (!hands.postgres().disk.signal) {
    co_return Error(ErrorCode::conflict, "the server was promoted before it was asked to");
  }
  const std::string of_policy = core::synchronous_standby_names(intent.policy);
  const std::string names = of_policy.empty() ? core::names_nobody : of_policy;
  auto setting = hands.set_names(names, deadline);
  const Outcome in_force = co_await setting;
  if (!in_force) co_return in_force;
  hands.learn([names](agent::Knowledge& k) {
    k.applied_names = names;
    k.situation.server.gate_open = false;
    k.gate_hosts = agent::member_hosts(k);
  });
  for (const NodeName& node : others(hands)) {
    hands.postgres().disk.slots.insert(core::slot_name(node));
  }
  hands.postgres().unblock_replay();
  auto asking = ask_to_promote(hands, intent.timeline);
  const Outcome promoted = co_await asking;
  if (!promoted) co_return promoted;
  hands.learn(
      [timeline = intent.timeline, nodes = others(hands), at = hands.now()](agent::Knowledge& k) {
        k.situation.server.slots_of = nodes;
        k.slots_changed_at = at;
        k.situation.server.state = core::ServerState::primary;
        if (k.situation.server.position) k.situation.server.position->timeline = timeline;
        k.server_changed_at = at;
      });
  co_return Outcome{};
}

namespace {

Error not_proven() {
  return Error(ErrorCode::timed_out, "the policy is not proven");
}

/// A transaction of ours in its own session. `end` is set when it was acknowledged.
struct Probe {
  std::optional<PostgresModel::Answer> answer;
};

std::shared_ptr<Probe> send_probe(Hands& hands, bool has_wal = true) {
  auto probe = std::make_shared<Probe>();
  hands.postgres().commit(has_wal, [probe](PostgresModel::Answer answer, std::uint64_t,
                                           std::uint64_t) { probe->answer = answer; });
  return probe;
}

/// (b): a probe must be seen waiting under the impossible names before they count as published.
Task<Outcome> see_a_probe_wait(Hands& hands, Instant deadline) {
  auto setting = hands.set_names(core::names_nobody, deadline);
  const Outcome set = co_await setting;
  if (!set) co_return set;
  for (;;) {
    const auto probe = send_probe(hands);
    while (!probe->answer) {
      auto pause = hands.pause_for(Millis{5});
      co_await pause;
      if (!probe->answer && hands.postgres().somebody_waits()) co_return Outcome{};
      if (hands.stopped() || hands.now() >= deadline) co_return not_proven();
    }
    auto pause = hands.pause_for(Millis{5});
    co_await pause;
    if (hands.stopped() || hands.now() >= deadline) co_return not_proven();
  }
}

/// (c): each voter's walsender has passed the probe, or is gone, and enough of the new voters have
/// it. `cut`: how many had to be ended.
Task<Result<int>> wait_for_senders(Hands& hands, const Proof& request, std::uint64_t lsn,
                                   Instant deadline) {
  const Instant patience = hands.now() + Millis{500};
  std::set<std::string> told;
  for (;;) {
    const auto lagging = hands.postgres().lagging(request.voters, lsn);
    const bool enough = hands.postgres().passed(request.new_voters, lsn) >= request.k;
    if (lagging.empty() && enough) co_return static_cast<int>(told.size());
    if (hands.now() >= patience) {
      hands.postgres().end_senders([&](const std::string& name) {
        return std::find(lagging.begin(), lagging.end(), name) != lagging.end();
      });
      told.insert(lagging.begin(), lagging.end());
    }
    if (hands.stopped() || hands.now() >= deadline) co_return not_proven();
    auto pause = hands.pause_for(Millis{5});
    co_await pause;
  }
}

}  // namespace

Task<Outcome> prove(Hands& hands, Proof request) {
  const Instant deadline = hands.now() + hands.situation().tuning.voter_timeout;
  if (request.leaving_empty && !request.names.empty()) {
    auto seeing = see_a_probe_wait(hands, deadline);
    const Outcome seen = co_await seeing;
    if (!seen) co_return seen;
  }
  if (hands.planted(Bug::names_through_empty)) {
    auto emptying = hands.set_names("", deadline);
    const Outcome emptied = co_await emptying;
    if (!emptied) co_return emptied;
    auto pause = hands.pause_for(Millis{100});
    co_await pause;
  }
  if (hands.postgres().names_shown() != request.names ||
      hands.postgres().disk.names != request.names) {
    auto setting = hands.set_names(request.names, deadline);
    const Outcome set = co_await setting;
    if (!set) co_return set;
  }
  const bool local = request.names == core::names_nobody;
  for (int cut = 1; cut != 0;) {
    const auto probe = send_probe(hands, !hands.planted(Bug::probe_with_only_an_xid));
    while (!probe->answer && !local) {
      if (hands.stopped() || hands.now() >= deadline) co_return not_proven();
      auto pause = hands.pause_for(Millis{5});
      co_await pause;
    }
    auto connecting = hands.connect(deadline);
    const Outcome connected = co_await connecting;
    if (!connected) co_return connected;
    if (probe->answer && *probe->answer != PostgresModel::Answer::acknowledged) {
      co_return Error(ErrorCode::postgres_failed, "the probe's wait was cancelled");
    }
    if (hands.planted(Bug::proof_without_senders)) co_return Outcome{};
    const std::uint64_t lsn = hands.postgres().disk.flushed;
    auto waiting = wait_for_senders(hands, request, lsn, deadline);
    const auto ended = co_await waiting;
    if (!ended) co_return ended.error();
    cut = *ended;
  }
  co_return Outcome{};
}

namespace {

std::vector<std::string> voter_names(const std::vector<core::Policy>& policies) {
  std::vector<std::string> names;
  for (const core::Policy& policy : policies) {
    for (const core::Seat& voter : policy.voters) {
      names.push_back(core::application_name(voter, policy.term));
    }
  }
  return names;
}

bool is_recorded(const core::Record& record, const core::Policy& policy) {
  const auto& unproven = record.policy.unproven;
  return record.policy.current == policy ||
         std::find(unproven.begin(), unproven.end(), policy) != unproven.end();
}

Task<Result<core::Record>> propose(Hands& hands, Term term, core::Policy policy) {
  auto proposing = hands.change_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != term) return Error(ErrorCode::conflict, "another term has begun");
    if (hands.planted(Bug::policies_at_once) && record.phase == core::Phase::leading) {
      record.policy.unproven.push_back(policy);
      return record;
    }
    return core::propose_policy(std::move(record), hands.situation().agent, policy);
  });
  auto proposed = co_await proposing;
  co_return proposed;
}

/// The grant to lead, then the gate: each may be the last step of this run of the agent.
Task<Outcome> admit_clients(Hands& hands, Term term, Instant asked_at) {
  auto before_the_grant = hands.crash_point();
  co_await before_the_grant;
  if (auto granted = hands.ask_grant(supervisor::GrantKind::lead, term, asked_at); !granted) {
    co_return granted;
  }
  auto before_the_gate = hands.crash_point();
  co_await before_the_gate;
  const Outcome opened = set_gate(hands, true);
  auto before_the_telling = hands.crash_point();
  co_await before_the_telling;
  co_return opened;
}

}  // namespace

// The record, the grant, the gate, and only then the peers are told (decision 0019, item 8).
Task<Outcome> prove_barrier(core::ProveBarrier intent, Hands& hands) {
  const auto& s = hands.situation();
  if (!is_recorded(*s.record, intent.policy)) {
    auto proposing = propose(hands, intent.term, intent.policy);
    const auto proposed = co_await proposing;
    if (!proposed) co_return proposed.error();
  }
  std::vector<core::Policy> of_this_term = s.record->policy.unproven;
  std::erase_if(of_this_term, [&](const core::Policy& one) { return one.term != intent.term; });
  const std::string names = core::synchronous_standby_names(intent.policy);
  Proof request{names, voter_names(of_this_term), voter_names({intent.policy}), intent.policy.k,
                false};
  hands.learn([names](agent::Knowledge& k) { k.applied_names = names; });
  if (hands.planted(Bug::open_before_the_barrier)) {
    hands.write_names(names);
    hands.postgres().reload();
  } else {
    auto proving = prove(hands, request);
    const Outcome proven = co_await proving;
    if (!proven) co_return proven;
  }
  const DataDirectory& disk = hands.postgres().disk;
  const bool own = hands.planted(Bug::own_timeline_id);
  const auto forks = disk.history_of(own ? disk.newest_real() : intent.timeline);
  if (forks.empty()) co_return Error(ErrorCode::postgres_failed, "the timeline has no history");
  core::Fork fork = forks.front();
  fork.timeline = intent.timeline;
  auto before_the_record = hands.crash_point();
  co_await before_the_record;
  const Instant asked_at = hands.now();
  auto opening = hands.write_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.term) return Error(ErrorCode::conflict, "another term has begun");
    return core::open_leadership(std::move(record), s.agent, intent.policy, fork, fork.at.value);
  });
  const auto opened = co_await opening;
  if (!opened) co_return opened.error();
  auto admitting = admit_clients(hands, intent.term, asked_at);
  const Outcome admits = co_await admitting;
  hands.learn_written(*opened);
  if (!admits) co_return admits;
  hands.learn([at = hands.now()](agent::Knowledge& k) { k.server_changed_at = at; });
  co_return Outcome{};
}

namespace {

/// As in agent/operations/policy.cpp: others count the lease from when the store noted the policy.
bool noted_in_time(const core::Policy& policy, Nanos took) {
  return policy.mode != core::Durability::async || took <= core::lease_margin / 2;
}

Error noted_too_late() {
  return Error(ErrorCode::timed_out, "the store took too long to note the async policy");
}

bool may_leave_empty(const core::Record& record) {
  const auto alone = [](const core::Policy& policy) { return policy.voters.empty(); };
  const auto& unproven = record.policy.unproven;
  return alone(record.policy.current) || std::any_of(unproven.begin(), unproven.end(), alone);
}

}  // namespace

// Recorded as unproven, applied, proven, current: in this order (PROTOCOL section 4).
Task<Outcome> change_policy(core::ChangePolicy intent, Hands& hands) {
  if (hands.planted(Bug::policies_at_once)) {
    intent.policy = core::wanted_policy(hands.situation()).policy;
  }
  const std::string names = core::synchronous_standby_names(intent.policy);
  if (hands.planted(Bug::apply_before_recording)) {
    hands.write_names(names);
    hands.postgres().reload();
    auto pause = hands.pause_for(Millis{200});
    co_await pause;
  }
  const Instant asked_at = hands.now();
  auto proposing = propose(hands, intent.term, intent.policy);
  const auto proposed = co_await proposing;
  if (!proposed) co_return proposed.error();
  if (!noted_in_time(intent.policy, hands.now() - asked_at)) co_return noted_too_late();
  std::vector<core::Policy> all = proposed->policy.unproven;
  all.push_back(proposed->policy.current);
  Proof request{names, voter_names(all), voter_names({intent.policy}), intent.policy.k,
                !names.empty() && may_leave_empty(*proposed)};
  const auto settle = [&hands] {
    hands.learn([at = hands.now()](agent::Knowledge& k) {
      k.server_changed_at = at;
      k.situation.server.names_wrong_since.reset();
    });
  };
  hands.learn([names](agent::Knowledge& k) { k.applied_names = names; });
  settle();
  Outcome proof;
  if (hands.planted(Bug::policy_without_proof)) {
    hands.write_names(names);
    hands.postgres().reload();
  } else {
    auto proving = prove(hands, request);
    proof = co_await proving;
  }
  settle();
  if (!proof) co_return proof;
  auto before_the_record = hands.crash_point();
  co_await before_the_record;
  auto recording = hands.change_record([&](core::Record record) -> Result<core::Record> {
    if (record.term != intent.term) return Error(ErrorCode::conflict, "another term has begun");
    return core::prove_policy(std::move(record), hands.situation().agent, intent.policy);
  });
  const auto proven = co_await recording;
  if (!proven) co_return proven.error();
  co_return Outcome{};
}

}  // namespace evergres::sim

#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/decide.hpp"

/// Builds situations that read like prose: a healthy cluster of three, and what differs from it.
///
///   World().leader("n1").voters({"n2", "n3"}).silent("n1").as_seen_by("n2")
namespace evergres::core::worlds {

constexpr std::int64_t second = 1'000'000'000;
inline constexpr Instant now{100 * second};
inline Instant ago(double seconds) {
  return Instant{now.nanos - static_cast<std::int64_t>(seconds * static_cast<double>(second))};
}
inline NodeName node(const std::string& name) {
  return NodeName{name};
}
inline Seat seat(const std::string& name) {
  return {node(name), Incarnation{"i" + name}};
}
inline Claim run_of(const std::string& name) {
  return Claim{"run-" + name};
}

class World {
 public:
  World() {
    record_.cluster_id = ClusterId{"c"};
    record_.system_id = SystemId{7};
    record_.term = Term{5};
    record_.phase = Phase::leading;
    record_.rewind_ready = true;
    record_.members = {node("n1"), node("n2"), node("n3")};
    record_.lineage = {{Term{0}, TimelineId{1}, TimelineId{0}, Lsn{0}, node("n1")},
                       {Term{5}, TimelineId{2}, TimelineId{1}, Lsn{1000}, node("n1")}};
    leader("n1").voters({"n2", "n3"});
  }
  World& leader(const std::string& name) {
    record_.leader = seat(name);
    record_.claim = run_of(name);
    record_.claimant = node(name);
    return voters({});
  }
  World& voters(const std::vector<std::string>& names, std::uint32_t k = 1) {
    record_.policy.current = policy(record_.leader->node.value, names, k);
    return *this;
  }
  World& unproven(const std::vector<std::string>& names) {
    record_.policy.unproven.push_back(policy(record_.leader->node.value, names, 1));
    return *this;
  }
  /// `name` won the next term and has not chosen anybody yet.
  World& electing_by(const std::string& name) {
    record_.term = Term{6};
    record_.phase = Phase::electing;
    record_.leader.reset();
    record_.claim = run_of(name);
    record_.claimant = node(name);
    claimed_ = ago(1.5);
    return *this;
  }
  /// The coordinator of term 6 chose `name` with these voters, on timeline 3.
  World& chosen(const std::string& name, const std::vector<std::string>& names) {
    electing_by(name);
    record_.leader = seat(name);
    record_.policy.unproven.push_back(policy(name, names, 1));
    record_.lineage.push_back({Term{6}, TimelineId{3}, TimelineId{2}, std::nullopt, node(name)});
    return *this;
  }
  World& handing_over_to(const std::string& heir) {
    record_.term = Term{6};
    record_.phase = Phase::handover;
    record_.heir = node(heir);
    record_.why = "an operator asked for a switchover to " + heir;
    claimed_ = ago(0.2);
    return *this;
  }
  World& vacant() {
    record_.phase = Phase::vacant;
    record_.leader.reset();
    record_.claim = Claim{};
    return *this;
  }
  World& request(RequestKind kind, const std::string& to, bool accept_loss = false) {
    record_.request = Request{"r1", kind, node(to), accept_loss, 0};
    return *this;
  }
  World& silent(const std::string& name) {
    silent_.push_back(name);
    return *this;
  }
  World& fenced(const std::string& name, std::uint64_t lsn, bool can_run = true) {
    fenced_[name] = {lsn, can_run};
    return *this;
  }
  Record& record() { return record_; }

  [[nodiscard]] Situation as_seen_by(const std::string& me) const {
    Situation s;
    s.now = now;
    s.me = node(me);
    s.agent = run_of(me);
    s.record = record_;
    s.revision = Revision{9};
    s.store_read_at = ago(0.1);
    s.started_at = ago(60);
    s.promise = promise_of(me);
    s.server.incarnation = seat(me).incarnation;
    s.server.system_id = record_.system_id;
    const bool leads = record_.leader == seat(me) && record_.phase != Phase::electing;
    s.server.state = leads ? ServerState::primary : ServerState::standby;
    s.server.position = Position{TimelineId{2}, Lsn{5000}};
    if (leads)
      lead(s);
    else if (record_.phase == Phase::leading)
      follow(s);
    s.fenced = answer_of(me);
    if (record_.claim == s.agent) s.claimed_at = claimed_;
    s.nobody_in_charge_since = ago(2);
    for (const std::string name : {"n1", "n2", "n3"}) {
      if (name != me) s.peers[node(name)] = peer(name);
    }
    return s;
  }

 private:
  [[nodiscard]] Policy policy(const std::string& leader, const std::vector<std::string>& names,
                              std::uint32_t k) const {
    Policy policy{Durability::quorum, record_.term, seat(leader), {}, names.empty() ? 0 : k};
    for (const std::string& name : names) policy.voters.push_back(seat(name));
    return policy;
  }
  [[nodiscard]] Promise promise_of(const std::string& name) const {
    const bool promised = record_.phase == Phase::leading || fenced_.contains(name);
    return {promised ? record_.term : Term{5}, promised ? record_.claim : Claim{}};
  }
  [[nodiscard]] std::optional<Fenced> answer_of(const std::string& name) const {
    const auto found = fenced_.find(name);
    if (found == fenced_.end()) return std::nullopt;
    Fenced answer;
    answer.term = record_.term;
    answer.seat = seat(name);
    answer.system_id = record_.system_id;
    answer.agent = run_of(name);
    answer.position = Position{TimelineId{2}, Lsn{found->second.first}};
    answer.history = {{TimelineId{2}, TimelineId{1}, Lsn{1000}}};
    answer.newest_timeline = TimelineId{2};
    answer.can_run = found->second.second;
    return answer;
  }
  void lead(Situation& s) const {
    s.server.grant =
        Grant{GrantKind::lead, record_.phase == Phase::leading ? record_.term : Term{5}, ago(-4)};
    s.server.gate_open = true;
    s.leading_since = ago(30);
    for (const std::string name : {"n1", "n2", "n3"}) {
      if (name != s.me.value) s.server.slots_of.push_back(node(name));
    }
    for (const std::string name : {"n1", "n2", "n3"}) {
      if (name == s.me.value || is_silent(name)) continue;
      s.server.senders.push_back(
          {application_name(seat(name), record_.term), true, Lsn{5000}, Millis{50}});
    }
  }
  void follow(Situation& s) const {
    s.server.upstream = Upstream{record_.leader->node, record_.term};
    s.server.receiving = !is_silent(record_.leader->node.value);
    s.server.gate_open = true;
  }
  [[nodiscard]] bool is_silent(const std::string& name) const {
    return std::find(silent_.begin(), silent_.end(), name) != silent_.end();
  }
  [[nodiscard]] Peer peer(const std::string& name) const {
    Peer peer;
    const bool silent = is_silent(name);
    peer.alive_at = ago(silent ? 5 : 0.1);
    peer.card_moved = ago(silent ? 5 : 0.3);
    peer.acknowledged_at = ago(silent ? 5 : 0.1);
    Heartbeat said;
    said.node = node(name);
    said.agent = run_of(name);
    said.seat = seat(name);
    said.system_id = record_.system_id;
    said.revision = Revision{9};
    said.term = record_.term;
    said.promise = promise_of(name);
    said.store_ok = true;
    const bool leads = record_.leader == said.seat && record_.phase == Phase::leading;
    said.server = leads ? ServerState::primary : ServerState::standby;
    said.leads = leads ? Leads::yes : Leads::no;
    const bool gone = !record_.leader || is_silent(record_.leader->node.value);
    said.sees_somebody_in_charge =
        record_.phase == Phase::leading ? !gone : record_.phase != Phase::vacant;
    said.fenced = answer_of(name);
    said.position = Position{TimelineId{2}, Lsn{5000}};
    if (record_.phase == Phase::leading && !leads) {
      said.upstream = Upstream{record_.leader->node, record_.term};
      said.receiving = !gone;
    }
    peer.said = said;
    return peer;
  }

  Record record_;
  std::optional<Instant> claimed_;
  std::vector<std::string> silent_;
  std::map<std::string, std::pair<std::uint64_t, bool>> fenced_;
};

/// Of the chosen one: its server is primary on the timeline that it was given.
inline void promote(Situation& s, Instant granted_until) {
  s.server.state = ServerState::primary;
  s.server.asked_to_promote = true;
  s.server.position = Position{s.record->lineage.back().timeline, Lsn{5001}};
  s.server.grant = Grant{GrantKind::promote, s.record->term, granted_until};
}

}  // namespace evergres::core::worlds

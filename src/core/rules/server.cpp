#include <algorithm>

#include "core/cascade.hpp"
#include "core/rules/rules.hpp"

namespace evergres::core {

// An operator's reinit: a node that no policy counts any more is cloned from the leader.
Judgement clone_on_request(const Situation& s) {
  const Record& record = *s.record;
  if (!record.request || record.request->kind != RequestKind::reinit) return std::nullopt;
  if (record.request->to != s.me || record.phase != Phase::leading) return std::nullopt;
  const NodeName leader = record.leader->node;
  if (leader == s.me) return std::nullopt;              // the leader refuses it
  if (!somebody_in_charge(s).yes) return std::nullopt;  // first somebody has to lead
  if (!record.policy.unproven.empty()) {
    return Answer{StayPut{}, "no WAL is destroyed while a policy is unproven", {}};
  }
  if (counts_node(record.policy.current, s.me)) {
    return Answer{StayPut{},
                  "we are to be cloned anew; first " + leader.value + " takes us out of the policy",
                  {}};
  }
  if (!leads_as_heard(s)) {
    return Answer{
        StayPut{}, "we are to be cloned anew, and " + leader.value + " is not heard as leader", {}};
  }
  if (!may_try(s, Clone::kind, Millis{2000})) return std::nullopt;
  return Answer{Clone{*record.leader, record.term, record.request->id, clone_source(s)},
                "an operator asked for it",
                {}};
}

// Without a usable data directory, clone one from the open leader.
Judgement make_the_data_directory_anew(const Situation& s) {
  if (s.server.state != ServerState::absent && !s.server.rebuilding) return std::nullopt;
  const std::string reason = s.server.rebuilding
                                 ? "a rewind or clone was begun here and did not finish"
                                 : "there is no data directory yet";
  const Record& record = *s.record;
  // Whoever holds the claim is waited for as long as it is heard.
  const bool is_waited_for = record.phase != Phase::leading && claim_is_mine(s);
  if (is_waited_for && may_try(s, Vacate::kind, Millis{200})) {
    return Answer{Vacate{record.term, s.me.value + " has lost its data directory"}, reason, {}};
  }
  if (record.paused && !s.server.rebuilding) {
    return Answer{StayPut{}, reason + ", and the cluster is paused", {}};
  }
  if (record.phase != Phase::leading || record.leader->node == s.me) {
    return Answer{StayPut{}, reason + ", and no other node leads", {}};
  }
  if (!leads_as_heard(s)) {
    return Answer{
        StayPut{}, reason + ", and " + record.leader->node.value + " is not heard as leader", {}};
  }
  if (!may_try(s, Clone::kind, Millis{2000})) {
    return Answer{
        StayPut{}, reason + "; the next try comes later", {s.attempts.at(Clone::kind).error}};
  }
  return Answer{Clone{*record.leader, record.term, "", clone_source(s)}, reason, {}};
}

namespace {

/// After a handover the heir promotes itself first: on one machine our start would only hold it up.
/// Not if commits there wait for us.
bool lets_the_heir_go_first(const Situation& s) {
  const Record& record = *s.record;
  const bool chosen =
      record.phase == Phase::electing && record.leader && record.leader->node != s.me;
  const bool we_stopped_for_it = s.fenced && s.fenced->term == record.term && s.claimed_at &&
                                 s.now - *s.claimed_at < Millis{1500};
  if (!chosen || !we_stopped_for_it) return false;
  const Policy* policy = newest_policy(record);
  const auto is_me = [&](const Seat& voter) { return voter.node == s.me; };
  return policy != nullptr && std::none_of(policy->voters.begin(), policy->voters.end(), is_me);
}

}  // namespace

// A stopped server is started, always as a standby without upstream.
Judgement start_the_server(const Situation& s) {
  if (s.server.state != ServerState::stopped) return std::nullopt;
  const bool handing_over =
      s.record->phase == Phase::handover && record_names_me(s) && claim_is_mine(s);
  const bool heir_has_time = s.claimed_at && s.now - *s.claimed_at < Millis{3000};
  if (handing_over && s.record->heir != s.me && heir_has_time) return std::nullopt;
  if (lets_the_heir_go_first(s) || !may_try(s, StartServer::kind, Millis{500})) return std::nullopt;
  return Answer{StartServer{s.server.limits_too_low},
                s.server.limits_too_low
                    ? "limits were lowered below what the control file remembers"
                    : "PostgreSQL is stopped",
                {}};
}

// A server that starts or stops is given its time.
Judgement wait_for_the_server(const Situation& s) {
  if (s.server.state == ServerState::standby || s.server.state == ServerState::primary) {
    return std::nullopt;
  }
  std::vector<std::string> facts;
  if (!s.server.trouble.empty()) facts.push_back(s.server.trouble);
  return Answer{StayPut{}, "PostgreSQL is " + std::string(word_of(s.server.state)), facts};
}

}  // namespace evergres::core

#include <algorithm>

#include "core/cascade.hpp"
#include "core/rules/rules.hpp"

namespace evergres::core {
namespace {

/// The other node that this one could follow: the open leader, or the chosen one for its voters.
const Seat* leader_to_follow(const Situation& s) {
  const Record& record = *s.record;
  if (!record.leader || record.leader->node == s.me) return nullptr;
  if (record.phase == Phase::leading) return &*record.leader;
  if (record.phase != Phase::electing) return nullptr;
  const Policy* policy = newest_policy(record);
  const auto seat = my_seat(s);
  if (policy == nullptr || !seat) return nullptr;
  const bool voter =
      std::find(policy->voters.begin(), policy->voters.end(), *seat) != policy->voters.end();
  return voter ? &*record.leader : nullptr;
}

bool points_to(const Situation& s, const Seat& upstream) {
  return s.server.upstream && s.server.upstream->node == upstream.node &&
         s.server.upstream->term == s.record->term;
}

/// Under the kind of name that it should have: a node that never votes has one that never counts.
bool has_the_right_name(const Situation& s) {
  return s.server.upstream && s.server.upstream->voteless.value_or(false) == streams_voteless(s);
}

/// Where our WAL ends: read under the fence of this term, after the last start of our server.
std::optional<Position> end_of_wal(const Situation& s) {
  if (!s.fenced || s.fenced->term != s.record->term) return std::nullopt;
  return s.fenced->position;
}

bool fits_the_leader(const Situation& s, Position end) {
  if (is_foreign(*s.fenced, s.record->lineage)) return false;
  TimelineTree tree(s.record->lineage);
  tree.learn(s.fenced->history);
  if (s.record->phase != Phase::electing) return tree.fits(end, leader_timeline(*s.record));
  // The chosen leader's timeline has no recorded beginning yet. The coordinator compared us with
  // it, but a server that was started since may have found more WAL on its disk than it had
  // answered.
  const Heartbeat* leader = fresh_word(s, s.record->leader->node);
  if (leader == nullptr || leader->seat != *s.record->leader || !leader->fenced) return false;
  if (leader->fenced->term != s.record->term || !leader->fenced->position) return false;
  tree.learn(leader->fenced->history);
  return tree.is_prefix(end, *leader->fenced->position);
}

/// pg_rewind compares timeline ids: it cannot tell two timelines of the same id apart, and one that
/// was given to nobody yet may be given away before it runs.
bool beyond_rewinding(const Situation& s) {
  return s.fenced && is_foreign(*s.fenced, s.record->lineage);
}

/// What the upstream's refusals say counts only when it goes on for a while.
bool refused_for_long(const Situation& s) {
  return !s.server.receiving && s.server.not_receiving_since &&
         s.now - *s.server.not_receiving_since >= Millis{2000};
}

bool has_diverged(const Situation& s) {
  if (s.record->phase != Phase::leading) return false;
  // Only the leader's word counts: a standby may refuse us for being behind itself.
  if (s.server.diverged && refused_for_long(s) && points_to(s, *s.record->leader)) return true;
  const auto end = end_of_wal(s);
  return end && !s.server.upstream && !fits_the_leader(s, *end);
}

/// Whether a policy stands for this very incarnation, or for us if ours is not known.
bool names_our_data(const Situation& s, const Policy& policy) {
  const auto seat = my_seat(s);
  const auto is_ours = [&](const Seat& voter) {
    return seat ? voter == *seat : voter.node == s.me;
  };
  return std::ranges::any_of(policy.voters, is_ours);
}

/// Once our data is given up we cover no policy any more: if the leader died then, the others might
/// not suffice. With strict the leader lets us go only if k others stay; else writes wait, as was
/// accepted.
bool is_counted_on(const Situation& s) {
  const Policy& policy = s.record->policy.current;
  if (!names_our_data(s, policy)) return false;
  return policy.mode != Durability::strict || others_acknowledge_enough(s, s.me);
}

/// What is recorded and not proven may be in force, or what was before it: nobody whom either names
/// gives anything up. No commit was ever released for the WAL of anybody else. But with strict the
/// leader keeps the newest policy, whoever of it is silent: if too few are left to prove that, it
/// waits for us, or for what takes our place (decision 0055).
bool a_pending_proof_counts_us(const Situation& s) {
  const PolicyBook& book = s.record->policy;
  if (book.unproven.empty()) return false;
  const auto names_us = [&](const Policy& policy) { return names_our_data(s, policy); };
  if (!names_us(book.current) && std::ranges::none_of(book.unproven, names_us)) return false;
  const Policy& newest = book.unproven.back();
  return newest.mode != Durability::strict || others_acknowledge_enough(s, s.me, newest);
}

/// Why nothing of ours is given up for a copy of the leader's now; empty if it may be.
std::string why_data_stays(const Situation& s, const Seat& leader) {
  if (s.record->paused) return "nothing is rebuilt while the cluster is paused";
  if (a_pending_proof_counts_us(s))
    return "no WAL that counts is destroyed while a policy is unproven";
  if (!leads_as_heard(s)) return leader.node.value + " is not heard as leader";
  if (s.record->policy.unproven.empty() && is_counted_on(s))
    return "first " + leader.node.value + " takes us out of the policy";
  return {};
}

/// Its rehearsal may have met a source that was busy for a moment, and a clone of the whole
/// database costs more than to try once more.
bool rewind_failed_again(const Situation& s) {
  const auto tried = s.attempts.find(Rewind::kind);
  return tried != s.attempts.end() && tried->second.term == s.record->term &&
         tried->second.failures >= 2;
}

/// A failover gave up the end of our WAL: it is not destroyed before it was measured.
bool is_to_be_measured(const Situation& s) {
  const auto is_ours = [&](const Loss& loss) { return my_seat(s) == loss.leader; };
  return std::ranges::any_of(unmeasured_losses(*s.record), is_ours) && end_of_wal(s);
}

std::string end_text(const Situation& s) {
  const auto end = end_of_wal(s);
  if (!end) return "our WAL does not fit the leader's";
  return "our WAL ends at " + end->lsn.text() + " on timeline " +
         std::to_string(end->timeline.value);
}

}  // namespace

// An operator's restart of a standby, not while an election or a handover may need its answer.
Judgement restart_on_request(const Situation& s) {
  const Phase phase = s.record->phase;
  if (phase == Phase::electing || phase == Phase::handover) return std::nullopt;
  if (!s.record->request || s.record->request->kind != RequestKind::restart) return std::nullopt;
  if (s.record->request->to != s.me || s.server.state != ServerState::standby) return std::nullopt;
  if (record_names_me(s)) return std::nullopt;
  return Answer{RestartServer{s.record->request->id}, "an operator asked for it", {}};
}

// A server whose WAL leaves the recorded lineage is rewound, and if that fails cloned.
Judgement rejoin_a_diverged_server(const Situation& s) {
  const Seat* leader = leader_to_follow(s);
  if (leader == nullptr || s.server.state != ServerState::standby || !has_diverged(s))
    return std::nullopt;
  const std::string facts = end_text(s);
  if (const auto why = why_data_stays(s, *leader); !why.empty())
    return Answer{StayPut{}, "we have diverged, but " + why, {facts}};
  if (!s.record->rewind_ready) {
    return Answer{StayPut{}, "we have diverged; the leader has not checkpointed yet", {facts}};
  }
  const bool forged = beyond_rewinding(s);
  if (!forged && is_to_be_measured(s)) {
    return Answer{
        StayPut{}, "the leader has yet to note how much of our WAL was given up", {facts}};
  }
  if (!forged && !rewind_failed_again(s)) {
    if (!may_try(s, Rewind::kind, Millis{2000})) return std::nullopt;
    return Answer{Rewind{*leader, s.record->term},
                  "our WAL leaves the lineage of " + leader->node.value,
                  {facts}};
  }
  if (!may_try(s, Clone::kind, Millis{2000})) return std::nullopt;
  if (forged) {
    return Answer{Clone{*leader, s.record->term, "", clone_source(s)},
                  "a timeline of ours is none that the record gave to us",
                  {facts}};
  }
  return Answer{Clone{*leader, s.record->term, "", clone_source(s)},
                "pg_rewind failed",
                {facts, s.attempts.at(Rewind::kind).error}};
}

// A diverged server that holds the history of its leader refuses every start ("requested timeline
// is not a child of this server's history"), and pg_rewind wants it stopped cleanly. It is cloned.
Judgement clone_what_never_starts(const Situation& s) {
  const Seat* leader = leader_to_follow(s);
  const auto starts = s.attempts.find(StartServer::kind);
  const bool never_starts = s.server.state == ServerState::stopped && starts != s.attempts.end() &&
                            starts->second.failures >= 3;
  if (leader == nullptr || !never_starts || !has_diverged(s)) return std::nullopt;
  const bool waits = !beyond_rewinding(s) && is_to_be_measured(s);
  if (waits || !why_data_stays(s, *leader).empty()) return std::nullopt;  // it may start after all
  if (!may_try(s, Clone::kind, Millis{2000})) return std::nullopt;
  return Answer{Clone{*leader, s.record->term, "", clone_source(s)},
                "our server does not start, and our WAL has diverged",
                {end_text(s), starts->second.error}};
}

// A standby whose next WAL the leader no longer has is cloned.
Judgement clone_when_wal_is_gone(const Situation& s) {
  const Seat* leader = leader_to_follow(s);
  if (leader == nullptr || !s.server.wal_removed || !refused_for_long(s)) return std::nullopt;
  if (!points_to(s, *leader) || s.record->phase != Phase::leading) return std::nullopt;
  if (const auto why = why_data_stays(s, *leader); !why.empty())
    return Answer{StayPut{}, "the leader lacks our next WAL, but " + why, {}};
  if (!may_try(s, Clone::kind, Millis{2000})) return std::nullopt;
  return Answer{Clone{*leader, s.record->term, "", clone_source(s)},
                leader->node.value + " no longer has the WAL that we need next",
                {}};
}

// A standby fetches the history of a new timeline, and recovery follows that from then on, also if
// the leader dies before any of it came. The next leader's timeline is no child of it, and only a
// start seeks the newest one again from what is on disk.
Judgement start_anew_from_a_dead_timeline(const Situation& s) {
  const Seat* leader = leader_to_follow(s);
  if (leader == nullptr || !s.server.off_branch.value_or(false) ||
      s.server.state != ServerState::standby)
    return std::nullopt;
  if (!points_to(s, *leader) || !refused_for_long(s)) return std::nullopt;
  if (!may_try(s, RestartServer::kind, Millis{3000})) return std::nullopt;
  return Answer{
      RestartServer{""},
      "our server follows a timeline that the one of " + leader->node.value + " does not come from",
      {}};
}

// A standby without SQL is started again once it follows a leader: the limits that kept it so may
// have reached its control file by then.
Judgement warm_up_a_cold_standby(const Situation& s) {
  const Seat* leader = leader_to_follow(s);
  if (!s.server.cold || leader == nullptr || s.record->phase != Phase::leading) return std::nullopt;
  const bool follows = s.server.upstream && s.server.upstream->term == s.record->term;
  if (!follows || !refused_for_long(s)) return std::nullopt;
  if (!may_try(s, RestartServer::kind, Millis{3000})) return std::nullopt;
  return Answer{RestartServer{""}, "it runs without hot standby, because limits were lowered", {}};
}

// A fenced standby whose WAL fits the leader's lineage attaches to it, or to the standby that its
// tag names. One that is attached already was compared in this term.
Judgement follow_the_leader(const Situation& s) {
  const Seat* leader = leader_to_follow(s);
  if (leader == nullptr || s.server.state != ServerState::standby) return std::nullopt;
  const WishedUpstream wished = wished_upstream(s);
  const Seat& upstream = wished.seat ? *wished.seat : *leader;
  if (points_to(s, upstream) && has_the_right_name(s)) return std::nullopt;
  if (s.promise.term != s.record->term) return std::nullopt;
  const bool attached = s.server.upstream && s.server.upstream->term == s.record->term;
  if (!attached) {
    const auto end = end_of_wal(s);
    if (!end) return Answer{StayPut{}, "the end of our WAL is not known yet", {}};
    if (!fits_the_leader(s, *end)) return std::nullopt;
    if (wished.worth_waiting) return Answer{StayPut{}, wished.why_not + " yet", {}};
  }
  std::vector<std::string> facts;
  if (end_of_wal(s)) facts.push_back(end_text(s));
  if (!wished.why_not.empty()) facts.push_back(wished.why_not);
  return Answer{Follow{upstream, s.record->term, streams_voteless(s)},
                wished.seat
                    ? "we are tagged replicatefrom: " + upstream.node.value
                    : leader->node.value + " leads term " + std::to_string(s.record->term.value),
                facts};
}

// A standby keeps WAL for the nodes that stream from it.
Judgement keep_wal_for_our_followers(const Situation& s) {
  const bool follows =
      s.server.receiving && s.server.upstream && s.server.upstream->term == s.record->term;
  const bool standby = s.server.state == ServerState::standby && !s.server.cold;
  if (!standby || !follows || s.record->phase != Phase::leading || record_names_me(s))
    return std::nullopt;
  if (!may_try(s, MakeSlots::kind, Millis{1000})) return std::nullopt;
  const auto& have = s.server.slots_of;
  const auto wanted = followers_of_this_standby(s);
  MakeSlots change;
  for (const NodeName& node : wanted) {
    if (std::find(have.begin(), have.end(), node) == have.end()) change.nodes.push_back(node);
  }
  for (const NodeName& node : have) {
    const bool gone = std::find(wanted.begin(), wanted.end(), node) == wanted.end();
    const auto peer = s.peers.find(node);  // one that is only silent may come back
    const bool silent = peer == s.peers.end() || !is_heard(s, peer->second);
    if (gone && !silent) change.drop.push_back(node);
  }
  if (change.nodes.empty() && change.drop.empty()) return std::nullopt;
  return Answer{change, "the nodes that stream from this standby changed", {}};
}

// Nothing to do.
Judgement carry_on(const Situation& s) {
  if (s.record->paused && !somebody_in_charge(s).yes) {
    return Answer{StayPut{},
                  "nobody is in charge, and nobody is promoted while the cluster is "
                  "paused",
                  {}};
  }
  if (s.record->phase == Phase::leading && record_names_me(s))
    return Answer{StayPut{}, "we lead", {}};
  if (s.server.receiving && s.server.upstream) {
    return Answer{StayPut{}, "we stream from " + s.server.upstream->node.value, {}};
  }
  if (s.server.upstream) {
    return Answer{StayPut{}, "we wait for the WAL stream of " + s.server.upstream->node.value, {}};
  }
  return Answer{StayPut{}, "there is nobody to follow yet", {}};
}

}  // namespace evergres::core

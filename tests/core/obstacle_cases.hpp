#pragma once

#include "cases.hpp"
#include "core/view.hpp"

/// Golden cases of what stands in the way: nothing is known yet, it failed a moment ago, others
/// have to act first.
namespace evergres::core::worlds {

/// The operation failed so many seconds ago, in this term.
inline std::function<void(Situation&)> failed(const char* kind, double seconds,
                                              std::uint32_t failures = 1) {
  return [=](Situation& s) {
    s.attempts[kind] = {Ending::failed, s.record->term, ago(seconds), failures, "no"};
  };
}

inline void detach(Situation& s) {
  s.server.upstream.reset();
  s.server.receiving = s.server.gate_open = false;
  s.server.not_receiving_since = ago(60);
}

inline void add_unknown(std::vector<Case>& cases) {
  const Situation standby = World().as_seen_by("n2");
  cases.push_back({"no record and no data: only init creates one", with(standby, [](Situation& s) {
                     s.record.reset();
                     s.record_missing = true;
                     s.server = Server{};
                   })});
  cases.push_back(
      {"the record is not known yet", with(standby, [](Situation& s) { s.record.reset(); })});
  cases.push_back(
      {"init is under way", with(standby, [](Situation& s) { s.record->system_id = SystemId{}; })});
  cases.push_back({"nothing is known of our data directory yet", with(standby, [](Situation& s) {
                     s.server = Server{};
                     s.server.trouble = "the supervisor does not answer";
                   })});
  cases.push_back(
      {"a peer of another cluster promised a later term", with(standby, [](Situation& s) {
         s.peers[node("n3")].said->promise.term = Term{8};
         s.peers[node("n3")].said->system_id = SystemId{8};
       })});
  cases.push_back({"a peer that promised a later term fell silent", with(standby, [](Situation& s) {
                     s.peers[node("n3")].said->promise.term = Term{8};
                     s.peers[node("n3")].alive_at = ago(5);
                   })});
}

inline void add_fences(std::vector<Case>& cases) {
  const Situation standby = World().electing_by("n3").as_seen_by("n2");
  const auto in = [&](ServerState state) {
    return with(standby, [&](Situation& s) { s.server.state = state; });
  };
  cases.push_back(
      {"a new term, and our server is stopped: it is started first", in(ServerState::stopped)});
  cases.push_back({"a new term, and our server does not start: it is read as it lies there",
                   with(in(ServerState::stopped), failed(StartServer::kind, 0.1, 2))});
  cases.push_back({"a new term, and our server starts", in(ServerState::starting)});
  cases.push_back({"a new term, and our server is being started: not before that",
                   with(standby, [](Situation& s) {
                     s.operation = Operation{StartServer::kind, Term{5}, ago(1)};
                   })});
  cases.push_back({"a new term while our data directory is made anew: nothing to fence",
                   with(standby, [](Situation& s) {
                     s.operation = Operation{Rewind::kind, Term{6}, ago(1)};
                   })});
  cases.push_back(
      {"a fence failed a moment ago: not at once again", with(standby, failed(Fence::kind, 0.05))});
  cases.push_back({"a fence failed three times: stop", with(standby, failed(Fence::kind, 1, 3))});
  cases.push_back({"a fence timed out after the last start: stop", with(standby, [](Situation& s) {
                     s.attempts[Fence::kind] = {Ending::timed_out, Term{6}, ago(1), 1, "no"};
                     s.attempts[StartServer::kind] = {Ending::done, Term{5}, ago(9), 0, ""};
                   })});
  cases.push_back({"a fence worked, and our server was started since: fence",
                   with(World().as_seen_by("n2"), [](Situation& s) {
                     detach(s);
                     s.attempts[Fence::kind] = {Ending::done, Term{5}, ago(9), 0, ""};
                   })});
  cases.push_back({"an open leader of a new term, and our fence failed a moment ago: no attachment",
                   with(World().fenced("n2", 5000).as_seen_by("n2"), [](Situation& s) {
                     detach(s);
                     s.promise.term = Term{4};
                     failed(Fence::kind, 0.05)(s);
                   })});
  cases.push_back({"a fence failed in an older term: fence", with(standby, [](Situation& s) {
                     s.attempts[Fence::kind] = {Ending::timed_out, Term{5}, ago(0.05), 3, "no"};
                   })});
  cases.push_back(
      {"a new term, and our server has just fallen silent", with(standby, [](Situation& s) {
         s.server.state = ServerState::unknown;
         s.server.unknown_since = ago(1);
       })});
  cases.push_back({"our server does not answer, but no new term began",
                   with(World().as_seen_by("n2"), [](Situation& s) {
                     s.server.state = ServerState::unknown;
                     s.server.unknown_since = ago(9);
                   })});
  cases.push_back({"a server that was asked to promote starts, and another leads",
                   with(World().as_seen_by("n2"), [](Situation& s) {
                     s.server.asked_to_promote = true;
                     s.server.state = ServerState::starting;
                   })});
  cases.push_back({"a server that was asked to promote stopped, and another leads",
                   with(World().as_seen_by("n2"), [](Situation& s) {
                     s.server.asked_to_promote = true;
                     s.server.state = ServerState::stopped;
                   })});
  cases.push_back({"settings were altered a moment after they were mended",
                   with(with(World().as_seen_by("n2"), failed(MendSettings::kind, 0.5)),
                        [](Situation& s) { s.server.drift = {"fsync is off instead of on"}; })});
}

/// Operators took n2 out by hand while something else was going on.
inline void add_fences_by_hand(std::vector<Case>& cases) {
  const auto out = [](World world) {
    world.record().hand_fences = {HandFence{node("n2"), "anna@db1", "", 0}};
    return world;
  };
  const Situation leads = out(World().leader("n2")).as_seen_by("n2");
  cases.push_back({"fenced by hand although it leads, and giving it back failed a moment ago",
                   with(leads, failed(Vacate::kind, 0.1))});
  cases.push_back({"fenced by hand although it leads, and its agent was restarted",
                   with(leads, [](Situation& s) { s.agent = Claim{"run-2"}; })});
  cases.push_back({"fenced by hand, and nobody leads: it stops at once",
                   with(out(World().vacant().fenced("n2", 5000)).as_seen_by("n2"),
                        [](Situation& s) { s.promise.term = s.record->term; })});
  const Situation counted = out(World()).as_seen_by("n2");
  cases.push_back(
      {"fenced by hand, and the leader says that it does not lead: it stops",
       with(counted, [](Situation& s) { s.peers[node("n1")].said->leads = Leads::no; })});
  cases.push_back({"fenced by hand, and the leader is silent: it stops",
                   with(counted, [](Situation& s) { s.peers[node("n1")].alive_at = ago(5); })});
  cases.push_back({"fenced by hand, and an unproven policy may still count it: it waits",
                   out(World().voters({"n3"}).unproven({"n3"})).as_seen_by("n2")});
  cases.push_back({"fenced by hand while it starts", with(counted, [](Situation& s) {
                     s.server.state = ServerState::starting;
                     s.record->policy.current.voters = {seat("n3")};
                   })});
}

inline void add_checkpoints(std::vector<Case>& cases) {
  const auto checkpoints = [](Situation& s) {
    s.record->rewind_ready = false;
    s.operation = Operation{AllowRewinds::kind, s.record->term, ago(10)};
  };
  cases.push_back({"a checkpoint runs, and the policy is as it should be: wait",
                   with(World().as_seen_by("n1"), checkpoints)});
  const Situation silent = World().silent("n3").as_seen_by("n1");
  cases.push_back(
      {"a checkpoint of an earlier run of the agent: wait",
       with(with(silent, checkpoints), [](Situation& s) { s.agent = Claim{"run-2"}; })});
  cases.push_back({"a checkpoint of a leader that was deposed: wait",
                   with(World().as_seen_by("n2"), checkpoints)});
}

inline void add_choices(std::vector<Case>& cases) {
  const World fenced = World().electing_by("n2").fenced("n2", 5000).fenced("n3", 6000).silent("n1");
  const auto just_claimed = [](Situation& s) { s.claimed_at = ago(0.5); };
  cases.push_back(
      {"enough are fenced, and one that is heard may still answer", with(World()
                                                                             .voters({"n2"})
                                                                             .electing_by("n2")
                                                                             .fenced("n2", 5000)
                                                                             .silent("n1")
                                                                             .as_seen_by("n2"),
                                                                         just_claimed)});
  cases.push_back(
      {"enough are fenced, and nobody else is heard", with(fenced.as_seen_by("n2"), just_claimed)});
  cases.push_back({"who gave no answer: one refuses, one is heard, one is foreign",
                   with(fenced.as_seen_by("n2"), [](Situation& s) {
                     s.peers[node("n1")].refused = true;
                     s.peers[node("n3")].said->fenced->history.front().at = Lsn{900};
                     s.peers[node("n4")] = s.peers[node("n3")];
                     s.peers[node("n4")].said->fenced.reset();
                     s.record->members.push_back(node("n4"));
                     s.record->policy.current.voters = {seat("n2")};
                     s.claimed_at = ago(4);
                   })});
  cases.push_back({"too few are fenced, and our own server is stopped: it is started",
                   with(World().electing_by("n2").silent("n1").silent("n3").as_seen_by("n2"),
                        [](Situation& s) { s.server.state = ServerState::stopped; })});
  cases.push_back({"too few are fenced, and our own server failed to start a moment ago",
                   with(with(World().electing_by("n2").silent("n1").silent("n3").as_seen_by("n2"),
                             failed(StartServer::kind, 0.1)),
                        [](Situation& s) { s.server.state = ServerState::stopped; })});
  cases.push_back({"our answer says that we cannot lead, and our server runs: fence again",
                   World()
                       .electing_by("n2")
                       .fenced("n2", 5000, false)
                       .fenced("n3", 5000, false)
                       .silent("n1")
                       .as_seen_by("n2")});
  const Situation accepted = World()
                                 .electing_by("n2")
                                 .request(RequestKind::failover, "n2", true)
                                 .fenced("n2", 5000)
                                 .silent("n1")
                                 .silent("n3")
                                 .as_seen_by("n2");
  cases.push_back({"an accepted loss waits for those who may still answer", accepted});
  cases.push_back({"an answer of another cluster, and one without a position",
                   with(fenced.as_seen_by("n2"), [](Situation& s) {
                     s.peers[node("n3")].said->fenced->system_id = SystemId{8};
                     s.fenced->position.reset();
                     s.fenced->why_no_position = "pg_waldump failed";
                   })});
  cases.push_back(
      {"a leader that was read but cannot run votes later", World()
                                                                .electing_by("n2")
                                                                .fenced("n1", 5000, false)
                                                                .fenced("n2", 5000)
                                                                .fenced("n3", 4000, false)
                                                                .as_seen_by("n2")});
}

inline void add_promotions(std::vector<Case>& cases) {
  const Situation chosen = World()
                               .chosen("n2", {"n1", "n3"})
                               .fenced("n2", 5000)
                               .fenced("n3", 5000)
                               .silent("n1")
                               .as_seen_by("n2");
  cases.push_back({"the promotion failed: give it back", with(chosen, failed(Promote::kind, 1))});
  cases.push_back({"the promotion failed, and giving it back too: promoted again meanwhile",
                   with(with(chosen, failed(Promote::kind, 1)), failed(Vacate::kind, 0.1))});
  cases.push_back({"chosen, but no policy of ours is recorded",
                   with(chosen, [](Situation& s) { s.record->policy.unproven.clear(); })});
  const auto lost = [](Situation& s) {
    s.server.state = ServerState::absent;
    s.server.incarnation.reset();
    s.fenced.reset();
  };
  cases.push_back({"chosen, but the data directory is gone: give it back", with(chosen, lost)});
  cases.push_back({"about to choose, but the data directory is gone: give it back",
                   with(World().electing_by("n2").fenced("n3", 5000).as_seen_by("n2"), lost)});
  const Situation promoted = with(chosen, [](Situation& s) { promote(s, ago(-100)); });
  cases.push_back({"promoted, but no policy of ours is recorded",
                   with(promoted, [](Situation& s) { s.record->policy.unproven.clear(); })});
  cases.push_back({"the promotion was told as failed, and our server is primary: prove the barrier",
                   with(promoted, failed(Promote::kind, 1))});
  cases.push_back(
      {"the barrier failed a moment ago", with(promoted, failed(ProveBarrier::kind, 0.1))});
  const Situation attached = with(with(promoted, failed(ProveBarrier::kind, 1)), [](Situation& s) {
    s.peers[node("n3")].said->receiving = true;
    s.peers[node("n3")].said->upstream = Upstream{node("n2"), Term{6}};
  });
  cases.push_back({"barrier failed, one of two voters attached: go on with it", attached});
  const auto mode_strict = [](Situation& s) {
    for (Policy& policy : s.record->policy.unproven) policy.mode = Durability::strict;
  };
  cases.push_back({"strict: barrier failed, one of two voters attached: go on with it",
                   with(attached, mode_strict)});
  const auto of_two = [&](Situation& s) {
    mode_strict(s);
    s.record->policy.unproven.back().k = 2;
  };
  cases.push_back({"strict of two: barrier failed, one attached, the other is gone: writes wait",
                   with(attached, of_two)});
  cases.push_back({"strict of two: barrier failed, the other may be electing elsewhere: keep both",
                   with(with(attached, of_two),
                        [](Situation& s) { s.peers[node("n1")].card_moved = ago(0.2); })});
  cases.push_back(
      {"barrier failed, the voter attached under a name that does not count",
       with(attached, [](Situation& s) { s.peers[node("n3")].said->upstream->voteless = true; })});
}

inline void add_campaigns(std::vector<Case>& cases) {
  const Situation silent = World().silent("n1").as_seen_by("n2");
  const auto stopped = [](Situation& s) { s.server.state = ServerState::starting; };
  cases.push_back({"leader silent, and the store is away",
                   with(silent, [](Situation& s) { s.store_trouble = "it is away"; })});
  cases.push_back(
      {"leader silent, and we have no data directory yet", with(silent, [](Situation& s) {
         s.server.incarnation.reset();
         s.server.state = ServerState::starting;
       })});
  cases.push_back({"leader silent for a moment only: others may go first",
                   with(World().silent("n1").as_seen_by("n3"),
                        [](Situation& s) { s.nobody_in_charge_since = ago(0.1); })});
  cases.push_back({"leader silent, our server starts: others may go first",
                   with(with(World().silent("n1").as_seen_by("n3"), stopped),
                        [](Situation& s) { s.nobody_in_charge_since.reset(); })});
  cases.push_back(
      {"leader silent, our server starts, the other could lead at once: it goes first",
       with(with(silent, stopped), [](Situation& s) { s.nobody_in_charge_since = ago(0.1); })});
  cases.push_back({"leader silent, the other's server starts: we go first",
                   with(World().silent("n1").as_seen_by("n3"), [](Situation& s) {
                     s.peers[node("n2")].said->server = ServerState::starting;
                     s.nobody_in_charge_since = ago(0.1);
                   })});
  cases.push_back({"leader silent, our server starts, a failover needs more nodes",
                   with(World().silent("n1").silent("n3").as_seen_by("n2"), stopped)});
  cases.push_back(
      {"taking the term failed a moment ago", with(silent, failed(ClaimTerm::kind, 0.05))});
  cases.push_back({"an accepted loss: take the term although too few are heard",
                   World()
                       .silent("n1")
                       .silent("n3")
                       .request(RequestKind::failover, "n2", true)
                       .as_seen_by("n2")});
  cases.push_back({"two acknowledgements are wanted, and one of two voters is new: by steps",
                   with(World().voters({"n2"}, 1).as_seen_by("n1"),
                        [](Situation& s) { s.wanted.acknowledgements = 2; })});
}

}  // namespace evergres::core::worlds

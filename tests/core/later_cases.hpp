#pragma once

#include "obstacle_cases.hpp"
#include "slot_cases.hpp"
#include "wishes.hpp"

/// Golden cases of leaders and standbys that have to wait, or try again later.
namespace evergres::core::worlds {

inline void add_waiting_leaders(std::vector<Case>& cases) {
  const Situation leader = World().as_seen_by("n1");
  const auto again = [&](const char* name, const Situation& s, const char* kind) {
    cases.push_back({std::string(name) + ", failed a moment ago", with(s, failed(kind, 0.1))});
  };
  again("the gate is closed", with(leader, [](Situation& s) { s.server.gate_open = false; }),
        OpenGate::kind);
  again("a node has no slot here", with(leader, [](Situation& s) { s.server.slots_of.pop_back(); }),
        MakeSlots::kind);
  again("the leader did not checkpoint yet",
        with(leader, [](Situation& s) { s.record->rewind_ready = false; }), AllowRewinds::kind);
  again("newer settings of the cluster",
        with(leader, [](Situation& s) { s.server.settings_due = 7; }), ApplySettings::kind);
  again("an operator wants strict",
        with(leader, [](Situation& s) { s.wanted.durability = Durability::strict; }),
        RecordDurability::kind);
  again("a voter is silent", World().silent("n3").as_seen_by("n1"), ChangePolicy::kind);
  again("a switchover", World().request(RequestKind::switchover, "n3").as_seen_by("n1"),
        BeginHandover::kind);
  cases.push_back({"a leader whose grant is gone opens no gate", with(leader, [](Situation& s) {
                     s.server.gate_open = false;
                     s.server.grant.reset();
                   })});
  cases.push_back({"a recorded policy is not proven yet",
                   World().voters({"n2", "n3"}).unproven({"n2", "n3"}).as_seen_by("n1")});
  const auto to_anybody = [](Situation& s) {
    s.record->request = Request{"r1", RequestKind::switchover, std::nullopt, false, 0};
  };
  cases.push_back({"a switchover to anybody, and nobody could lead",
                   with(World().silent("n2").silent("n3").as_seen_by("n1"), to_anybody)});
  cases.push_back({"a switchover to anybody: who is in our zone",
                   with(tagged(tagged(leader, "n1", tags_with([](Tags& tags) { tags.zone = "b"; })),
                               "n3", tags_with([](Tags& tags) { tags.zone = "b"; })),
                        to_anybody)});
  cases.push_back({"a switchover to the leader itself",
                   World().request(RequestKind::switchover, "n1").as_seen_by("n1")});
  cases.push_back({"a restart of a node that nobody knows",
                   World().request(RequestKind::restart, "n9").as_seen_by("n1")});
  cases.push_back(
      {"a restart of nobody", with(leader, [](Situation& s) {
         s.record->request = Request{"r1", RequestKind::restart, std::nullopt, false, 0};
       })});
  cases.push_back(
      {"sessions that do not wait for standbys, and a list of leaderships: nothing to do",
       with(leader, [](Situation& s) {
         s.peers[node("n2")].said->weak_commits = WeakCommits{2, {"app: off"}};
         s.record->leaderships = {Leadership{Term{5}, Term{3}, 700}};
       })});
  cases.push_back({"a restart of a standby is its own business",
                   World().request(RequestKind::restart, "n2").as_seen_by("n1")});
}

inline void add_members(std::vector<Case>& cases) {
  const Situation stranger = with(World().voters({"n2"}).as_seen_by("n1"), [](Situation& s) {
    s.record->members = {node("n1"), node("n2")};
    s.server.slots_of = {node("n2")};
  });
  const auto n3 = [&](const char* name, const std::function<void(Heartbeat&)>& change) {
    cases.push_back(
        {name, with(stranger, [&](Situation& s) { change(*s.peers[node("n3")].said); })});
  };
  n3("a new node of another cluster", [](Heartbeat& said) { said.system_id = SystemId{8}; });
  n3("a new node does not stream yet", [](Heartbeat& said) { said.receiving = false; });
  n3("a new node streams as of an older term",
     [](Heartbeat& said) { said.upstream->term = Term{4}; });
  n3("a new node streams from another one, which nobody asked for",
     [](Heartbeat& said) { said.upstream->node = node("n2"); });
  n3("a new node streams from another one, as it is tagged", [](Heartbeat& said) {
    said.upstream->node = node("n2");
    said.tags = tags_with([](Tags& tags) { tags.replicatefrom = node("n2"); });
  });
}

inline void add_voters(std::vector<Case>& cases) {
  const Situation one_voter = World().voters({"n2"}).as_seen_by("n1");
  const auto n3 = [&](const char* name, const std::function<void(Situation&)>& change) {
    cases.push_back({name, with(one_voter, change)});
  };
  n3("a member streams and does not receive",
     [](Situation& s) { s.peers[node("n3")].said->receiving = false; });
  n3("a member streams from another one",
     [](Situation& s) { s.peers[node("n3")].said->upstream->node = node("n2"); });
  n3("a member streams as of an older term",
     [](Situation& s) { s.peers[node("n3")].said->upstream->term = Term{4}; });
  n3("a member stands on another timeline",
     [](Situation& s) { s.peers[node("n3")].said->position->timeline = TimelineId{1}; });
  n3("a member is too far behind", [](Situation& s) {
    s.server.position->lsn = Lsn{(1U << 20U) + 5001};
    for (Sender& sender : s.server.senders) sender.flush = Lsn{5000};
    s.peers[node("n2")].acknowledged_at = ago(0.1);
  });
  n3("a member whose walsender was not answered lately",
     [](Situation& s) { s.server.senders.back().reply_age = Millis{3000}; });
  n3("a member whose walsender does not stream",
     [](Situation& s) { s.server.senders.back().streaming = false; });
  const Situation both = World().as_seen_by("n1");
  cases.push_back({"a voter is a new incarnation and has caught up", with(both, [](Situation& s) {
                     Heartbeat& said = *s.peers[node("n3")].said;
                     said.seat.incarnation = Incarnation{"new"};
                     s.server.senders.back().application_name =
                         application_name(said.seat, Term{5});
                   })});
  cases.push_back({"a voter was never heard", with(both, [](Situation& s) {
                     s.peers.erase(node("n3"));
                     s.server.senders.pop_back();
                     s.server.slots_of.pop_back();
                   })});
  cases.push_back({"a voter fell silent, and we lead since a moment ago",
                   with(World().silent("n3").as_seen_by("n1"),
                        [](Situation& s) { s.leading_since = ago(1); })});
  cases.push_back({"a voter acknowledged a moment ago, and its walsender is gone",
                   with(both, [](Situation& s) { s.server.senders.pop_back(); })});
  cases.push_back(
      {"fewer acknowledgements are wanted", World().voters({"n2", "n3"}, 2).as_seen_by("n1")});
  cases.push_back({"none are wanted, and a voter may be electing elsewhere: it stays",
                   with(both, [](Situation& s) {
                     s.wanted.acknowledgements = 0;
                     s.peers[node("n3")].said->sees_somebody_in_charge = false;
                   })});
}

/// A voter gives up nothing before its leader goes on without it, if that is possible.
inline void add_counted_rebuilds(std::vector<Case>& cases, const Situation& lacks,
                                 const Situation& diverged) {
  const auto strict = [](Situation& s) { s.record->policy.current.mode = Durability::strict; };
  const auto alone = [&](Situation& s) {
    strict(s);
    std::erase(s.record->policy.current.voters, seat("n3"));
  };
  cases.push_back({"the leader lacks our next WAL, and we vote", lacks});
  cases.push_back({"the same, strict, and n3 suffices", with(lacks, strict)});
  cases.push_back({"the same, strict, and nobody else votes: clone", with(lacks, alone)});
  const auto propose_n3 = [&](Situation& s) {
    strict(s);
    s.record->policy.unproven.push_back(s.record->policy.current);
    s.record->policy.unproven.back().voters = {seat("n3")};
  };
  const auto n3_is_silent = [](Situation& s) {
    s.peers[node("n3")].alive_at = ago(60);
    s.peers[node("n3")].said.reset();
  };
  const auto beside = [](Situation& s) {
    s.record->policy.unproven.back().voters.push_back(seat("n2"));
  };
  const auto once_quorum = [](Situation& s) {
    s.record->policy.current.mode = Durability::quorum;
    s.record->policy.unproven.insert(s.record->policy.unproven.begin(), s.record->policy.current);
  };
  const auto of_two = [](Situation& s) { s.record->policy.unproven.back().k = 2; };
  const Situation proposed = with(lacks, propose_n3);
  cases.push_back({"the same, strict, and n3 is to suffice", proposed});
  cases.push_back({"the same, strict, and n3 is to suffice beside us", with(proposed, beside)});
  cases.push_back({"the same, strict, and n3 was to suffice, and is silent: clone",
                   with(proposed, n3_is_silent)});
  cases.push_back(
      {"the same, but strict is only what is to be proven", with(proposed, once_quorum)});
  cases.push_back(
      {"the same, and n3 is silent: clone", with(with(proposed, once_quorum), n3_is_silent)});
  cases.push_back({"the same, strict, and what is to be proven wants more than n3: clone",
                   with(proposed, of_two)});
  cases.push_back({"the same, but another incarnation voted: clone",
                   with(lacks, [](Situation& s) { s.server.incarnation = Incarnation{"other"}; })});
  cases.push_back(
      {"the same, strict, and n3 is to be made anew: clone", with(lacks, [&](Situation& s) {
         strict(s);
         s.record->request = Request{"r1", RequestKind::reinit, node("n3"), false, 0};
       })});
  cases.push_back({"the same, and our incarnation is unknown",
                   with(lacks, [](Situation& s) { s.server.incarnation.reset(); })});
  const auto cloning = [](Situation& s) {
    s.operation = Operation{Clone::kind, s.record->term, ago(30)};
    s.server.state = ServerState::stopped;
    s.peers[node("n1")].alive_at = ago(5);
    s.peers[node("n1")].said->leads = Leads::unknown;
    s.nobody_in_charge_since = ago(5);
  };
  cases.push_back({"a clone runs, the leader is gone, and we vote", with(lacks, cloning)});
  cases.push_back({"the same, but only for a moment", with(with(lacks, cloning), [](Situation& s) {
                     s.nobody_in_charge_since = ago(1);
                   })});
  cases.push_back({"the same, but our data was given up",
                   with(with(lacks, cloning), [](Situation& s) { s.server.rebuilding = true; })});
  cases.push_back({"the same, but no policy counts us",
                   with(with(lacks, cloning),
                        [](Situation& s) { s.record->policy.current.voters = {seat("n3")}; })});
  cases.push_back({"diverged, and we vote", diverged});
  const auto out = [](Situation& s) { s.record->policy.current.voters = {seat("n3")}; };
  const auto never_starts = [](Situation& s) {
    s.server.state = ServerState::stopped;
    s.attempts[StartServer::kind] = {Ending::failed, Term{5}, ago(1), 3, "it ended"};
  };
  const Situation dead = with(with(diverged, never_starts), out);
  cases.push_back({"diverged, and our server never starts: clone", dead});
  cases.push_back({"the same, and we vote: not yet", with(diverged, never_starts)});
  cases.push_back(
      {"the same, and a clone failed a moment ago", with(dead, failed(Clone::kind, 1))});
  cases.push_back({"the same, and the leader is silent", with(dead, [](Situation& s) {
                     s.peers[node("n1")].said->leads = Leads::unknown;
                   })});
  cases.push_back({"the same, and our loss is not measured yet", with(dead, [](Situation& s) {
                     Loss loss{seat("n2"), Term{4}, Lsn{900}, Lsn{2000}, 0, false};
                     loss.opened = true;
                     s.record->loss = loss;
                   })});
  cases.push_back({"the same, and it failed twice only",
                   with(dead, [](Situation& s) { s.attempts[StartServer::kind].failures = 2; })});
  cases.push_back(
      {"diverged, strict, and a proof waits for us: rewind", with(diverged, [&](Situation& s) {
         s.record->policy.unproven.push_back(s.record->policy.current);
         s.record->policy.unproven.back().mode = Durability::strict;
         s.record->policy.unproven.back().voters = {seat("n2")};
       })});
  cases.push_back({"diverged, strict, and n3 suffices", with(diverged, strict)});
  cases.push_back({"diverged, strict, and nobody else votes: rewind", with(diverged, alone)});
}

inline void add_waiting_standbys(std::vector<Case>& cases) {
  const Situation standby = World().as_seen_by("n2");
  const Situation detached = with(standby, detach);
  const Situation fits = with(World().voters({"n3"}).fenced("n2", 5000).as_seen_by("n2"), detach);
  cases.push_back({"fenced, but the end of our WAL is not known",
                   with(fits, [](Situation& s) { s.fenced->position.reset(); })});
  cases.push_back({"a standby streams and admits readers",
                   with(standby, [](Situation& s) { s.server.gate_open = false; })});
  cases.push_back({"a standby does not stream: no readers", with(standby, [](Situation& s) {
                     s.server.gate_open = s.server.receiving = false;
                     s.server.not_receiving_since = ago(1);
                   })});
  cases.push_back({"we wait for the WAL stream", with(standby, [](Situation& s) {
                     s.server.receiving = false;
                     s.server.not_receiving_since = ago(1);
                   })});
  cases.push_back(
      {"nobody to follow yet", with(World().electing_by("n3").fenced("n2", 5000).as_seen_by("n2"),
                                    [](Situation& s) { s.server.gate_open = true; })});
  const Situation uncounted = World().voters({"n3"}).as_seen_by("n2");
  cases.push_back(
      {"the upstream has refused us for long: rewind", with(uncounted, [](Situation& s) {
         s.server.diverged = true;
         s.server.receiving = false;
         s.server.not_receiving_since = ago(2);
       })});
  const Situation diverged = with(fits, [](Situation& s) {
    s.fenced->position = Position{TimelineId{1}, Lsn{2000}};
  });
  cases.push_back(
      {"diverged, rewind failed once: again", with(diverged, failed(Rewind::kind, 60))});
  cases.push_back(
      {"diverged, rewind failed a moment ago", with(diverged, failed(Rewind::kind, 1))});
  const auto rewind_failed = [](Situation& s) {
    failed(Rewind::kind, 60)(s);
    s.attempts[Rewind::kind].failures = 2;
  };
  cases.push_back({"diverged, rewind failed, and the clone a moment ago",
                   with(with(diverged, rewind_failed), failed(Clone::kind, 1))});
  const auto refuse = [](Situation& s) {
    s.server.wal_removed = true;
    s.server.receiving = false;
    s.server.not_receiving_since = ago(60);
  };
  const Situation lacks = with(uncounted, refuse);
  cases.push_back({"the leader lacks our next WAL", lacks});
  add_counted_rebuilds(cases, with(standby, refuse), with(diverged, [](Situation& s) {
                         s.record->policy.current.voters.push_back(seat("n2"));
                       }));
  cases.push_back(
      {"the leader lacks our next WAL, an unproven policy counts us", with(lacks, [](Situation& s) {
         s.record->policy.unproven.push_back(s.record->policy.current);
         s.record->policy.unproven.back().voters = {seat("n2")};
       })});
  cases.push_back(
      {"the leader lacks our next WAL, and waits for another incarnation of ours",
       with(lacks, [](Situation& s) {
         s.record->policy.unproven.push_back(s.record->policy.current);
         s.record->policy.unproven.back().voters = {{node("n2"), Incarnation{"in2-before"}}};
         s.record->policy.unproven.back().mode = Durability::strict;
       })});
  cases.push_back({"the leader lacks our next WAL, and waits for us to prove a policy",
                   with(lacks, [](Situation& s) {
                     s.record->policy.unproven.push_back(s.record->policy.current);
                     s.record->policy.unproven.back().voters = {seat("n2")};
                     s.record->policy.unproven.back().mode = Durability::strict;
                   })});
  const auto propose_less = [](Situation& s) {
    s.record->policy.unproven.push_back(s.record->policy.current);
  };
  cases.push_back(
      {"diverged, a policy is unproven, and none counts us", with(diverged, propose_less)});
  cases.push_back({"diverged, a policy without us is unproven, the one before counts us",
                   with(with(diverged, propose_less), [](Situation& s) {
                     s.record->policy.current.voters.push_back(seat("n2"));
                   })});
  cases.push_back(
      {"the leader lacked our next WAL, and is silent: nothing is given up",
       with(lacks, [](Situation& s) { s.peers[node("n1")].said->leads = Leads::unknown; })});
  cases.push_back(
      {"diverged, and the leader is silent: nothing is given up",
       with(diverged, [](Situation& s) { s.peers[node("n1")].said->leads = Leads::unknown; })});
  cases.push_back({"the leader lacks our next WAL, and a clone failed a moment ago",
                   with(lacks, failed(Clone::kind, 1))});
  cases.push_back(
      {"we follow the timeline of a leader that we never reached", with(standby, [](Situation& s) {
         s.server.off_branch = true;
         s.server.receiving = false;
         s.server.not_receiving_since = ago(3);
       })});
  cases.push_back({"the same, for a moment only", with(standby, [](Situation& s) {
                     s.server.off_branch = true;
                     s.server.receiving = false;
                     s.server.not_receiving_since = ago(1);
                   })});
  cases.push_back({"the leader has lacked our next WAL for a moment only",
                   with(lacks, [](Situation& s) { s.server.not_receiving_since = ago(1); })});
  cases.push_back({"a cold standby was started again a moment ago", with(standby, [](Situation& s) {
                     s.server.cold = true;
                     s.server.receiving = false;
                     s.server.not_receiving_since = ago(60);
                     failed(RestartServer::kind, 1)(s);
                   })});
  cases.push_back(
      {"restart of another standby", World().request(RequestKind::restart, "n3").as_seen_by("n2")});
  cases.push_back(
      {"restart of a standby that an election may need", World()
                                                             .request(RequestKind::restart, "n2")
                                                             .electing_by("n3")
                                                             .fenced("n2", 5000)
                                                             .as_seen_by("n2")});
  const World cut_off = World().request(RequestKind::failover, "n3").silent("n2").silent("n3");
  const auto others_live = [](Situation& s) {
    s.record->paused = true;
    s.peers[node("n2")].card_moved = s.peers[node("n3")].card_moved = ago(0.2);
  };
  cases.push_back({"paused, we hear nobody, and the others may carry out a failover",
                   with(cut_off.as_seen_by("n1"), others_live)});
  cases.push_back({"paused, we hear nobody, and nobody lives who could carry it out",
                   with(cut_off.as_seen_by("n1"), [](Situation& s) { s.record->paused = true; })});
  const World chosen =
      World().chosen("n2", {"n3"}).fenced("n2", 5000).fenced("n3", 4000).silent("n1");
  cases.push_back({"chosen, and promoted by hand onto the id of the chosen one before it",
                   with(chosen.as_seen_by("n2"), [](Situation& s) {
                     s.record->lineage.insert(
                         s.record->lineage.end() - 1,
                         {Term{5}, TimelineId{7}, TimelineId{2}, {}, node("n3")});
                     s.fenced->begun = std::vector<TimelineId>{TimelineId{7}};
                     s.fenced->history = {{TimelineId{7}, TimelineId{2}, Lsn{5000}}};
                     s.fenced->position = Position{TimelineId{7}, Lsn{5001}};
                   })});
  cases.push_back({"chosen, and promoted by hand before it was asked to",
                   with(chosen.as_seen_by("n2"), [](Situation& s) {
                     promote(s, ago(-100));
                     s.server.position->timeline = TimelineId{9};
                   })});
  const Situation not_asked = with(chosen.as_seen_by("n2"), [](Situation& s) {
    promote(s, ago(-100));
    s.server.asked_to_promote = false;
  });
  cases.push_back({"chosen, and promoted by hand onto the timeline that it was given", not_asked});
  cases.push_back({"the same, and giving the leadership back failed a moment ago",
                   with(not_asked, failed(Vacate::kind, 0.1))});
  const auto n2 = [&](const char* name, const std::function<void(Heartbeat&)>& change) {
    cases.push_back({name, with(chosen.as_seen_by("n3"),
                                [&](Situation& s) { change(*s.peers[node("n2")].said); })});
  };
  n2("voter of the chosen leader, which has not answered",
     [](Heartbeat& said) { said.fenced.reset(); });
  n2("voter of the chosen leader, which answered for an older term",
     [](Heartbeat& said) { said.fenced->term = Term{5}; });
  n2("voter of the chosen leader, which has no position",
     [](Heartbeat& said) { said.fenced->position.reset(); });
  n2("voter of the chosen leader, which was made anew",
     [](Heartbeat& said) { said.seat.incarnation = Incarnation{"new"}; });
  cases.push_back(
      {"no voter of the chosen leader: wait until it opens",
       World().chosen("n2", {"n1"}).fenced("n2", 5000).fenced("n3", 4000).as_seen_by("n3")});
}

inline void add_cascades(std::vector<Case>& cases) {
  const Tags below_n2 = tags_with([](Tags& tags) { tags.replicatefrom = node("n2"); });
  const Situation third = tagged(World().voters({"n2"}).as_seen_by("n3"), "n3", below_n2);
  cases.push_back({"replicatefrom: in a circle of others", with(third, [](Situation& s) {
                     s.server.gate_open = true;
                     s.peers[node("n4")] = s.peers[node("n2")];
                     s.peers[node("n2")].said->upstream->node = node("n4");
                     s.peers[node("n4")].said->upstream->node = node("n2");
                   })});
  cases.push_back({"replicatefrom: the standby is behind us", with(third, [](Situation& s) {
                     s.server.gate_open = true;
                     s.server.position->lsn = Lsn{(1U << 20U) + 5001};
                   })});
  cases.push_back({"replicatefrom: the standby stopped", with(third, [](Situation& s) {
                     s.server.gate_open = true;
                     s.peers[node("n2")].said->server = ServerState::stopped;
                   })});
  const Situation absent = with(World().as_seen_by("n2"), [](Situation& s) {
    s.server = Server{};
    s.server.state = ServerState::absent;
    s.peers[node("n3")].said->tags.emplace().clonefrom = true;
  });
  const auto n3 = [&](const char* name, const std::function<void(Heartbeat&)>& change) {
    cases.push_back({name, with(absent, [&](Situation& s) { change(*s.peers[node("n3")].said); })});
  };
  n3("clonefrom: the standby does not stream", [](Heartbeat& said) { said.receiving = false; });
  n3("clonefrom: nobody knows where the standby is",
     [](Heartbeat& said) { said.position.reset(); });
  cases.push_back({"clonefrom: the standby is too far behind", with(absent, [](Situation& s) {
                     s.peers[node("n1")].said->position->lsn = Lsn{(16U << 20U) + 5000};
                   })});
  cases.push_back(
      {"clonefrom: a clone failed before: from the leader", with(absent, failed(Clone::kind, 60))});
  cases.push_back({"clonefrom: nobody knows where the leader is",
                   with(absent, [](Situation& s) { s.peers[node("n1")].said->position.reset(); })});
}

inline void add_starts(std::vector<Case>& cases) {
  const auto stopped = [](Situation& s) { s.server.state = ServerState::stopped; };
  const Situation standby = with(World().as_seen_by("n2"), stopped);
  cases.push_back({"limits were lowered: it starts without hot standby",
                   with(standby, [](Situation& s) { s.server.limits_too_low = true; })});
  cases.push_back({"a start failed a moment ago", with(standby, failed(StartServer::kind, 0.1))});
  const Situation handing =
      with(World().handing_over_to("n2").fenced("n1", 5000, false).as_seen_by("n1"), stopped);
  cases.push_back({"handover: we stopped, and the heir has time", handing});
  cases.push_back({"handover: we stopped before we were read",
                   with(handing, [](Situation& s) { s.fenced.reset(); })});
  cases.push_back(
      {"handover of a restart: we were stopped already", with(handing, [](Situation& s) {
         s.fenced.reset();
         s.record->heir = s.me;
       })});
  cases.push_back({"handover: the heir answers no SQL yet and makes no slots",
                   with(World().handing_over_to("n2").as_seen_by("n2"),
                        [](Situation& s) { s.server.cold = true; })});
  cases.push_back({"handover of a restart: we stopped, and start again",
                   with(handing, [](Situation& s) { s.record->heir = s.me; })});
  const Situation heir_chosen = with(
      World().chosen("n2", {"n3"}).fenced("n1", 5000, false).fenced("n2", 5000).as_seen_by("n1"),
      [&](Situation& s) {
        stopped(s);
        s.claimed_at = ago(1);
      });
  cases.push_back({"handover: the heir was chosen and goes first", heir_chosen});
  cases.push_back({"handover: the heir was chosen and had its time",
                   with(heir_chosen, [](Situation& s) { s.claimed_at = ago(1.5); })});
  cases.push_back(
      {"handover: the heir was chosen and needs our vote", with(heir_chosen, [](Situation& s) {
         s.record->policy.unproven.back().voters = {seat("n1"), seat("n3")};
       })});
  const Situation absent = with(World().as_seen_by("n2"), [](Situation& s) {
    s.server = Server{};
    s.server.state = ServerState::absent;
  });
  cases.push_back(
      {"no data directory, and a clone failed a moment ago", with(absent, failed(Clone::kind, 1))});
  cases.push_back({"no data directory, and nobody leads", with(absent, [](Situation& s) {
                     s.record->phase = Phase::vacant;
                     s.record->leader.reset();
                   })});
  cases.push_back(
      {"no data directory, and the leader says that it does not lead",
       with(absent, [](Situation& s) { s.peers[node("n1")].said->leads = Leads::no; })});
  cases.push_back({"no data directory, and the leader is silent",
                   with(absent, [](Situation& s) { s.peers[node("n1")].alive_at = ago(5); })});
  const Situation reinit =
      World().request(RequestKind::reinit, "n2").voters({"n3"}).as_seen_by("n2");
  cases.push_back({"reinit, and the leader is silent",
                   with(reinit, [](Situation& s) { s.peers[node("n1")].alive_at = ago(1.3); })});
  cases.push_back({"reinit failed a moment ago", with(reinit, failed(Clone::kind, 1))});
  cases.push_back(
      {"handover: making slots failed a moment ago",
       with(World().handing_over_to("n2").as_seen_by("n2"), failed(MakeSlots::kind, 0.1))});
}

inline void add_later(std::vector<Case>& cases) {
  add_unknown(cases);
  add_fences(cases);
  add_fences_by_hand(cases);
  add_checkpoints(cases);
  add_choices(cases);
  add_promotions(cases);
  add_campaigns(cases);
  add_waiting_leaders(cases);
  add_members(cases);
  add_voters(cases);
  add_waiting_standbys(cases);
  add_cascades(cases);
  add_starts(cases);
}

}  // namespace evergres::core::worlds

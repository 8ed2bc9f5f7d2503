#pragma once

#include "cases.hpp"

/// Golden cases about what operators wish: tags, cascading, fences by hand (decisions 0027 and
/// 0028).
namespace evergres::core::worlds {

inline Tags tags_with(const std::function<void(Tags&)>& change) {
  Tags tags;
  change(tags);
  return tags;
}

/// `name` says that it is tagged so.
inline Situation tagged(Situation s, const std::string& name, const Tags& tags) {
  if (s.me == node(name))
    s.tags = tags;
  else
    s.peers[node(name)].said->tags = tags;
  return s;
}

inline void add_tags(std::vector<Case>& cases) {
  const Tags nofailover = tags_with([](Tags& tags) { tags.nofailover = true; });
  const Tags nosync = tags_with([](Tags& tags) { tags.nosync = true; });
  const Tags preferred = tags_with([](Tags& tags) { tags.failover_priority = 5; });
  const Tags clonefrom = tags_with([](Tags& tags) { tags.clonefrom = true; });
  const World fenced = World().electing_by("n2").fenced("n2", 5000).fenced("n3", 5000);
  cases.push_back({"both are fenced, the other one has a higher priority",
                   tagged(fenced.as_seen_by("n2"), "n3", preferred)});
  cases.push_back({"both are fenced, we are tagged nofailover",
                   tagged(fenced.as_seen_by("n2"), "n2", nofailover)});
  const Situation nobody =
      tagged(tagged(fenced.as_seen_by("n2"), "n2", nofailover), "n3", nofailover);
  cases.push_back({"both are fenced, both are tagged nofailover", nobody});
  cases.push_back(
      {"both are tagged nofailover, an operator insists on one", with(nobody, [](Situation& s) {
         s.record->request = Request{"r1", RequestKind::failover, node("n3"), false, 0};
         s.record->request->force = true;
       })});
  cases.push_back(
      {"both are tagged nofailover, an operator accepts the loss", with(nobody, [](Situation& s) {
         s.record->request = Request{"r1", RequestKind::failover, std::nullopt, true, 0};
       })});
  const auto accepted_with_the_leader_down = [](double since) {
    return with(World()
                    .electing_by("n2")
                    .fenced("n1", 9000, false)
                    .fenced("n2", 5000)
                    .fenced("n3", 5000)
                    .as_seen_by("n2"),
                [since](Situation& s) {
                  s.record->policy.current.voters = {seat("n3"), seat("n4")};
                  s.claimed_at = ago(since);
                  s.record->request = Request{"r1", RequestKind::failover, std::nullopt, true, 0};
                });
  };
  const Situation restarted = with(World()
                                       .electing_by("n3")
                                       .request(RequestKind::failover, "n2", true)
                                       .fenced("n2", 5000)
                                       .silent("n1")
                                       .as_seen_by("n3"),
                                   [](Situation& s) {
                                     s.claimed_at = ago(4);
                                     s.server.state = ServerState::starting;
                                   });
  cases.push_back({"an accepted loss waits for our own server, which starts", restarted});
  cases.push_back({"an accepted loss without our own server, which starts for too long",
                   with(restarted, [](Situation& s) { s.claimed_at = ago(11); })});
  cases.push_back({"an accepted loss waits for the leader, which holds more",
                   accepted_with_the_leader_down(1.5)});
  cases.push_back(
      {"an accepted loss without the leader, which holds more", accepted_with_the_leader_down(4)});
  cases.push_back(
      {"a switchover to a node that is tagged nofailover",
       tagged(World().request(RequestKind::switchover, "n3").as_seen_by("n1"), "n3", nofailover)});
  cases.push_back(
      {"a switchover to anybody: the highest priority",
       tagged(
           with(
               World().as_seen_by("n1"),
               [](Situation& s) {
                 s.record->request = Request{"r1", RequestKind::switchover, std::nullopt, false, 0};
               }),
           "n3", preferred)});
  cases.push_back({"a voter was tagged nosync", tagged(World().as_seen_by("n1"), "n3", nosync)});
  cases.push_back({"a voter was tagged nofailover, and another one suffices",
                   tagged(World().as_seen_by("n1"), "n3", nofailover)});
  cases.push_back({"the only voter left is tagged nofailover",
                   tagged(World().voters({"n3"}).silent("n2").as_seen_by("n1"), "n3", nofailover)});
  const auto strict = [](Situation& s) {
    s.record->durability = s.record->policy.current.mode = Durability::strict;
  };
  cases.push_back({"strict: a voter was tagged nosync, and the others suffice",
                   with(tagged(World().as_seen_by("n1"), "n3", nosync), strict)});
  cases.push_back({"strict: a voter was tagged nosync and stays, the others do not suffice",
                   with(tagged(World().voters({"n2", "n3"}, 2).as_seen_by("n1"), "n3", nosync),
                        [&](Situation& s) {
                          strict(s);
                          s.wanted.acknowledgements = 2;
                        })});
  cases.push_back({"strict: a voter was tagged nofailover and stays, the others do not suffice",
                   with(tagged(World().voters({"n2", "n3"}, 2).as_seen_by("n1"), "n3", nofailover),
                        [&](Situation& s) {
                          strict(s);
                          s.wanted.acknowledgements = 2;
                        })});
  cases.push_back({"strict: a voter was tagged replicatefrom, and the other one is silent",
                   with(tagged(World().voters({"n2", "n3"}).silent("n2").as_seen_by("n1"), "n3",
                               tags_with([](Tags& tags) { tags.replicatefrom = node("n2"); })),
                        strict)});
  cases.push_back({"strict: tagged replicatefrom, and the policy keeps us as a voter",
                   with(tagged(World().voters({"n2", "n3"}, 2).as_seen_by("n3"), "n3",
                               tags_with([](Tags& tags) { tags.replicatefrom = node("n2"); })),
                        [&](Situation& s) {
                          strict(s);
                          s.record->policy.current.mode = Durability::strict;
                          s.server.gate_open = true;
                        })});
  cases.push_back(
      {"strict: one voter is tagged nosync, and the other one is fenced by hand",
       with(tagged(World().voters({"n2", "n3"}).as_seen_by("n1"), "n3", nosync), [&](Situation& s) {
         strict(s);
         s.record->hand_fences = {HandFence{node("n2"), "anna", "", 0}};
       })});
  cases.push_back({"no data directory, another standby is tagged clonefrom",
                   tagged(with(World().as_seen_by("n2"),
                               [](Situation& s) {
                                 s.server = Server{};
                                 s.server.state = ServerState::absent;
                               }),
                          "n3", clonefrom)});
}

inline void add_cascade(std::vector<Case>& cases) {
  const Tags below_n2 = tags_with([](Tags& tags) { tags.replicatefrom = node("n2"); });
  const Situation third = tagged(World().voters({"n2"}).as_seen_by("n3"), "n3", below_n2);
  const Situation fresh = with(third, [](Situation& s) {
    s.server.upstream.reset();
    s.server.receiving = false;
    s.server.not_receiving_since = ago(1);
    s.fenced = World().fenced("n3", 5000).as_seen_by("n3").fenced;
  });
  cases.push_back({"replicatefrom: it was tagged while it followed the leader", third});
  cases.push_back({"replicatefrom: fenced, the standby streams", fresh});
  const auto n2_streams_not = [](Situation& s) { s.peers[node("n2")].said->receiving = false; };
  cases.push_back({"replicatefrom: the standby does not stream yet", with(fresh, n2_streams_not)});
  cases.push_back({"replicatefrom: the standby does not come", with(fresh, [&](Situation& s) {
                     n2_streams_not(s);
                     s.server.not_receiving_since = ago(6);
                   })});
  const Situation below = with(third, [](Situation& s) {
    s.server.upstream = Upstream{node("n2"), s.record->term, true};
    s.server.gate_open = true;
  });
  cases.push_back({"replicatefrom: it streams from the standby", below});
  cases.push_back({"replicatefrom: the standby fell silent",
                   with(below, [](Situation& s) { s.peers[node("n2")].alive_at = ago(5); })});
  cases.push_back({"replicatefrom: the standby refuses us", with(below, [](Situation& s) {
                     s.server.receiving = false;
                     s.server.diverged = s.server.wal_removed = true;
                     s.server.not_receiving_since = ago(6);
                   })});
  cases.push_back({"replicatefrom: back to the standby not at once", with(third, [](Situation& s) {
                     s.server.upstream->voteless = true;
                     s.attempts[Follow::kind] = Attempt{Ending::done, Term{5}, ago(10), 0, ""};
                     s.server.gate_open = true;
                   })});
  cases.push_back({"replicatefrom: in a circle", with(third, [](Situation& s) {
                     s.peers[node("n2")].said->upstream->node = node("n3");
                   })});
  cases.push_back({"replicatefrom was removed", with(below, [](Situation& s) { s.tags.reset(); })});
  const auto streams_below = [](Situation s) {
    s.server.gate_open = true;
    s.peers[node("n3")].said->upstream = Upstream{node("n2"), s.record->term, true};
    return s;
  };
  const Situation middle =
      streams_below(tagged(World().voters({"n2"}).as_seen_by("n2"), "n3", below_n2));
  cases.push_back({"a standby makes a slot for its follower", middle});
  cases.push_back(
      {"a standby drops the slot of a follower that left",
       with(tagged(middle, "n3", Tags{}), [](Situation& s) { s.server.slots_of = {node("n3")}; })});
  cases.push_back({"the leader keeps no WAL for a cascaded node",
                   streams_below(tagged(World().voters({"n2"}).as_seen_by("n1"), "n3", below_n2))});
}

inline void add_hand_fences(std::vector<Case>& cases) {
  const auto out = [](World world) {
    world.record().hand_fences = {HandFence{node("n2"), "anna@db1", "new disks", 0}};
    return world;
  };
  cases.push_back({"fenced by hand: we still vote", out(World()).as_seen_by("n2")});
  cases.push_back({"fenced by hand: the leader takes us out", out(World()).as_seen_by("n1")});
  const Situation alone = out(World().voters({"n3"})).as_seen_by("n2");
  cases.push_back({"fenced by hand: nobody counts us", alone});
  cases.push_back({"fenced by hand: it is being stopped", with(alone, [](Situation& s) {
                     s.server.state = ServerState::stopping;
                     s.operation = Operation{StopServer::kind, Term{5}, ago(1)};
                   })});
  cases.push_back({"fenced by hand: stopped, and stays so", with(alone, [](Situation& s) {
                     s.server.state = ServerState::stopped;
                     s.fenced = World().fenced("n2", 5000).as_seen_by("n2").fenced;
                   })});
  cases.push_back({"fenced by hand: a new term is promised all the same",
                   with(out(World().electing_by("n3")).as_seen_by("n2"),
                        [](Situation& s) { s.server.state = ServerState::stopped; })});
  const auto strict = [](Situation& s) {
    s.record->durability = s.record->policy.current.mode = Durability::strict;
  };
  cases.push_back({"fenced by hand: with strict the leader takes us out if others suffice",
                   with(out(World()).as_seen_by("n2"), strict)});
  cases.push_back({"fenced by hand: with strict it does not wait if others do not suffice",
                   with(out(World().silent("n3")).as_seen_by("n2"), strict)});
  cases.push_back({"fenced by hand: a strict leader takes it out if others suffice",
                   with(out(World()).as_seen_by("n1"), strict)});
  cases.push_back({"fenced by hand: a strict leader keeps it if others do not suffice",
                   with(out(World().voters({"n2"}).silent("n3")).as_seen_by("n1"), strict)});
  const auto unseen = [&](double since) {
    return with(alone, [since](Situation& s) {
      s.server.state = ServerState::unknown;
      s.server.unknown_since = ago(since);
    });
  };
  cases.push_back({"fenced by hand: the server has just fallen silent", unseen(1)});
  cases.push_back({"fenced by hand: the server has been silent for a while", unseen(2.5)});
  cases.push_back(
      {"fenced by hand: the silent server still votes", with(unseen(2.5), [](Situation& s) {
         s.record->policy.current.voters = {seat("n2"), seat("n3")};
       })});
  cases.push_back({"fenced by hand although it leads", out(World().leader("n2")).as_seen_by("n2")});
  cases.push_back({"fenced by hand: no switchover to it",
                   out(World().request(RequestKind::switchover, "n2")).as_seen_by("n1")});
}

}  // namespace evergres::core::worlds

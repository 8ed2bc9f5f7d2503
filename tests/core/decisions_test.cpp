#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "async_cases.hpp"
#include "cluster/json.hpp"
#include "core/view.hpp"
#include "golden.hpp"
#include "later_cases.hpp"
#include "slot_cases.hpp"
#include "wishes.hpp"

/// Golden cases: what is decided in situations that matter. EVERGRES_GOLDEN=rewrite writes
/// decisions.golden anew; read the difference before you keep it.
namespace evergres::core::worlds {
namespace {

World crashed() {
  return World().silent("n1");
}

void add_safety(std::vector<Case>& cases) {
  const Situation leader = World().as_seen_by("n1");
  const Situation standby = World().as_seen_by("n2");
  cases.push_back({"record gone while data exists", with(standby, [](Situation& s) {
                     s.record.reset();
                     s.record_missing = true;
                   })});
  cases.push_back({"record older than our promise",
                   with(standby, [](Situation& s) { s.promise.term = Term{8}; })});
  cases.push_back({"record older than a peer's promise", with(standby, [](Situation& s) {
                     s.peers[node("n3")].said->promise.term = Term{8};
                   })});
  cases.push_back(
      {"a peer that knows a newer record is no lost history", with(standby, [](Situation& s) {
         s.peers[node("n3")].said->promise.term = Term{8};
         s.peers[node("n3")].said->revision = Revision{12};
       })});
  cases.push_back({"data of another cluster",
                   with(standby, [](Situation& s) { s.server.system_id = SystemId{8}; })});
  cases.push_back({"primary that the record does not name",
                   with(standby, [](Situation& s) { s.server.state = ServerState::primary; })});
  cases.push_back(
      {"primary whose incarnation is not the recorded one",
       with(leader, [](Situation& s) { s.server.incarnation = Incarnation{"other"}; })});
  cases.push_back({"asked to promote, then another term began",
                   with(World().electing_by("n3").as_seen_by("n2"),
                        [](Situation& s) { s.server.asked_to_promote = true; })});
  cases.push_back({"clone from a leader of an older term", with(standby, [](Situation& s) {
                     s.operation = Operation{Clone::kind, Term{4}, ago(9)};
                   })});
  cases.push_back({"new term: fence first, whatever runs",
                   with(World().electing_by("n3").as_seen_by("n2"), [](Situation& s) {
                     s.operation = Operation{Follow::kind, Term{5}, ago(1)};
                   })});
  cases.push_back({"restarted since the fence", with(standby, [](Situation& s) {
                     s.server.upstream.reset();
                     s.server.receiving = false;
                   })});
  cases.push_back({"an operation runs", with(standby, [](Situation& s) {
                     s.operation = Operation{Follow::kind, Term{5}, ago(1)};
                   })});
}

void add_handover(std::vector<Case>& cases) {
  const World handing = World().handing_over_to("n2");
  cases.push_back({"handover: the leader stops", handing.as_seen_by("n1")});
  cases.push_back(
      {"handover: the stop has just failed", with(handing.as_seen_by("n1"), [](Situation& s) {
         s.attempts[StopForHandover::kind] = {Ending::failed, Term{6}, s.now - Millis{20}, 9,
                                              "disk full"};
       })});
  cases.push_back(
      {"handover: the stop has failed before", with(handing.as_seen_by("n1"), [](Situation& s) {
         s.attempts[StopForHandover::kind] = {Ending::failed, Term{6}, s.now - Millis{120}, 9,
                                              "disk full"};
       })});
  const auto has_slots = [](Situation& s) { s.server.slots_of = {node("n1"), node("n3")}; };
  cases.push_back({"handover: the heir makes slots", handing.as_seen_by("n2")});
  cases.push_back(
      {"handover: the heir waits for the last WAL", with(handing.as_seen_by("n2"), has_slots)});
  cases.push_back({"handover: a bystander is fenced at once", handing.as_seen_by("n3")});
  cases.push_back({"handover: all WAL arrived, the heir is fenced",
                   World().handing_over_to("n2").fenced("n1", 4000, false).as_seen_by("n2")});
  cases.push_back(
      {"handover: the heir lacks WAL",
       with(World().handing_over_to("n2").fenced("n1", 6000, false).as_seen_by("n2"), has_slots)});
  const Situation ready = with(World()
                                   .handing_over_to("n2")
                                   .fenced("n1", 5000, false)
                                   .fenced("n2", 5000)
                                   .fenced("n3", 4500)
                                   .as_seen_by("n1"),
                               [](Situation& s) { s.server.state = ServerState::stopped; });
  cases.push_back({"handover: the heir is ready", ready});
  cases.push_back({"handover: the heir did not come in time", with(ready, [](Situation& s) {
                     s.claimed_at = ago(3.1);
                     s.peers[node("n2")].said->fenced.reset();
                     s.peers[node("n2")].alive_at = ago(5);
                     s.peers[node("n3")].said->fenced.reset();
                     s.peers[node("n3")].alive_at = ago(5);
                   })});
}

void add_server(std::vector<Case>& cases) {
  const Situation standby = World().as_seen_by("n2");
  cases.push_back({"no data directory", with(standby, [](Situation& s) {
                     s.server = Server{};
                     s.server.state = ServerState::absent;
                   })});
  cases.push_back(
      {"a rebuild did not finish and nobody leads",
       with(World().vacant().as_seen_by("n2"), [](Situation& s) { s.server.rebuilding = true; })});
  cases.push_back({"the server is stopped",
                   with(standby, [](Situation& s) { s.server.state = ServerState::stopped; })});
  cases.push_back({"the server starts", with(standby, [](Situation& s) {
                     s.server.state = ServerState::starting;
                     s.server.trouble = "consistent recovery state not yet reached";
                   })});
}

void add_election(std::vector<Case>& cases) {
  cases.push_back({"leader silent: the first standby takes the term", crashed().as_seen_by("n2")});
  cases.push_back({"leader silent, budget used up: the next waits",
                   with(crashed().as_seen_by("n3"), [](Situation& s) { s.recent_terms = 20; })});
  cases.push_back({"leader silent, the other standby hears it: no term",
                   with(crashed().as_seen_by("n2"), [](Situation& s) {
                     s.peers[node("n3")].said->sees_somebody_in_charge = true;
                   })});
  cases.push_back(
      {"leader silent, an unproven policy is not covered",
       World().voters({"n2"}).unproven({"n3"}).silent("n1").silent("n3").as_seen_by("n2")});
  cases.push_back(
      {"leader silent, cluster paused",
       with(crashed().as_seen_by("n2"), [](Situation& s) { s.record->paused = true; })});
  cases.push_back({"we alone are cut off, the others suffice",
                   with(World().voters({"n2", "n3"}, 2).silent("n1").silent("n2").as_seen_by("n3"),
                        [](Situation& s) {
                          s.peers[node("n1")].card_moved = s.peers[node("n2")].card_moved =
                              ago(0.2);
                          s.peers[node("n1")].card_hears = {node("n2")};
                          s.peers[node("n2")].card_hears = {node("n1")};
                        })});
  cases.push_back(
      {"not enough are fenced",
       World().electing_by("n2").fenced("n2", 5000).silent("n1").silent("n3").as_seen_by("n2")});
  cases.push_back({"enough are fenced: the most advanced leads", World()
                                                                     .electing_by("n2")
                                                                     .fenced("n2", 5000)
                                                                     .fenced("n3", 6000)
                                                                     .silent("n1")
                                                                     .as_seen_by("n2")});
  cases.push_back(
      {"an accepted loss drops the book", with(World()
                                                   .electing_by("n2")
                                                   .request(RequestKind::failover, "n2", true)
                                                   .fenced("n2", 5000)
                                                   .silent("n1")
                                                   .silent("n3")
                                                   .as_seen_by("n2"),
                                               [](Situation& s) { s.claimed_at = ago(4); })});
  const Situation chosen = World()
                               .chosen("n2", {"n3"})
                               .fenced("n2", 5000)
                               .fenced("n3", 5000)
                               .silent("n1")
                               .as_seen_by("n2");
  cases.push_back({"chosen: promote", chosen});
  cases.push_back({"chosen, but restarted since: give it back",
                   with(chosen, [](Situation& s) { s.fenced.reset(); })});
  cases.push_back({"chosen, but the server died: give it back before starting it",
                   with(chosen, [](Situation& s) { s.server.state = ServerState::stopped; })});
  const Situation promoted = with(chosen, [](Situation& s) { promote(s, ago(-100)); });
  const auto failed = [](Situation& s) {
    s.attempts[ProveBarrier::kind] = {Ending::timed_out, Term{6}, ago(1), 1, "nobody answered"};
  };
  cases.push_back({"promoted: prove the barrier", promoted});
  cases.push_back({"barrier failed, the voter does not attach but is in touch: go on without",
                   with(promoted, failed)});
  cases.push_back({"barrier failed, the last voter may be electing elsewhere: keep it",
                   with(promoted, [&](Situation& s) {
                     failed(s);
                     s.peers[node("n3")].alive_at = ago(5);
                   })});
}

void add_leader(std::vector<Case>& cases) {
  const Situation leader = World().as_seen_by("n1");
  cases.push_back({"the leader has nothing to do", leader});
  cases.push_back({"the agent of the leader was restarted",
                   with(leader, [](Situation& s) { s.agent = Claim{"run-2"}; })});
  cases.push_back({"the leader is cut off",
                   with(World().silent("n2").silent("n3").as_seen_by("n1"), [](Situation& s) {
                     s.peers[node("n2")].card_moved = s.peers[node("n3")].card_moved = ago(0.2);
                     s.peers[node("n2")].card_hears = {node("n3")};
                     s.peers[node("n3")].card_hears = {node("n2")};
                   })});
  cases.push_back(
      {"the gate is closed", with(leader, [](Situation& s) { s.server.gate_open = false; })});
  cases.push_back({"newer settings of the cluster: the leader applies them",
                   with(leader, [](Situation& s) { s.server.settings_due = 7; })});
  cases.push_back({"a member came whose address pg_hba.conf lacks",
                   with(leader, [](Situation& s) { s.server.gate_outdated = true; })});
  cases.push_back({"a node has no slot here",
                   with(leader, [](Situation& s) { s.server.slots_of.pop_back(); })});
  cases.push_back({"switchover", World().request(RequestKind::switchover, "n3").as_seen_by("n1")});
  cases.push_back({"switchover beside a silent voter: the leader that stops covers the policy",
                   World().request(RequestKind::switchover, "n3").silent("n2").as_seen_by("n1")});
  cases.push_back({"switchover to a silent node",
                   World().request(RequestKind::switchover, "n3").silent("n3").as_seen_by("n1")});
  cases.push_back(
      {"restart of the leader", World().request(RequestKind::restart, "n1").as_seen_by("n1")});
  cases.push_back({"restart of a node that is gone",
                   World().request(RequestKind::restart, "n3").silent("n3").as_seen_by("n1")});
  cases.push_back({"a voter is silent", World().silent("n3").as_seen_by("n1")});
  cases.push_back({"a voter is silent while we checkpoint",
                   with(World().silent("n3").as_seen_by("n1"), [](Situation& s) {
                     s.record->rewind_ready = false;
                     s.operation = Operation{AllowRewinds::kind, s.record->term, ago(10)};
                   })});
  cases.push_back({"the last voter is silent, but its card moves",
                   with(World().voters({"n2"}).silent("n2").silent("n3").as_seen_by("n1"),
                        [](Situation& s) { s.peers[node("n2")].card_moved = ago(0.2); })});
  cases.push_back({"a member has caught up", World().voters({"n2"}).as_seen_by("n1")});
  cases.push_back({"a voter that entered a moment ago stays", with(leader, [](Situation& s) {
                     s.peers[node("n3")].acknowledged_at.reset();
                   })});
  cases.push_back({"the leader did not checkpoint yet",
                   with(leader, [](Situation& s) { s.record->rewind_ready = false; })});
  cases.push_back(
      {"a new node streams", with(World().voters({"n2"}).as_seen_by("n1"), [](Situation& s) {
         s.record->members = {node("n1"), node("n2")};
       })});
}

void add_durability(std::vector<Case>& cases) {
  const auto wants_strict = [](Situation& s) { s.record->durability = Durability::strict; };
  const auto is_strict = [](Situation& s) {
    s.record->durability = s.record->policy.current.mode = Durability::strict;
  };
  cases.push_back({"an operator wants strict", with(World().as_seen_by("n1"), [](Situation& s) {
                     s.wanted.durability = Durability::strict;
                   })});
  cases.push_back({"an operator wants what the record says",
                   with(World().as_seen_by("n1"),
                        [](Situation& s) { s.wanted.durability = Durability::quorum; })});
  cases.push_back({"only the leader records what an operator wants",
                   with(World().as_seen_by("n2"),
                        [](Situation& s) { s.wanted.durability = Durability::strict; })});
  cases.push_back(
      {"strict is wanted and enough vote", with(World().as_seen_by("n1"), wants_strict)});
  cases.push_back(
      {"strict is wanted and nobody votes",
       with(World().voters({}).silent("n2").silent("n3").as_seen_by("n1"), wants_strict)});
  cases.push_back({"strict: one of two voters is silent and leaves",
                   with(World().silent("n3").as_seen_by("n1"), is_strict)});
  const Situation waits =
      with(World().voters({"n2"}).silent("n2").silent("n3").as_seen_by("n1"), is_strict);
  cases.push_back({"strict: the only voter is silent and stays, writes wait", waits});
  cases.push_back({"strict: another standby takes the place of a silent voter",
                   with(World().voters({"n2"}).silent("n2").as_seen_by("n1"), is_strict)});
  cases.push_back({"quorum is wanted again, and a voter is silent",
                   with(waits, [](Situation& s) { s.record->durability = Durability::quorum; })});
  cases.push_back(
      {"no acknowledgements are wanted any more",
       with(World().as_seen_by("n1"), [](Situation& s) { s.wanted.acknowledgements = 0; })});
  cases.push_back({"strict, chosen, and the only voter is gone before the barrier",
                   with(World()
                            .chosen("n2", {"n3"})
                            .fenced("n2", 5000)
                            .silent("n1")
                            .silent("n3")
                            .as_seen_by("n2"),
                        [](Situation& s) {
                          promote(s, ago(-4));
                          for (Policy& policy : s.record->policy.unproven)
                            policy.mode = Durability::strict;
                          s.attempts[ProveBarrier::kind] = {Ending::timed_out, s.record->term,
                                                            ago(1), 1, "nobody acknowledged"};
                        })});
}

void add_follower(std::vector<Case>& cases) {
  const Situation standby = World().as_seen_by("n2");
  cases.push_back({"a standby streams", standby});
  cases.push_back(
      {"restart of a standby", World().request(RequestKind::restart, "n2").as_seen_by("n2")});
  const auto detached = [](Situation& s) {
    s.server.upstream.reset();
    s.server.receiving = s.server.gate_open = false;
  };
  const Situation fits = with(World().voters({"n3"}).fenced("n2", 5000).as_seen_by("n2"), detached);
  cases.push_back({"fenced and fitting: follow", fits});
  const Situation diverged = with(fits, [](Situation& s) {
    s.fenced->position = Position{TimelineId{1}, Lsn{2000}};
  });
  cases.push_back({"diverged: rewind", diverged});
  cases.push_back({"diverged, an unproven policy counts us: no WAL is destroyed",
                   with(diverged, [](Situation& s) {
                     s.record->policy.unproven.push_back(s.record->policy.current);
                     s.record->policy.unproven.back().voters.push_back(seat("n2"));
                   })});
  cases.push_back({"diverged, the leader has not checkpointed: wait",
                   with(diverged, [](Situation& s) { s.record->rewind_ready = false; })});
  cases.push_back(
      {"diverged, rewind failed twice: clone", with(diverged, [](Situation& s) {
         s.attempts[Rewind::kind] = {Ending::failed, Term{5}, ago(60), 2, "no common checkpoint"};
       })});
  cases.push_back({"promoted behind our back on a recorded id: clone", with(fits, [](Situation& s) {
                     s.fenced->history = {{TimelineId{2}, TimelineId{1}, Lsn{900}}};
                   })});
  cases.push_back(
      {"began a timeline that was given to the leader: clone", with(fits, [](Situation& s) {
         s.fenced->begun = std::vector<TimelineId>{leader_timeline(*s.record)};
       })});
  cases.push_back(
      {"began a timeline that was given to nobody: follows", with(fits, [](Situation& s) {
         s.fenced->begun = std::vector<TimelineId>{TimelineId{77}};
       })});
  cases.push_back({"primary_conninfo was altered behind our back", with(standby, [](Situation& s) {
                     s.server.drift = {
                         "primary_conninfo is host=elsewhere instead of service=evergres"};
                   })});
  cases.push_back({"newer settings of the cluster: a standby applies them",
                   with(standby, [](Situation& s) { s.server.settings_due = 7; })});
  cases.push_back(
      {"newer settings, and the standby does not stream: later", with(standby, [](Situation& s) {
         s.server.settings_due = 7;
         s.server.receiving = false;
         s.server.not_receiving_since = ago(1);
       })});
  cases.push_back({"limits were lowered: a cold standby follows", with(standby, [](Situation& s) {
                     s.server.cold = true;
                     s.server.receiving = false;
                     s.server.not_receiving_since = ago(60);
                   })});
  cases.push_back({"a new term, and our server does not answer", with(standby, [](Situation& s) {
                     s.server.state = ServerState::unknown;
                     s.server.unknown_since = ago(3);
                     s.record->term.value += 1;
                     s.record->phase = Phase::electing;
                     s.record->leader.reset();
                   })});
  const Situation stuck = with(World().electing_by("n3").as_seen_by("n2"), [](Situation& s) {
    s.attempts[Fence::kind] = {Ending::timed_out, Term{6}, ago(1), 1,
                               "the walreceiver did not end"};
  });
  cases.push_back({"a new term, and our receiver does not end: stop", stuck});
  cases.push_back({"a fence failed once: again", with(stuck, [](Situation& s) {
                     s.attempts[Fence::kind].ending = Ending::failed;
                   })});
  cases.push_back(
      {"a fence failed, and the server was started since: fence", with(stuck, [](Situation& s) {
         s.attempts[StartServer::kind] = {Ending::done, Term{5}, ago(0.5), 0, ""};
       })});
  const Situation voter = World()
                              .chosen("n2", {"n3"})
                              .fenced("n2", 5000)
                              .fenced("n3", 4000)
                              .silent("n1")
                              .as_seen_by("n3");
  cases.push_back({"voter of the chosen leader: attach before it opens", voter});
  cases.push_back({"voter that found more WAL than the chosen has: wait",
                   with(voter, [](Situation& s) { s.fenced->position->lsn = Lsn{5500}; })});
}

void add_maintenance(std::vector<Case>& cases) {
  const auto paused = [](Situation& s) { s.record->paused = true; };
  cases.push_back({"paused, leader silent, an operator asks for a failover",
                   with(crashed().request(RequestKind::failover, "n2").as_seen_by("n2"), paused)});
  cases.push_back({"paused, an election failed half-way: it goes on",
                   with(crashed().as_seen_by("n2"), [&](Situation& s) {
                     paused(s);
                     s.record->phase = Phase::vacant;
                     s.record->leader.reset();
                   })});
  cases.push_back({"paused, the leader is cut off and keeps what it has",
                   with(World().silent("n2").silent("n3").as_seen_by("n1"), [&](Situation& s) {
                     paused(s);
                     s.peers[node("n2")].card_moved = s.peers[node("n3")].card_moved = ago(0.2);
                     s.peers[node("n2")].card_hears = {node("n3")};
                     s.peers[node("n3")].card_hears = {node("n2")};
                   })});
  cases.push_back({"paused, switchover by hand",
                   with(World().request(RequestKind::switchover, "n3").as_seen_by("n1"), paused)});
  const Situation standby = World().as_seen_by("n2");
  cases.push_back({"paused, stopped: started", with(standby, [&](Situation& s) {
                     paused(s);
                     s.server.state = ServerState::stopped;
                   })});
  cases.push_back({"paused, no data directory", with(standby, [&](Situation& s) {
                     paused(s);
                     s.server.state = ServerState::absent;
                   })});
  cases.push_back({"paused, the leader lacks our next WAL", with(standby, [&](Situation& s) {
                     paused(s);
                     s.server.wal_removed = true;
                     s.server.receiving = false;
                     s.server.not_receiving_since = ago(60);
                   })});
  cases.push_back(
      {"paused, diverged", with(World().fenced("n2", 5000).as_seen_by("n2"), [&](Situation& s) {
         paused(s);
         s.server.upstream.reset();
         s.server.receiving = s.server.gate_open = false;
         s.fenced->position = Position{TimelineId{1}, Lsn{2000}};
       })});
  const auto reinit = [](const std::string& who) {
    return World().request(RequestKind::reinit, who);
  };
  cases.push_back({"reinit of a voter: it leaves the policy first", reinit("n2").as_seen_by("n1")});
  cases.push_back({"reinit of a voter: it waits for that", reinit("n2").as_seen_by("n2")});
  const auto strict = [](Situation& s) { s.record->policy.current.mode = Durability::strict; };
  cases.push_back({"reinit of a voter, strict, and n3 suffices",
                   with(reinit("n2").voters({"n2", "n3"}).as_seen_by("n1"), strict)});
  cases.push_back({"reinit of the only voter, strict",
                   with(reinit("n2").voters({"n2"}).as_seen_by("n1"), strict)});
  cases.push_back(
      {"reinit of a node that no policy counts", reinit("n2").voters({"n3"}).as_seen_by("n2")});
  cases.push_back({"reinit, and the leader is gone: elect first",
                   reinit("n2").voters({"n2", "n3"}).silent("n1").as_seen_by("n2")});
  cases.push_back({"reinit, and the leader does not say that it leads",
                   with(reinit("n2").voters({"n3"}).as_seen_by("n2"),
                        [](Situation& s) { s.peers[node("n1")].said->leads = Leads::unknown; })});
  cases.push_back({"reinit while a policy is unproven: no WAL is destroyed",
                   reinit("n2").voters({"n3"}).unproven({"n2", "n3"}).as_seen_by("n2")});
  cases.push_back({"reinit of a node that does not start",
                   with(reinit("n2").voters({"n3"}).as_seen_by("n2"),
                        [](Situation& s) { s.server.state = ServerState::stopped; })});
  cases.push_back({"reinit: a node that no policy counts does not come back before",
                   reinit("n2").voters({"n3"}).as_seen_by("n1")});
  cases.push_back({"reinit of the leader", reinit("n1").as_seen_by("n1")});
  cases.push_back({"reinit of a node that is gone", reinit("n3").silent("n3").as_seen_by("n1")});
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  add_safety(cases);
  add_handover(cases);
  add_server(cases);
  add_election(cases);
  add_leader(cases);
  add_durability(cases);
  add_async(cases);
  add_measuring(cases);
  add_follower(cases);
  add_maintenance(cases);
  add_tags(cases);
  add_cascade(cases);
  add_hand_fences(cases);
  add_slots(cases);
  add_later(cases);
  return cases;
}

std::string line_of(const std::string& name, const Decision& decision) {
  std::string text = name + "\n  " + describe(decision) + "\n";
  for (const std::string& fact : decision.facts) text += "    " + fact + "\n";
  return text;
}

TEST(Decisions, AreTheGoldenOnes) {
  std::string decided;
  for (const Case& one : all_cases()) decided += line_of(one.name, decide(one.situation));
  expect_golden("decisions.golden", decided);
}

TEST(Decisions, EveryRuleHasACase) {
  std::set<std::string> seen;
  for (const Case& one : all_cases()) seen.insert(decide(one.situation).rule);
  for (const Rule& rule : rules()) EXPECT_TRUE(seen.contains(std::string(rule.name))) << rule.name;
}

TEST(Decisions, CasesHaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const Case& one : all_cases()) EXPECT_TRUE(names.insert(one.name).second) << one.name;
}

// The journal stores the situation as one line of JSON; `evergres replay` must decide the same.
TEST(Decisions, ReplayFromTheJournalIsTheSame) {
  for (const Case& one : all_cases()) {
    const std::string line = cluster::json_text(one.situation);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const auto back = cluster::parse_json<Situation>(line, 1U << 20U, "situation");
    ASSERT_TRUE(back) << one.name << ": " << back.error().message();
    EXPECT_TRUE(*back == one.situation) << one.name << "\n" << line;
    EXPECT_EQ(line_of(one.name, decide(*back)), line_of(one.name, decide(one.situation)));
  }
}

}  // namespace
}  // namespace evergres::core::worlds

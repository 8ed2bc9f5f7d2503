#pragma once

#include "cases.hpp"

/// Cases of durability async.
namespace evergres::core::worlds {

/// n1 leads alone, async, and was heard at 6000; the others stand at 5000 and its lease has ended.
inline void make_async(Situation& s) {
  Record& record = *s.record;
  record.durability = record.policy.current.mode = Durability::async;
  record.policy.current.voters.clear();
  record.policy.current.k = 0;
  record.lease_ms = 5000;
  record.max_loss_bytes = 1000;
  s.renewed_since = ago(6);
  s.renewed_at = ago(0.5);
  s.last_word = LastWord{seat("n1"), Term{5}, {TimelineId{2}, Lsn{6000}}, ago(7)};
}

/// n1 recorded async beside its quorum policy, and died before it could record the proof.
inline void propose_async(Situation& s) {
  const Policy quorum = s.record->policy.current;
  make_async(s);
  s.record->policy.unproven = {s.record->policy.current};
  s.record->policy.current = quorum;
  s.record->max_loss_bytes = unlimited_loss;
}

/// A quorum policy that is still in the book stays covered, whatever async allows to lose.
inline void add_beside_quorum(std::vector<Case>& cases) {
  const auto seen = [](World world) { return with(world.as_seen_by("n2"), propose_async); };
  cases.push_back({"async proposed, its proof never recorded: who acknowledged under quorum leads",
                   seen(World().electing_by("n2").fenced("n2", 5000).fenced("n3", 5100).silent(
                       "n1"))});
  cases.push_back({"async proposed, too few fenced for the quorum policy: choose nobody",
                   with(seen(World()
                                 .voters({"n3"})
                                 .electing_by("n2")
                                 .fenced("n2", 5000)
                                 .silent("n1")
                                 .silent("n3")),
                        [](Situation& s) { s.record->members = {node("n2")}; })});
  cases.push_back({"async proposed, the only voter is ahead and cannot run: choose nobody",
                   seen(World()
                            .voters({"n3"})
                            .electing_by("n2")
                            .fenced("n2", 5000)
                            .fenced("n3", 5100, false)
                            .silent("n1"))});
  cases.push_back({"async proposed, the leader silent: its lease begins with the proposal",
                   with(seen(World().voters({"n2"}).silent("n1")),
                        [](Situation& s) { s.renewed_since = ago(3); })});
}

inline void add_async(std::vector<Case>& cases) {
  const auto wants = [](Situation& s) { s.wanted = Wanted{Durability::async, 1, 4096}; };
  cases.push_back({"an operator wants async", with(World().as_seen_by("n1"), wants)});
  cases.push_back({"an operator wants async, but a longer grant of before a reload lasts: wait",
                   with(with(World().as_seen_by("n1"), wants),
                        [](Situation& s) { s.server.grant->deadline = ago(-5.1); })});
  cases.push_back({"async is recorded: everybody leaves the policy",
                   with(World().as_seen_by("n1"), [](Situation& s) {
                     s.record->durability = Durability::async;
                     s.record->lease_ms = 5000;
                   })});
  const Situation leads = with(World().as_seen_by("n1"), make_async);
  cases.push_back({"async: the leader has nothing to do", leads});
  cases.push_back({"async: an operator changes max_loss", with(leads, wants)});
  cases.push_back({"async: a switchover to anybody goes to the most advanced",
                   with(leads, [](Situation& s) {
                     s.record->request = Request{"r1", RequestKind::switchover, {}, false, 0};
                     s.peers[node("n3")].said->position->lsn = Lsn{5500};
                   })});
  const Situation silent = with(World().silent("n1").as_seen_by("n2"), make_async);
  cases.push_back({"async, leader silent, its lease has ended: take the term", silent});
  cases.push_back({"async, leader silent, its lease lasts: wait",
                   with(silent, [](Situation& s) { s.renewed_since = ago(5.9); })});
  cases.push_back({"async, leader silent, max_loss is less than what is missing: wait",
                   with(silent, [](Situation& s) { s.record->max_loss_bytes = 999; })});
  cases.push_back({"async, leader silent, another node heard more of it: wait",
                   with(silent, [](Situation& s) {
                     Heartbeat& said = *s.peers[node("n3")].said;
                     said.last_word = s.last_word;
                     said.last_word->position.lsn = Lsn{6001};
                   })});
  cases.push_back({"async, leader silent, its lease lasts, and our server starts",
                   with(silent, [](Situation& s) {
                     s.renewed_since = ago(5.9);
                     s.server.state = ServerState::starting;
                   })});
  const auto deaf = [](Situation& s) { s.last_word.reset(); };
  cases.push_back({"async, leader silent and never heard: wait", with(silent, deaf)});
  cases.push_back({"async, leader never heard, any loss is allowed: take the term",
                   with(with(silent, deaf),
                        [](Situation& s) { s.record->max_loss_bytes = unlimited_loss; })});
  cases.push_back(
      {"async, leader silent and one of two standbys too: wait",
       with(World().silent("n1").silent("n3").as_seen_by("n2"), make_async)});
  cases.push_back({"async, leader silent, a quorum policy is not covered: wait",
                   with(with(World().silent("n1").silent("n3").as_seen_by("n2"), make_async),
                        [](Situation& s) {
                          s.record->members = {node("n1"), node("n2")};
                          s.record->max_loss_bytes = unlimited_loss;
                          Policy quorum = s.record->policy.current;
                          quorum.mode = Durability::quorum;
                          quorum.voters = {seat("n3")};
                          quorum.k = 1;
                          s.record->policy.unproven = {quorum};
                        })});
  const Situation fenced = with(
      World().electing_by("n2").fenced("n2", 5000).fenced("n3", 4000).silent("n1").as_seen_by("n2"),
      make_async);
  cases.push_back({"async: a majority is fenced, the loss is within max_loss", fenced});
  cases.push_back({"async: the lease moved until a moment ago: choose nobody yet",
                   with(fenced, [](Situation& s) { s.renewed_since = ago(3); })});
  const auto starts = [](Situation& s) {
    Peer& peer = s.peers[node("n1")];
    peer.alive_at = ago(0.1);
    peer.said->server = ServerState::starting;
    peer.said->term = Term{5};  // it has not seen the new term yet
  };
  cases.push_back(
      {"async: the leader is in crash recovery: choose nobody yet", with(fenced, starts)});
  cases.push_back({"async: the leader is in crash recovery for too long: choose",
                   with(with(fenced, starts),
                        [](Situation& s) { s.tuning.promote_timeout = Millis{1500}; })});
  cases.push_back({"async: another life of the leader's node starts: choose",
                   with(with(fenced, starts), [](Situation& s) {
                     s.peers[node("n1")].said->seat.incarnation = Incarnation{"other"};
                   })});
  cases.push_back(
      {"async: we led, elect, and are in crash recovery: choose nobody yet",
       with(with(World().electing_by("n1").fenced("n2", 5000).fenced("n3", 4000).as_seen_by("n1"),
                 make_async),
            [](Situation& s) { s.server.state = ServerState::starting; })});
  cases.push_back({"async: nothing seems lost, but max_loss is 0: choose nobody",
                   with(fenced, [](Situation& s) {
                     s.record->max_loss_bytes = 0;
                     s.last_word->position.lsn = Lsn{5000};
                   })});
  cases.push_back({"async: too much would be lost: choose nobody",
                   with(fenced, [](Situation& s) { s.record->max_loss_bytes = 999; })});
  cases.push_back({"async: a word of another leader with a higher term hides nothing",
                   with(fenced, [](Situation& s) {
                     s.peers[node("n3")].said->last_word =
                         LastWord{seat("n3"), Term{9}, {TimelineId{2}, Lsn{9000}}, ago(1)};
                   })});
  cases.push_back({"async: the leader went on unheard for longer than a lease: choose nobody",
                   with(fenced, [](Situation& s) { s.last_word->heard_at = ago(12); })});
  add_beside_quorum(cases);
  const auto accepts = [](Situation& s) {
    s.record->max_loss_bytes = 999;
    s.claimed_at = ago(4);
    s.record->request = Request{"r1", RequestKind::failover, node("n2"), true, 0};
  };
  cases.push_back({"async: an operator accepts the loss", with(fenced, accepts)});
  const auto read = World()
                        .electing_by("n2")
                        .fenced("n1", 5600, false)
                        .fenced("n2", 5000)
                        .fenced("n3", 4000)
                        .as_seen_by("n2");
  const Situation stopped = with(with(read, make_async), [](Situation& s) {
    s.peers[node("n1")].said->server = ServerState::stopped;
  });
  cases.push_back(
      {"async: the leader was read and does not come up: what it holds is lost", stopped});
  cases.push_back({"async: the leader was read and may still come up: choose nobody yet",
                   with(stopped, [](Situation& s) { s.renewed_since = ago(3); })});
  cases.push_back({"async: the leader was read and starts once more: choose nobody yet",
                   with(stopped, starts)});
  cases.push_back({"async: an operator accepts the loss of a leader that was read",
                   with(with(stopped, accepts), [](Situation& s) { s.renewed_since = ago(3); })});
  // For n3, which did not open; nor did n1, which was chosen then.
  cases.push_back({"an accepted loss is inherited though its leader was chosen again in vain",
                   with(World().electing_by("n2").fenced("n2", 5000).fenced("n3", 5000).silent("n1")
                            .as_seen_by("n2"),
                        [](Situation& s) {
                          Record& record = *s.record;
                          const auto of = [](const char* name, std::uint64_t term) {
                            return Policy{{}, Term{term}, seat(name), {seat("n2")}, 1};
                          };
                          record.policy = {of("n3", 6), {of("n1", 7)}};
                          record.term = s.promise.term = s.fenced->term = Term{8};
                          Heartbeat& said = *s.peers[node("n3")].said;
                          said.term = said.promise.term = said.fenced->term = Term{8};
                          record.loss = Loss{
                              seat("n1"), Term{6}, Lsn{4800}, Lsn{6000}, 700, false, false};
                        })});
  cases.push_back({"async: an accepted loss waits for the lease too",
                   with(with(fenced, accepts), [](Situation& s) { s.renewed_since = ago(3); })});
}

/// n1's WAL from 1000 on was given up when n2 took over; it is back and has fenced itself.
inline void add_measuring(std::vector<Case>& cases) {
  const auto given_up = [](Situation& s) {
    make_async(s);
    s.record->policy.current.leader = seat("n2");
    s.record->lineage.back().node = node("n2");
    s.record->lineage.back().begins = Lsn{1000};
    s.record->loss = Loss{seat("n1"), Term{5}, Lsn{1000}, Lsn{1200}, 700, false};
  };
  const auto at_1300 = [](Fenced& answer) {
    answer.position = Position{TimelineId{1}, Lsn{1300}};
    answer.history.clear();
  };
  const World world = World().leader("n2").voters({}).fenced("n1", 1300);
  cases.push_back({"an old async leader shows what was given up",
                   with(with(world.as_seen_by("n2"), given_up),
                        [&](Situation& s) { at_1300(*s.peers[node("n1")].said->fenced); })});
  const Situation old = with(with(world.as_seen_by("n1"), given_up), [&](Situation& s) {
    at_1300(*s.fenced);
    s.server.upstream.reset();
    s.server.receiving = s.server.gate_open = false;
  });
  cases.push_back({"an old async leader waits until its loss is noted", old});
  cases.push_back({"an old async leader rewinds once its loss is noted",
                   with(old, [](Situation& s) { s.record->loss->measured = true; })});
  // Since then n2 was given up too, before n1 was back.
  const auto given_up_twice = [](Situation& s) {
    s.record->earlier_losses = {*s.record->loss};
    s.record->loss = Loss{seat("n3"), Term{6}, Lsn{1500}, Lsn{1600}, 0, false, true};
  };
  cases.push_back({"the last but one async leader shows what was given up",
                   with(cases[cases.size() - 3].situation, given_up_twice)});
  cases.push_back(
      {"the last but one async leader waits until its loss is noted", with(old, given_up_twice)});
}

}  // namespace evergres::core::worlds

#include <gtest/gtest.h>

#include "async_cases.hpp"
#include "cohort.hpp"
#include "core/grant.hpp"
#include "core/view.hpp"

/// What async may do without its leader, and what it may never do to quorum and strict.
namespace evergres::core {
namespace {

using worlds::ago;

Policy async_policy() {
  return Policy{Durability::async, Term{1}, cohort::seat(0), {}, 0};
}

/// n1 led term 1 on timeline 1 under `book`; term 2 is being elected; the others stand at 100.
Record electing(PolicyBook book) {
  Record record;
  record.cluster_id = ClusterId{"c"};
  record.system_id = SystemId{7};
  record.term = Term{2};
  record.claim = Claim{"mine"};
  record.claimant = NodeName{"n2"};
  record.phase = Phase::electing;
  record.policy = std::move(book);
  record.lineage = {{Term{1}, TimelineId{1}, TimelineId{0}, Lsn{0}, NodeName{"n1"}}};
  record.members = {NodeName{"n1"}, NodeName{"n2"}, NodeName{"n3"}};
  record.lease_ms = 5000;
  record.max_loss_bytes = 50;
  return record;
}

std::vector<Fenced> fenced(cohort::Mask nodes) {
  std::vector<Fenced> answers;
  for (const Seat& seat : cohort::seats(nodes)) {
    Fenced answer;
    answer.term = Term{2};
    answer.seat = seat;
    answer.system_id = SystemId{7};
    answer.position = Position{TimelineId{1}, Lsn{100}};
    answer.newest_timeline = TimelineId{1};
    answer.can_run = true;
    answers.push_back(answer);
  }
  return answers;
}

struct How {
  bool lease_ended = true;
  bool coming_up = false;
  bool accepted = false;
  std::uint64_t heard = 150;
  std::map<NodeName, Tags> tags = {};
};

Elected elect(const Record& record, const std::vector<Fenced>& answers, const How& how) {
  return choose(ElectionInput{
      .record = record,
      .answers = answers,
      .preferred = {},
      .accept_data_loss = how.accepted,
      .tags = how.tags,
      .lease_ended = how.lease_ended,
      .leader_is_coming_up = how.coming_up,
      .word = LastWord{cohort::seat(0), Term{1}, {TimelineId{1}, Lsn{how.heard}}, ago(2)}});
}

Elected elect(const Record& record, cohort::Mask nodes, const How& how) {
  return elect(record, fenced(nodes), how);
}

TEST(Async, GoesOnWithoutItsLeaderOnlyAfterTheLeaseWithAMajorityAndWithinMaxLoss) {
  const Record record = electing({async_policy(), {}});
  const Elected elected = elect(record, 0b110, {});
  ASSERT_TRUE(elected.choice);
  EXPECT_EQ(elected.choice->policy, (Policy{Durability::async, Term{2}, cohort::seat(1), {}, 0}));
  ASSERT_TRUE(elected.choice->loss);
  EXPECT_EQ(describe(*elected.choice->loss),
            "50 bytes of n1 (0/64 to 0/96), as far as it is known");
  EXPECT_FALSE(elect(record, 0b110, {.lease_ended = false}).choice);
  EXPECT_FALSE(elect(record, 0b110, {.lease_ended = false, .accepted = true}).choice);
  EXPECT_FALSE(elect(record, 0b010, {}).choice);
  EXPECT_TRUE(elect(record, 0b010, {.accepted = true}).choice);
  EXPECT_FALSE(elect(record, 0b110, {.heard = 151}).choice);
  EXPECT_TRUE(elect(record, 0b110, {.accepted = true, .heard = 151}).choice);
  EXPECT_FALSE(elect(record, 0b110, {.coming_up = true}).choice);
  EXPECT_TRUE(elect(record, 0b110, {.coming_up = true, .accepted = true}).choice);
  // With the leader itself nothing is lost, and nothing has to be waited for.
  const Elected whole = elect(record, 0b001, {.lease_ended = false, .coming_up = true});
  ASSERT_TRUE(whole.choice);
  EXPECT_FALSE(whole.choice->loss);
}

/// Nobody knows what the leader wrote after its last word: no bytes missing is no proof.
TEST(Async, WithAMaxLossOfNothingALeaderIsNeverGivenUp) {
  Record record = electing({async_policy(), {}});
  record.max_loss_bytes = 0;
  const Elected elected = elect(record, 0b110, {.heard = 100});
  ASSERT_FALSE(elected.choice);
  EXPECT_EQ(elected.otherwise.missing.front(),
            "it would lose 0 bytes of n1, as far as it is known; "
            "max_loss 0 never gives a leader up");
  EXPECT_TRUE(elect(record, 0b110, {.accepted = true, .heard = 100}).choice);
  EXPECT_TRUE(elect(record, 0b111, {}).choice);
  record.max_loss_bytes = 1;
  EXPECT_TRUE(elect(record, 0b110, {.heard = 100}).choice);
}

/// For every quorum or strict policy beside the async one, recorded before or after it, and every
/// fenced set: nobody is chosen unless that policy is covered.
TEST(Async, NeverLeavesAnotherPolicyUncovered) {
  for (const auto& small : cohort::policies(0, 3)) {
    for (const Durability mode : {Durability::quorum, Durability::strict}) {
      Policy other = small.real(Term{1});
      other.mode = mode;
      for (const PolicyBook& book :
           {PolicyBook{async_policy(), {other}}, PolicyBook{other, {async_policy()}}}) {
        Record record = electing(book);
        record.max_loss_bytes = unlimited_loss;
        for (cohort::Mask nodes = 0; nodes < 8; ++nodes) {
          const Elected elected = elect(record, nodes, {});
          if (!elected.choice) continue;
          EXPECT_TRUE(covers(other, cohort::seats(nodes))) << describe(other) << " by " << nodes;
          EXPECT_EQ(elected.choice->policy.mode, mode) << "the stricter mode goes on";
        }
      }
    }
  }
}

/// How far a commit at 110 may have been acknowledged under `policy`: who was not read may hold it.
bool may_be_acknowledged(const cohort::SmallPolicy& policy, Durability mode, cohort::Mask read,
                         cohort::Mask ahead) {
  const auto may_hold = [&](unsigned node) {
    return !cohort::has(read, node) || cohort::has(ahead, node);
  };
  if (policy.k == 0 && mode == Durability::strict) return false;
  unsigned copies = 0;
  for (unsigned node = 1; node < 3; ++node) {
    copies += cohort::has(policy.voters, node) && may_hold(node) ? 1U : 0U;
  }
  return may_hold(0) && copies >= policy.k;
}

/// The same with every set of nodes that hold more WAL and every set that cannot run: who is chosen
/// holds what the quorum or strict policy may have acknowledged, whatever async allows to lose.
/// That is the case too where the proof of the async policy was never recorded.
TEST(Async, LosesNothingThatAnotherPolicyMayHaveAcknowledged) {
  int chosen = 0;
  for (const auto& small : cohort::policies(0, 3)) {
    for (unsigned i = 0; i < 8 * 8 * 8 * 4; ++i) {
      const cohort::Mask read = i % 8;
      const cohort::Mask ahead = i / 8 % 8;
      const cohort::Mask runs = i / 64 % 8;
      Policy other = small.real(Term{1});
      other.mode = i / 512 % 2 == 0 ? Durability::quorum : Durability::strict;
      Record record = electing(i / 1024 == 0 ? PolicyBook{other, {async_policy()}}
                                             : PolicyBook{async_policy(), {other}});
      record.max_loss_bytes = unlimited_loss;
      auto answers = fenced(read);
      for (Fenced& answer : answers) {
        const auto node = static_cast<unsigned>(answer.seat.node.value.back() - '1');
        answer.position->lsn = Lsn{cohort::has(ahead, node) ? 110U : 100U};
        answer.can_run = cohort::has(runs, node);
      }
      const Elected elected = elect(record, answers, {});
      if (!elected.choice) continue;
      ++chosen;
      const bool whole = elected.choice->position.lsn >= Lsn{110};
      EXPECT_TRUE(whole || !may_be_acknowledged(small, other.mode, read, ahead))
          << describe(other) << ", read " << read << ", ahead " << ahead << ", run " << runs;
    }
  }
  EXPECT_GT(chosen, 1000);
}

/// The only voter holds more and cannot lead: the async policy beside it is no way around it.
TEST(Async, AVoterThatIsAheadIsHeardFirst) {
  const Policy quorum{Durability::quorum, Term{1}, cohort::seat(0), {cohort::seat(1)}, 1};
  Record record = electing({quorum, {async_policy()}});
  record.max_loss_bytes = unlimited_loss;
  auto answers = fenced(0b110);
  answers[0].position->lsn = Lsn{110};
  answers[0].can_run = false;
  const Elected waits = elect(record, answers, {});
  ASSERT_FALSE(waits.choice);
  EXPECT_EQ(waits.otherwise.missing.front(),
            "n2 holds WAL up to 0/6E, more than n3, but cannot lead itself");
  EXPECT_TRUE(elect(record, answers, {.accepted = true}).choice);
  answers[0].can_run = true;
  EXPECT_EQ(elect(record, answers, {}).choice->leader, cohort::seat(1));
}

/// A tag costs no more than max_loss allows, and an accepted loss is not larger for it.
TEST(Async, WhatANodeThatIsKeptOutHoldsCountsAsLost) {
  Record record = electing({async_policy(), {}});
  auto answers = fenced(0b110);
  answers[1].position->lsn = Lsn{120};
  Tags nofailover;
  nofailover.nofailover = true;
  const std::map<NodeName, Tags> tags{{NodeName{"n3"}, nofailover}};
  const Elected elected = elect(record, answers, {.heard = 110, .tags = tags});
  ASSERT_TRUE(elected.choice);
  EXPECT_EQ(elected.choice->leader, cohort::seat(1));
  EXPECT_FALSE(elected.complete);
  EXPECT_EQ(elected.choice->loss, (Loss{cohort::seat(0), Term{2}, Lsn{100}, Lsn{120}, 0, false}));
  record.max_loss_bytes = 19;
  EXPECT_FALSE(elect(record, answers, {.heard = 110, .tags = tags}).choice);
  const Elected forced = elect(record, answers, {.accepted = true, .heard = 110, .tags = tags});
  ASSERT_TRUE(forced.choice);
  EXPECT_EQ(forced.choice->leader, cohort::seat(2));
  // Promoted behind our back: what it wrote since is nothing that the leader lost.
  record.max_loss_bytes = unlimited_loss;
  answers[1].history.push_back({TimelineId{9}, TimelineId{1}, Lsn{115}});
  answers[1].position = Position{TimelineId{9}, Lsn{500}};
  const Elected promoted = elect(record, answers, {.heard = 110, .tags = tags});
  ASSERT_TRUE(promoted.choice);
  EXPECT_EQ(promoted.choice->loss->to, Lsn{115});
}

/// A leader that was read, cannot run, and holds more than everybody else.
TEST(Async, ALeaderThatWasReadAndCannotLeadCountsWithItsPosition) {
  Record record = electing({async_policy(), {}});
  auto answers = fenced(0b111);
  answers[0].position->lsn = Lsn{140};
  answers[0].can_run = false;
  const Elected waits = elect(record, answers, {.lease_ended = false});
  ASSERT_FALSE(waits.choice);
  EXPECT_EQ(waits.otherwise.missing.front(),
            "n1 holds WAL up to 0/8C, more than any node that could lead, but cannot lead itself");
  const Loss all{cohort::seat(0), Term{2}, Lsn{100}, Lsn{140}, 0, false};
  EXPECT_EQ(elect(record, answers, {}).choice->loss, all);  // not up to 150, where it was heard
  EXPECT_EQ(elect(record, answers, {.lease_ended = false, .accepted = true}).choice->loss, all);
  const Elected coming_up = elect(record, answers, {.coming_up = true});
  ASSERT_FALSE(coming_up.choice);
  EXPECT_EQ(coming_up.otherwise.missing.front(),
            "n1 is starting and may come up with everything that was acknowledged");
  auto promoted = answers;  // by hand, after all that it had acknowledged
  promoted[0].history.push_back({TimelineId{9}, TimelineId{1}, Lsn{140}});
  promoted[0].position = Position{TimelineId{9}, Lsn{500}};
  EXPECT_EQ(elect(record, promoted, {}).choice->loss, all);
  record.max_loss_bytes = 39;
  const Elected too_little = elect(record, answers, {});
  ASSERT_FALSE(too_little.choice);
  EXPECT_EQ(too_little.otherwise.missing.front(),
            "it would lose 40 bytes of n1 (0/64 to 0/8C), as "
            "far as it is known; max_loss is 39 bytes");
  // Somebody has it all: that one leads at once, and nothing is lost.
  answers[2].position->lsn = Lsn{140};
  const Elected whole = elect(record, answers, {.lease_ended = false});
  ASSERT_TRUE(whole.choice);
  EXPECT_EQ(whole.choice->leader, cohort::seat(2));
  EXPECT_FALSE(whole.choice->loss);
}

/// An intent that changes with the clock would begin anew at each decision.
TEST(Async, TheChoiceDoesNotChangeWithTheClock) {
  Situation s = worlds::with(worlds::World()
                                 .electing_by("n2")
                                 .fenced("n2", 5000)
                                 .fenced("n3", 4000)
                                 .silent("n1")
                                 .as_seen_by("n2"),
                             worlds::make_async);
  const Decision first = decide(s);
  ASSERT_EQ(kind_of(first.intent), ChooseLeader::kind);
  ASSERT_TRUE(std::get<ChooseLeader>(first.intent).loss);
  s.now = Instant{s.now.nanos + 70'000'000};
  EXPECT_EQ(decide(s).intent, first.intent);
  EXPECT_EQ(silence_since(last_word_of_the_unread(s), s.now), 7070U);
  s.peers[NodeName{"n1"}] = s.peers[NodeName{"n3"}];  // it answers after all, and was read
  Fenced& answer = *s.peers[NodeName{"n1"}].said->fenced;
  answer.seat = worlds::seat("n1");
  EXPECT_EQ(silence_since(last_word_of_the_unread(s), s.now), 0U);
}

/// n2 was promoted in a failover that gave n1 up, and died before it opened: its newer timeline
/// does not make it better than n1, once n1 can be read.
TEST(Async, AFailoverThatNeverOpenedDoesNotOutweighTheLeader) {
  const Policy never_opened{Durability::async, Term{2}, cohort::seat(1), {}, 0};
  Record record = electing({async_policy(), {never_opened}});
  record.lineage.push_back({Term{2}, TimelineId{2}, TimelineId{1}, std::nullopt, NodeName{"n2"}});
  auto answers = fenced(0b111);
  answers[0].position = Position{TimelineId{1}, Lsn{150}};
  answers[1].position = Position{TimelineId{2}, Lsn{160}};
  answers[1].history = {{TimelineId{2}, TimelineId{1}, Lsn{100}}};
  const Elected with_it = elect(record, answers, {});
  ASSERT_TRUE(with_it.choice);
  EXPECT_EQ(with_it.choice->leader, cohort::seat(0));
  EXPECT_FALSE(with_it.choice->loss);
  answers.erase(answers.begin());
  const Elected without = elect(record, answers, {});
  ASSERT_TRUE(without.choice);
  EXPECT_EQ(without.choice->leader, cohort::seat(1));
  EXPECT_EQ(without.choice->loss->from, Lsn{100});  // where n2 left n1's WAL
  EXPECT_EQ(without.choice->loss->to, Lsn{150});
}

TEST(Async, OnlyARenewalKeepsTheGrantAndNoGrantIsLongerThanTheLease) {
  Situation s = worlds::World().as_seen_by("n1");
  s.record->lease_ms = 3000;
  s.renewed_at = ago(0.7);
  EXPECT_EQ(grant_wish(s).counted_from, ago(0.1));  // quorum: its voters confirm
  EXPECT_EQ(grant_wish(s).length, s.tuning.grant_length);
  s.record->durability = Durability::async;
  EXPECT_EQ(grant_wish(s).counted_from, ago(0.1));  // wanted, and in no policy yet
  EXPECT_EQ(grant_wish(s).length, Millis{3000});
  s.record->durability.reset();
  Policy async = s.record->policy.current;
  async.mode = Durability::async;
  async.voters.clear();
  async.k = 0;
  s.record->policy.unproven = {async};
  EXPECT_EQ(grant_wish(s).counted_from, ago(0.7));  // whoever waits does not ask the voters
  EXPECT_EQ(grant_wish(s).length, Millis{3000});
  s.record->policy.unproven.clear();
  s.record->policy.current.mode = Durability::async;
  s.record->policy.current.voters.clear();
  s.record->policy.current.k = 0;
  EXPECT_EQ(grant_wish(s).counted_from, ago(0.7));  // whatever was read or heard since
  EXPECT_EQ(grant_wish(s).length, Millis{3000});
  s.record->lease_ms = 60'000;
  EXPECT_EQ(grant_wish(s).length, s.tuning.grant_length);
  s.renewed_at.reset();
  EXPECT_FALSE(grant_wish(s).kind);
}

TEST(Async, TheLeaseOfARunningAsyncClusterDoesNotChange) {
  Record record = electing({async_policy(), {}});
  record.phase = Phase::leading;
  record.leader = cohort::seat(0);
  record.lease_ms.reset();
  EXPECT_EQ(inconsistency(record), "an async policy without a lease");
  Policy of_this_term = async_policy();
  of_this_term.term = record.term;
  const auto proposed = propose_policy(record, Claim{"mine"}, of_this_term);
  ASSERT_FALSE(proposed);
  EXPECT_EQ(proposed.error().message(), "an async policy needs a lease in the record");
  const auto set = [](const Record& from, Durability to, int seconds) {
    return *set_durability(from, Claim{"mine"}, to, 9, Millis{1000 * seconds});
  };
  record = set(record, Durability::async, 5);
  EXPECT_EQ(record.lease_ms, 5000U);
  EXPECT_EQ(record.max_loss_bytes, 9U);
  EXPECT_EQ(set(record, Durability::async, 2).lease_ms, 5000U);
  const Record left = set(record, Durability::quorum, 2);
  EXPECT_EQ(left.lease_ms, 5000U);  // policies and grants of before may still be there
  EXPECT_EQ(set(left, Durability::async, 2).lease_ms, 5000U);
  Record changed = left;
  changed.policy = {left.policy.current, {}};
  changed.policy.current.mode = Durability::quorum;
  changed.policy.unproven = {async_policy()};
  EXPECT_EQ(set(changed, Durability::async, 2).lease_ms, 5000U);
  changed.policy.unproven.clear();
  EXPECT_EQ(set(changed, Durability::async, 2).lease_ms, 2000U);
  EXPECT_FALSE(set_durability(left, Claim{"mine"}, Durability::async, 9, Millis{0}));
}

TEST(Async, AProposalIsARenewal) {
  Record record = electing({async_policy(), {}});
  record.phase = Phase::leading;
  record.leader = cohort::seat(0);
  Policy async = async_policy();
  async.term = record.term;
  EXPECT_EQ(propose_policy(record, Claim{"mine"}, async)->renewed, record.renewed + 1);
  Policy alone = async;
  alone.mode = Durability::quorum;
  EXPECT_EQ(propose_policy(record, Claim{"mine"}, alone)->renewed, record.renewed);
}

TEST(Async, OnlyAWordOfWhoeverLedAndNoOldOneCounts) {
  Situation s = worlds::World().as_seen_by("n2");
  s.record->lease_ms = 5000;
  s.renewed_since = ago(2);
  const LastWord word{worlds::seat("n1"), Term{5}, {TimelineId{2}, Lsn{5000}}, ago(7)};
  const auto furthest = [&](const LastWord& own, const LastWord& told, Millis age) {
    s.last_word = own;
    s.peers[NodeName{"n3"}].said->last_word = told;
    s.peers[NodeName{"n3"}].said->last_word_age = age;
    return furthest_word(s);
  };
  LastWord further = word;
  further.position.lsn = Lsn{6000};
  EXPECT_EQ(furthest(word, further, Millis{6000})->position.lsn, Lsn{6000});
  EXPECT_EQ(furthest(word, further, Millis{6901})->position.lsn, Lsn{5000});  // a lease and 2 s
  LastWord other = further;
  other.leader = worlds::seat("n3");
  EXPECT_EQ(furthest(word, other, Millis{0})->position.lsn, Lsn{5000});
  other = further;
  other.term = Term{6};
  EXPECT_EQ(furthest(word, other, Millis{0})->position.lsn, Lsn{5000});
  EXPECT_FALSE(furthest(other, other, Millis{0}));
  LastWord old = word;
  old.heard_at = ago(7.1);
  EXPECT_FALSE(furthest(old, other, Millis{0}));
  // Ages of strangers: neither overflows nor lies in the future.
  EXPECT_EQ(furthest(word, further, Millis{INT64_MAX})->position.lsn, Lsn{5000});
  EXPECT_EQ(furthest(word, further, Millis{INT64_MIN})->heard_at, ago(0.1));
}

TEST(Async, AHeartbeatOfAnotherTermIsNoWordOfTheLeader) {
  Situation s = worlds::World().as_seen_by("n2");
  Heartbeat said = *s.peers[NodeName{"n1"}].said;
  said.term = Term{4};
  note_last_word(s, said, ago(1));
  EXPECT_FALSE(s.last_word);
}

TEST(Async, TheLastWordIsTheFurthestThatAnybodyHeard) {
  Situation s = worlds::World().as_seen_by("n2");
  Heartbeat said = *s.peers[NodeName{"n1"}].said;
  note_last_word(s, said, ago(1));
  ASSERT_TRUE(s.last_word);
  EXPECT_EQ(s.last_word->position.lsn, Lsn{5000});
  EXPECT_EQ(s.last_word->heard_at, ago(2.5));  // it may have looked at its server that much before
  said.position_age = Millis{9000};
  note_last_word(s, said, ago(1));
  EXPECT_EQ(s.last_word->heard_at, ago(10)) << "it says how long ago it looked";
  said.position_age = Millis{-9000};
  note_last_word(s, said, ago(1));
  EXPECT_EQ(s.last_word->heard_at, ago(1));
  said.position->lsn = Lsn{4000};  // an older look
  note_last_word(s, said, ago(0.5));
  EXPECT_EQ(s.last_word->position.lsn, Lsn{5000});
  note_last_word(s, *s.peers[NodeName{"n3"}].said, ago(0.1));  // leads nothing
  EXPECT_EQ(s.last_word->leader.node, NodeName{"n1"});
  Heartbeat& third = *s.peers[NodeName{"n3"}].said;
  third.last_word = s.last_word;
  third.last_word->position.lsn = Lsn{7000};
  third.last_word_age = Millis{3000};
  s.peers[NodeName{"n3"}].alive_at = ago(1);
  EXPECT_EQ(furthest_word(s)->position.lsn, Lsn{7000});
  EXPECT_EQ(furthest_word(s)->heard_at, ago(4));
}

}  // namespace
}  // namespace evergres::core

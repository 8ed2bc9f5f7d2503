#include <gtest/gtest.h>

#include "cohort.hpp"

/// Candidate choice, for all small cohorts. Timeline 2 (term 1) forks from timeline 1 at 10; the
/// node that ends at 30 on timeline 1 was the leader before and has a tail that nobody
/// acknowledged.
namespace evergres::core::cohort {
namespace {

const std::vector<Position> ends = {{TimelineId{1}, Lsn{5}},
                                    {TimelineId{1}, Lsn{30}},
                                    {TimelineId{2}, Lsn{8}},  // it fetched the history, no more
                                    {TimelineId{2}, Lsn{15}},
                                    {TimelineId{2}, Lsn{20}}};
// What each of these servers holds, written down by hand: bytes 5, 8, 10 of timeline 1, its tail,
// and 15 and 20 of timeline 2.
constexpr Mask byte5 = 1, byte8 = 2, byte10 = 4, tail30 = 8, byte15 = 16, byte20 = 32;
const std::vector<Mask> held = {byte5, byte5 | byte8 | byte10 | tail30, byte5 | byte8,
                                byte5 | byte8 | byte10 | byte15,
                                byte5 | byte8 | byte10 | byte15 | byte20};

Record record_of(const SmallPolicy& policy) {
  Record record;
  record.system_id = SystemId{7};
  record.term = Term{2};
  record.phase = Phase::electing;
  record.policy.current = policy.real(Term{1});
  record.lineage = {{Term{0}, TimelineId{1}, TimelineId{0}, Lsn{0}, NodeName{"n1"}},
                    {Term{1}, TimelineId{2}, TimelineId{1}, Lsn{10}, NodeName{"n1"}}};
  return record;
}

Fenced answer_of(unsigned node, const Position& end, bool can_run) {
  Fenced answer;
  answer.term = Term{2};
  answer.seat = seat(node);
  answer.system_id = SystemId{7};
  answer.agent = Claim{"run of " + answer.seat.node.value};
  answer.position = end;
  answer.newest_timeline = TimelineId{node == 2 ? 9U : end.timeline.value};
  answer.can_run = can_run;
  return answer;
}

struct Cohort {
  unsigned nodes;
  SmallPolicy policy;
  std::vector<unsigned> at;  ///< index into ends, by node
  Mask fenced;
  Mask broken;  ///< fenced, but cannot run
};

/// What may have been acknowledged: held by the leader and by k voters.
Mask acknowledged_bytes(const Cohort& c) {
  Mask bytes = 0;
  for (Mask byte = 1; byte <= byte20; byte <<= 1U) {
    unsigned holders = 0;
    for (unsigned node = 0; node < c.nodes; ++node) {
      if (has(c.policy.voters, node) && (held[c.at[node]] & byte) != 0) ++holders;
    }
    if ((held[c.at[0]] & byte) != 0 && holders >= c.policy.k) bytes |= byte;
  }
  return bytes;
}

using Choose = std::function<Elected(const Cohort&, const ElectionInput&)>;

struct Found {
  unsigned elected = 0, lost = 0, bad_voter = 0, bad_timeline = 0, cannot_run = 0,
           refused_though_covered = 0;
};

void judge(const Cohort& c, const Choose& choose_leader_of, Found& found) {
  const Record record = record_of(c.policy);
  std::vector<Fenced> answers;
  for (unsigned node = 0; node < c.nodes; ++node) {
    if (has(c.fenced, node))
      answers.push_back(answer_of(node, ends[c.at[node]], !has(c.broken, node)));
  }
  const ElectionInput input{record, answers, 1, std::nullopt, false};
  const Elected elected = choose_leader_of(c, input);
  if (!elected.choice) {
    found.refused_though_covered +=
        c.broken == 0 && covers(c.policy.real(Term{1}), seats(c.fenced)) ? 1U : 0U;
    return;
  }
  ++found.elected;
  const auto index_of = [](const Seat& who) {
    return static_cast<unsigned>(who.node.value[1] - '1');
  };
  const unsigned winner = index_of(elected.choice->leader);
  const Mask missing = acknowledged_bytes(c) & ~held[c.at[winner]];
  found.lost += missing != 0 ? 1U : 0U;
  found.cannot_run += has(c.broken, winner) ? 1U : 0U;
  for (const Seat& voter : elected.choice->policy.voters) {
    const unsigned node = index_of(voter);
    const bool prefix = (held[c.at[node]] & ~held[c.at[winner]]) == 0;
    found.bad_voter += !prefix || !has(c.fenced, node) ? 1U : 0U;
  }
  for (const Fenced& answer : answers) {
    found.bad_timeline += elected.choice->timeline <= answer.newest_timeline ? 1U : 0U;
  }
}

Found search(unsigned largest, bool with_broken, const Choose& choose_leader_of) {
  Found found;
  for (unsigned nodes = 1; nodes <= largest; ++nodes) {
    unsigned assignments = 2;
    for (unsigned node = 1; node < nodes; ++node) assignments *= 5;
    for (unsigned assignment = 0; assignment < assignments; ++assignment) {
      std::vector<unsigned> at{3 + assignment % 2};
      for (unsigned node = 1, rest = assignment / 2; node < nodes; ++node, rest /= 5)
        at.push_back(rest % 5);
      for (unsigned k = nodes > 1 ? 1 : 0; k < std::max(nodes, 1U); ++k) {
        const SmallPolicy policy{0, ((1U << nodes) - 1) & ~1U, k};
        for (Mask fenced = 0; fenced < (1U << nodes); ++fenced) {
          for (Mask broken = 0; broken <= (with_broken ? fenced : 0); ++broken) {
            if ((broken & fenced) == broken)
              judge({nodes, policy, at, fenced, broken}, choose_leader_of, found);
          }
        }
      }
    }
  }
  return found;
}

Elected real(const Cohort&, const ElectionInput& input) {
  return choose(input);
}

TEST(Election, TheChosenHoldsEverythingThatWasAcknowledged) {
  const Found found = search(5, false, real);
  EXPECT_GT(found.elected, 10'000U);
  EXPECT_EQ(found.lost, 0U);
  EXPECT_EQ(found.bad_voter, 0U);
  EXPECT_EQ(found.bad_timeline, 0U);
  EXPECT_EQ(found.refused_though_covered, 0U);
}

TEST(Election, AlsoWhenSomeServersCannotRun) {
  const Found found = search(4, true, real);
  EXPECT_GT(found.elected, 1'000U);
  EXPECT_EQ(found.lost, 0U);
  EXPECT_EQ(found.bad_voter, 0U);
  EXPECT_EQ(found.cannot_run, 0U);
}

// Planted: order by LSN alone. The old leader's tail wins over acknowledged commits.
Elected by_lsn_alone(const Cohort& c, const ElectionInput& input) {
  Elected elected = choose(input);
  if (!elected.choice) return elected;
  for (const Fenced& answer : input.answers) {
    if (answer.position->lsn >
        ends[c.at[static_cast<unsigned>(elected.choice->leader.node.value[1] - '1')]].lsn) {
      elected.choice->leader = answer.seat;
      elected.choice->policy.leader = answer.seat;
    }
  }
  return elected;
}
// Planted: P' from the nodes that are reachable instead of those that are fenced.
Elected reachable_voters(const Cohort& c, const ElectionInput& input) {
  Elected elected = choose(input);
  if (elected.choice) elected.choice->policy.voters = seats(((1U << c.nodes) - 1));
  return elected;
}

TEST(Election, PlantedChoicesAreCaught) {
  EXPECT_GT(search(3, false, by_lsn_alone).lost, 0U);
  EXPECT_GT(search(3, false, reachable_voters).bad_voter, 0U);
  const auto with = [](const Covers& enough) {
    return [enough](const Cohort&, const ElectionInput& input) {
      const auto fenced = counting_seats(input.answers, input.record.term, input.record.system_id);
      ElectionInput forced{input.record, input.answers, 1, std::nullopt,
                           enough(input.record.policy, fenced)};
      return forced.accept_data_loss ? choose(forced) : Elected{};
    };
  };
  EXPECT_EQ(search(4, false, with(covers_all)).lost, 0U);
  EXPECT_GT(search(4, false, with(one_too_few)).lost, 0U);
  EXPECT_GT(search(5, false, with(majority)).lost, 0U);
}

TEST(Election, ABrokenServerWithATailDoesNotHoldUpEnoughOthers) {
  const Record record = record_of({0, 0b110, 1});
  const std::vector<Fenced> answers = {answer_of(0, ends[4], false), answer_of(1, ends[3], true),
                                       answer_of(2, ends[3], true)};
  const Elected elected = choose({record, answers, 1, std::nullopt, false});
  ASSERT_TRUE(elected.choice);
  EXPECT_EQ(elected.choice->leader, seat(1));
  EXPECT_EQ(elected.choice->policy.voters, seats(0b100));
  const Elected refused = choose({record, {answers[0], answers[1]}, 1, std::nullopt, false});
  ASSERT_FALSE(refused.choice);
  EXPECT_EQ(refused.otherwise.missing.front(),
            "n1 holds WAL up to 0/14, more than n2, but cannot lead itself");
}

// A candidate that fetched a history file, but left the old timeline before that file's fork, has
// only what it had: nodes that went on there have diverged from it.
TEST(Positions, LeavingATimelineBeforeItsBeginningBoundsTheCommonPart) {
  TimelineTree tree(record_of({0, 0, 0}).lineage);
  tree.learn(
      {{TimelineId{3}, TimelineId{2}, Lsn{6}}});  // promoted at 6, naming timeline 2 as parent
  EXPECT_TRUE(tree.is_prefix({TimelineId{1}, Lsn{6}}, {TimelineId{3}, Lsn{9}}));
  EXPECT_FALSE(tree.is_prefix({TimelineId{1}, Lsn{9}}, {TimelineId{3}, Lsn{9}}));
  EXPECT_TRUE(tree.fits({TimelineId{1}, Lsn{6}}, TimelineId{3}));
  EXPECT_FALSE(tree.fits({TimelineId{1}, Lsn{9}}, TimelineId{3}));
}

TEST(Positions, TheSameIdWithAnotherBeginningIsAnotherTimeline) {
  const TimelineTree tree(record_of({0, 0, 0}).lineage);
  EXPECT_FALSE(tree.contradicts({{TimelineId{2}, TimelineId{1}, Lsn{10}}}));
  EXPECT_FALSE(tree.contradicts({{TimelineId{7}, TimelineId{2}, Lsn{12}}}));
  EXPECT_TRUE(tree.contradicts({{TimelineId{2}, TimelineId{1}, Lsn{9}}}));
}

TEST(Positions, ALoopOfForksEnds) {
  TimelineTree tree(std::vector<Lineage>{});
  tree.learn({{TimelineId{2}, TimelineId{3}, Lsn{9}}, {TimelineId{3}, TimelineId{2}, Lsn{9}}});
  EXPECT_FALSE(tree.fits({TimelineId{1}, Lsn{1}}, TimelineId{2}));
  EXPECT_FALSE(tree.is_prefix({TimelineId{1}, Lsn{1}}, {TimelineId{2}, Lsn{10}}));
}

}  // namespace
}  // namespace evergres::core::cohort

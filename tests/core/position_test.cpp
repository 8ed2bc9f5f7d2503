#include "core/position.hpp"

#include <gtest/gtest.h>

#include "core/quorum.hpp"

/// Timelines: what one server has in common with another, and what does not count.
namespace evergres::core {
namespace {

/// Timeline 2 (term 1) forks from timeline 1 at 10.
std::vector<Lineage> recorded() {
  return {{Term{0}, TimelineId{1}, TimelineId{0}, Lsn{0}, NodeName{"n1"}},
          {Term{1}, TimelineId{2}, TimelineId{1}, Lsn{10}, NodeName{"n1"}}};
}

// A candidate that fetched a history file, but left the old timeline before that file's fork, has
// only what it had: nodes that went on there have diverged from it.
TEST(Positions, LeavingATimelineBeforeItsBeginningBoundsTheCommonPart) {
  TimelineTree tree(recorded());
  tree.learn(
      {{TimelineId{3}, TimelineId{2}, Lsn{6}}});  // promoted at 6, naming timeline 2 as parent
  EXPECT_TRUE(tree.is_prefix({TimelineId{1}, Lsn{6}}, {TimelineId{3}, Lsn{9}}));
  EXPECT_FALSE(tree.is_prefix({TimelineId{1}, Lsn{9}}, {TimelineId{3}, Lsn{9}}));
  EXPECT_TRUE(tree.fits({TimelineId{1}, Lsn{6}}, TimelineId{3}));
  EXPECT_FALSE(tree.fits({TimelineId{1}, Lsn{9}}, TimelineId{3}));
}

TEST(Positions, TheSameIdWithAnotherBeginningIsAnotherTimeline) {
  const TimelineTree tree(recorded());
  EXPECT_FALSE(tree.contradicts({{TimelineId{2}, TimelineId{1}, Lsn{10}}}));
  EXPECT_FALSE(tree.contradicts({{TimelineId{7}, TimelineId{2}, Lsn{12}}}));
  EXPECT_TRUE(tree.contradicts({{TimelineId{2}, TimelineId{1}, Lsn{9}}}));
}

TEST(Positions, ATimelineThatBeganHereAndWasGivenToAnotherIsForeign) {
  const auto lineage = recorded();
  const NodeName owner = lineage.back().node;
  Fenced answer;
  answer.seat.node = NodeName{"n9"};
  answer.history = {{lineage.back().timeline, lineage.back().parent, *lineage.back().begins}};
  EXPECT_FALSE(is_foreign(answer, lineage)) << "what began here is not known";
  answer.begun.emplace();
  EXPECT_FALSE(is_foreign(answer, lineage)) << "it was streamed";
  answer.begun = std::vector<TimelineId>{lineage.back().timeline};
  EXPECT_TRUE(is_foreign(answer, lineage));
  answer.seat.node = owner;
  EXPECT_FALSE(is_foreign(answer, lineage));
  answer.begun = std::vector<TimelineId>{TimelineId{77}};
  EXPECT_FALSE(is_foreign(answer, lineage)) << "its WAL did not go through it";
}

/// Promoted twice unasked after it had streamed the newest recorded timeline.
Fenced promoted_twice(const std::vector<Lineage>& lineage) {
  const Lineage& last = lineage.back();
  Fenced answer;
  answer.seat.node = NodeName{"n9"};
  answer.can_run = true;
  answer.position = Position{TimelineId{9}, Lsn{50}};
  answer.history = {{TimelineId{9}, TimelineId{8}, Lsn{40}},
                    {TimelineId{8}, last.timeline, Lsn{30}},
                    {last.timeline, last.parent, *last.begins}};
  answer.begun = std::vector<TimelineId>{TimelineId{8}, TimelineId{9}};
  return answer;
}

TEST(Positions, WhatAServerHadBeforeItWasPromotedUnasked) {
  auto lineage = recorded();
  const Lineage last = lineage.back();
  Fenced answer = promoted_twice(lineage);
  const std::vector<TimelineId> both{TimelineId{9}, TimelineId{8}};
  EXPECT_EQ(unasked_timelines(answer, lineage), both);
  const Fenced before = before_unasked(answer, lineage);
  EXPECT_EQ(before.position, (Position{last.timeline, Lsn{30}}));
  EXPECT_FALSE(before.can_run);
  EXPECT_EQ(before.history.size(), 1U);
  EXPECT_FALSE(is_foreign(before, lineage));

  // It was chosen for 9 all the same: what it went on from belongs to the cluster now.
  lineage.push_back({Term{9}, TimelineId{9}, TimelineId{8}, Lsn{40}, NodeName{"n9"}});
  EXPECT_FALSE(is_foreign(answer, lineage));
  EXPECT_EQ(before_unasked(answer, lineage), answer);
}

TEST(Positions, NothingCountsThatIsOnATimelineOfNobody) {
  const auto lineage = recorded();
  const Fenced answer = promoted_twice(lineage);
  TimelineTree tree(lineage);
  tree.learn(answer.history);
  EXPECT_EQ(rank_of(*answer.position, tree, lineage),
            rank_of({lineage.back().timeline, Lsn{30}}, tree, lineage));
}

TEST(Positions, ALoopOfForksEnds) {
  TimelineTree tree(std::vector<Lineage>{});
  tree.learn({{TimelineId{2}, TimelineId{3}, Lsn{9}}, {TimelineId{3}, TimelineId{2}, Lsn{9}}});
  EXPECT_FALSE(tree.fits({TimelineId{1}, Lsn{1}}, TimelineId{2}));
  EXPECT_FALSE(tree.is_prefix({TimelineId{1}, Lsn{1}}, {TimelineId{2}, Lsn{10}}));
  EXPECT_EQ(tree.normalised({TimelineId{2}, Lsn{1}}).lsn, Lsn{1});
  EXPECT_EQ(rank_of({TimelineId{2}, Lsn{10}}, tree, {}), (Rank{Term{0}, Lsn{9}}));
}

TEST(Positions, ATimelineOfNobodyHasNoTerm) {
  const auto lineage = recorded();
  EXPECT_EQ(term_of(TimelineId{2}, lineage), Term{1});
  EXPECT_EQ(term_of(TimelineId{7}, lineage), Term{0});
  const TimelineTree tree(lineage);
  EXPECT_EQ(rank_of({TimelineId{7}, Lsn{50}}, tree, lineage), (Rank{Term{0}, Lsn{50}}))
      << "nobody said where it began";
}

}  // namespace
}  // namespace evergres::core

#include <gtest/gtest.h>

#include "cohort.hpp"

/// One leader changes its policy step by step and dies at every step; then the new leader dies
/// before its barrier. A commit counts as acknowledged under any policy that some walsender may
/// still obey.
namespace evergres::core::cohort {
namespace {

enum class Step { recorded, applying, proven };

struct Rules {
  Covers covers_book = covers_all;
  bool one_slot = false;     ///< planted: the newest unproven policy replaces the others
  bool record_late = false;  ///< planted: PostgreSQL hears of a policy before the record does
  bool prove_early = false;  ///< planted: proven while an old walsender still runs
};

void keep_one(PolicyBook& book) {
  if (book.unproven.size() > 1) book.unproven = {book.unproven.back()};
}

Record leading(const SmallPolicy& from) {
  Record record;
  record.system_id = SystemId{7};
  record.term = Term{1};
  record.claim = Claim{"c1"};
  record.phase = Phase::leading;
  record.leader = seat(0);
  record.policy.current = from.real(Term{1});
  return record;
}

Record after(const SmallPolicy& from, const SmallPolicy& to, Step step, const Rules& rules) {
  Record record = leading(from);
  const Policy policy = to.real(Term{1});
  if (rules.record_late && step != Step::proven) return record;
  record = *propose_policy(record, Claim{"c1"}, policy);
  if (rules.one_slot) keep_one(record.policy);
  if (step == Step::proven) record = *prove_policy(record, Claim{"c1"}, policy);
  return record;
}

std::vector<SmallPolicy> live(const SmallPolicy& from, const SmallPolicy& to, Step step,
                              const Rules& rules) {
  if (step == Step::recorded) return {from};
  if (step == Step::applying || rules.prove_early) return {from, to};
  return {to};
}

/// Levels: 1 for a commit before the change, 2 for the probe of its proof, 3 for one during or
/// after; 9 is the tail of the first leader, and a commit of the next term ranks above that.
constexpr unsigned tail = 9;
constexpr unsigned next_term = 12;
using Levels = std::vector<unsigned>;
Levels raised(Levels levels, Mask set, unsigned level) {
  for (unsigned node = 0; node < levels.size(); ++node) {
    if (has(set, node)) levels[node] = level;
  }
  return levels;
}
unsigned best_of(const Levels& levels, Mask fenced) {
  unsigned best = 0;
  while (!has(fenced, best)) ++best;
  for (unsigned node = best; node < levels.size(); ++node) {
    if (has(fenced, node) && levels[node] > levels[best]) best = node;
  }
  return best;
}

struct Found {
  std::uint64_t failovers = 0;
  std::uint64_t lost = 0;
};

/// The second failure: the new leader got P' into the record, acknowledged one commit, and died.
void fail_again(const Record& first, const Levels& levels, Mask fenced, unsigned acked,
                const Rules& rules, Found& found) {
  const auto nodes = static_cast<unsigned>(levels.size());
  const unsigned leader = best_of(levels, fenced);
  const Mask others = fenced & ~(1U << leader);
  const SmallPolicy next{leader, others, others == 0 ? 0U : 1U};
  Choice choice;
  choice.leader = seat(leader);
  choice.agent = Claim{"c2"};
  choice.policy = next.real(Term{2});
  choice.timeline = TimelineId{2};
  Record record = *claim_term(first, NodeName{"n2"}, Claim{"c2"}, "a test");
  record = *choose_leader(record, Claim{"c2"}, choice, false);
  if (rules.one_slot) keep_one(record.policy);
  std::vector<Mask> wins{0};  // 0: nothing was acknowledged under P'
  for (const Mask set : acknowledging(next, nodes)) {
    if (set != 0) wins.push_back(set);
  }
  for (const Mask set : wins) {
    const bool committed = set != 0 || next.k == 0;
    const Levels later = committed ? raised(levels, set | (1U << leader), next_term) : levels;
    for (Mask again = 1; again < (1U << nodes); ++again) {
      if (!rules.covers_book(record.policy, seats(again))) continue;
      ++found.failovers;
      const unsigned wanted = committed ? next_term : acked;
      found.lost += later[best_of(later, again)] < wanted ? 1U : 0U;
    }
  }
}

void fail(const Record& record, const Levels& levels, unsigned acked, bool twice,
          const Rules& rules, Found& found) {
  const auto nodes = static_cast<unsigned>(levels.size());
  for (Mask fenced = 1; fenced < (1U << nodes); ++fenced) {
    if (!rules.covers_book(record.policy, seats(fenced))) continue;
    ++found.failovers;
    found.lost += levels[best_of(levels, fenced)] < acked ? 1U : 0U;
    if (twice) fail_again(record, levels, fenced, acked, rules, found);
  }
}

void change(const SmallPolicy& from, const SmallPolicy& to, unsigned nodes, bool twice,
            const Rules& rules, Found& found) {
  for (const Step step : {Step::recorded, Step::applying, Step::proven}) {
    const Record record = after(from, to, step, rules);
    for (const Mask first : acknowledging(from, nodes)) {
      const Levels before = raised(raised(Levels(nodes, 0), first, 1), 1U, tail);
      std::vector<Levels> proven{before};
      if (step == Step::proven) {
        proven.clear();
        for (const Mask probe : acknowledging(to, nodes))
          proven.push_back(raised(before, probe, 2));
      }
      for (const Levels& levels : proven) {
        fail(record, levels, step == Step::proven ? 2 : 1, twice, rules, found);
        for (const SmallPolicy& obeyed : live(from, to, step, rules)) {
          for (const Mask set : acknowledging(obeyed, nodes))
            fail(record, raised(levels, set, 3), 3, twice, rules, found);
        }
      }
    }
  }
}

Found search(unsigned nodes, bool twice, const Rules& rules = {}) {
  Found found;
  for (const SmallPolicy& from : policies(0, nodes)) {
    for (const SmallPolicy& to : policies(0, nodes)) change(from, to, nodes, twice, rules, found);
  }
  return found;
}

TEST(PolicyChange, NoInterruptionLosesACommit) {
  for (unsigned nodes = 1; nodes <= 5; ++nodes) {
    const Found found = search(nodes, false);
    EXPECT_GT(found.failovers, 0U);
    EXPECT_EQ(found.lost, 0U) << nodes << " nodes";
  }
}

TEST(PolicyChange, NorDoesASecondFailureBeforeTheBarrier) {
  for (unsigned nodes = 2; nodes <= 4; ++nodes) {
    const Found found = search(nodes, true);
    EXPECT_GT(found.failovers, 100U);
    EXPECT_EQ(found.lost, 0U) << nodes << " nodes";
  }
}

TEST(PolicyChange, PlantedBugsAreCaught) {
  EXPECT_GT(search(3, true, Rules{covers_all, true, false, false}).lost, 0U) << "one pending slot";
  EXPECT_GT(search(3, false, Rules{covers_all, false, true, false}).lost, 0U)
      << "recorded too late";
  EXPECT_GT(search(3, false, Rules{covers_all, false, false, true}).lost, 0U) << "proven too early";
  EXPECT_GT(search(3, false, Rules{one_too_few, false, false, false}).lost, 0U) << "|S| - k";
  EXPECT_GT(search(4, false, Rules{majority, false, false, false}).lost, 0U) << "a majority";
}

}  // namespace
}  // namespace evergres::core::cohort

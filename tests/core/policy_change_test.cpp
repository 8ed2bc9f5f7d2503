#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cohort.hpp"

/// One leader changes its policy step by step and dies at every step; then the new leader dies
/// before its barrier. A commit counts as acknowledged if walsenders may have released it, each
/// with its own copy of the old or the new names.
namespace evergres::core::cohort {
namespace {

enum class Step { recorded, applying, proven };

struct Rules {
  Covers covers_book = covers_all;
  bool one_slot = false;     ///< planted: the newest unproven policy replaces the others
  bool record_late = false;  ///< planted: PostgreSQL hears of a policy before the record does
  bool prove_early = false;  ///< planted: proven while an old walsender still runs
  bool mix_all = false;      ///< planted: each policy may follow each, at once
  bool any_release = false;  ///< planted: a probe that was released proves, by whomever
};

std::size_t power(std::size_t base, std::size_t exponent) {
  return exponent == 0 ? 1 : base * power(base, exponent - 1);
}

SmallPolicy small(const Policy& policy) {
  SmallPolicy result{0, 0, policy.k};
  for (unsigned node = 0; node < 5; ++node) {
    if (std::ranges::count(policy.voters, seat(node)) != 0) result.voters |= 1U << node;
  }
  return result;
}

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
  if (rules.mix_all) {
    record.policy.unproven = {policy};
  } else {
    record = *propose_policy(record, Claim{"c1"}, policy);
  }
  if (rules.one_slot) keep_one(record.policy);
  if (step == Step::proven) record = *prove_policy(record, Claim{"c1"}, policy);
  return record;
}

/// Who has flushed what a walsender releases while each may have another copy: as many as its own
/// asks for, of those whose own copy names them.
std::set<Mask> released(const std::vector<SmallPolicy>& copies, unsigned nodes) {
  std::set<Mask> sets;
  for (const SmallPolicy& policy : copies) {
    if (policy.k == 0) sets.insert(0);
  }
  const auto others = static_cast<std::size_t>(nodes) - 1;
  for (std::size_t which = 0; which < power(copies.size(), others); ++which) {
    Mask candidates = 0;
    std::set<unsigned> wanted;
    for (unsigned node = 1; node < nodes; ++node) {
      const SmallPolicy& copy = copies[which / power(copies.size(), node - 1) % copies.size()];
      if (!has(copy.voters, node)) continue;
      candidates |= 1U << node;
      wanted.insert(copy.k);
    }
    for (const unsigned k : wanted) {
      for (const Mask set : acknowledging({0, candidates, k}, nodes)) sets.insert(set);
    }
  }
  return sets;
}

std::set<Mask> acknowledged(const SmallPolicy& from, const SmallPolicy& to, Step step,
                            const Rules& rules, unsigned nodes) {
  if (step == Step::recorded) return released({from}, nodes);
  if (step == Step::applying || rules.prove_early) return released({from, to}, nodes);
  return released({to}, nodes);
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
        // Whoever released it: as many of the new voters as the new policy asks for have it.
        for (const Mask probe :
             rules.any_release ? released({from, to}, nodes) : released({to}, nodes))
          proven.push_back(raised(before, probe, 2));
      }
      for (const Levels& levels : proven) {
        fail(record, levels, step == Step::proven ? 2 : 1, twice, rules, found);
        for (const Mask set : acknowledged(from, to, step, rules, nodes))
          fail(record, raised(levels, set, 3), 3, twice, rules, found);
      }
    }
  }
}

/// On the way to `to` over other policies, if it has to be.
void change_by_steps(const SmallPolicy& from, const SmallPolicy& to, unsigned nodes, bool twice,
                     const Rules& rules, Found& found) {
  SmallPolicy at = from;
  for (int steps = 1;; ++steps) {
    ASSERT_LE(steps, 2);
    const Policy wanted = to.real(Term{1});
    const Policy next =
        rules.mix_all ? wanted : next_step(PolicyBook{at.real(Term{1}), {}}, wanted);
    change(at, small(next), nodes, twice, rules, found);
    if (next == wanted) return;
    at = small(next);
  }
}

Found search(unsigned nodes, bool twice, const Rules& rules = {}) {
  Found found;
  for (const SmallPolicy& from : policies(0, nodes)) {
    for (const SmallPolicy& to : policies(0, nodes))
      change_by_steps(from, to, nodes, twice, rules, found);
  }
  return found;
}

/// The sets that walsenders with copies of any of the book release a commit by, and that some
/// fenced nodes which cover the book all lack.
unsigned missed(const PolicyBook& book, const std::vector<SmallPolicy>& copies, unsigned nodes) {
  unsigned count = 0;
  for (const Mask set : released(copies, nodes)) {
    for (Mask fenced = 0; fenced < (1U << nodes); fenced += 2) {  // not the leader
      count += covers_all(book, seats(fenced)) && (set & fenced) == 0 ? 1U : 0U;
    }
  }
  return count;
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
  EXPECT_GT(search(3, false, Rules{covers_all, false, false, false, true}).lost, 0U) << "mixed";
  EXPECT_GT(search(3, false, Rules{covers_all, false, false, false, false, true}).lost, 0U)
      << "released by a walsender of before, which is gone";
}

TEST(PolicyChange, NoProofGivenUpMixesWhatMustNot) {
  const auto all = policies(0, 4);
  unsigned looked_at = 0;
  for (const SmallPolicy& from : all) {
    for (const SmallPolicy& to : all) {
      PolicyBook book{from.real(Term{1}), {}};
      const Policy unproven = next_step(book, to.real(Term{1}));
      book.unproven = {unproven};
      for (const SmallPolicy& then : all) {
        const Policy next = next_step(book, then.real(Term{1}));
        const PolicyBook three{book.current, {unproven, next}};
        EXPECT_EQ(missed(three, {from, small(unproven), small(next)}, 4), 0U)
            << describe(book.current) << "; " << describe(unproven) << "; " << describe(next);
        ++looked_at;
      }
    }
  }
  EXPECT_EQ(looked_at, all.size() * all.size() * all.size());
}

Policy of(std::vector<Seat> voters, std::uint32_t k, Durability mode = Durability::quorum) {
  return Policy{mode, Term{1}, seat(0), std::move(voters), k};
}
const Seat anew{seat(2).node, Incarnation{"j3"}};  ///< n3 once more

TEST(PolicyChange, ManyGoAtOnceWhereOneIsAskedFor) {
  const PolicyBook book{of(seats(0b0110), 1), {}};
  EXPECT_EQ(next_step(book, of(seats(0b1000), 1)), of(seats(0b1000), 1));
  EXPECT_EQ(next_step(book, of({}, 0)), of({}, 0));
  EXPECT_EQ(next_step(book, of({seat(1), anew}, 1)), of({seat(1), anew}, 1));
}

TEST(PolicyChange, TheWayGoesOverAllVotersAndTheSmallerNumber) {
  EXPECT_EQ(next_step({of(seats(0b0010), 1), {}}, of(seats(0b0110), 2)), of(seats(0b0110), 1));
  EXPECT_EQ(next_step({of(seats(0b0110), 2), {}}, of(seats(0b0010), 1)), of(seats(0b0110), 1));
  EXPECT_EQ(next_step({of(seats(0b0110), 2), {}}, of(seats(0b1100), 2)), of(seats(0b1110), 2));
}

TEST(PolicyChange, NothingIsStrictThatAsksForLess) {
  const Policy strict = of(seats(0b0110), 2, Durability::strict);
  EXPECT_EQ(next_step({of(seats(0b0010), 1), {}}, strict), of(seats(0b0110), 1));
  EXPECT_EQ(next_step({of(seats(0b1100), 2), {}}, strict),
            of(seats(0b1110), 2, Durability::strict));
}

TEST(PolicyChange, ANodeMayVoteUnderTwoIncarnationsOnTheWay) {
  const Policy wanted = of({seat(1), anew}, 2);
  const Policy joint = of({seat(1), seat(2), anew}, 2);
  EXPECT_EQ(next_step({of(seats(0b0110), 2), {}}, wanted), joint);
  EXPECT_EQ(next_step({joint, {}}, wanted), wanted);
  EXPECT_EQ(next_step({of({seat(2)}, 1), {of({anew}, 1)}}, of(seats(0b1010), 2)),
            of({seat(1), seat(2), anew, seat(3)}, 1));
  EXPECT_TRUE(propose_policy(leading({0, 0b0110, 2}), Claim{"c1"}, joint));
}

TEST(PolicyChange, WhatMustNotMixIsNotRecorded) {
  const auto refused = propose_policy(leading({0, 0b0010, 1}), Claim{"c1"}, of(seats(0b0110), 2));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::refused);
  EXPECT_NE(refused.error().for_people().find("n1 with any 1 of n2, n3"), std::string::npos);
}

}  // namespace
}  // namespace evergres::core::cohort

#include <gtest/gtest.h>

#include "cohort.hpp"

namespace evergres::core::cohort {
namespace {

/// Whether some commit acknowledged under `policy` is on no node of `fenced`, by counting, not by
/// formula: it is flushed on the leader and on `k` voters, or more.
bool something_is_missed(const SmallPolicy& policy, Mask fenced, unsigned nodes) {
  for (Mask set = 0; set < (1U << nodes); ++set) {
    if ((set & policy.voters) != set || size_of(set) < policy.k) continue;
    if (((set | (1U << policy.leader)) & fenced) == 0) return true;
  }
  return false;
}

struct Wrong {
  unsigned lost = 0;    ///< said enough, and a commit was missed
  unsigned wedged = 0;  ///< said not enough, and nothing could have been missed
  unsigned looked_at = 0;
};

Wrong compare(const Covers& covers_book) {
  Wrong wrong;
  for (unsigned nodes = 1; nodes <= 5; ++nodes) {
    for (const SmallPolicy& policy : policies(0, nodes)) {
      for (Mask fenced = 0; fenced < (1U << nodes); ++fenced) {
        const bool enough = covers_book(PolicyBook{policy.real(Term{1}), {}}, seats(fenced));
        const bool missed = something_is_missed(policy, fenced, nodes);
        ++wrong.looked_at;
        wrong.lost += enough && missed ? 1U : 0U;
        wrong.wedged += !enough && !missed ? 1U : 0U;
      }
    }
  }
  return wrong;
}

TEST(Quorum, CoversExactlyWhatNoAcknowledgedCommitEscapes) {
  const Wrong wrong = compare(covers_all);
  EXPECT_EQ(wrong.lost, 0U);
  EXPECT_EQ(wrong.wedged, 0U);
  EXPECT_GT(wrong.looked_at, 1000U);
}

TEST(Quorum, PlantedArithmeticIsCaught) {
  EXPECT_GT(compare(one_too_few).lost, 0U);
  EXPECT_GT(compare(majority).lost, 0U);    // k = 1 of 4: three voters may all lack the commit
  EXPECT_GT(compare(majority).wedged, 0U);  // k = 3 of 3: one voter would do
}

TEST(Quorum, AcknowledgesCountsVotersOnly) {
  for (const SmallPolicy& policy : policies(0, 5)) {
    for (Mask set = 0; set < 32; ++set) {
      EXPECT_EQ(acknowledges(policy.real(Term{1}), seats(set)),
                size_of(set & policy.voters) >= policy.k);
    }
  }
}

TEST(Quorum, AnotherIncarnationIsAnotherSeat) {
  const Policy policy = SmallPolicy{0, 0b10, 1}.real(Term{1});
  Seat rebuilt = seat(1);
  rebuilt.incarnation = Incarnation{"new"};
  Seat emptied = seat(0);
  emptied.incarnation = Incarnation{"new"};
  EXPECT_TRUE(covers(policy, {seat(1)}));
  EXPECT_FALSE(covers(policy, {rebuilt, emptied}));
}

TEST(Quorum, SaysWhatIsMissing) {
  PolicyBook book{SmallPolicy{0, 0b110, 1}.real(Term{1}), {SmallPolicy{0, 0, 0}.real(Term{1})}};
  const auto missing = what_is_missing(book, {seat(1)});
  ASSERT_EQ(missing.size(), 2U);
  EXPECT_EQ(missing[0],
            "policy \"n1 with any 1 of n2, n3\" needs n1 stopped and read, or 2 of 2 voters; "
            "fenced with a known position: n2");
  EXPECT_EQ(missing[1], "unproven policy \"n1 alone\" needs n1 itself, stopped and read");
  EXPECT_TRUE(what_is_missing(book, {seat(0)}).empty());
}

TEST(Quorum, OnlyReadAnswersOfThisTermAndClusterCount) {
  Fenced answer;
  answer.term = Term{3};
  answer.seat = seat(0);
  answer.system_id = SystemId{7};
  answer.position = Position{TimelineId{1}, Lsn{5}};
  Fenced blind = answer;
  blind.position.reset();
  EXPECT_EQ(counting_seats({answer, answer}, Term{3}, SystemId{7}).size(), 1U);
  EXPECT_TRUE(counting_seats({blind}, Term{3}, SystemId{7}).empty());
  EXPECT_TRUE(counting_seats({answer}, Term{4}, SystemId{7}).empty());
  EXPECT_TRUE(counting_seats({answer}, Term{3}, SystemId{8}).empty());
}

}  // namespace
}  // namespace evergres::core::cohort

#include "proxy/outcome/fate.hpp"

#include <gtest/gtest.h>

namespace evergres::proxy {
namespace {

FateQuestion question_of(std::uint64_t xid, std::uint64_t next_xid, XactAnswer answer) {
  FateQuestion question;
  question.xid = xid;
  question.sent_in = Term{4};
  question.open = Term{5};
  question.promotions = {Promotion{Term{5}, Term{4}, next_xid}};
  question.answer = answer;
  question.answered_in = Term{5};
  return question;
}

TEST(Fate, TheSameIdMayNameSomebodyElsesTransaction) {
  // What was measured: next id at the promotion 1760, lost transaction 1760, and after four writes
  // on the new leader pg_xact_status(1760) says "committed".
  const FateDecision decision = decide_fate(question_of(1760, 1760, XactAnswer::committed));
  EXPECT_EQ(decision.step, FateStep::known);
  EXPECT_EQ(decision.fate, Fate::aborted);
  EXPECT_EQ(decide_fate(question_of(1759, 1760, XactAnswer::committed)).fate, Fate::committed);
}

TEST(Fate, IsAskedOnlyOfAnOpenLeader) {
  FateQuestion question = question_of(10, 20, XactAnswer::not_asked);
  question.open.reset();
  EXPECT_EQ(decide_fate(question).step, FateStep::wait);
  question.open = Term{3};
  EXPECT_EQ(decide_fate(question).step, FateStep::wait) << "an older leader is nobody to ask";
  question.deadline_passed = true;
  EXPECT_EQ(decide_fate(question).step, FateStep::known);
  EXPECT_EQ(decide_fate(question).fate, Fate::unknown);
}

TEST(Fate, IsUnknownWithoutTheIdOrThePromotionsNextId) {
  FateQuestion question = question_of(10, 20, XactAnswer::committed);
  question.xid.reset();
  EXPECT_EQ(decide_fate(question).fate, Fate::unknown);
  question = question_of(10, 20, XactAnswer::committed);
  question.promotions[0].next_xid.reset();
  EXPECT_EQ(decide_fate(question).fate, Fate::unknown);
  EXPECT_EQ(decide_fate(question).step, FateStep::known);
  question = question_of(10, 20, XactAnswer::committed);
  question.promotions.clear();
  EXPECT_EQ(decide_fate(question).fate, Fate::unknown);
}

TEST(Fate, OfWhatIsReadOnlyIsThatNothingIsLeft) {
  FateQuestion question;
  question.read_only = true;
  EXPECT_EQ(decide_fate(question).fate, Fate::aborted);
  EXPECT_EQ(decide_fate(question).step, FateStep::known);
  question = question_of(10, 20, XactAnswer::committed);
  question.read_only = true;
  EXPECT_EQ(decide_fate(question).fate, Fate::committed) << "it has an id: it wrote";
}

TEST(Fate, IsUnknownWhenAPromotionBetweenIsMissing) {
  // 1760 was lost at the promotion to 5, assigned again there and committed, and shipped to 6.
  FateQuestion question = question_of(1760, 1760, XactAnswer::committed);
  question.open = question.answered_in = Term{6};
  question.promotions = {{Term{5}, Term{4}, 1760}, {Term{6}, Term{5}, 1800}};
  EXPECT_EQ(decide_fate(question).fate, Fate::aborted);
  const auto whole = question.promotions;
  for (std::size_t missing = 0; missing < whole.size(); ++missing) {
    question.promotions = {whole[1 - missing]};
    EXPECT_EQ(decide_fate(question).step, FateStep::known);
    EXPECT_EQ(decide_fate(question).fate, Fate::unknown) << missing;
  }
  question.promotions = {whole[1], whole[0]};
  EXPECT_EQ(decide_fate(question).fate, Fate::unknown) << "out of order";
  question.promotions = {{Term{6}, Term{4}, 1800}};
  EXPECT_EQ(decide_fate(question).fate, Fate::committed) << "term 5 never opened";
}

TEST(Fate, AnAnswerOfAnEarlierLeaderIsNone) {
  FateQuestion question = question_of(10, 20, XactAnswer::committed);
  question.answered_in = Term{4};
  EXPECT_EQ(decide_fate(question).step, FateStep::ask);
}

TEST(Fate, OddAnswersAreUnknown) {
  for (const XactAnswer answer :
       {XactAnswer::in_progress, XactAnswer::too_old, XactAnswer::in_the_future}) {
    const FateDecision decision = decide_fate(question_of(10, 20, answer));
    EXPECT_EQ(decision.step, FateStep::known) << word_of(answer);
    EXPECT_EQ(decision.fate, Fate::unknown) << word_of(answer);
  }
  EXPECT_EQ(decide_fate(question_of(10, 20, XactAnswer::failed)).step, FateStep::ask);
}

TEST(Fate, UnderTheSameLeaderACommitIsProvenBeforeItIsTold) {
  FateQuestion question = question_of(10, 20, XactAnswer::not_asked);
  question.open = question.sent_in;
  question.answered_in = question.sent_in;
  question.promotions.clear();
  EXPECT_EQ(decide_fate(question).step, FateStep::ask);
  question.answer = XactAnswer::in_progress;
  EXPECT_EQ(decide_fate(question).step, FateStep::ask) << "it may be waiting for its standbys";
  question.answer = XactAnswer::committed;
  EXPECT_EQ(decide_fate(question).step, FateStep::prove);
  question.proven = true;
  EXPECT_EQ(decide_fate(question).fate, Fate::committed);
  question.answer = XactAnswer::aborted;
  EXPECT_EQ(decide_fate(question).fate, Fate::aborted);
}

/// A world in which servers assign ids, ship what they wrote in part, and are replaced: the truth
/// is known, and so is what pg_xact_status would answer. WAL is a list of entries; a promotion
/// keeps the front of it.
struct Entry {
  std::uint64_t xid;
  bool commits;  ///< its commit record; else a record that only shows the id
  int owner;     ///< whose transaction it is
};
using Wal = std::vector<Entry>;

std::uint64_t next_after(const Wal& wal, std::uint64_t first) {
  for (const Entry& entry : wal) first = std::max(first, entry.xid + 1);
  return first;
}

/// As the server answers: it knows ids, not owners.
XactAnswer status(const Wal& wal, std::uint64_t xid, std::uint64_t next) {
  if (xid >= next) return XactAnswer::in_the_future;
  for (const Entry& entry : wal) {
    if (entry.xid == xid && entry.commits) return XactAnswer::committed;
  }
  return XactAnswer::aborted;
}

bool committed(const Wal& wal, int owner) {
  for (const Entry& entry : wal) {
    if (entry.owner == owner && entry.commits) return true;
  }
  return false;
}

TEST(Fate, IsNeverToldWrongWhateverIsShippedAndReused) {
  constexpr std::uint64_t first = 100;
  int told = 0;
  int reused = 0;
  // Owner 1 is the client; transactions before and behind it are of others.
  for (unsigned before = 0; before < 3; ++before) {
    for (unsigned shipped = 0; shipped <= 2 * before + 4; ++shipped) {
      for (unsigned later = 0; later < 4; ++later) {
        for (unsigned kept = 0; kept <= later; ++kept) {
          for (unsigned last = 0; last < 3; ++last) {
            Wal wal;
            std::uint64_t id = first;
            for (unsigned i = 0; i < before; ++i, ++id) {
              wal.push_back({id, false, -1});
              wal.push_back({id, true, -1});
            }
            const std::uint64_t xid = id++;
            wal.push_back({xid, false, 1});
            wal.push_back({xid, true, 1});
            wal.push_back({id, false, -2});
            wal.push_back({id, true, -2});
            wal.resize(std::min<std::size_t>(shipped, wal.size()));
            const std::uint64_t next_1 = next_after(wal, first);
            for (unsigned i = 0; i < later; ++i) wal.push_back({next_1 + i, true, -3});
            // A second failover may lose the end of what the first leader wrote.
            wal.resize(wal.size() - (later - kept));
            const std::uint64_t next_2 = next_after(wal, first);
            for (unsigned i = 0; i < last; ++i) wal.push_back({next_2 + i, true, -4});

            FateQuestion question;
            question.xid = xid;
            question.sent_in = Term{1};
            question.open = Term{3};
            question.promotions = {{Term{2}, Term{1}, next_1}, {Term{3}, Term{2}, next_2}};
            question.answer = status(wal, xid, next_2 + last);
            question.answered_in = Term{3};
            const FateDecision decision = decide_fate(question);
            ASSERT_EQ(decision.step, FateStep::known);
            ASSERT_NE(decision.fate, Fate::unknown);
            ASSERT_EQ(decision.fate == Fate::committed, committed(wal, 1))
                << before << " " << shipped << " " << later << " " << kept << " " << last;
            ++told;
            reused += question.answer == XactAnswer::committed && !committed(wal, 1) ? 1 : 0;
          }
        }
      }
    }
  }
  EXPECT_GT(told, 500);
  EXPECT_GT(reused, 50) << "the trap was not met";
}

}  // namespace
}  // namespace evergres::proxy

#include "supervisor/grant.hpp"

#include <gtest/gtest.h>

namespace evergres::supervisor {
namespace {

constexpr Instant now{100'000'000'000};

AskGrant ask(GrantKind kind, std::uint64_t term, Millis ago = Millis{10}) {
  return AskGrant{kind, Term{term}, now - ago, Millis{5'000}, {}};
}

GrantFacts running(std::optional<Grant> held = {}) {
  return GrantFacts{State::running, 3, held, now};
}

TEST(Grant, EndsCountedFromBeforeTheRequestWasSent) {
  const auto given = decide_grant(ask(GrantKind::lead, 7, Millis{1'000}), running());
  ASSERT_TRUE(given.ok());
  EXPECT_EQ(given->deadline, now + Millis{4'000});
}

TEST(Grant, IsRefusedWhenNothingRuns) {
  auto facts = running();
  facts.state = State::stopped;
  const auto given = decide_grant(ask(GrantKind::lead, 7), facts);
  ASSERT_FALSE(given.ok());
  EXPECT_EQ(given.error().code(), ErrorCode::refused);
  EXPECT_EQ(given.error().message(), "the grant is refused: PostgreSQL is not running");
}

TEST(Grant, IsRefusedForAnotherStart) {
  auto asked = ask(GrantKind::lead, 7);
  asked.start_id = 2;
  EXPECT_FALSE(decide_grant(asked, running()).ok());
  asked.start_id = 3;
  EXPECT_TRUE(decide_grant(asked, running()).ok());
}

TEST(Grant, IsRefusedWhenItWouldBeOverOrWasAskedInTheFuture) {
  EXPECT_FALSE(decide_grant(ask(GrantKind::lead, 7, Millis{5'000}), running()).ok());
  EXPECT_FALSE(decide_grant(ask(GrantKind::lead, 7, Millis{-1}), running()).ok());
}

TEST(Grant, OfALowerTermIsRefusedAndOfAHigherReplaces) {
  const Grant held{GrantKind::lead, Term{7}, now + Millis{3'000}};
  EXPECT_FALSE(decide_grant(ask(GrantKind::lead, 6), running(held)).ok());
  const auto given = decide_grant(ask(GrantKind::promote, 8), running(held));
  ASSERT_TRUE(given.ok());
  EXPECT_EQ(given->term, Term{8});
}

TEST(Grant, ThatHasEndedIsNotExtended) {
  const Grant held{GrantKind::lead, Term{7}, now};
  EXPECT_FALSE(decide_grant(ask(GrantKind::lead, 7), running(held)).ok());
}

TEST(Grant, ALeadDoesNotBecomeAPromoteAgain) {
  const Grant held{GrantKind::lead, Term{7}, now + Millis{3'000}};
  EXPECT_FALSE(decide_grant(ask(GrantKind::promote, 7), running(held)).ok());
}

TEST(Grant, ALeadEndsALongPromoteEarlierButAnOvertakenRequestShortensNothing) {
  const Grant promote{GrantKind::promote, Term{7}, now + Millis{300'000}};
  EXPECT_EQ(decide_grant(ask(GrantKind::lead, 7), running(promote))->deadline, now + Millis{4'990});
  const Grant lead{GrantKind::lead, Term{7}, now + Millis{4'995}};
  EXPECT_EQ(decide_grant(ask(GrantKind::lead, 7), running(lead))->deadline, now + Millis{4'995});
}

TEST(Grant, IsExtendedDuringAFastStopButNotGivenNewly) {
  auto facts = running(Grant{GrantKind::lead, Term{7}, now + Millis{1'000}});
  facts.state = State::stopping;
  EXPECT_TRUE(decide_grant(ask(GrantKind::lead, 7), facts).ok());
  EXPECT_FALSE(decide_grant(ask(GrantKind::lead, 8), facts).ok());
}

}  // namespace
}  // namespace evergres::supervisor

#include "agent/operations/head_start.hpp"

#include "agent/place.hpp"

namespace evergres::agent::test {
namespace {

constexpr Instant now{5'000'000'000};

TEST(HeadStart, IsGivenAfterTheOpeningOfThisTerm) {
  TermTimes times;
  times.term = Term{4};
  EXPECT_EQ(left_after_opening(times, Term{4}, now), Nanos::zero()) << "an earlier run opened";
  times.note("opening", now - Millis{30});
  EXPECT_EQ(left_after_opening(times, Term{4}, now), head_start - Millis{30});
  EXPECT_EQ(left_after_opening(times, Term{4}, now + head_start), Nanos::zero());
  EXPECT_EQ(left_after_opening(times, Term{5}, now), Nanos::zero());
}

/// As n1 knows it, which stopped for its handover to n2.
core::Situation handed_over() {
  core::Situation s;
  s.me = NodeName{"n1"};
  s.claimed_at = now - Millis{200};
  s.record = core::Record{};
  s.record->term = Term{4};
  s.record->phase = core::Phase::leading;
  s.record->leader = core::Seat{NodeName{"n2"}, Incarnation{"b"}};
  s.fenced = core::Fenced{};
  s.fenced->term = Term{4};
  return s;
}

TEST(HeadStart, IsGivenToTheHeirByWhoStoppedForIt) {
  EXPECT_EQ(left_after_handover(handed_over(), now), Nanos(head_start));
  auto s = handed_over();
  s.record->phase = core::Phase::electing;
  EXPECT_EQ(left_after_handover(s, now), Nanos::zero()) << "the rule decides when it starts then";
  s = handed_over();
  s.claimed_at.reset();
  EXPECT_EQ(left_after_handover(s, now), Nanos::zero()) << "a failover";
  s = handed_over();
  EXPECT_EQ(left_after_handover(s, now + Millis{60'000}), Nanos::zero()) << "long ago";
  s.fenced->term = Term{3};
  EXPECT_EQ(left_after_handover(s, now), Nanos::zero()) << "stopped for another term";
  EXPECT_EQ(left_after_handover(core::Situation{}, now), Nanos::zero());
}

class HeadStartOf : public Place {};

TEST_F(HeadStartOf, ClientsEndsForWhatIsMoreUrgent) {
  std::stop_source stop;
  Hands hands(
      setup_, Knowledge{}, [](const Learn&) {}, stop.get_token());
  EXPECT_TRUE(let_clients_go_first(hands, Nanos::zero()));
  EXPECT_TRUE(let_clients_go_first(hands, Millis{1}));
  stop.request_stop();
  const auto given_up = let_clients_go_first(hands, Millis{60'000});
  ASSERT_FALSE(given_up);
  EXPECT_EQ(given_up.error().code(), ErrorCode::cancelled);
}

}  // namespace
}  // namespace evergres::agent::test

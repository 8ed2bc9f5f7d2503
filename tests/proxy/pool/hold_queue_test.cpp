#include "proxy/pool/hold_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "proxy/dice.hpp"

namespace evergres::proxy {
namespace {

using Ticket = HoldQueue::Ticket;

constexpr Instant start{1'000'000'000};
Instant after(std::int64_t ms) {
  return start + Millis{ms};
}

TEST(HoldQueue, LetsGoInTheOrderOfArrival) {
  HoldQueue queue(10);
  const Ticket a = *queue.join(after(15'000));
  const Ticket b = *queue.join(after(15'000));
  const Ticket c = *queue.join(after(15'000));
  std::vector<Ticket> released;
  queue.release(start, 10, released);
  EXPECT_TRUE(released.empty()) << "there is no leader";
  EXPECT_TRUE(queue.leave(b));
  EXPECT_FALSE(queue.leave(b)) << "it has left";
  queue.open(start, Ramp{10, Millis{100}});
  queue.release(start, 10, released);
  EXPECT_EQ(released, (std::vector<Ticket>{a, c}));
  EXPECT_FALSE(queue.leave(a)) << "it was let go";
}

TEST(HoldQueue, EndsAWaitAtItsDeadlineAndNotBefore) {
  HoldQueue queue(10);
  const Ticket late = *queue.join(after(15'000));
  const Ticket early = *queue.join(after(1'000));  // its statement_timeout
  EXPECT_EQ(queue.next_wake(start, 1), after(1'000));
  std::vector<Ticket> expired;
  queue.expire(after(999), expired);
  EXPECT_TRUE(expired.empty());
  queue.expire(after(1'000), expired);
  EXPECT_EQ(expired, std::vector<Ticket>{early});
  EXPECT_EQ(queue.next_wake(after(1'000), 1), after(15'000));
  queue.open(after(15'000), Ramp{});
  std::vector<Ticket> released;
  queue.release(after(15'000), 1, released);
  EXPECT_TRUE(released.empty()) << "nobody is let go after its deadline";
  expired.clear();
  queue.expire(after(15'000), expired);
  EXPECT_EQ(expired, std::vector<Ticket>{late});
  EXPECT_FALSE(queue.next_wake(after(15'000), 1));
}

TEST(HoldQueue, LetsGoAlongARamp) {
  HoldQueue queue(1'000);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(queue.join(after(60'000)));
  queue.open(start, Ramp{5, Millis{100}});
  const auto let_go = [&](std::int64_t ms) {
    std::vector<Ticket> released;
    queue.release(after(ms), 1'000, released);
    return released.size();
  };
  EXPECT_EQ(let_go(0), 5U);
  EXPECT_EQ(let_go(99), 0U);
  EXPECT_EQ(queue.next_wake(after(99), 1), after(100));
  EXPECT_EQ(let_go(100), 10U);
  EXPECT_FALSE(queue.pass(after(150))) << "others wait";
  EXPECT_EQ(let_go(200), 20U);
  EXPECT_EQ(let_go(300), 40U);
  EXPECT_EQ(let_go(400), 25U);
  EXPECT_TRUE(queue.pass(after(400)));
}

TEST(HoldQueue, NewcomersPassOnlyWhereNobodyWaitsAndTheRampHasRoom) {
  HoldQueue queue(10);
  EXPECT_FALSE(queue.pass(start)) << "there is no leader";
  queue.open(start, Ramp{2, Millis{100}});
  EXPECT_TRUE(queue.pass(start));
  EXPECT_TRUE(queue.pass(start));
  EXPECT_FALSE(queue.pass(start));
  EXPECT_TRUE(queue.pass(after(1'600))) << "the ramp is over";
  queue.close();
  EXPECT_FALSE(queue.pass(after(1'700)));
}

TEST(HoldQueue, WithoutRoomItWakesForDeadlinesOnly) {
  HoldQueue queue(10);
  queue.join(after(5'000));
  queue.open(start, Ramp{});
  EXPECT_EQ(queue.next_wake(start, 1), start);
  EXPECT_EQ(queue.next_wake(start, 0), after(5'000));
}

TEST(HoldQueue, IsBounded) {
  HoldQueue queue(2);
  EXPECT_TRUE(queue.join(after(1)));
  EXPECT_TRUE(queue.join(after(1)));
  EXPECT_FALSE(queue.join(after(1)));
}

/// The same, slowly: a list that is searched.
struct Waiting {
  Ticket ticket;
  Instant deadline;
};

TEST(HoldQueue, IsTheSameAsASlowOne) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Dice dice(seed);
    HoldQueue queue(20);
    std::deque<Waiting> slow;
    std::vector<Ticket> gone;
    Instant now = start;
    for (int step = 0; step < 500; ++step) {
      now = now + Millis{static_cast<std::int64_t>(dice.below(20))};
      const std::size_t choice = dice.below(6);
      std::vector<Ticket> fast_out;
      std::vector<Ticket> slow_out;
      if (choice <= 1) {
        const Instant deadline = now + Millis{static_cast<std::int64_t>(dice.below(300))};
        const auto ticket = queue.join(deadline);
        ASSERT_EQ(ticket.has_value(), slow.size() < 20);
        if (ticket) slow.push_back({*ticket, deadline});
      } else if (choice == 2 && !slow.empty()) {
        const auto at = slow.begin() + static_cast<std::ptrdiff_t>(dice.below(slow.size()));
        ASSERT_TRUE(queue.leave(at->ticket));
        gone.push_back(at->ticket);
        slow.erase(at);
      } else if (choice == 3) {
        queue.expire(now, fast_out);
        std::deque<Waiting> stay;
        for (const Waiting& waiting : slow) {
          if (waiting.deadline <= now) {
            slow_out.push_back(waiting.ticket);
          } else {
            stay.push_back(waiting);
          }
        }
        slow = stay;
      } else if (choice == 4) {
        queue.open(now, Ramp{1'000, Millis{1}});
        const std::size_t room = dice.below(4);
        queue.release(now, room, fast_out);
        while (slow_out.size() < room && !slow.empty() && slow.front().deadline > now) {
          slow_out.push_back(slow.front().ticket);
          slow.pop_front();
        }
        queue.close();
      } else if (!gone.empty()) {
        ASSERT_FALSE(queue.leave(gone[dice.below(gone.size())])) << "an old ticket";
      }
      ASSERT_EQ(fast_out, slow_out);
      gone.insert(gone.end(), fast_out.begin(), fast_out.end());
      ASSERT_EQ(queue.size(), slow.size());
      const auto wake = queue.next_wake(now, 0);
      ASSERT_EQ(wake.has_value(), !slow.empty());
      for (const Waiting& waiting : slow) ASSERT_LE(*wake, waiting.deadline);
    }
  }
}

}  // namespace
}  // namespace evergres::proxy

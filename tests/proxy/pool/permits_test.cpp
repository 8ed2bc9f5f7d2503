#include "proxy/pool/permits.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <thread>

#include "proxy/pool/turns.hpp"

namespace evergres::proxy {
namespace {

Instant at(std::int64_t milliseconds) {
  return Instant{} + Millis{milliseconds};
}

// ---- who gives one away

TEST(Turns, AnIdleServerOfALargerPoolGoesFirst) {
  const std::array parties{Party{5, 0, 0}, Party{3, 0, 1, at(950)}, Party{2, 0, 2, at(900)}};
  EXPECT_EQ(choose_giver({0, at(1000)}, parties, at(1000)), 2U);
  EXPECT_EQ(choose_giver({2, at(1000)}, parties, at(1000)), 1U);
}

TEST(Turns, AnIdleServerOfASmallPoolIsLeftToItForASecond) {
  const std::array parties{Party{1, 0, 1, at(1000)}};
  EXPECT_FALSE(choose_giver({4, at(0)}, parties, at(1999)));
  EXPECT_EQ(choose_giver({4, at(0)}, parties, at(2000)), 0U);
  EXPECT_EQ(choose_giver({0, at(1000)}, parties, at(1000)), 0U);
}

TEST(Turns, OneThatWasAskedForAlreadyIsNotThereAnyMore) {
  const std::array parties{Party{2, 1, 1, at(0)}};
  EXPECT_FALSE(choose_giver({0, at(1000)}, parties, at(1000)));
  EXPECT_EQ(choose_giver({0, at(800)}, parties, at(1000)), 0U);
}

TEST(Turns, ABusyPoolGivesAtOnceIfItHasTwoMoreAndAfterATurnIfItHasOneMore) {
  const std::array parties{Party{1}, Party{2}};
  EXPECT_EQ(choose_giver({0, at(0)}, parties, at(0)), 1U);
  const std::array one{Party{1}};
  EXPECT_FALSE(choose_giver({0, at(0)}, one, at(199)));
  EXPECT_EQ(choose_giver({0, at(0)}, one, at(200)), 0U);
  const std::array fresh{Party{1, 0, 0, {}, true, false, at(100)}};
  EXPECT_FALSE(choose_giver({0, at(0)}, fresh, at(200)));
  EXPECT_EQ(choose_giver({0, at(0)}, fresh, at(300)), 0U);
  EXPECT_FALSE(choose_giver({1, at(0)}, parties, at(999)));
  EXPECT_EQ(choose_giver({1, at(0)}, parties, at(1000)), 1U);
  EXPECT_FALSE(choose_giver({2, at(0)}, parties, at(100'000))) << "equals keep what they have";
}

TEST(Turns, PoolsThatGiveWithEachTransactionAreAskedFirstAndSlowOnesLast) {
  std::array parties{Party{9, 0, 0, {}, false}, Party{3}, Party{4}};
  EXPECT_EQ(choose_giver({0, at(0)}, parties, at(0)), 2U);
  parties[2].slow = true;
  EXPECT_EQ(choose_giver({0, at(0)}, parties, at(0)), 1U);
  parties[1].slow = true;
  EXPECT_EQ(choose_giver({1, at(0)}, parties, at(0)), 0U);
}

// ---- permits

/// What would run on the threads of the pools.
std::deque<std::function<void()>> posted;
void run_posted() {
  while (!posted.empty()) {
    const std::function<void()> next = std::move(posted.front());
    posted.pop_front();
    next();
  }
}

/// A pool that always wants as many servers as it may have, and gives away when it is asked.
class Hungry final : public PermitHolder {
 public:
  Hungry(Permits& permits, PoolName name, const Limits& limits) : permits_(permits) {
    account = permits.open(std::move(name), limits, *this,
                           [](std::function<void()> what) { posted.push_back(std::move(what)); });
  }
  ~Hungry() { permits_.close(*account); }
  Hungry(const Hungry&) = delete;
  Hungry& operator=(const Hungry&) = delete;

  void eat(Instant now) {
    while (!waits) {
      lacks = permits_.take(account, now);
      waits = lacks.has_value();
      if (!waits) ++held;
    }
  }
  void granted() override {
    waits = false;
    ++held;
    ++grants;
  }
  void asked() override { ++questions; }
  /// One of its transactions ends.
  bool transaction_ends() {
    if (held == 0 || account->owes() == 0) return false;
    release();
    return true;
  }
  void release() {
    --held;
    permits_.give_back(*account);
  }

  Permits& permits_;
  std::shared_ptr<PermitAccount> account;
  std::optional<Level> lacks;
  bool waits = false;
  unsigned held = 0, grants = 0, questions = 0;
};

Limits at_most(std::uint32_t pool, std::uint32_t application, std::uint32_t user,
               std::uint32_t database, std::uint32_t all) {
  Limits limits;
  limits.mode = PoolMode::transaction;
  limits.servers = {pool, application, user, database, all};
  return limits;
}

TEST(Permits, EachLimitHoldsAndSaysItsName) {
  struct Case {
    Limits limits;
    Level level;
    unsigned together;  ///< of three pools: (app, alice), (app, bob), (other, alice)
  };
  for (const Case& each : {Case{at_most(2, 0, 0, 0, 0), Level::pool, 6},
                           Case{at_most(0, 2, 0, 0, 0), Level::application, 2},
                           Case{at_most(0, 0, 2, 0, 0), Level::user, 4},
                           Case{at_most(0, 0, 0, 2, 0), Level::database, 4},
                           Case{at_most(0, 0, 0, 0, 2), Level::all, 2}}) {
    Permits permits;
    Hungry one(permits, {"app", "alice", Port::read_write, "x"}, each.limits);
    Hungry two(permits, {"app", "bob", Port::read_write, "x"}, each.limits);
    Hungry three(permits, {"other", "alice", Port::read_write, "x"}, each.limits);
    for (Hungry* pool : {&one, &two, &three}) {
      pool->eat(at(0));
      EXPECT_EQ(pool->lacks, each.level);
    }
    EXPECT_EQ(one.held + two.held + three.held, each.together);
    posted.clear();
  }
}

TEST(Permits, ThePoolsOfSeveralThreadsAreOne) {
  Permits permits;
  const Limits limits = at_most(4, 0, 0, 0, 0);
  Hungry here(permits, {"app", "alice"}, limits);
  Hungry there(permits, {"app", "alice"}, limits);
  Hungry reads(permits, {"app", "alice", Port::read_only}, limits);
  here.eat(at(0));
  there.eat(at(0));
  reads.eat(at(0));
  EXPECT_EQ(here.held, 4U);
  EXPECT_EQ(there.held, 0U);
  EXPECT_EQ(reads.held, 4U) << "the other port is another pool";
  run_posted();
  EXPECT_EQ(here.questions, 1U) << "it was not asked";
  for (int i = 1; i < 5; ++i) {
    while (here.transaction_ends() || there.transaction_ends()) run_posted();
    there.eat(at(i));
    here.eat(at(i));
    permits.review(at(i));
    run_posted();
  }
  EXPECT_EQ(here.held, 2U);
  EXPECT_EQ(there.held, 2U);
}

TEST(Permits, WhoHasFewestGoesFirstAndEqualsTakeTurns) {
  Permits permits;
  const Limits limits = at_most(0, 0, 0, 0, 3);
  Hungry large(permits, {"app", "large"}, limits);
  large.eat(at(0));
  Hungry first(permits, {"app", "first"}, limits);
  Hungry second(permits, {"app", "second"}, limits);
  first.eat(at(1));
  second.eat(at(2));
  run_posted();
  ASSERT_TRUE(large.waits) << "it wants more too, and has wanted for longest";
  EXPECT_TRUE(large.transaction_ends());
  run_posted();
  EXPECT_EQ(first.grants, 1U);
  EXPECT_EQ(second.grants, 0U);
  // Two and one: the last one's turn comes after a while, at the cost of the largest.
  permits.review(at(300));
  run_posted();
  EXPECT_TRUE(large.transaction_ends());
  run_posted();
  EXPECT_EQ(second.grants, 1U);
  EXPECT_EQ(large.held, 1U);
  EXPECT_EQ(large.grants, 0U);
  for (int i = 1; i < 20; ++i) {
    first.eat(at(300 + i * 100));
    second.eat(at(300 + i * 100));
    permits.review(at(300 + i * 100));
    run_posted();
    EXPECT_FALSE(large.transaction_ends() || first.transaction_ends() || second.transaction_ends())
        << "a fair share is taken away";
  }
}

TEST(Permits, OneServerGoesRound) {
  Permits permits;
  const Limits limits = at_most(0, 0, 0, 0, 1);
  std::vector<std::unique_ptr<Hungry>> pools;
  for (const char* user : {"a", "b", "c"}) {
    pools.push_back(std::make_unique<Hungry>(permits, PoolName{"app", user}, limits));
    pools.back()->eat(at(0));
  }
  std::string order;
  for (std::int64_t now = 0; now < 3000; now += 100) {
    permits.review(at(now));
    run_posted();
    for (const auto& pool : pools) {
      if (pool->transaction_ends()) run_posted();
    }
    for (std::size_t i = 0; i < pools.size(); ++i) {
      pools[i]->eat(at(now));
      const char letter = static_cast<char>('a' + i);
      if (pools[i]->held > 0 && !order.ends_with(letter)) order += letter;
    }
  }
  ASSERT_GE(order.size(), 6U) << order;
  EXPECT_EQ(order.substr(0, 6), "abcabc");
}

TEST(Permits, ThoseWhoWaitAtOneLimitDoNotHideThoseAtAnother) {
  Permits permits;
  const Limits one = at_most(0, 0, 0, 1, 0);
  const Limits three = at_most(0, 0, 0, 3, 0);
  // Its only server is busy for good, and very many wait for it.
  Hungry busy(permits, {"stuck", "busy"}, one);
  busy.eat(at(0));
  std::vector<std::unique_ptr<Hungry>> crowd;
  for (int i = 0; i < 20; ++i) {
    crowd.push_back(
        std::make_unique<Hungry>(permits, PoolName{"stuck", "u" + std::to_string(i)}, one));
    crowd.back()->eat(at(0));
  }
  Hungry rich(permits, {"app", "rich"}, three);
  Hungry poor(permits, {"app", "poor"}, three);
  rich.eat(at(0));
  poor.eat(at(0));
  ASSERT_TRUE(rich.transaction_ends());
  run_posted();
  poor.eat(at(1));
  ASSERT_EQ(rich.held, 2U);
  ASSERT_EQ(poor.held, 1U);
  permits.review(at(3000));
  run_posted();
  EXPECT_TRUE(rich.transaction_ends()) << "its turn is over, and somebody waits for it";
  run_posted();
  EXPECT_EQ(poor.held, 2U);
}

TEST(Permits, WhoHasLeftIsNotServed) {
  Permits permits;
  const Limits limits = at_most(0, 0, 0, 0, 1);
  Hungry one(permits, {"app", "one"}, limits);
  Hungry two(permits, {"app", "two"}, limits);
  one.eat(at(0));
  two.eat(at(0));
  EXPECT_TRUE(permits.leave(*two.account));
  EXPECT_FALSE(permits.leave(*two.account));
  two.waits = false;
  permits.leave(*one.account);
  one.release();
  run_posted();
  EXPECT_EQ(two.grants, 0U);
  two.eat(at(1));
  EXPECT_EQ(two.held, 1U);
}

TEST(Permits, APoolThatIsClosedGivesBackAlsoWhatItWasJustGranted) {
  Permits permits;
  const Limits limits = at_most(0, 0, 0, 0, 1);
  Hungry last(permits, {"app", "last"}, limits);
  {
    Hungry one(permits, {"app", "one"}, limits);
    one.eat(at(0));
    auto two = std::make_unique<Hungry>(permits, PoolName{"app", "two"}, limits);
    two->eat(at(0));
    last.eat(at(0));
    permits.leave(*one.account);
    one.release();
    two.reset();
    run_posted();
  }
  EXPECT_EQ(last.grants, 1U);
}

TEST(Permits, ALimitThatIsLoweredTakesServersFromTheLargest) {
  Permits permits;
  Hungry large(permits, {"app", "large"}, at_most(6, 0, 0, 0, 0));
  Hungry small(permits, {"app", "small"}, at_most(2, 0, 0, 0, 0));
  large.eat(at(0));
  small.eat(at(0));
  permits.set_limits(*large.account, at_most(6, 0, 0, 0, 4));
  permits.set_limits(*small.account, at_most(2, 0, 0, 0, 4));
  permits.review(at(100));
  EXPECT_EQ(large.account->owes(), 4U);
  EXPECT_EQ(small.account->owes(), 0U);
  while (large.transaction_ends()) permits.review(at(200));
  run_posted();
  EXPECT_EQ(large.held, 2U);
  EXPECT_EQ(small.held, 2U);
  permits.set_limits(*large.account, at_most(6, 0, 0, 0, 5));
  permits.set_limits(*small.account, at_most(6, 0, 0, 0, 5));
  run_posted();
  EXPECT_EQ(large.held + small.held, 5U) << "nobody was given what there is room for";
}

TEST(Permits, ClientsAreCounted) {
  Permits permits;
  Limits limits;
  limits.clients = {0, 1, 2, 3, 0};
  Hungry named(permits, {"app", "alice", Port::read_write, "reports"}, limits);
  Hungry alice(permits, {"app", "alice"}, limits);
  Hungry bob(permits, {"app", "bob"}, limits);
  EXPECT_FALSE(permits.let_in(*named.account));
  EXPECT_EQ(permits.let_in(*named.account), Level::application);
  EXPECT_FALSE(permits.let_in(*alice.account));
  EXPECT_EQ(permits.let_in(*alice.account), Level::user);
  EXPECT_FALSE(permits.let_in(*bob.account));
  EXPECT_EQ(permits.let_in(*bob.account), Level::database);
  permits.let_out(*named.account);
  EXPECT_FALSE(permits.let_in(*bob.account));
  EXPECT_EQ(permits.let_in(*named.account), Level::database);
  for (Hungry* who : {&alice, &bob, &bob}) permits.let_out(*who->account);
  EXPECT_EQ(permits.came(), 1U);
  EXPECT_EQ(permits.came(), 2U);
  permits.went();
  EXPECT_EQ(permits.came(), 2U);
}

/// Threads that open and close as fast as they can never hold more than they may.
TEST(Permits, HoldBetweenThreads) {
  Permits permits;
  constexpr unsigned limit = 3;
  std::atomic<unsigned> open{0}, most{0}, opened{0};

  class Busy final : public PermitHolder {
   public:
    void granted() override { has = true; }
    void asked() override {}
    bool has = false;
  };
  const auto work = [&](int number) {
    std::mutex mutex;
    std::deque<std::function<void()>> mine;
    Busy holder;
    const auto account =
        permits.open({"app", "user" + std::to_string(number % 2)}, at_most(0, 0, 0, 0, limit),
                     holder, [&](std::function<void()> what) {
                       const std::lock_guard lock(mutex);
                       mine.push_back(std::move(what));
                     });
    for (int round = 0; round < 2000; ++round) {
      holder.has = !permits.take(account, at(round));
      while (!holder.has) {
        std::unique_lock lock(mutex);
        if (mine.empty()) {
          lock.unlock();
          std::this_thread::yield();
          continue;
        }
        const auto next = std::move(mine.front());
        mine.pop_front();
        lock.unlock();
        next();
      }
      const unsigned now = ++open;
      for (unsigned seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
      }
      ++opened;
      --open;
      permits.give_back(*account);
      if (round % 100 == 0) permits.review(at(round));
    }
    permits.close(*account);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, limit);
  EXPECT_EQ(opened, 12'000U);
}

}  // namespace
}  // namespace evergres::proxy

#include "net/task_group.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <thread>

#include "net/loop.hpp"

namespace evergres::net {
namespace {

using namespace std::chrono_literals;

struct Log {
  std::vector<std::string> lines;
};

awaitable<void> sleep_and_note(Log& log, std::string name, Nanos span) {
  struct AtEnd {
    Log& log;
    std::string name;
    ~AtEnd() { log.lines.push_back(name + " ended"); }
  } at_end{log, name};
  auto pause = pause_for(span);
  co_await std::move(pause);
  log.lines.push_back(name + " slept");
}

awaitable<int> answer_after(Nanos span) {
  auto pause = pause_for(span);
  co_await std::move(pause);
  co_return 42;
}

awaitable<void> fail_with(const char* what) {
  throw std::runtime_error(what);
  co_return;
}

TEST(TaskGroup, JoinWaitsForAll) {
  Loop loop;
  Log log;
  const auto story = [&]() -> awaitable<void> {
    TaskGroup group(loop.executor());
    group.spawn(sleep_and_note(log, "a", 20ms));
    group.spawn(sleep_and_note(log, "b", 1ms));
    auto joining = group.join();
    co_await std::move(joining);
    EXPECT_EQ(group.size(), 0U);
  };
  loop.run(story());
  EXPECT_EQ(log.lines, (std::vector<std::string>{"b slept", "b ended", "a slept", "a ended"}));
}

TEST(TaskGroup, CancelReachesTheTasks) {
  Loop loop;
  Log log;
  const auto story = [&]() -> awaitable<void> {
    TaskGroup group(loop.executor());
    group.spawn(sleep_and_note(log, "a", 1h));
    group.cancel();
    auto joining = group.join();
    co_await std::move(joining);
  };
  loop.run(story());
  EXPECT_EQ(log.lines, std::vector<std::string>{"a ended"});
}

TEST(TaskGroup, ACancelledParentTakesItsGrandchildrenWithIt) {
  Loop loop;
  Log log;
  const auto parent = [&]() -> awaitable<void> {
    TaskGroup group(loop.executor());
    group.spawn(sleep_and_note(log, "child", 1h));
    auto joining = group.join();
    co_await std::move(joining);
    log.lines.push_back("not reached");
  };
  const auto story = [&]() -> awaitable<void> {
    TaskGroup group(loop.executor());
    group.spawn(parent());
    auto pause = pause_for(5ms);
    co_await std::move(pause);
    group.cancel();
    auto joining = group.join();
    co_await std::move(joining);
    log.lines.push_back("joined");
  };
  loop.run(story());
  EXPECT_EQ(log.lines, (std::vector<std::string>{"child ended", "joined"}));
}

TEST(TaskGroup, AFailureCancelsTheOthersAndComesOutOfJoin) {
  Loop loop;
  Log log;
  std::string caught;
  const auto story = [&]() -> awaitable<void> {
    TaskGroup group(loop.executor());
    group.spawn(sleep_and_note(log, "a", 1h));
    group.spawn(fail_with("broken"));
    try {
      auto joining = group.join();
      co_await std::move(joining);
    } catch (const std::runtime_error& failure) {
      caught = failure.what();
    }
  };
  loop.run(story());
  EXPECT_EQ(caught, "broken");
  EXPECT_EQ(log.lines, std::vector<std::string>{"a ended"});
}

TEST(TaskGroupDeath, LettingGoOfARunningTaskIsABug) {
  const auto let_go = [] {
    boost::asio::io_context context;
    Log log;
    TaskGroup group(context.get_executor());
    group.spawn(sleep_and_note(log, "a", 1h));
  };
  EXPECT_DEATH(let_go(), "tasks_.empty");
}

TEST(Within, AValueInTimeIsTheValue) {
  Loop loop;
  std::optional<int> value;
  const auto story = [&]() -> awaitable<void> {
    auto op = answer_after(1ms);
    auto limited = within(10s, std::move(op));
    value = co_await std::move(limited);
  };
  loop.run(story());
  EXPECT_EQ(value, 42);
}

TEST(Within, WhatTakesTooLongIsCancelledAndHasEnded) {
  Loop loop;
  Log log;
  const auto slow = [&]() -> awaitable<int> {
    auto sleeping = sleep_and_note(log, "slow", 1h);
    co_await std::move(sleeping);
    co_return 1;
  };
  std::optional<int> value = 7;
  const auto story = [&]() -> awaitable<void> {
    auto op = slow();
    auto limited = within(5ms, std::move(op));
    value = co_await std::move(limited);
    log.lines.push_back("after");
  };
  loop.run(story());
  EXPECT_FALSE(value);
  EXPECT_EQ(log.lines, (std::vector<std::string>{"slow ended", "after"}));
}

TEST(Within, AnExceptionComesThrough) {
  Loop loop;
  const auto broken = []() -> awaitable<int> {
    auto failing = fail_with("inside");
    co_await std::move(failing);
    co_return 1;
  };
  bool caught = false;
  const auto story = [&]() -> awaitable<void> {
    try {
      auto op = broken();
      auto limited = within(10s, std::move(op));
      co_await std::move(limited);
    } catch (const std::runtime_error&) {
      caught = true;
    }
  };
  loop.run(story());
  EXPECT_TRUE(caught);
}

TEST(Within, ACancelledCallerIsNoTimeout) {
  Loop loop;
  Log log;
  const auto waiting = [&]() -> awaitable<void> {
    auto op = answer_after(1h);
    auto limited = within(1h, std::move(op));
    co_await std::move(limited);
    log.lines.push_back("not reached");
  };
  const auto story = [&]() -> awaitable<void> {
    TaskGroup group(loop.executor());
    group.spawn(waiting());
    auto pause = pause_for(5ms);
    co_await std::move(pause);
    group.cancel();
    auto joining = group.join();
    co_await std::move(joining);
  };
  loop.run(story());
  EXPECT_TRUE(log.lines.empty());
}

TEST(WakeupTest, ASignalBeforeTheWaitCountsOnce) {
  Loop loop;
  const auto story = [&]() -> awaitable<void> {
    Wakeup wakeup(loop.executor());
    wakeup.set();
    auto first = wakeup.wait(10s);
    EXPECT_TRUE(co_await std::move(first));
    auto second = wakeup.wait(5ms);
    EXPECT_FALSE(co_await std::move(second));
  };
  loop.run(story());
}

TEST(WakeupTest, AManualSignalStaysUntilReset) {
  Loop loop;
  const auto story = [&]() -> awaitable<void> {
    Wakeup wakeup(loop.executor(), Wakeup::Kind::manual);
    wakeup.set();
    for (int round = 0; round < 2; ++round) {
      auto waiting = wakeup.wait(10s);
      EXPECT_TRUE(co_await std::move(waiting));
    }
    wakeup.reset();
    auto waiting = wakeup.wait(5ms);
    EXPECT_FALSE(co_await std::move(waiting));
  };
  loop.run(story());
}

TEST(WakeupTest, AnAutomaticSignalWakesOneOfTwo) {
  Loop loop;
  int woken = 0;
  Wakeup wakeup(loop.executor());
  const auto waiter = [&]() -> awaitable<void> {
    auto waiting = wakeup.wait(100ms);
    if (co_await std::move(waiting)) ++woken;
  };
  const auto story = [&]() -> awaitable<void> {
    TaskGroup group(loop.executor());
    group.spawn(waiter());
    group.spawn(waiter());
    wakeup.set();
    auto joining = group.join();
    co_await std::move(joining);
  };
  loop.run(story());
  EXPECT_EQ(woken, 1);
}

TEST(WakeupTest, AnotherThreadMayPost) {
  Loop loop;
  Wakeup wakeup(loop.executor());
  std::thread poster([&] { wakeup.post(); });
  const auto story = [&]() -> awaitable<void> {
    auto waiting = wakeup.wait(20s);
    EXPECT_TRUE(co_await std::move(waiting));
  };
  loop.run(story());
  poster.join();
}

}  // namespace
}  // namespace evergres::net

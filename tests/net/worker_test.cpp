#include "net/worker.hpp"

#include <latch>

#include "net/loop.hpp"

namespace evergres::net {
namespace {

using namespace std::chrono_literals;

TEST(WorkerTest, TheFunctionRunsElsewhereAndTheAnswerComesBackHere) {
  Loop loop;
  const auto here = std::this_thread::get_id();
  const auto story = [&]() -> awaitable<void> {
    Worker worker("test");
    const auto work = [] { return Result<std::thread::id>(std::this_thread::get_id()); };
    auto running = worker.run(work);
    auto there = co_await std::move(running);
    EXPECT_TRUE(there);
    EXPECT_NE(there.value(), here);
    EXPECT_EQ(std::this_thread::get_id(), here);
  };
  loop.run(story());
}

TEST(WorkerTest, AnErrorAndAnExceptionBecomeTheOutcome) {
  Loop loop;
  const auto story = [&]() -> awaitable<void> {
    Worker worker("test");
    const auto fails = []() -> Outcome { return Error(ErrorCode::no_space, "full"); };
    auto failing = worker.run(fails);
    const Outcome failed = co_await std::move(failing);
    EXPECT_EQ(failed.error().code(), ErrorCode::no_space);
    const auto throws = []() -> Outcome { throw std::runtime_error("surprise"); };
    auto throwing = worker.run(throws);
    const Outcome thrown = co_await std::move(throwing);
    EXPECT_EQ(thrown.error().code(), ErrorCode::internal);
    EXPECT_EQ(thrown.error().detail(), "surprise");
  };
  loop.run(story());
}

TEST(WorkerTest, AFullQueueIsRefusedAndAnEndingWorkerAbandonsWhatWaits) {
  Loop loop;
  auto release = std::make_shared<std::latch>(1);
  auto started = std::make_shared<std::latch>(1);
  std::vector<ErrorCode> codes;
  auto worker = std::make_unique<Worker>("test", 1);
  const auto block = [release, started]() -> Outcome {
    started->count_down();
    release->wait();
    return {};
  };
  const auto nothing = []() -> Outcome { return {}; };
  const auto blocked = [&]() -> awaitable<void> {
    auto running = worker->run(block);
    EXPECT_TRUE(co_await std::move(running));
  };
  const auto queued = [&]() -> awaitable<void> {
    auto running = worker->run(nothing);
    const Outcome outcome = co_await std::move(running);
    if (!outcome) codes.push_back(outcome.error().code());
  };
  const auto story = [&]() -> awaitable<void> {
    TaskGroup group(loop.executor());
    group.spawn(blocked());
    started->wait();
    group.spawn(queued());
    while (worker->waiting() == 0) {
      auto pause = pause_for(1ms);
      co_await std::move(pause);
    }
    auto third = queued();
    co_await std::move(third);
    EXPECT_EQ(codes, std::vector<ErrorCode>{ErrorCode::refused});
    std::thread releaser([&] { release->count_down(); });
    worker.reset();
    releaser.join();
    auto joining = group.join();
    co_await std::move(joining);
  };
  loop.run(story());
  // The second either still ran or was abandoned, depending on who was first.
  EXPECT_LE(codes.size(), 2U);
  if (codes.size() == 2) {
    EXPECT_EQ(codes[1], ErrorCode::cancelled);
  }
}

TEST(WorkerTest, ACancelledCallerLeavesTheFunctionToItsEnd) {
  Loop loop;
  auto release = std::make_shared<std::latch>(1);
  auto started = std::make_shared<std::latch>(1);
  auto finished = std::make_shared<std::atomic<bool>>(false);
  bool resumed = false;
  {
    Worker worker("test");
    const auto work = [release, started, finished]() -> Outcome {
      started->count_down();
      release->wait();
      *finished = true;
      return {};
    };
    const auto caller = [&]() -> awaitable<void> {
      auto running = worker.run(work);
      const Outcome outcome = co_await std::move(running);
      resumed = outcome.ok();
    };
    const auto story = [&]() -> awaitable<void> {
      TaskGroup group(loop.executor());
      group.spawn(caller());
      started->wait();
      group.cancel();
      auto joining = group.join();
      co_await std::move(joining);
      EXPECT_FALSE(*finished);
      release->count_down();
    };
    loop.run(story());
  }
  EXPECT_TRUE(*finished);
  EXPECT_FALSE(resumed);
}

}  // namespace
}  // namespace evergres::net

#include "proxy/io/reactor.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "proxy/io/descriptor.hpp"

namespace evergres::proxy {
namespace {

struct Pair {
  Descriptor here, there;
  Pair() {
    std::array<int, 2> both{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both.data()), 0);
    here = Descriptor(both[0]);
    there = Descriptor(both[1]);
  }
  void say(std::string_view text) const {
    EXPECT_EQ(::send(there.number(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  [[nodiscard]] std::string hear() const {
    std::array<char, 100> bytes{};
    const ssize_t got = ::recv(here.number(), bytes.data(), bytes.size(), 0);
    return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  }
};

struct Told final : Watcher {
  std::function<void(Ready)> what;
  int times = 0;
  void ready(Ready ready_now) override {
    ++times;
    if (what) what(ready_now);
  }
};

struct ReactorTest : testing::Test {
  std::unique_ptr<Reactor> reactor = std::move(Reactor::make()).value();
  /// Nothing waits for ever: what a test waits for comes in this time or it fails.
  void run() {
    const auto late = reactor->call_at(boot_now() + std::chrono::seconds(30), [this] {
      ADD_FAILURE() << "nothing has stopped the reactor";
      reactor->stop();
    });
    reactor->run();
    reactor->cancel(late);
  }
  /// Runs until there is nothing that is ready now.
  void settle() {
    reactor->post([this] { reactor->defer([this] { reactor->stop(); }); });
    run();
  }
};

TEST_F(ReactorTest, EdgesThatCameBeforeAreTold) {
  const Pair pair;
  pair.say("early");
  Told told;
  std::vector<Watcher::Ready> all;
  told.what = [&](Watcher::Ready ready) { all.push_back(ready); };
  ASSERT_TRUE(reactor->watch(pair.here.number(), told));
  settle();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].readable && all[0].writable);
  EXPECT_FALSE(all[0].hung_up);
  settle();
  EXPECT_EQ(all.size(), 1U) << "an edge is told once, read or not";
  pair.say("more");
  settle();
  EXPECT_EQ(all.size(), 2U);
}

TEST_F(ReactorTest, AHangUpIsTold) {
  Pair pair;
  Told told;
  Watcher::Ready last;
  told.what = [&](Watcher::Ready ready) { last = ready; };
  ASSERT_TRUE(reactor->watch(pair.here.number(), told));
  settle();
  EXPECT_FALSE(last.hung_up);
  ::shutdown(pair.there.number(), SHUT_WR);
  settle();
  EXPECT_TRUE(last.readable && last.hung_up);
  pair.there.reset();
  settle();
  EXPECT_TRUE(last.readable && last.writable && last.hung_up);
}

TEST_F(ReactorTest, WhatIsForgottenInACallbackHearsNothing) {
  const Pair first, second;
  Told one, other;
  std::optional<Reactor::Watch> watch_one, watch_other;
  // Both are ready in the same turn: whoever is told first forgets the other one.
  one.what = [&](Watcher::Ready) { reactor->forget(*watch_other); };
  other.what = [&](Watcher::Ready) { reactor->forget(*watch_one); };
  watch_one = reactor->watch(first.here.number(), one).value();
  watch_other = reactor->watch(second.here.number(), other).value();
  settle();
  EXPECT_EQ(one.times + other.times, 1);
}

TEST_F(ReactorTest, ASlotThatIsUsedAnewHearsNothingOfItsFormerOwner) {
  const Pair first, second, third;
  Told one, other, fresh;
  std::optional<Reactor::Watch> watch_one, watch_other, watch_fresh;
  const auto replace = [&](Reactor::Watch gone) {
    reactor->forget(gone);
    watch_fresh = reactor->watch(third.here.number(), fresh).value();
    EXPECT_EQ(watch_fresh->slot, gone.slot);
    EXPECT_NE(*watch_fresh, gone);
    reactor->forget(gone);  // does nothing
    reactor->again(gone);   // as little
  };
  one.what = [&](Watcher::Ready) { replace(*watch_other); };
  other.what = [&](Watcher::Ready) { replace(*watch_one); };
  watch_one = reactor->watch(first.here.number(), one).value();
  watch_other = reactor->watch(second.here.number(), other).value();
  int in_that_turn = -1;
  reactor->defer([&] { in_that_turn = fresh.times; });
  reactor->post([&] { reactor->stop(); });
  run();
  EXPECT_EQ(one.times + other.times, 1);
  EXPECT_EQ(in_that_turn, 0);
  settle();
  EXPECT_EQ(fresh.times, 1) << "its own first edge";
}

TEST_F(ReactorTest, AWatcherMayDestroyItself) {
  const Pair pair;
  auto told = std::make_unique<Told>();
  std::optional<Reactor::Watch> watch;
  told->what = [&](Watcher::Ready) {
    reactor->forget(*watch);
    reactor->stop();
    const auto gone = std::move(told);
  };
  watch = reactor->watch(pair.here.number(), *told).value();
  run();
  EXPECT_EQ(told, nullptr);
}

TEST_F(ReactorTest, AgainComesAfterTheOthers) {
  const Pair greedy, modest;
  Told first, second;
  std::string order;
  std::optional<Reactor::Watch> watch;
  int left = 4;
  first.what = [&](Watcher::Ready ready) {
    EXPECT_TRUE(ready.readable);
    order += 'g';
    if (order == "g") modest.say("x");
    if (--left > 0) {
      reactor->again(*watch);
      reactor->again(*watch);  // is once
    } else {
      reactor->stop();
    }
  };
  watch = reactor->watch(greedy.here.number(), first).value();
  greedy.say("x");
  // `second` begins to be watched without an edge of its own: its buffer is full for writing.
  second.what = [&](Watcher::Ready ready) { order += ready.readable ? 'm' : '-'; };
  reactor->defer([&] { ASSERT_TRUE(reactor->watch(modest.here.number(), second)); });
  run();
  EXPECT_EQ(order, "gmggg");
}

TEST_F(ReactorTest, ATurnEndsAfterWhatWasDeferred) {
  const Pair pair;
  Told told;
  std::string order;
  told.what = [&](Watcher::Ready) {
    order += 'e';
    reactor->defer([&] { order += 'd'; });
    reactor->stop();
  };
  ASSERT_TRUE(reactor->watch(pair.here.number(), told));
  reactor->at_turn_end([&] { order += '.'; });
  run();
  EXPECT_EQ(order, "ed...") << "stop() comes with a turn of its own, and is posted";
}

/// As many clients as there are letters, each with something to read. Whoever is told first makes
/// `late` readable, who stops the reactor, with a turn of its own. Says who was told, with a dot
/// where a turn ended, and one before what was posted.
std::string turns_of(Reactor& reactor, int clients) {
  std::vector<Pair> pairs(static_cast<std::size_t>(clients));
  std::vector<Told> told(pairs.size());
  const Pair last;
  Told late;
  std::string order;
  late.what = [&](Watcher::Ready ready) {
    if (!ready.readable) return;  // its first edge
    order += 'l';
    reactor.stop();
  };
  EXPECT_TRUE(reactor.watch(last.here.number(), late));
  reactor.defer([&] {
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      told[i].what = [&](Watcher::Ready) {
        if (order.back() != 'c') last.say("x");
        order += 'c';
      };
      EXPECT_TRUE(reactor.watch(pairs[i].here.number(), told[i]));
    }
  });
  reactor.at_turn_end([&] { order += '.'; });
  reactor.run();
  return order;
}

TEST_F(ReactorTest, ATurnOfFewEventsEndsBeforeOthersAreLookedFor) {
  EXPECT_EQ(turns_of(*reactor, 2), ".cc.l...");
}

TEST_F(ReactorTest, ATurnOfManyEventsTakesInWhatCameMeanwhile) {
  EXPECT_EQ(turns_of(*reactor, 20), "." + std::string(20, 'c') + "l...");
}

TEST_F(ReactorTest, TimersCallInTheirOrderAndNeverEarly) {
  const Instant start = boot_now();
  std::string order;
  const auto at = [&](int ms, char name) {
    const Instant when = start + Millis(ms);
    return reactor->call_at(when, [this, &order, when, name] {
      EXPECT_GE(boot_now(), when);
      EXPECT_GE(reactor->now(), when);
      order += name;
    });
  };
  at(30, 'c');
  at(10, 'a');
  at(20, 'b');
  at(20, 'B');
  const auto cancelled = at(15, 'x');
  at(12, 'y');
  reactor->call_at(start + Millis(11), [&] { reactor->cancel(cancelled); });
  reactor->call_at(start + Millis(31), [&] { reactor->stop(); });
  run();
  EXPECT_EQ(order, "aybBc");
  reactor->cancel(cancelled);
  reactor->cancel(Reactor::Timer{});
}

TEST_F(ReactorTest, ATimerThatSetsItselfAnewLetsOthersRun) {
  const Pair pair;
  Told told;
  told.what = [&](Watcher::Ready) { reactor->stop(); };
  std::function<void()> always = [&] { reactor->call_at(reactor->now(), always); };
  reactor->call_at(Instant{}, always);
  std::function<void()> deferred = [&] { reactor->defer(deferred); };
  reactor->defer(deferred);
  reactor->post([&] { ASSERT_TRUE(reactor->watch(pair.here.number(), told)); });
  run();
  EXPECT_EQ(told.times, 1);
}

TEST_F(ReactorTest, PostsOfOtherThreadsKeepTheirOrder) {
  constexpr int count = 10'000;
  std::array<std::vector<int>, 2> got;
  const auto poster = [&](std::size_t who) {
    for (int number = 0; number < count; ++number) {
      reactor->post([&got, who, number] { got[who].push_back(number); });
    }
    reactor->post([&] {
      if (got[0].size() + got[1].size() == 2 * count) reactor->stop();
    });
  };
  std::thread first(poster, 0), second(poster, 1);
  run();
  first.join();
  second.join();
  for (const auto& numbers : got) {
    ASSERT_EQ(numbers.size(), static_cast<std::size_t>(count));
    for (int number = 0; number < count; ++number) {
      ASSERT_EQ(numbers[static_cast<std::size_t>(number)], number);
    }
  }
}

TEST_F(ReactorTest, StopBeforeRunEndsItAndWhatWasPostedBeforeItHasRun) {
  bool ran = false;
  reactor->post([&] { ran = true; });
  reactor->stop();
  reactor->run();
  EXPECT_TRUE(ran);
  std::thread other([&] { reactor->stop(); });
  run();  // waits for that one: the first stop() is used up
  other.join();
}

TEST_F(ReactorTest, ADescriptorThatCannotBeWatchedIsAnError) {
  Told told;
  EXPECT_FALSE(reactor->watch(-1, told));
  const Pair pair;
  const auto watch = reactor->watch(pair.here.number(), told);
  ASSERT_TRUE(watch);
  EXPECT_FALSE(reactor->watch(pair.here.number(), told)) << "twice";
  EXPECT_EQ(reactor->scratch().size(), Reactor::scratch_bytes);
}

}  // namespace
}  // namespace evergres::proxy

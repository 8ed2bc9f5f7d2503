// One suite for every store: what the port promises, whoever keeps the bytes.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "store/memory.hpp"
#include "store/sqlite.hpp"

namespace evergres::store {
namespace {

using namespace std::chrono_literals;
constexpr Millis soon{20'000};  // a deadline that only a hang reaches

/// Makes handles of one store.
class Place {
 public:
  virtual ~Place() = default;
  virtual std::unique_ptr<Store> open() = 0;
};

class MemoryPlace final : public Place {
 public:
  std::unique_ptr<Store> open() override { return open_memory(content_); }

 private:
  std::shared_ptr<MemoryContent> content_ = make_memory_content();
};

class SqlitePlace final : public Place {
 public:
  SqlitePlace() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "evergres-store-XXXXXX").native();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~SqlitePlace() override { std::filesystem::remove_all(directory_); }
  std::unique_ptr<Store> open() override {
    auto store = open_sqlite(directory_ / "store.db", "demo", Create::yes);
    EXPECT_TRUE(store) << store.error().one_line();
    return std::move(store).value();
  }

 private:
  std::filesystem::path directory_;
};

using MakePlace = std::unique_ptr<Place> (*)();

class StoreContract : public testing::TestWithParam<MakePlace> {
 protected:
  Revision applied(Result<PutOutcome> outcome) {
    EXPECT_TRUE(outcome) << outcome.error().one_line();
    EXPECT_TRUE(std::holds_alternative<Applied>(outcome.value()));
    const auto* done = std::get_if<Applied>(&outcome.value());
    return done == nullptr ? Revision{} : done->revision;
  }
  std::optional<Entry> refused(Result<PutOutcome> outcome) {
    EXPECT_TRUE(outcome) << outcome.error().one_line();
    EXPECT_TRUE(std::holds_alternative<Conflict>(outcome.value()));
    const auto* conflict = std::get_if<Conflict>(&outcome.value());
    return conflict == nullptr ? std::nullopt : conflict->current;
  }
  std::string value_of(Store& from, std::string_view key) {
    auto entry = from.get(key, soon);
    EXPECT_TRUE(entry) << entry.error().one_line();
    return entry.value() ? entry.value()->value : "<absent>";
  }
  std::vector<std::string> keys_under(std::string_view prefix) {
    auto listing = store->list(prefix, soon);
    EXPECT_TRUE(listing) << listing.error().one_line();
    std::vector<std::string> keys;
    for (const auto& entry : listing->entries) keys.push_back(entry.key);
    return keys;
  }

  std::unique_ptr<Place> place = GetParam()();
  std::unique_ptr<Store> store = place->open();
};

TEST_P(StoreContract, AnAbsentKeyIsNothing) {
  EXPECT_EQ(value_of(*store, "/a"), "<absent>");
}

TEST_P(StoreContract, WhatWasPutIsThereWithItsRevision) {
  const Revision revision = applied(store->put("/a", "one", Expect::anything(), soon));
  auto entry = store->get("/a", soon);
  ASSERT_TRUE(entry && entry.value());
  EXPECT_EQ(entry.value()->key, "/a");
  EXPECT_EQ(entry.value()->value, "one");
  EXPECT_EQ(entry.value()->revision, revision);
}

TEST_P(StoreContract, RevisionsGrowWithEveryChangeOfAnyKey) {
  const Revision first = applied(store->put("/a", "1", Expect::anything(), soon));
  const Revision second = applied(store->put("/b", "1", Expect::anything(), soon));
  const Revision third = applied(store->put("/a", "1", Expect::anything(), soon));
  const Revision fourth = applied(store->remove("/b", Expect::anything(), soon));
  EXPECT_LT(Revision{0}, first);
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_LT(third, fourth);
}

TEST_P(StoreContract, ExpectingAbsenceHoldsOnlyWhenAbsent) {
  const Revision first = applied(store->put("/a", "mine", Expect::absent(), soon));
  const auto current = refused(store->put("/a", "yours", Expect::absent(), soon));
  ASSERT_TRUE(current);
  EXPECT_EQ(current->value, "mine");
  EXPECT_EQ(current->revision, first);
  EXPECT_EQ(value_of(*store, "/a"), "mine");
}

TEST_P(StoreContract, ExpectingARevisionHoldsOnlyForTheNewest) {
  const Revision first = applied(store->put("/a", "1", Expect::absent(), soon));
  const Revision second = applied(store->put("/a", "2", Expect::at(first), soon));
  const auto current = refused(store->put("/a", "3", Expect::at(first), soon));
  ASSERT_TRUE(current);
  EXPECT_EQ(current->value, "2");
  EXPECT_EQ(current->revision, second);
}

TEST_P(StoreContract, ExpectingARevisionOfAnAbsentKeyConflictsWithNothing) {
  EXPECT_FALSE(refused(store->put("/a", "1", Expect::at(Revision{7}), soon)));
  EXPECT_EQ(value_of(*store, "/a"), "<absent>");
}

TEST_P(StoreContract, ARevisionOfAnotherKeyDoesNotCount) {
  applied(store->put("/a", "1", Expect::absent(), soon));
  const Revision other = applied(store->put("/b", "1", Expect::absent(), soon));
  EXPECT_TRUE(refused(store->put("/a", "2", Expect::at(other), soon)));
}

TEST_P(StoreContract, AConflictChangesNoRevision) {
  applied(store->put("/a", "1", Expect::absent(), soon));
  const auto before = store->list("", soon);
  refused(store->put("/a", "2", Expect::absent(), soon));
  refused(store->remove("/a", Expect::absent(), soon));
  const auto after = store->list("", soon);
  ASSERT_TRUE(before && after);
  EXPECT_EQ(before->revision, after->revision);
}

TEST_P(StoreContract, ARemovedKeyIsAbsentAndMayBeMadeAgain) {
  const Revision first = applied(store->put("/a", "1", Expect::absent(), soon));
  applied(store->remove("/a", Expect::at(first), soon));
  EXPECT_EQ(value_of(*store, "/a"), "<absent>");
  const Revision again = applied(store->put("/a", "2", Expect::absent(), soon));
  EXPECT_LT(first, again);
}

TEST_P(StoreContract, ARevisionFromBeforeARemovalDoesNotComeBack) {
  const Revision first = applied(store->put("/a", "1", Expect::absent(), soon));
  applied(store->remove("/a", Expect::anything(), soon));
  applied(store->put("/a", "1", Expect::absent(), soon));
  EXPECT_TRUE(refused(store->put("/a", "2", Expect::at(first), soon)));
}

TEST_P(StoreContract, RemovingAnOldRevisionConflicts) {
  const Revision first = applied(store->put("/a", "1", Expect::absent(), soon));
  applied(store->put("/a", "2", Expect::at(first), soon));
  EXPECT_TRUE(refused(store->remove("/a", Expect::at(first), soon)));
  EXPECT_EQ(value_of(*store, "/a"), "2");
}

TEST_P(StoreContract, RemovingWhatIsNotThereChangesNothing) {
  const Revision first = applied(store->put("/a", "1", Expect::absent(), soon));
  EXPECT_EQ(applied(store->remove("/b", Expect::anything(), soon)), first);
  EXPECT_FALSE(refused(store->remove("/b", Expect::at(first), soon)));
}

TEST_P(StoreContract, AListingHoldsThePrefixAndNothingElseInOrder) {
  for (const char* key : {"/c/nodes/n2", "/c/nodes/n1", "/c/nodes", "/c/nodes0", "/c/nodf", "/d"}) {
    applied(store->put(key, key, Expect::absent(), soon));
  }
  EXPECT_EQ(keys_under("/c/nodes/"), (std::vector<std::string>{"/c/nodes/n1", "/c/nodes/n2"}));
  EXPECT_EQ(keys_under("/c/nodes").size(), 4U);
  EXPECT_EQ(keys_under("").size(), 6U);
  EXPECT_TRUE(keys_under("/x").empty());
}

TEST_P(StoreContract, APrefixIsNoPattern) {
  applied(store->put("/a_b", "1", Expect::absent(), soon));
  applied(store->put("/axb", "1", Expect::absent(), soon));
  EXPECT_EQ(keys_under("/a_"), std::vector<std::string>{"/a_b"});
  EXPECT_TRUE(keys_under("/%").empty());
}

TEST_P(StoreContract, APrefixThatEndsInTheLastByteWorks) {
  const std::string prefix = "/a\xff\xff";
  applied(store->put(prefix + "x", "1", Expect::absent(), soon));
  applied(store->put("/b", "1", Expect::absent(), soon));
  EXPECT_EQ(keys_under(prefix), std::vector<std::string>{prefix + "x"});
  EXPECT_EQ(keys_under("\xff"), std::vector<std::string>{});
}

TEST_P(StoreContract, AListingNamesTheNewestRevision) {
  applied(store->put("/a", "1", Expect::absent(), soon));
  const Revision newest = applied(store->put("/z", "1", Expect::absent(), soon));
  auto listing = store->list("/a", soon);
  ASSERT_TRUE(listing);
  EXPECT_EQ(listing->revision, newest);
}

TEST_P(StoreContract, ValuesAreBytes) {
  const std::string bytes("\0'\"\xff\n\0", 6);
  applied(store->put("/a", bytes, Expect::absent(), soon));
  applied(store->put("/empty", "", Expect::absent(), soon));
  EXPECT_EQ(value_of(*store, "/a"), bytes);
  EXPECT_EQ(value_of(*store, "/empty"), "");
}

TEST_P(StoreContract, TheLargestValueFitsAndOneByteMoreDoesNot) {
  const std::string large(max_value_bytes, 'v');
  applied(store->put("/a", large, Expect::absent(), soon));
  EXPECT_EQ(value_of(*store, "/a"), large);
  auto more = store->put("/a", large + "v", Expect::anything(), soon);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code(), ErrorCode::usage);
  EXPECT_EQ(more.error().message(), "a value of the store has at most 262144 bytes");
}

TEST_P(StoreContract, TheLongestKeyFitsAndOneByteMoreDoesNot) {
  const std::string key(max_key_bytes, 'k');
  applied(store->put(key, "1", Expect::absent(), soon));
  EXPECT_EQ(value_of(*store, key), "1");
  EXPECT_FALSE(store->put(key + "k", "1", Expect::absent(), soon));
  EXPECT_FALSE(store->get(key + "k", soon));
  EXPECT_FALSE(store->remove(key + "k", Expect::anything(), soon));
}

TEST_P(StoreContract, AnEmptyKeyIsRefused) {
  auto outcome = store->put("", "1", Expect::anything(), soon);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), ErrorCode::usage);
}

TEST_P(StoreContract, AnotherHandleSeesTheChange) {
  auto other = place->open();
  const Revision first = applied(store->put("/a", "1", Expect::absent(), soon));
  EXPECT_EQ(value_of(*other, "/a"), "1");
  applied(other->put("/a", "2", Expect::at(first), soon));
  EXPECT_EQ(value_of(*store, "/a"), "2");
  EXPECT_TRUE(refused(store->put("/a", "3", Expect::at(first), soon)));
}

TEST_P(StoreContract, NoUpdateIsLostBetweenRacingHandles) {
  applied(store->put("/count", "0", Expect::absent(), soon));
  constexpr int rounds = 50;
  const auto count = [&](std::unique_ptr<Store> handle) {
    for (int done = 0; done < rounds;) {
      auto entry = handle->get("/count", soon);
      ASSERT_TRUE(entry && entry.value()) << entry.error().one_line();
      const std::string next = std::to_string(std::stoi(entry.value()->value) + 1);
      auto outcome = handle->put("/count", next, Expect::at(entry.value()->revision), soon);
      ASSERT_TRUE(outcome) << outcome.error().one_line();
      if (std::holds_alternative<Applied>(outcome.value())) ++done;
    }
  };
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) threads.emplace_back(count, place->open());
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(value_of(*store, "/count"), std::to_string(4 * rounds));
}

TEST_P(StoreContract, OfManyThatExpectAbsenceOneWins) {
  std::atomic<int> winners = 0;
  std::vector<std::thread> threads;
  for (int number = 0; number < 6; ++number) {
    threads.emplace_back([&winners, handle = std::shared_ptr<Store>(place->open())] {
      auto outcome = handle->put("/record", "claim", Expect::absent(), soon);
      ASSERT_TRUE(outcome) << outcome.error().one_line();
      if (std::holds_alternative<Applied>(outcome.value())) ++winners;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(winners, 1);
}

TEST_P(StoreContract, AWaiterWakesForAChangeOfAnotherHandle) {
  const Revision seen = applied(store->put("/c/a", "1", Expect::absent(), soon));
  std::thread writer([handle = std::shared_ptr<Store>(place->open())] {
    std::this_thread::sleep_for(50ms);  // so that it is most likely waiting; not needed to pass
    EXPECT_TRUE(handle->put("/c/a", "2", Expect::anything(), soon));
  });
  auto changed = store->changed_since("/c/", seen, soon);
  writer.join();
  ASSERT_TRUE(changed) << changed.error().one_line();
  EXPECT_LT(seen, changed.value());
}

TEST_P(StoreContract, AWaiterReturnsAtOnceWhenTheChangeCameBefore) {
  const Revision seen = applied(store->put("/c/a", "1", Expect::absent(), soon));
  const Revision newer = applied(store->put("/c/b", "1", Expect::absent(), soon));
  const auto began = boot_now();
  auto changed = store->changed_since("/c/", seen, soon);
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed.value(), newer);
  EXPECT_LT(boot_now() - began, Nanos(10s));
}

TEST_P(StoreContract, AWaiterSeesARemoval) {
  const Revision seen = applied(store->put("/c/a", "1", Expect::absent(), soon));
  applied(store->remove("/c/a", Expect::anything(), soon));
  auto changed = store->changed_since("/c/", seen, soon);
  ASSERT_TRUE(changed);
  EXPECT_LT(seen, changed.value());
}

TEST_P(StoreContract, AWaiterGivesUpAtItsDeadlineWithWhatItKnew) {
  const Revision seen = applied(store->put("/c/a", "1", Expect::absent(), soon));
  const auto began = boot_now();
  auto changed = store->changed_since("/c/", seen, Millis(120));
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed.value(), seen);
  EXPECT_GE(boot_now() - began, Nanos(100ms));
}

TEST_P(StoreContract, AChangeElsewhereDoesNotWakeAWaiter) {
  const Revision seen = applied(store->put("/c/a", "1", Expect::absent(), soon));
  applied(store->put("/d", "1", Expect::absent(), soon));
  auto changed = store->changed_since("/c/", seen, Millis(120));
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed.value(), seen);
}

TEST_P(StoreContract, NoChangeIsMissedByAWaiterThatGoesOn) {
  constexpr int changes = 100;
  std::thread writer([handle = std::shared_ptr<Store>(place->open())] {
    for (int number = 1; number <= changes; ++number) {
      EXPECT_TRUE(handle->put("/c/a", std::to_string(number), Expect::anything(), soon));
    }
  });
  Revision seen;
  std::string last;
  const auto until = boot_now() + Nanos(soon);
  while (last != std::to_string(changes) && boot_now() < until) {
    auto changed = store->changed_since("/c/", seen, soon);
    if (!changed) break;
    EXPECT_LT(seen, changed.value());
    seen = changed.value();
    last = value_of(*store, "/c/a");
  }
  writer.join();
  EXPECT_EQ(last, std::to_string(changes));
}

template <typename P>
std::unique_ptr<Place> make_place() {
  return std::make_unique<P>();
}

INSTANTIATE_TEST_SUITE_P(Memory, StoreContract, testing::Values(&make_place<MemoryPlace>));
INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract, testing::Values(&make_place<SqlitePlace>));

}  // namespace
}  // namespace evergres::store

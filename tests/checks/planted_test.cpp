#include <gtest/gtest.h>

#include <random>
#include <set>

#include "checks/bank.hpp"
#include "checks/echo.hpp"
#include "checks/lists.hpp"
#include "checks/monotonic.hpp"
#include "checks/registers.hpp"
#include "checks/set.hpp"

/// Histories without an anomaly are silent, and each anomaly that is planted is named.
namespace evergres::checks {
namespace {

using Kinds = std::set<std::string>;
constexpr Told ok = Told::ok;
constexpr Told failed = Told::failed;
constexpr Told unknown = Told::unknown;

Kinds kinds(const Anomalies& anomalies) {
  Kinds result;
  for (const Anomaly& one : anomalies) result.insert(one.kind);
  return result;
}

// ---- set

const std::vector<Addition> additions{{"a", ok}, {"b", failed}, {"c", unknown}, {"d", unknown}};

TEST(Set, WhatAgreesIsSilent) {
  EXPECT_EQ(kinds(check_set(additions, {"a", "c"})), Kinds{});
  EXPECT_EQ(kinds(check_set({}, {})), Kinds{});
}

TEST(Set, EachAnomalyIsNamed) {
  EXPECT_EQ(check_set(additions, {"c"}), (Anomalies{{"lost", "1 acknowledged and not there: a"}}));
  EXPECT_EQ(kinds(check_set(additions, {"a", "a"})), Kinds{"twice"});
  EXPECT_EQ(kinds(check_set(additions, {"a", "b"})), Kinds{"denied"});
  EXPECT_EQ(kinds(check_set(additions, {"a", "x"})), Kinds{"strange"});
  EXPECT_EQ(unknown_share({ok, unknown}), 0.5);
  EXPECT_EQ(unknown_share({}), 0);
}

// ---- bank

BankHistory good_bank() {
  return {{{"1", 100}, {"2", 100}, {"3", 100}},
          {{"t1", "1", "2", 10, ok},
           {"t2", "2", "3", 5, ok},
           {"t3", "1", "3", 7, failed},
           {"t4", "3", "1", 1, unknown}},
          {300, 300},
          {{"1", 91}, {"2", 105}, {"3", 104}},
          {{"t1", "1", "2", 10}, {"t2", "2", "3", 5}, {"t4", "3", "1", 1}}};
}

TEST(Bank, AnUnknownTransferMayHaveHappenedOrNot) {
  BankHistory bank = good_bank();
  EXPECT_EQ(kinds(check_bank(bank)), Kinds{});
  bank.ledger.pop_back();
  bank.balances = {{"1", 90}, {"2", 105}, {"3", 105}};
  EXPECT_EQ(kinds(check_bank(bank)), Kinds{});
}

TEST(Bank, EachAnomalyIsNamed) {
  BankHistory lost = good_bank();
  lost.ledger.erase(lost.ledger.begin());
  lost.balances = {{"1", 101}, {"2", 95}, {"3", 104}};
  EXPECT_EQ(kinds(check_bank(lost)), Kinds{"lost"});
  BankHistory uneven = good_bank();
  ++uneven.balances["1"];
  EXPECT_EQ(kinds(check_bank(uneven)), Kinds{"uneven"});
  BankHistory gone = good_bank();
  gone.balances.erase("3");
  EXPECT_EQ(kinds(check_bank(gone)), Kinds{"uneven"});
  BankHistory twice = good_bank();
  twice.ledger.push_back(twice.ledger.front());
  twice.balances = {{"1", 81}, {"2", 115}, {"3", 104}};
  EXPECT_EQ(kinds(check_bank(twice)), Kinds{"twice"});
  BankHistory denied = good_bank();
  denied.ledger.push_back({"t3", "1", "3", 7});
  denied.balances = {{"1", 84}, {"2", 105}, {"3", 111}};
  EXPECT_EQ(kinds(check_bank(denied)), Kinds{"denied"});
  BankHistory torn = good_bank();
  torn.totals.push_back(290);
  EXPECT_EQ(kinds(check_bank(torn)), Kinds{"torn"});
  BankHistory altered = good_bank();
  altered.ledger.front().amount = 11;
  altered.balances = {{"1", 90}, {"2", 106}, {"3", 104}};
  EXPECT_EQ(kinds(check_bank(altered)), Kinds{"altered"});
}

// ---- echo

TEST(Echo, EachAnomalyIsNamed) {
  std::vector<Echo> echoes{{"a", 2, {{"a", 2}}}, {"b", 0, {}}, {"b", 1, {{"b", 1}}}};
  EXPECT_EQ(kinds(check_echo(echoes)), Kinds{});
  echoes.push_back({"c", 2, {{"c", 1}, {"a", 1}}});
  EXPECT_EQ(kinds(check_echo(echoes)), Kinds{"foreign"});
  echoes.back() = {"c", 2, {{"c", 1}}};
  EXPECT_EQ(kinds(check_echo(echoes)), Kinds{"short"});
}

// ---- monotonic

TEST(Monotonic, EachAnomalyIsNamed) {
  const std::vector<Count> good{{1, 1, ok, {0, 10}},
                                {1, 2, ok, {5, 15}},
                                {1, 0, unknown, {6, {}}},
                                {1, 0, failed, {7, 20}},
                                {0, 2, ok, {16, 17}}};
  EXPECT_EQ(kinds(check_monotonic(good, 2)), Kinds{});
  EXPECT_EQ(kinds(check_monotonic(good, 3)), Kinds{});
  EXPECT_EQ(kinds(check_monotonic(good, 1)), Kinds{"lost"});
  EXPECT_EQ(kinds(check_monotonic(good, 4)), Kinds{"excess"});
  auto backwards = good;
  backwards.back().seen = 1;
  EXPECT_EQ(kinds(check_monotonic(backwards, 2)), Kinds{"backwards"});
  backwards.back().span = {14, 17};  // at the same time as the second
  EXPECT_EQ(kinds(check_monotonic(backwards, 2)), Kinds{});
  auto same = good;
  same[1].seen = 1;
  same.pop_back();
  EXPECT_EQ(kinds(check_monotonic(same, 2)), Kinds{"same"});
}

// ---- registers

using Use = RegisterUse;
constexpr auto read = Use::Kind::read;
constexpr auto write = Use::Kind::write;
constexpr auto cas = Use::Kind::compare_and_set;

TEST(Registers, OneOrderExplainsWhatOverlaps) {
  EXPECT_EQ(kinds(check_registers({{"x", write, 1, {}, ok, {0, 10}},
                                   {"x", write, 2, {}, ok, {5, 15}},
                                   {"x", read, 1, {}, ok, {6, 20}},
                                   {"x", cas, 3, 1, ok, {16, 25}},
                                   {"x", read, 3, {}, ok, {30, 31}},
                                   {"y", read, {}, {}, ok, {0, 1}}})),
            Kinds{});
}

TEST(Registers, WhatIsUnknownMayComeLateOrNever) {
  const Use doubtful{"x", write, 7, {}, unknown, {0, {}}};
  const Use one{"x", write, 1, {}, ok, {0, 1}};
  EXPECT_EQ(kinds(check_registers(
                {doubtful, one, {"x", read, 1, {}, ok, {2, 3}}, {"x", read, 7, {}, ok, {4, 5}}})),
            Kinds{});
  EXPECT_EQ(kinds(check_registers({doubtful, one, {"x", read, 1, {}, ok, {2, 3}}})), Kinds{});
  // It comes once.
  EXPECT_EQ(kinds(check_registers({doubtful,
                                   one,
                                   {"x", read, 7, {}, ok, {2, 3}},
                                   {"x", write, 2, {}, ok, {4, 5}},
                                   {"x", read, 7, {}, ok, {6, 7}}})),
            Kinds{"order"});
}

TEST(Registers, StaleReadsAndFailedWritesAreFound) {
  EXPECT_EQ(kinds(check_registers({{"x", write, 1, {}, ok, {0, 1}},
                                   {"x", write, 2, {}, ok, {2, 3}},
                                   {"x", read, 1, {}, ok, {4, 5}}})),
            Kinds{"order"});
  EXPECT_EQ(
      kinds(check_registers({{"x", write, 1, {}, failed, {0, 1}}, {"x", read, 1, {}, ok, {4, 5}}})),
      Kinds{"order"});
  EXPECT_EQ(kinds(check_registers({{"x", write, 1, {}, ok, {0, 1}},
                                   {"x", cas, 2, 1, ok, {2, 3}},
                                   {"x", cas, 3, 1, ok, {2, 3}}})),
            Kinds{"order"});
}

TEST(Registers, ASearchThatIsTooLongSaysSo) {
  std::vector<Use> uses;
  for (std::int64_t i = 0; i < 30; ++i) {
    uses.push_back({"x", write, i, {}, i < 28 ? unknown : ok, {0, 100}});
  }
  uses.push_back({"x", read, 99, {}, ok, {200, 201}});
  EXPECT_EQ(kinds(check_registers(uses, 10'000)), Kinds{"undecided"});
}

/// A register that really exists, used by clients whose uses overlap; then one answer is bent.
TEST(Registers, HistoriesOfARealRegisterAreSilentAndBentOnesAreNot) {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    std::vector<Use> uses;
    std::optional<std::int64_t> value;
    for (std::int64_t i = 0; i < 30; ++i) {
      const std::int64_t at = 10 * i;
      const std::int64_t early = static_cast<std::int64_t>(random() % 25);
      const std::int64_t late = static_cast<std::int64_t>(random() % 25);
      Use use{"x", read, value, {}, ok, {at - early, at + late}};
      if (random() % 2 == 0) {
        use.kind = write;
        use.value = i;
        const bool happens = random() % 12 != 0;
        if (random() % 10 == 0 || !happens) use.told = unknown;
        if (use.told == unknown) use.span.ended.reset();
        if (happens) value = i;
      }
      uses.push_back(use);
    }
    uses.push_back({"x", read, value, {}, ok, {1000, 1001}});
    ASSERT_EQ(kinds(check_registers(uses)), Kinds{}) << round;
    uses.push_back({"x", read, 12345, {}, ok, {1002, 1003}});
    ASSERT_EQ(kinds(check_registers(uses)), Kinds{"order"}) << round;
  }
}

// ---- lists

ListStep append(const std::string& key, std::int64_t item) {
  return {true, key, item, {}};
}
ListStep saw(const std::string& key, std::vector<std::int64_t> seen) {
  return {false, key, 0, std::move(seen)};
}

struct Lists1 {
  std::vector<ListTransaction> all{{{append("1", 10), saw("1", {10})}, ok, {0, 10}},
                                   {{append("1", 11)}, unknown, {10, {}}},
                                   {{append("1", 12)}, failed, {20, 30}},
                                   {{append("1", 13), saw("1", {10, 11, 13})}, ok, {30, 40}},
                                   {{saw("1", {10, 11, 13})}, ok, {50, 60}},
                                   {{append("2", 20), saw("2", {20})}, ok, {0, 90}}};
  Lists last{{"1", {10, 11, 13}}, {"2", {20}}};
  Kinds found(Isolation isolation = Isolation::serializable, bool in_real_time = true) const {
    return kinds(check_lists(all, last, isolation, in_real_time));
  }
};

TEST(ListHistory, WhatAgreesIsSilent) {
  EXPECT_EQ(Lists1{}.found(), Kinds{});
}

TEST(ListHistory, WhatWasWrittenIsThereOnce) {
  Lists1 lost;
  lost.last["1"] = {10, 11};
  EXPECT_EQ(lost.found(), (Kinds{"lost", "forked"}));
  Lists1 twice;
  twice.last["2"] = {20, 20};
  EXPECT_EQ(twice.found(), Kinds{"twice"});
  Lists1 denied;
  denied.last["1"].push_back(12);
  EXPECT_EQ(denied.found(), Kinds{"denied"});
  Lists1 strange;
  strange.last["2"].push_back(99);
  EXPECT_EQ(strange.found(), Kinds{"strange"});
}

TEST(ListHistory, ReadsBelongToOneHistory) {
  Lists1 forked;
  forked.all[4].steps = {saw("1", {10, 13, 11})};
  EXPECT_EQ(forked.found(), Kinds{"forked"});
  Lists1 internal;
  internal.all[3].steps = {append("1", 13), saw("1", {10, 11})};
  EXPECT_TRUE(internal.found().contains("internal"));
  Lists1 aborted;
  aborted.all[2].told = failed;
  aborted.last["1"] = {10, 11, 13, 12};
  aborted.all[4].steps = {saw("1", {10, 11, 13, 12})};
  EXPECT_EQ(aborted.found(), (Kinds{"denied", "aborted"}));
  Lists1 middle;
  middle.all[5].steps = {append("2", 20), append("2", 21)};
  middle.last["2"] = {20, 21};
  middle.all.push_back({{saw("2", {20})}, ok, {0, 90}});
  EXPECT_TRUE(middle.found().contains("intermediate"));
}

TEST(ListHistory, AnswersComeInTheOrderOfTime) {
  Lists1 stale;
  stale.all[4].steps = {saw("1", {10, 11})};
  EXPECT_EQ(stale.found(), Kinds{"stale"});
  EXPECT_EQ(stale.found(Isolation::serializable, false), Kinds{});
  stale.all[4].span = {35, 60};  // at the same time as the append
  EXPECT_EQ(stale.found(), Kinds{});
}

Kinds of(std::vector<ListTransaction> all, Lists last, Isolation isolation) {
  return kinds(check_lists(all, last, isolation, false));
}

TEST(ListHistory, CyclesHaveAdyasNames) {
  // Two writers of two lists, each before the other.
  EXPECT_EQ(
      of({{{append("x", 1), append("y", 1)}, ok, {}}, {{append("x", 2), append("y", 2)}, ok, {}}},
         {{"x", {1, 2}}, {"y", {2, 1}}}, Isolation::read_committed),
      Kinds{"G0"});
  // Each reads what the other wrote.
  EXPECT_EQ(
      of({{{append("x", 1), saw("y", {2})}, ok, {}}, {{append("y", 2), saw("x", {1})}, ok, {}}},
         {{"x", {1}}, {"y", {2}}}, Isolation::read_committed),
      Kinds{"G1c"});
  // One sees half of the other.
  const std::vector<ListTransaction> skewed{{{append("x", 1), append("y", 2)}, ok, {}},
                                            {{saw("x", {1}), saw("y", {})}, ok, {}}};
  EXPECT_EQ(of(skewed, {{"x", {1}}, {"y", {2}}}, Isolation::snapshot), Kinds{"G-single"});
  EXPECT_EQ(of(skewed, {{"x", {1}}, {"y", {2}}}, Isolation::read_committed), Kinds{});
  // Neither sees the other: write skew.
  const std::vector<ListTransaction> write_skew{{{saw("x", {}), append("y", 2)}, ok, {}},
                                                {{saw("y", {}), append("x", 1)}, ok, {}}};
  EXPECT_EQ(of(write_skew, {{"x", {1}}, {"y", {2}}}, Isolation::serializable), Kinds{"G2"});
  EXPECT_EQ(of(write_skew, {{"x", {1}}, {"y", {2}}}, Isolation::snapshot), Kinds{});
}

/// Serial execution in an order that the spans allow is silent, at ten thousand transactions.
TEST(ListHistory, ALongGoodHistoryIsSilent) {
  std::mt19937 random(3);
  std::vector<ListTransaction> all;
  Lists last;
  for (std::int64_t i = 0; i < 10'000; ++i) {
    ListTransaction one{{},
                        ok,
                        {10 * i - static_cast<std::int64_t>(random() % 40),
                         10 * i + static_cast<std::int64_t>(random() % 40)}};
    const std::string key = std::to_string(random() % 200);
    if (random() % 2 == 0) {
      last[key].push_back(i);
      one.steps.push_back(append(key, i));
    }
    const std::string other = std::to_string(random() % 200);
    one.steps.push_back(saw(other, last[other]));
    if (random() % 20 == 0) {
      one.told = unknown;
      one.span.ended.reset();
    }
    all.push_back(std::move(one));
  }
  EXPECT_EQ(kinds(check_lists(all, last, Isolation::serializable)), Kinds{});
}

}  // namespace
}  // namespace evergres::checks

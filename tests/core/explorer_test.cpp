#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "small_operations.hpp"

/// Many random walks through small clusters: crashes, freezes, cuts, lost and late messages, lost
/// replies of the store, operators. On failure it prints the seed; put it into seeds.txt, whose
/// seeds are replayed first. EVERGRES_SEED=n replays one walk and prints its decisions.
namespace evergres::core::small {
namespace {

constexpr int troubled_ticks = 500;
constexpr int calm_ticks = 1500;

struct Walk {
  std::string failure;
  std::string violation;  ///< the part of it that is not about coming back to health
  std::string trace;
  int opened = 0;
  std::size_t answered = 0;
  std::map<std::string, int> rules;
  int given_up = 0;
  int measured = 0;
  int inherited = 0;
  int fates = 0;
};

enum class Planted { nothing, impatience, forgetfulness, lost_proofs };

struct How {
  bool tagged = false;
  Planted planted = Planted::nothing;
  bool forced = false;
};

Walk walk(std::uint64_t seed, Durability durability = Durability::quorum, const How& how = {}) {
  const std::size_t few = durability == Durability::quorum ? 2 : 3;
  World world(seed, (seed % 5 == 0 ? few : few + 1) + (how.tagged ? 1 : 0), durability, how.tagged);
  world.forcing = how.forced;
  world.impatient = how.planted == Planted::impatience;
  world.forgetful = how.planted == Planted::forgetfulness;
  world.proofs_fail = how.planted == Planted::lost_proofs;
  for (int i = 0; i < 60; ++i) world.step();  // it comes up first
  const int quiet = static_cast<int>(seed % 3);
  for (int i = 0; i < troubled_ticks && world.violation.empty(); ++i) {
    if (i % (4 + 6 * quiet) == 0) world.trouble();
    world.step();
  }
  world.heal();
  const std::size_t before = world.answered();
  int calm = 0;
  std::string missing = "not looked at";
  for (int i = 0; i < calm_ticks && calm < 30 && world.violation.empty(); ++i) {
    world.step();
    missing = world.missing();
    calm = missing.empty() ? calm + 1 : 0;
  }
  const std::string runs_on = how.tagged ? world.take_a_voter_out() : "";
  Walk walk{world.violation,
            world.violation,
            world.trace.str(),
            world.opened,
            world.answered() - before,
            world.rules_seen,
            world.given_up,
            world.measured,
            world.inherited_losses,
            world.fates};
  if (walk.violation.empty()) walk.violation = runs_on;
  if (walk.failure.empty()) walk.failure = runs_on;
  if (walk.failure.empty() && !missing.empty()) walk.failure = "wedged: " + missing;
  if (walk.failure.empty() && walk.answered == 0)
    walk.failure = "nothing was acknowledged after the healing";
  return walk;
}

std::vector<std::uint64_t> kept_seeds() {
  std::vector<std::uint64_t> seeds;
  std::ifstream file(std::string(EVERGRES_SOURCE_DIR) + "/tests/core/seeds.txt");
  std::uint64_t seed = 0;
  std::string line;
  while (std::getline(file, line)) {
    if (std::istringstream text(line); text >> seed) seeds.push_back(seed);
  }
  return seeds;
}

std::string tail(const std::string& trace) {
  return trace.size() > 6000 ? trace.substr(trace.size() - 6000) : trace;
}

TEST(Explorer, KeptSeedsStayGood) {
  for (const std::uint64_t seed : kept_seeds()) {
    const Walk result = walk(seed);
    EXPECT_EQ(result.failure, "") << "seed " << seed << "\n" << tail(result.trace);
  }
}

/// What is asked of every walk: that it also comes back to health, or only that nothing is lost.
enum class Asked { health, safety };

/// Many walks together.
struct Tour {
  bool whole = false;  ///< all of them were walked, and none failed
  int opened = 0;
  int came_back = 0;
  int given_up = 0;
  int measured = 0;
  int inherited = 0;
  int fates = 0;
  std::map<std::string, int> seen;
};

/// The seeds from 1 on, or EVERGRES_SEED alone, whose decisions are printed; after three failures
/// the rest would say nothing new.
Tour walk_all(const std::string& called, std::uint64_t walks,
              Durability durability = Durability::quorum, const How& how = {},
              Asked asked = Asked::health) {
  const char* only = std::getenv("EVERGRES_SEED");
  const std::uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  if (only != nullptr) walks = 1;
  Tour tour;
  int failures = 0;
  for (std::uint64_t seed = first; seed < first + walks && failures < 3; ++seed) {
    const Walk result = walk(seed, durability, how);
    const std::string& failure = asked == Asked::health ? result.failure : result.violation;
    EXPECT_EQ(failure, "") << called << " " << seed << "\n" << tail(result.trace);
    failures += failure.empty() ? 0 : 1;
    tour.opened += result.opened;
    tour.came_back += result.failure.empty() ? 1 : 0;
    tour.given_up += result.given_up;
    tour.measured += result.measured;
    tour.inherited += result.inherited;
    tour.fates += result.fates;
    for (const auto& [rule, times] : result.rules) tour.seen[rule] += times;
    if (only != nullptr) std::fputs(result.trace.c_str(), stdout);
  }
  tour.whole = only == nullptr && failures == 0;
  return tour;
}

TEST(Explorer, RandomWalksLoseNothingAndComeBack) {
  const char* count = std::getenv("EVERGRES_WALKS");
  const std::uint64_t walks = count != nullptr ? std::strtoull(count, nullptr, 10) : 1000;
  Tour tour = walk_all("seed", walks);
  if (!tour.whole) return;
  EXPECT_GT(tour.opened, static_cast<int>(walks) * 3) << "too quiet to prove anything";
  EXPECT_GT(tour.fates, static_cast<int>(walks) * 100) << "of too few transactions it is known";
  for (const Rule& rule : rules())
    RecordProperty(std::string(rule.name), tour.seen[std::string(rule.name)]);
}

/// The operator changes between strict and quorum as well.
TEST(Explorer, StrictAcknowledgesOnEnoughStandbysOrNotAtAll) {
  const Tour tour = walk_all("strict seed", 400, Durability::strict);
  if (!tour.whole) return;
  EXPECT_GT(tour.opened, 1000) << "the walks are too quiet to prove anything";
}

/// Nodes have tags of all kinds, and operators fence nodes by hand and put them back.
TEST(Explorer, TagsAndFencesByHandLoseNothing) {
  Tour tour = walk_all("tagged seed", 400, Durability::quorum, {.tagged = true});
  if (!tour.whole) return;
  EXPECT_GT(tour.opened, 1000) << "the walks are too quiet to prove anything";
  EXPECT_GT(tour.seen["stay_out_by_hand"], 100);
  EXPECT_GT(tour.seen["keep_wal_for_our_followers"], 10);
}

/// With strict a tag or a fence by hand may leave too few voters: then writes wait, and only that.
TEST(Explorer, StrictOutweighsTagsAndFencesByHand) {
  Tour tour =
      walk_all("strict tagged seed", 400, Durability::strict, {.tagged = true}, Asked::safety);
  if (!tour.whole) return;
  EXPECT_GT(tour.came_back, 100) << "the walks prove little";
  EXPECT_GT(tour.seen["stay_out_by_hand"], 100);
}

/// The operator changes between async and quorum as well. Never do two leaders acknowledge beside
/// each other, and what a failover says it lost is never less than what was lost.
TEST(Explorer, AsyncLosesNoMoreThanItSays) {
  const Tour tour = walk_all("async seed", 400, Durability::async);
  if (!tour.whole) return;
  EXPECT_GT(tour.given_up, 100) << "the walks are too quiet to prove anything";
  EXPECT_GT(tour.measured, 50) << "too few old leaders came back to show what they had";
}

/// The same where nodes are tagged and fenced by hand. A failover may then wait for an operator: all
/// that could lead are kept out, or what those hold is more than max_loss.
TEST(Explorer, AsyncWithTagsLosesNoMoreThanItSays) {
  const Tour tour =
      walk_all("async tagged seed", 300, Durability::async, {.tagged = true}, Asked::safety);
  if (!tour.whole) return;
  EXPECT_GT(tour.came_back, 150) << "the walks prove little";
  EXPECT_GT(tour.given_up, 50) << "the walks are too quiet to prove anything";
}

/// Operators change between quorum and async, and most changes stop before their proof is recorded:
/// what was acknowledged under quorum is never lost (World::note_lost), whatever async loses.
TEST(Explorer, AsyncThatIsNotProvenLosesNothingOfQuorum) {
  const Tour tour =
      walk_all("unproven seed", 300, Durability::async, {.planted = Planted::lost_proofs});
  if (!tour.whole) return;
  EXPECT_GT(tour.given_up, 50) << "the walks are too quiet to prove anything";
}

/// Operators accept losses of async again and again. What was given up is noted by whoever opens in
/// the end, however many were chosen in vain meanwhile, the given-up leader among them.
TEST(Explorer, AnAcceptedLossIsForgottenByNobody) {
  const Tour tour =
      walk_all("forced seed", 400, Durability::async, {.forced = true});
  if (!tour.whole) return;
  EXPECT_GT(tour.inherited, 20) << "the walks are too quiet to prove anything";
}

/// Without the lease, or with a word of the leader that is older than it says, the walks must fail.
TEST(Explorer, PlantedAsyncBugsAreCaught) {
  for (const Planted planted : {Planted::impatience, Planted::forgetfulness}) {
    int caught = 0;
    for (std::uint64_t seed = 1; seed <= 400 && caught == 0; ++seed) {
      caught += walk(seed, Durability::async, {.planted = planted}).failure.empty() ? 0 : 1;
    }
    EXPECT_GT(caught, 0) << (planted == Planted::impatience ? "impatience" : "forgetfulness");
  }
}

TEST(Explorer, OneSeedIsOneStory) {
  EXPECT_EQ(walk(7).trace, walk(7).trace);
}

}  // namespace
}  // namespace evergres::core::small

#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "explore/walk.hpp"

/// Everything that may happen in small worlds, as far as a minute allows. `make sim-long` goes
/// further.
namespace evergres::explore {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t least_states = 100'000;
#else
constexpr std::size_t least_states = 2'500'000;
#endif

/// Enough that all worlds together have `least_states`, although some are smaller.
std::size_t share_of_a_world() {
  return least_states * 6 / 5 / plans().size();
}

std::string story_of(const Found& found) {
  std::string text;
  for (const std::string& step : found.story) text += step + "\n";
  return text;
}

const Plan& plan_named(const std::string& name) {
  for (const Plan& plan : plans()) {
    if (plan.name == name) return plan;
  }
  ADD_FAILURE() << "no world is called " << name;
  return plans().front();
}

/// What has no place in these worlds: settings, slots, tags, async, fences by hand, lost stores.
const std::set<std::string> foreign{"keep_hands_off_foreign_data",
                                    "stay_out_by_hand",
                                    "mend_altered_settings",
                                    "prepare_to_inherit",
                                    "clone_on_request",
                                    "give_every_node_a_slot",
                                    "release_the_wal_of_stragglers",
                                    "record_the_wanted_durability",
                                    "apply_the_settings",
                                    "note_what_was_lost",
                                    "clone_when_wal_is_gone",
                                    "warm_up_a_cold_standby",
                                    "keep_wal_for_our_followers",
                                    "keep_permanent_slots"};

/// What needs more steps than CI takes: a clone from a leader that is then replaced, a fence that
/// fails three times.
const std::set<std::string> too_deep{"abandon_a_rebuild_that_lost_its_leader",
                                     "stop_a_server_that_cannot_be_fenced"};

TEST(Explore, NothingIsLostAndEveryStateLeadsToHealth) {
  std::size_t states = 0;
  double seconds = 0;
  std::map<std::string, std::uint64_t> rules;
  std::printf("%s", heading().c_str());
  for (const Plan& plan : plans()) {
    Walk walk(plan, Limits{.states = share_of_a_world()});
    const Found found = walk.run();
    std::printf("%s", line_of(plan.name, found).c_str());
    EXPECT_EQ(found.broken, "") << plan.name << "\n" << story_of(found);
    states += found.states;
    seconds += found.seconds;
    for (const auto& [rule, times] : found.rules) rules[rule] += times;
  }
  std::printf("%s%zu states, %.0f states/s\n", table_of(rules).c_str(), states,
              static_cast<double>(states) / seconds);
  EXPECT_GE(states, least_states);
  for (const core::Rule& rule : core::rules()) {
    const std::string name(rule.name);
    if (foreign.contains(name) || too_deep.contains(name)) continue;
    EXPECT_GT(rules[name], 0U) << name << " never answered";
  }
}

/// The walk would notice: each of these mistakes breaks something in the world that it is planted
/// in.
TEST(Explore, PlantedMistakesAreFound) {
  const std::vector<std::pair<Planted, std::string>> where{
      {Planted::read_before_the_cut, "three-doubts"},
      {Planted::apply_before_recording, "pair-machines"},
  };
  for (const auto& [planted, world] : where) {
    Plan plan = plan_named(world);
    plan.planted = planted;
    const Found found = Walk(plan, Limits{.states = 400'000}).run();
    EXPECT_NE(found.broken, "") << word_of(planted) << " is not found in " << world;
    std::printf("%s: %s, after %zu states and %zu steps\n", std::string(word_of(planted)).c_str(),
                found.broken.c_str(), found.states, found.story.size());
  }
}

TEST(Explore, OneWorldHasOneWalk) {
  const Limits limits{.states = 5000};
  const Found once = Walk(plan_named("three-server"), limits).run();
  const Found again = Walk(plan_named("three-server"), limits).run();
  EXPECT_EQ(once.states, again.states);
  EXPECT_EQ(once.steps, again.steps);
  EXPECT_EQ(once.depth, again.depth);
  EXPECT_EQ(once.rules, again.rules);
}

TEST(Explore, APoolKeepsEachValueOnce) {
  Pool<State> pool;
  State state;
  EXPECT_EQ(pool.put(state), (std::pair<std::uint32_t, bool>(0U, true)));
  for (std::uint32_t i = 1; i < 20'000; ++i) {
    state.record = i;
    EXPECT_EQ(pool.put(state), (std::pair<std::uint32_t, bool>(i, true)));
  }
  state.record = 777;
  EXPECT_EQ(pool.put(state), (std::pair<std::uint32_t, bool>(777U, false)));
  EXPECT_EQ(pool.size(), 20'000U);
}

}  // namespace
}  // namespace evergres::explore

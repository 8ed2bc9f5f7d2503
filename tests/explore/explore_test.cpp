#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "explore/walk.hpp"

/// Everything that may happen in small worlds, as far as a minute allows. `make sim-long` goes
/// further.
namespace evergres::explore {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t most_states = 12'000;
constexpr std::size_t least_states = 500'000;
#else
constexpr std::size_t most_states = 1'000'000;
constexpr std::size_t least_states = 3'000'000;
#endif

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

/// The worlds of which every state is seen.
const std::set<std::string> seen_whole{"pair-server", "pair-write", "pair-agent", "claimed",
                                       "chosen",      "promoted",   "opened",     "cut-opened",
                                       "returned",    "rewinding",  "policy"};

/// What has no place in these worlds: settings, slots, tags, async, foreign data.
const std::set<std::string> foreign{"keep_hands_off_foreign_data",
                                    "mend_altered_settings",
                                    "prepare_to_inherit",
                                    "give_every_node_a_slot",
                                    "release_the_wal_of_stragglers",
                                    "record_the_wanted_durability",
                                    "apply_the_settings",
                                    "note_what_was_lost",
                                    "clone_what_never_starts",
                                    "start_anew_from_a_dead_timeline",
                                    "warm_up_a_cold_standby",
                                    "keep_wal_for_our_followers",
                                    "keep_permanent_slots"};

TEST(Explore, NothingIsLostAndEveryStateLeadsToHealth) {
  std::size_t states = 0;
  std::size_t whole = 0;
  double seconds = 0;
  std::map<std::string, std::uint64_t> rules;
  std::printf("%s", heading().c_str());
  for (std::size_t i = 0; i < plans().size(); ++i) {
    const Plan& plan = plans()[i];
    const bool small = seen_whole.contains(plan.name);
    const std::size_t share = share_of(least_states, states, plans().size() - i);
    Walk walk(plan, Limits{.states = small ? most_states : share});
    const Found found = walk.run();
    std::printf("%s", line_of(plan.name, found).c_str());
    EXPECT_EQ(found.broken, "") << plan.name << "\n" << story_of(found);
    EXPECT_TRUE(found.complete || !small || found.states >= most_states) << plan.name;
    whole += found.complete ? 1 : 0;
    states += found.states;
    seconds += found.seconds;
    for (const auto& [rule, times] : found.rules) rules[rule] += times;
  }
  std::printf("%s%zu states, %.0f states/s\n", table_of(rules).c_str(), states,
              static_cast<double>(states) / seconds);
  EXPECT_GE(states, least_states);
  const bool sees_all = most_states >= least_states / 2;
  EXPECT_TRUE(!sees_all || whole >= seen_whole.size()) << whole;
  for (const core::Rule& rule : core::rules()) {
    const std::string name(rule.name);
    if (foreign.contains(name)) continue;
    EXPECT_GT(rules[name], 0U) << name << " never answered";
  }
}

/// The walk would notice: each of these mistakes breaks something in the world that it is planted
/// in. (`keep_the_incarnation` breaks nothing: see docs/RELIABILITY.md.)
TEST(Explore, PlantedMistakesAreFound) {
  const std::vector<std::pair<Planted, std::string>> where{
      {Planted::skip_the_fence, "unheard-chosen"},
      {Planted::apply_before_recording, "unheard-chosen"},
      {Planted::prove_without_waiting, "claimed-server"},
      {Planted::read_before_the_cut, "unheard"},
      {Planted::too_few_fenced, "unheard"},
      {Planted::own_timeline_id, "chosen-again"},
      {Planted::open_before_the_barrier, "claimed-server"},
      {Planted::names_through_empty, "claimed-server"},
      {Planted::lsn_without_term, "returned-kill"},
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

/// Steps through one world twice, with and without what nobody will look at. From the same state
/// the same may happen, and leads to the same state.
class BothWays {
 public:
  explicit BothWays(Plan plan) : whole_(exact(plan), 1 << 16U), lean_(plan, 1 << 16U) {}

  void wander(std::uint64_t seed, std::size_t steps) {
    State state = whole_.begin();
    std::vector<Action> list;
    for (std::size_t i = 0; i < steps && !whole_.beyond(state); ++i) {
      whole_.actions(state, list);
      if (list.empty()) return;
      const std::vector<Action> possible = list;
      compare_lists(state, possible);
      for (const Action action : possible) compare(state, action);
      seed = mixed(seed, i);
      whole_.apply(state, possible[seed % possible.size()]);
    }
  }
  [[nodiscard]] std::size_t compared() const { return compared_; }

 private:
  static Plan exact(Plan plan) {
    plan.exact = true;
    return plan;
  }
  void compare(const State& state, Action action) {
    State before = lean_.taken_from(whole_, state);
    State after = state;
    const std::string step = whole_.describe(state, action);
    whole_.apply(after, action);
    lean_.apply(before, action);
    EXPECT_TRUE(before == lean_.taken_from(whole_, after)) << step;
    EXPECT_EQ(whole_.violation, lean_.violation) << step;
    ++compared_;
  }
  /// Without it nothing more may happen, and nothing less, but what changes nothing.
  void compare_lists(const State& state, const std::vector<Action>& possible) {
    const State lean = lean_.taken_from(whole_, state);
    std::vector<Action> list;
    lean_.actions(lean, list);
    const auto is_in = [](const std::vector<Action>& some, Action one) {
      return std::any_of(some.begin(), some.end(), [&](Action each) {
        return each.what == one.what && each.node == one.node && each.other == one.other;
      });
    };
    const auto changes_nothing = [&](Action each) {
      State after = lean;
      return !lean_.apply(after, each);
    };
    for (const Action each : list)
      EXPECT_TRUE(is_in(possible, each) || changes_nothing(each)) << whole_.describe(state, each);
    for (const Action each : possible) {
      if (each.what == What::lose) continue;
      EXPECT_TRUE(is_in(list, each) || changes_nothing(each)) << whole_.describe(state, each);
    }
  }

  World whole_;
  World lean_;
  std::size_t compared_ = 0;
};

TEST(Explore, DroppingIsNoLoss) {
  std::size_t compared = 0;
  for (Plan plan : plans()) {
    plan.faults = plan_named("three-all").faults;
    BothWays both(plan);
    for (std::uint64_t seed = 1; seed <= 6; ++seed) both.wander(seed, 50);
    compared += both.compared();
  }
  std::printf("%zu steps compared\n", compared);
  EXPECT_GT(compared, 50'000U);
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

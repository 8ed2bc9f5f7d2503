#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "explore/world.hpp"

namespace evergres::explore {

/// When a walk stops before it has seen everything.
struct Limits {
  std::size_t states = 1'000'000;
  std::chrono::seconds time{3600};
  std::size_t memory = std::size_t{4} << 30U;  ///< bytes
  bool health = true;                          ///< look from each state for a path to health
};

struct Found {
  std::size_t states = 0;  ///< different ones
  std::size_t steps = 0;   ///< that led to one of them, new or not
  std::size_t depth = 0;   ///< steps from the beginning to the last
  std::size_t beyond = 0;  ///< steps across the bounds of the plan, not followed
  std::size_t node_states = 0;
  std::size_t calm_states = 0;   ///< on the paths to health
  std::size_t longest_calm = 0;  ///< rounds of the longest of them
  bool all_followed = false;     ///< no state is left whose next steps were not taken
  bool complete = false;         ///< and none of these steps led beyond the bounds
  double seconds = 0;
  std::size_t memory = 0;
  std::string broken;              ///< the first broken promise; empty: none
  std::vector<std::string> way;    ///< the steps to the beginning of the walk
  std::vector<std::string> story;  ///< those from there that lead to what is broken
  std::map<std::string, std::uint64_t> rules;
};

/// Breadth-first through all that may happen in a small world. Every state is kept whole, so that
/// two are never taken for one; from each a path to health is walked, by rounds without faults,
/// until one is reached from which health was reached before.
class Walk {
 public:
  Walk(Plan plan, Limits limits);
  /// `progress` is called about once a second with what was found so far.
  Found run(const std::function<void(const Found&)>& progress = {});

 private:
  struct Came {
    std::uint32_t from = 0;
    Action action;
  };
  bool expand(std::uint32_t number);
  bool add(const State& state, std::uint32_t from, Action action);
  bool reaches_health(const State& state);
  void note(Found& found) const;
  void tell(std::uint32_t number, const Action* last);

  Limits limits_;
  World world_;
  Pool<State> states_;
  Pool<State> healthy_;  ///< health is reached from these
  std::vector<Came> came_;
  std::vector<Action> list_;
  std::vector<State> path_;
  Found found_;
  std::vector<std::uint16_t> depth_;
};

/// How many states one of `worlds_left` worlds may have, if all are to have `total`: what a small
/// one leaves over is for those after it.
inline std::size_t share_of(std::size_t total, std::size_t seen, std::size_t worlds_left) {
  return seen >= total ? 1 : (total - seen + worlds_left - 1) / worlds_left;
}

/// For people: a table of worlds, a line each, and one of rules.
std::string heading();
std::string line_of(const std::string& name, const Found& found);
std::string table_of(const std::map<std::string, std::uint64_t>& rules);

/// The worlds that are walked, those that are seen whole first.
const std::vector<Plan>& plans();

}  // namespace evergres::explore

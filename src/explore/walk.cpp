#include "explore/walk.hpp"

#include <algorithm>

namespace evergres::explore {

Walk::Walk(Plan plan, Limits limits)
    : limits_(limits),
      world_(std::move(plan), 1 << 16U),
      states_(limits.states + 1024),
      healthy_(1 << 16U) {
  came_.reserve(limits.states + 1024);
}

Found Walk::run(const std::function<void(const Found&)>& progress) {
  using Clock = std::chrono::steady_clock;
  const auto began = Clock::now();
  auto told = began;
  const State first = world_.begin();
  found_.way = world_.way;
  bool good = world_.violation.empty() && add(first, 0, Action{});
  std::uint32_t next = 0;
  for (; good && next < states_.size() && states_.size() < limits_.states; ++next) {
    good = expand(next);
    if (next % 256 != 0) continue;
    const auto now = Clock::now();
    found_.seconds = std::chrono::duration<double>(now - began).count();
    if (now - began >= limits_.time || world_.memory() > limits_.memory) break;
    if (now - told < std::chrono::seconds(1)) continue;
    told = now;
    note(found_);
    if (found_.memory > limits_.memory) break;
    if (progress) progress(found_);
  }
  found_.all_followed = good && next == states_.size();
  found_.complete = found_.all_followed && found_.beyond == 0;
  found_.broken = world_.violation;
  found_.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  note(found_);
  found_.rules = world_.rules_seen;
  return found_;
}

bool Walk::expand(std::uint32_t number) {
  const State state = states_[number];
  world_.actions(state, list_);
  // expand() is the only one that uses the list while it goes through it: calm rounds have their
  // own.
  for (const Action action : list_) {
    State next = state;
    if (!world_.apply(next, action)) continue;
    ++found_.steps;
    if (!world_.violation.empty()) {
      tell(number, &action);
      return false;
    }
    if (world_.beyond(next)) {
      ++found_.beyond;
      continue;
    }
    if (!add(next, number, action)) return false;
  }
  return true;
}

bool Walk::add(const State& state, std::uint32_t from, Action action) {
  const auto [number, fresh] = states_.put(state);
  if (!fresh) return true;
  came_.push_back({from, action});
  depth_.push_back(static_cast<std::uint16_t>(number == 0 ? 0 : depth_[from] + 1));
  found_.depth = std::max<std::size_t>(found_.depth, depth_.back());
  if (!limits_.health || reaches_health(state)) return true;
  tell(number, nullptr);
  return false;
}

bool Walk::reaches_health(const State& state) {
  constexpr std::size_t most_rounds = 400;
  State now = state;
  path_.clear();
  for (std::size_t round = 0; round < most_rounds; ++round) {
    world_.calm_round(now);
    if (!world_.violation.empty()) {
      world_.violation += ", after the faults ended";
      return false;
    }
    if (world_.missing(now).empty()) break;
    if (!healthy_.put(now).second) {
      // Met before: from there health was reached, or it is on this very path and nothing changes.
      if (std::find(path_.begin(), path_.end(), now) == path_.end()) break;
      world_.violation = "no path to health: " + world_.missing(now);
      return false;
    }
    path_.push_back(now);
    if (round + 1 == most_rounds) world_.violation = "no health in many rounds";
  }
  found_.longest_calm = std::max(found_.longest_calm, path_.size() + 1);
  return world_.violation.empty();
}

void Walk::note(Found& found) const {
  found.states = states_.size();
  found.node_states = world_.node_states();
  found.calm_states = healthy_.size();
  found.memory = world_.memory() + states_.memory() + healthy_.memory() +
                 came_.size() * (sizeof(Came) + sizeof(depth_[0]));
}

void Walk::tell(std::uint32_t number, const Action* last) {
  const std::string broken = world_.violation;
  std::vector<std::uint32_t> way;
  for (std::uint32_t at = number; at != 0; at = came_[at].from) way.push_back(at);
  std::reverse(way.begin(), way.end());
  for (const std::uint32_t at : way)
    found_.story.push_back(world_.describe(states_[came_[at].from], came_[at].action));
  if (last != nullptr) found_.story.push_back(world_.describe(states_[number], *last));
  world_.violation = broken;
}

}  // namespace evergres::explore

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "explore/walk.hpp"

/// evergres-explore: everything that may happen in small worlds.
namespace evergres::explore {
namespace {

constexpr const char* usage =
    "evergres-explore: everything that may happen in small worlds, breadth-first, with the code\n"
    "that decides in production\n"
    "\n"
    "  --worlds A,B   only these; `--worlds list` names them\n"
    "  --states N     stop each world at N states (1000000); 4M is four million\n"
    "  --minutes M    stop each world after M minutes (60)\n"
    "  --memory MB    stop each world at so much memory (4096)\n"
    "  --plant BUG    plant a mistake; `--plant list` names them\n"
    "\n"
    "Exit status: 0 if every world kept every invariant, 1 if not, 2 for a wrong command line.\n";

struct Orders {
  Limits limits;
  std::vector<std::string> worlds;
  Planted planted = Planted::nothing;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char letter : text) {
    if (letter == ',') {
      parts.emplace_back();
    } else {
      parts.back() += letter;
    }
  }
  return parts;
}

std::optional<Planted> planted_named(const std::string& name) {
  for (const auto& word : words(static_cast<const Planted*>(nullptr))) {
    if (word.word == name) return word.value;
  }
  return std::nullopt;
}

std::optional<Orders> read(const std::vector<std::string>& given) {
  Orders orders;
  if (given.size() % 2 != 0) return std::nullopt;
  for (std::size_t i = 0; i < given.size(); i += 2) {
    const std::string& value = given[i + 1];
    const double number = std::strtod(value.c_str(), nullptr);
    if (given[i] == "--worlds") {
      orders.worlds = split(value);
    } else if (given[i] == "--states") {
      const double unit = value.ends_with('M') ? 1e6 : 1;
      orders.limits.states = static_cast<std::size_t>(number * unit);
    } else if (given[i] == "--minutes") {
      orders.limits.time = std::chrono::seconds(static_cast<std::int64_t>(number * 60));
    } else if (given[i] == "--memory") {
      orders.limits.memory = static_cast<std::size_t>(number) << 20U;
    } else if (given[i] == "--plant") {
      const auto planted = planted_named(value);
      if (!planted) return std::nullopt;
      orders.planted = *planted;
    } else {
      return std::nullopt;
    }
  }
  return orders;
}

void show_progress(const std::string& name, const Found& found) {
  fmt::print(stderr, "\r{:<16} {:>10} states, depth {}, {:.0f} states/s, {} MB ", name,
             found.states, found.depth,
             static_cast<double>(found.states) / std::max(found.seconds, 0.001),
             found.memory >> 20U);
}

int run(const Orders& orders) {
  std::size_t states = 0;
  std::size_t steps = 0;
  std::size_t broken = 0;
  double seconds = 0;
  std::map<std::string, std::uint64_t> rules;
  fmt::print("{}", heading());
  for (Plan plan : plans()) {
    const auto& wanted = orders.worlds;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), plan.name) == wanted.end())
      continue;
    const std::string name = plan.name;
    plan.planted = orders.planted;
    Walk walk(std::move(plan), orders.limits);
    const Found found = walk.run([&](const Found& so_far) { show_progress(name, so_far); });
    fmt::print(stderr, "\r{:70}\r", "");
    fmt::print("{}", line_of(name, found));
    for (const std::string& step : found.story) fmt::print("    {}\n", step);
    if (!found.broken.empty()) fmt::print("{} broke {}\n", name, found.broken);
    std::fflush(stdout);
    states += found.states;
    steps += found.steps;
    seconds += found.seconds;
    broken += found.broken.empty() ? 0 : 1;
    for (const auto& [rule, times] : found.rules) rules[rule] += times;
  }
  fmt::print("\n{}\n{} states, {} steps, {:.0f} states/s; {} worlds broken\n", table_of(rules),
             states, steps, static_cast<double>(states) / std::max(seconds, 0.001), broken);
  return broken == 0 ? 0 : 1;
}

}  // namespace
}  // namespace evergres::explore

int main(int count, char** values) {
  using namespace evergres::explore;
  const std::vector<std::string> given(values + 1, values + count);
  if (given.size() == 2 && given[1] == "list") {
    for (const Plan& plan : plans()) {
      if (given[0] == "--worlds") fmt::print("{}\n", plan.name);
    }
    for (const auto& word : words(static_cast<const Planted*>(nullptr))) {
      if (given[0] == "--plant") fmt::print("{}\n", word.word);
    }
    return 0;
  }
  const auto orders = read(given);
  if (!orders) {
    fmt::print(stderr, "{}", usage);
    return 2;
  }
  return run(*orders);
}

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
    "  --total N      stop when all worlds together have N; what a small one leaves over is for\n"
    "                 those after it\n"
    "  --minutes M    stop each world after M minutes (60)\n"
    "  --memory MB    stop each world at so much memory (4096)\n"
    "  --plant BUG    plant a mistake; `--plant list` names them\n"
    "  --exact yes    keep also what nobody will look at\n"
    "\n"
    "Exit status: 0 if every world kept every invariant, 1 if not, 2 for a wrong command line,\n"
    "3 if fewer states than --total were seen.\n";

struct Orders {
  Limits limits;
  std::vector<std::string> worlds;
  std::size_t total = 0;  ///< 0: each world has its own limit
  bool exact = false;
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

/// "4M" is four million.
std::size_t count_of(const std::string& text) {
  const double unit = text.ends_with('M') ? 1e6 : 1;
  return static_cast<std::size_t>(std::strtod(text.c_str(), nullptr) * unit);
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
      orders.limits.states = count_of(value);
    } else if (given[i] == "--total") {
      orders.total = count_of(value);
    } else if (given[i] == "--exact") {
      orders.exact = value == "yes";
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

/// The worlds that are to be walked.
std::vector<Plan> plans_of(const Orders& orders) {
  std::vector<Plan> chosen;
  for (Plan plan : plans()) {
    const auto& wanted = orders.worlds;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), plan.name) == wanted.end())
      continue;
    plan.planted = orders.planted;
    plan.exact = orders.exact;
    chosen.push_back(std::move(plan));
  }
  return chosen;
}

struct Sum {
  std::size_t states = 0;
  std::size_t steps = 0;
  std::size_t whole = 0;
  std::size_t broken = 0;
  double seconds = 0;
  std::map<std::string, std::uint64_t> rules;

  void add(const Found& found) {
    states += found.states;
    steps += found.steps;
    seconds += found.seconds;
    whole += found.complete ? 1 : 0;
    broken += found.broken.empty() ? 0 : 1;
    for (const auto& [rule, times] : found.rules) rules[rule] += times;
  }
};

void show(const std::string& name, const Found& found) {
  fmt::print("{}", line_of(name, found));
  if (!found.broken.empty()) {
    for (const std::string& step : found.way) fmt::print("    on the way: {}\n", step);
    for (const std::string& step : found.story) fmt::print("    {}\n", step);
    fmt::print("{} broke {}, {} steps from its beginning\n", name, found.broken,
               found.story.size());
  }
  std::fflush(stdout);
}

int run(const Orders& orders) {
  Sum sum;
  fmt::print("{}", heading());
  const std::vector<Plan> chosen = plans_of(orders);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    Limits limits = orders.limits;
    if (orders.total != 0) limits.states = share_of(orders.total, sum.states, chosen.size() - i);
    Walk walk(chosen[i], limits);
    const Found found =
        walk.run([&](const Found& so_far) { show_progress(chosen[i].name, so_far); });
    fmt::print(stderr, "\r{:70}\r", "");
    show(chosen[i].name, found);
    sum.add(found);
  }
  fmt::print("\n{}\n{} of {} worlds seen whole\n", table_of(sum.rules), sum.whole, chosen.size());
  fmt::print("{} states, {} steps, {:.0f} states/s; {} worlds broken\n", sum.states, sum.steps,
             static_cast<double>(sum.states) / std::max(sum.seconds, 0.001), sum.broken);
  if (sum.broken != 0) return 1;
  if (sum.states >= orders.total) return 0;
  fmt::print("fewer than {} states were seen\n", orders.total);
  return 3;
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

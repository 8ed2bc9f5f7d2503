#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "sim/commands.hpp"
#include "sim/oracle.hpp"
#include "sim/report.hpp"

/// evergres-sim: runs simulated clusters.
namespace evergres::sim {
namespace {

constexpr const char* usage =
    "evergres-sim: clusters in a deterministic world, with the code that decides in production\n"
    "\n"
    "  --seed N        the first seed (1)\n"
    "  --runs N        so many seeds (1)\n"
    "  --minutes M     as many seeds as fit into M minutes, instead of --runs\n"
    "  --trace         print what happened (of one seed)\n"
    "  --plant BUG     plant a mistake; `--plant list` names them\n"
    "  --oracle        hunt each planted mistake, and print how many seeds that takes\n"
    "  --hunts N       so often (5)\n"
    "  --within N      in so many seeds at most (200); what they do not find in half of the\n"
    "                  hunts is told, if a story in tests/sim/stories plants it\n"
    "  --reasons       print every reason that a rule gave\n"
    "  --choices FILE  replay recorded choices instead of a seed\n"
    "  --record FILE   write the choices of the last run to FILE\n"
    "  --story FILE    tell a story (docs/stories.md)\n"
    "  --faults        name the faults that a story can have\n"
    "  --draw HOW      the run as a message sequence: text or svg\n"
    "  --shrink SEED   make a seed that breaks something a small story that breaks the same\n"
    "                  (with --choices: the recorded run), for --minutes M at most (5)\n"
    "  --keep FILE     where the small story goes (tests/sim/stories/seed_SEED.story)\n"
    "\n"
    "Exit status: 0 if every run kept every invariant, 1 if not, 2 for a wrong command line.\n";

struct Orders {
  std::uint64_t seed = 1;
  std::uint64_t runs = 1;
  double minutes = 0;
  bool trace = false;
  Planted planted;
  std::string choices;
  std::string record;
  std::string story;
  std::string keep;
  Draw draw = Draw::no;
  bool shrink = false;
  bool oracle = false;
  bool reasons = false;
  std::size_t hunts = 5;
  std::uint64_t within = 200;
};

void list_bugs() {
  for (const auto& word : words(static_cast<const Bug*>(nullptr))) {
    fmt::print("{}\n", word.word);
  }
}

std::optional<Orders> read(const std::vector<std::string>& given) {
  Orders orders;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i] == "--trace") {
      orders.trace = true;
      continue;
    }
    const bool oracle = given[i] == "--oracle";
    const bool reasons = given[i] == "--reasons";
    orders.oracle = orders.oracle || oracle;
    orders.reasons = orders.reasons || reasons;
    if (oracle || reasons) continue;
    if (i + 1 == given.size()) return std::nullopt;
    const std::string& value = given[i + 1];
    if (given[i] == "--seed") {
      orders.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (given[i] == "--runs") {
      orders.runs = std::strtoull(value.c_str(), nullptr, 10);
    } else if (given[i] == "--minutes") {
      orders.minutes = std::strtod(value.c_str(), nullptr);
    } else if (given[i] == "--choices") {
      orders.choices = value;
    } else if (given[i] == "--record") {
      orders.record = value;
    } else if (given[i] == "--story") {
      orders.story = value;
    } else if (given[i] == "--keep") {
      orders.keep = value;
    } else if (given[i] == "--draw") {
      if (value != "text" && value != "svg") return std::nullopt;
      orders.draw = value == "svg" ? Draw::svg : Draw::text;
    } else if (given[i] == "--shrink") {
      orders.shrink = true;
      orders.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (given[i] == "--hunts") {
      orders.hunts = std::strtoull(value.c_str(), nullptr, 10);
    } else if (given[i] == "--within") {
      orders.within = std::strtoull(value.c_str(), nullptr, 10);
    } else if (given[i] == "--plant") {
      const auto bug = bug_called(value);
      if (!bug) return std::nullopt;
      orders.planted.insert(*bug);
    } else {
      return std::nullopt;
    }
    ++i;
  }
  return orders;
}

/// The table of docs/RELIABILITY.md.
int consult(const Orders& orders) {
  const std::vector<Story> stories = stories_in("tests/sim/stories");
  fmt::print("| planted | breaks | found | median | by |\n|---|---|---|---|---|\n");
  std::vector<std::uint64_t> medians;
  int told = 0;
  int missed = 0;
  for (const Mistake& mistake : mistakes()) {
    const bool meant = orders.planted.empty() || orders.planted.contains(mistake.bug);
    if (!meant) continue;
    const Hunted hunted = hunt_again(mistake, orders.seed, orders.hunts, orders.within);
    const auto middle = median(hunted);
    if (middle) medians.push_back(*middle);
    const auto teller = middle ? std::nullopt : found_by_story(mistake, stories);
    if (teller) ++told;
    if (hunted.needed.empty() && !teller) ++missed;
    const std::string& violation = teller ? teller->violation : hunted.violation;
    std::string by = violation.substr(0, violation.find(':'));
    if (teller) by += ", by the story `" + teller->story + "`";
    fmt::print("| `{}` | {} | {} of {} | {} | {} |\n", name_of(mistake), mistake.breaks,
               hunted.needed.size(), hunted.hunts, middle ? std::to_string(*middle) : "more", by);
    std::fflush(stdout);
  }
  std::sort(medians.begin(), medians.end());
  fmt::print(
      "{} mistakes; {} found in half of the hunts, after {} seeds in the median; {} more by a "
      "story; {} never\n",
      mistakes().size(), medians.size(), medians.empty() ? 0 : medians[medians.size() / 2], told,
      missed);
  return missed == 0 ? 0 : 1;
}

std::optional<Choices> source_of(const Orders& orders, std::uint64_t seed) {
  if (orders.choices.empty()) return Choices::of_seed(seed);
  return choices_in(orders.choices);
}

/// One run that is looked at: shrunk or drawn.
int look_at(const Orders& orders) {
  auto choices = source_of(orders, orders.seed);
  if (!choices) return 2;
  std::string name =
      orders.choices.empty() ? "seed " + std::to_string(orders.seed) : orders.choices;
  std::string file = "seed_" + std::to_string(orders.seed);
  for (const Bug bug : orders.planted) {
    name += " with " + std::string(word_of(bug));
    file += "_" + std::string(word_of(bug));
  }
  if (!orders.shrink) return draw_run(std::move(*choices), orders.planted, name, orders.draw);
  const std::string keep =
      orders.keep.empty() ? "tests/sim/stories/" + file + ".story" : orders.keep;
  const double minutes = orders.minutes > 0 ? orders.minutes : 5;
  return shrink_run(std::move(*choices), orders.planted, name, keep, minutes);
}

int run(const Orders& orders) {
  Report report;
  const Instant began = boot_now();
  const Nanos allowed{static_cast<std::int64_t>(orders.minutes * 6e10)};
  const auto goes_on = [&](std::uint64_t done) {
    return orders.minutes > 0 ? boot_now() - began < allowed : done < orders.runs;
  };
  for (std::uint64_t done = 0; goes_on(done); ++done) {
    const std::uint64_t seed = orders.seed + done;
    auto choices = source_of(orders, seed);
    if (!choices) return 2;
    if (!orders.record.empty()) choices->record();
    World world(std::move(*choices), orders.planted, orders.trace ? 5'000'000 : 400);
    const Verdict verdict = world.run();
    report.add(seed, verdict);
    if (!orders.record.empty()) std::ofstream(orders.record) << world.choices().text();
    if (orders.trace || !verdict.violation.empty()) {
      for (const std::string& line : verdict.trace) fmt::print("{}\n", line);
    }
    if (!verdict.violation.empty()) {
      fmt::print("seed {} broke {}\nagain: evergres-sim --seed {} --trace\n", seed,
                 verdict.violation, seed);
    }
    if (orders.trace || orders.runs == 1) fmt::print("seed {} hash {:016x}\n", seed, verdict.hash);
  }
  fmt::print("{}", report.text());
  if (orders.reasons) fmt::print("{}", report.reasons());
  for (const std::uint64_t seed : report.failed()) fmt::print("failed: seed {}\n", seed);
  return report.failed().empty() ? 0 : 1;
}

}  // namespace
}  // namespace evergres::sim

int main(int count, char** values) {
  using namespace evergres::sim;
  const std::vector<std::string> given(values + 1, values + count);
  if (given.size() == 2 && given[0] == "--plant" && given[1] == "list") {
    list_bugs();
    return 0;
  }
  if (given.size() == 1 && given[0] == "--faults") {
    list_faults();
    return 0;
  }
  const auto orders = read(given);
  if (!orders) {
    fmt::print(stderr, "{}", usage);
    return 2;
  }
  if (orders->oracle) return consult(*orders);
  if (!orders->story.empty()) return tell_file(orders->story, orders->trace, orders->draw);
  return orders->shrink || orders->draw != Draw::no ? look_at(*orders) : run(*orders);
}

#include "sim/commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "sim/drawing.hpp"
#include "sim/shrink.hpp"

namespace evergres::sim {
namespace {

constexpr std::size_t all_lines = 5'000'000;

std::optional<std::string> content_of(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    fmt::print(stderr, "{} cannot be read\n", path);
    return std::nullopt;
  }
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

void print_drawing(Draw draw, const Drawing& drawing, const Verdict& verdict) {
  if (draw == Draw::text) fmt::print("{}", as_text(drawing, verdict));
  if (draw == Draw::svg) fmt::print("{}", as_svg(drawing, verdict));
}

/// A line each second, on standard error.
Shrinker::Tell each_second() {
  const Instant began = boot_now();
  return [began, told = Instant{}](const Shrinker::Progress& progress) mutable {
    const Instant now = boot_now();
    if (now - told < Millis{1000}) return;
    told = now;
    fmt::print(stderr, "{:>4} s  {:>5} runs  {:>3} faults  {} nodes  {:>8}  choices {}: {}\n",
               (now - began).count() / 1'000'000'000, progress.runs, progress.faults,
               progress.machines, text_of(progress.lasts), progress.choices, progress.doing);
  };
}

/// How many seeds are tried when it is told: four times as many as it takes on average, so that it
/// lives through small changes of the world.
void widen(Story& story) {
  if (story.recorded) return;
  std::uint64_t broken = 0;
  constexpr std::uint64_t tried = 50;
  for (std::uint64_t seed = 1; seed <= tried; ++seed) {
    const Verdict verdict = run_once(story, Choices::of_seed(seed), {});
    if (invariant_of(verdict.violation) == story.breaks) ++broken;
  }
  fmt::print(stderr, "it breaks {} with {} of {} seeds\n", story.breaks, broken, tried);
  if (broken == 0) return;
  story.first_seed = 1;
  story.last_seed = std::max(story.last_seed, 4 * tried / broken);
}

}  // namespace

std::optional<Choices> choices_in(const std::string& path) {
  const auto text = content_of(path);
  if (!text) return std::nullopt;
  auto choices = Choices::of_text(*text);
  if (choices) return std::move(*choices);
  fmt::print(stderr, "{}: {}", path, choices.error().for_people());
  return std::nullopt;
}

std::vector<Story> stories_in(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code missing;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder, missing)) {
    if (entry.path().extension() == ".story") paths.push_back(entry.path());
  }
  if (missing) fmt::print(stderr, "{}: {}; only seeds are hunted\n", folder, missing.message());
  std::sort(paths.begin(), paths.end());
  std::vector<Story> stories;
  for (const fs::path& path : paths) {
    const auto text = content_of(path);
    if (!text) continue;
    auto story = read_story(*text, path.filename());
    if (!story) fmt::print(stderr, "{}", story.error().for_people());
    if (story) stories.push_back(std::move(*story));
  }
  return stories;
}

int tell_file(const std::string& path, bool trace, Draw draw) {
  const auto text = content_of(path);
  if (!text) return 2;
  const auto story = read_story(*text, path);
  if (!story) {
    fmt::print(stderr, "{}", story.error().for_people());
    return 2;
  }
  const Told told = tell(*story, Keep{trace ? all_lines : 0, draw != Draw::no});
  for (const std::string& line : told.verdict.trace) fmt::print("{}\n", line);
  const std::string name = path.substr(path.rfind('/') + 1);
  print_drawing(draw, Drawing{name, story->shape.machines, false}, told.verdict);
  if (draw == Draw::svg) return told.trouble.empty() ? 0 : 1;
  if (!told.trouble.empty()) {
    fmt::print("{} failed: {}\n", name, told.trouble);
    return 1;
  }
  fmt::print("{}: as it says, in {} runs{}\n", name, told.runs,
             story->breaks.empty() ? "" : ": " + told.verdict.violation);
  return 0;
}

int shrink_run(Choices choices, const Planted& planted, const std::string& name,
               const std::string& keep, double minutes) {
  choices.record();
  World world(std::move(choices), planted);
  const Verdict verdict = world.run();
  if (verdict.violation.empty()) {
    fmt::print("{} breaks nothing: there is nothing to shrink\n", name);
    return 2;
  }
  fmt::print("{} broke {}\n", name, verdict.violation);
  Story story = story_of(world, verdict);
  const std::size_t faults = story.steps.size();
  const std::size_t machines = story.shape.machines;
  const Instant end = boot_now() + Nanos{static_cast<std::int64_t>(minutes * 6e10)};
  Shrinker shrinker(std::move(story), each_second(), [end] { return boot_now() < end; });
  if (!shrinker.begin()) {
    fmt::print("told as a story it does not break the same: the language cannot say it whole\n");
    return 1;
  }
  Story small = shrinker.shrink();
  widen(small);
  small.about = {"Shrunk from " + name + ", which broke:", verdict.violation};
  if (!(std::ofstream(keep) << text_of(small) << std::flush)) {
    fmt::print(stderr, "{} cannot be written\n", keep);
  }
  fmt::print("{}\nfrom {} faults and {} machines to {} and {}, in {} runs; kept as {}\n",
             text_of(small), faults, machines, small.steps.size(), small.shape.machines,
             shrinker.runs(), keep);
  return 0;
}

int draw_run(Choices choices, const Planted& planted, const std::string& title, Draw draw) {
  World world(std::move(choices), planted, Keep{0, true});
  const Verdict verdict = world.run();
  print_drawing(draw, Drawing{title, world.shape().machines, false}, verdict);
  return verdict.violation.empty() ? 0 : 1;
}

void list_faults() {
  for (std::size_t kind = 0; kind < fault_kinds().size(); ++kind) {
    PlannedFault fault;
    fault.kind = kind;
    fault.b = 1;
    fmt::print("{}\n", phrase_of(fault));
  }
}

}  // namespace evergres::sim

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "sim/drawing.hpp"
#include "sim/shrink.hpp"

namespace evergres::sim {
namespace {

namespace fs = std::filesystem;

const fs::path folder = fs::path(EVERGRES_SOURCE_DIR) / "tests/sim/stories";

Story story_in(const std::string& text) {
  auto story = read_story(text, "test");
  EXPECT_TRUE(story) << (story ? "" : story.error().for_people());
  return story ? std::move(*story) : Story{};
}

std::string refusal(const std::string& text) {
  const auto story = read_story(text, "x.story");
  EXPECT_FALSE(story);
  return story ? "" : story.error().message();
}

std::map<std::string, Story> kept() {
  std::map<std::string, Story> stories;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".story") continue;
    std::ifstream file(entry.path());
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::string name = entry.path().filename();
    auto story = read_story(text, name);
    EXPECT_TRUE(story) << (story ? "" : story.error().for_people());
    if (story) stories.emplace(name, std::move(*story));
  }
  return stories;
}

/// Those by hand, those that were shrunk from seeds and those that break something under a planted
/// mistake: all end as they say.
TEST(Stories, KeptOnesEndAsTheySay) {
  std::size_t hold = 0;
  std::size_t break_something = 0;
  for (const auto& [name, story] : kept()) {
    const Told told = tell(story, {});
    EXPECT_EQ(told.trouble, "") << name;
    EXPECT_FALSE(story.about.empty()) << name << " does not say what it teaches";
    EXPECT_EQ(story.breaks.empty(), story.planted.empty()) << name;
    story.breaks.empty() ? ++hold : ++break_something;
  }
  EXPECT_GE(hold, 8U);
  EXPECT_GE(break_something, 1U);
}

TEST(Stories, APlantedMistakeIsWhatBreaksThem) {
  for (auto& [name, story] : kept()) {
    if (story.breaks.empty()) continue;
    Story healthy = story;
    healthy.planted.clear();
    healthy.breaks.clear();
    healthy.last_seed = std::min(healthy.last_seed, healthy.first_seed + 2);
    if (healthy.shape.mode == core::Durability::quorum) {
      EXPECT_EQ(tell(healthy, {}).trouble, "") << name << " without its mistake";
    }
  }
}

TEST(Stories, TellWhatDidNotComeTrueWithItsLine) {
  const std::string head = "world 3 nodes, quorum\nwriters 3, every 100 ms\n";
  EXPECT_EQ(tell(story_in(head + "at 1 s expect a higher term\n"), {}).trouble,
            "test:3: the term is still 1");
  EXPECT_EQ(tell(story_in(head + "at 1 s await leader n2 within 2 s\n"), {}).trouble,
            "test:3: waited 2 s for n2 as leader");
  EXPECT_EQ(tell(story_in(head + "at 1 s expect leader n3\n"), {}).trouble,
            "test:3: somebody else leads, or nobody");
  EXPECT_NE(tell(story_in(head + "at 1 s expect no write for 2 s\n"), {}).trouble, "");
  EXPECT_EQ(
      tell(story_in(head + "at 1 s power loss: n1\nafter 10 s expect the same term\n"), {}).trouble,
      "test:4: the term went from 1 to 2");
  EXPECT_EQ(tell(story_in(head + "at 1 s power loss: n2\nexpect I5 broken\n"), {}).trouble,
            "I5 was not broken");
}

TEST(Stories, AreReadStrictly) {
  const std::string head = "world 3 nodes, quorum\n";
  EXPECT_EQ(refusal(""), "x.story:0: there is no line 'world N nodes, quorum'");
  EXPECT_EQ(refusal(head + "at 1 s powerloss: n1\n"), "x.story:2: nothing is called 'powerloss'");
  EXPECT_EQ(refusal(head + "at 1 s power loss: n4\n"), "x.story:2: 'n4' is no node of this world");
  EXPECT_EQ(refusal(head + "at 1 s power loss\n"), "x.story:2: it hits 1 of the nodes: which?");
  EXPECT_EQ(refusal(head + "at 1 s a bridge: n1\n"), "x.story:2: it hits 2 of the nodes: which?");
  EXPECT_EQ(refusal(head + "at 1 s power loss: n1, n2\n"), "x.story:2: it hits no further node");
  EXPECT_EQ(refusal(head + "at 1 power loss: n1\n"),
            "x.story:2: a time is '5 s', '1.5 s' or '300 ms', at most an hour");
  EXPECT_EQ(refusal(head + "at 2 s heal\nat 1 s heal\n"),
            "x.story:3: it is later than that already");
  EXPECT_EQ(refusal(head + "await health\n"), "x.story:2: within which time?");
  EXPECT_EQ(refusal(head + "plant roses\n"), "x.story:2: no mistake is called 'roses'");
  EXPECT_EQ(refusal(head + "heal all\n"), "x.story:2: 'all' was not expected here");
  EXPECT_EQ(refusal(head + head), "x.story:2: there is one world in a story");
  EXPECT_EQ(refusal("heal\n"), "x.story:1: steps come behind the line 'world'");
  EXPECT_EQ(refusal("world 2 nodes, quorum\nacknowledgements 2\n"),
            "x.story:2: more acknowledgements are wanted than there are standbys");
}

TEST(Stories, EveryKindOfFaultHasItsPhrase) {
  for (std::size_t kind = 0; kind < fault_kinds().size(); ++kind) {
    PlannedFault fault;
    fault.kind = kind;
    fault.a = 2;
    const Story story = story_in("world 3 nodes, quorum\nat 1 s " + phrase_of(fault) + "\n");
    ASSERT_EQ(story.steps.size(), 1U);
    EXPECT_EQ(story.steps[0].fault, kind);
    EXPECT_EQ(story.steps[0].who.place, machines_of_fault(kind) > 0 ? 2U : 0U);
  }
}

TEST(Stories, NameTheInvariantOfAViolation) {
  EXPECT_EQ(invariant_of("I5: n2 opened term 5"), "I5");
  EXPECT_EQ(invariant_of("wedged after the healing: I24: n2 does not stream: I"), "I24");
  EXPECT_EQ(invariant_of("it never came up: why"), "it never came up");
  EXPECT_EQ(invariant_of(""), "");
}

/// A seed told as a story is the same run, line by line.
TEST(Stories, OfASeedAreTheSeed) {
  for (const std::uint64_t seed : {6U, 8U}) {
    Choices choices = Choices::of_seed(seed);
    choices.record();
    World world(std::move(choices), {});
    const Verdict verdict = world.run();
    const Story story = story_of(world, verdict);
    const Story read = story_in(text_of(story));
    EXPECT_EQ(text_of(read), text_of(story));
    const Verdict again = run_once(read, Choices::of_recording(*read.recorded), {});
    EXPECT_EQ(again.hash, verdict.hash) << "seed " << seed;
  }
}

/// The first seed that breaks something with the mistake planted, after some faults and not too
/// many.
std::optional<Story> broken_story(Bug bug) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Choices choices = Choices::of_seed(seed);
    choices.record();
    World world(std::move(choices), Planted{bug});
    const Verdict verdict = world.run();
    const std::size_t faults = verdict.begun.size();
    if (!verdict.violation.empty() && faults > 3 && faults < 20) return story_of(world, verdict);
  }
  return std::nullopt;
}

TEST(Shrinker, LeavesFewFaultsThatBreakTheSame) {
  const auto story = broken_story(Bug::attach_without_comparing);
  ASSERT_TRUE(story);
  std::uint64_t told = 0;
  Shrinker shrinker(
      *story, [&](const Shrinker::Progress& progress) { told = progress.runs; },
      [&] { return told < 300; });
  ASSERT_TRUE(shrinker.begin());
  const Story small = shrinker.shrink();
  EXPECT_LE(small.steps.size(), 3U) << text_of(small);
  EXPECT_LT(small.steps.size(), story->steps.size());
  EXPECT_LE(small.shape.machines, story->shape.machines);
  EXPECT_EQ(small.breaks, story->breaks);
  EXPECT_EQ(tell(small, {}).trouble, "") << text_of(small);
  EXPECT_EQ(tell(story_in(text_of(small)), {}).trouble, "") << text_of(small);
}

TEST(Shrinker, SaysWhenThereIsNothingToShrink) {
  Story story = story_in("world 3 nodes, quorum\nwriters 3, every 100 ms\nat 1 s power loss: n1\n");
  story.breaks = "I5";
  Shrinker shrinker(
      story, [](const Shrinker::Progress&) {}, [] { return true; });
  EXPECT_FALSE(shrinker.begin());
}

TEST(Shrinker, AMachineGoesWithItsTags) {
  const Story story = story_in(
      "world 3 nodes, quorum\nwriters 3, every 100 ms\n"
      "node 1 nosync\nnode 3 nofailover\nat 1 s power loss: n3 for 5 s\n");
  const Story without_second = without_machine(story, 1);
  ASSERT_EQ(without_second.shape.tags.size(), 2U);
  EXPECT_TRUE(without_second.shape.tags[0].nosync);
  EXPECT_TRUE(without_second.shape.tags[1].nofailover);
  EXPECT_EQ(without_second.steps.at(0).who.place, 1U) << "the tagged machine is what is hit";
  const Story without_first = without_machine(story, 0);
  EXPECT_FALSE(without_first.shape.tags.at(0).nosync);
  EXPECT_EQ(without_machine(story, 2).shape.tags.size(), 2U);
  EXPECT_EQ(tell(story_in(text_of(without_second)), {}).trouble, "");
}

TEST(Drawing, ShowsWhatDecides) {
  const Story story = story_in(
      "world 3 nodes, quorum\nwriters 3, every 100 ms\n"
      "at 1 s power loss: n1 for 15 s\nawait a leader other than n1 within 30 s\n");
  const Told told = tell(story, Keep{0, true});
  EXPECT_EQ(told.trouble, "");
  const Drawing drawing{"<one> & only", 3, false};
  const std::string text = as_text(drawing, told.verdict);
  for (const char* wanted :
       {"    1000  |       !       |", "power loss: n1 for 15 s", "promises term 2",
        "fenced, WAL ends at", "promoted to timeline", "opens term 2 with n", "all is healed",
        "streams as evg_n", "names 'ANY 1 (\"evg_n"}) {
    EXPECT_NE(text.find(wanted), std::string::npos) << wanted << "\n" << text;
  }
  const std::string svg = as_svg(drawing, told.verdict);
  EXPECT_TRUE(svg.starts_with("<svg "));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_NE(svg.find("&lt;one&gt; &amp; only"), std::string::npos);
  EXPECT_EQ(run_once(story, Choices::of_seed(1), {}).hash, told.verdict.hash)
      << "what is drawn changes nothing";
}

TEST(Drawing, ShowsWhereSomethingWasLost) {
  for (const auto& [name, story] : kept()) {
    if (story.breaks != "I5") continue;
    const Told told = tell(story, Keep{0, true});
    const std::string text = as_text({name, story.shape.machines, false}, told.verdict);
    EXPECT_NE(text.find("is acknowledged"), std::string::npos) << text;
    EXPECT_NE(text.find("X      I5: "), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace evergres::sim

#include "sim/story.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "core/situation.hpp"

namespace evergres::sim {
namespace {

std::string name_of(const Who& who) {
  if (who.kind == Who::Kind::leader) return "leader";
  if (who.kind == Who::Kind::standby) return "standby";
  return "n" + std::to_string(who.place + 1);
}

std::string phrase_of(std::size_t kind, const Who& who, const Who& other) {
  std::string phrase(fault_kinds()[kind].name);
  const int machines = machines_of_fault(kind);
  if (machines > 0) phrase += ": " + name_of(who);
  if (machines > 1) phrase += ", " + name_of(other);
  return phrase;
}

std::string sentence_of(const Step& step) {
  const std::string within = " within " + text_of(step.span);
  switch (step.kind) {
    case Step::Kind::fault:
      return phrase_of(step.fault, step.who, step.other) +
             (step.span > Nanos{0} ? " for " + text_of(step.span) : "");
    case Step::Kind::mend: return "mend " + phrase_of(step.fault, step.who, step.other);
    case Step::Kind::heal: return "heal";
    case Step::Kind::await_leader: return "await leader " + name_of(step.who) + within;
    case Step::Kind::await_another_leader:
      return "await a leader other than " + name_of(step.who) + within;
    case Step::Kind::await_health: return "await health" + within;
    case Step::Kind::await_writes:
      return "await " + std::to_string(step.number) + " writes" + within;
    case Step::Kind::await_voters:
      return "await " + std::to_string(step.number) + " voters" + within;
    case Step::Kind::expect_leader: return "expect leader " + name_of(step.who);
    case Step::Kind::expect_same_term: return "expect the same term";
    case Step::Kind::expect_higher_term: return "expect a higher term";
    case Step::Kind::expect_no_write: return "expect no write for " + text_of(step.span);
    case Step::Kind::expect_nothing_lost: return "expect no acknowledged write lost";
  }
  return {};
}

std::string when(const Step& step) {
  if (step.at) return "at " + text_of(*step.at) + " ";
  if (step.after > Nanos{0}) return "after " + text_of(step.after) + " ";
  return {};
}

std::string text_of_choices(const Story& story) {
  if (!story.recorded) {
    if (story.first_seed == story.last_seed) {
      return "choices seed " + std::to_string(story.first_seed) + "\n";
    }
    return "choices seeds " + std::to_string(story.first_seed) + " to " +
           std::to_string(story.last_seed) + "\n";
  }
  if (story.recorded->empty()) return "choices quiet\n";
  std::string text = "choices recorded\n";
  std::string line = "|";
  for (const std::uint32_t answer : *story.recorded) {
    const std::string next = " " + std::to_string(answer);
    if (line.size() + next.size() > 100) {
      text += line + "\n";
      line = "|";
    }
    line += next;
  }
  return text + line + "\n";
}

}  // namespace

std::string text_of(Nanos span) {
  const std::int64_t nanos = span.count();
  if (nanos < 1'000'000'000 && nanos % 1'000'000 == 0) {
    return std::to_string(nanos / 1'000'000) + " ms";
  }
  std::string text = std::to_string(nanos / 1'000'000'000);
  std::string fraction = std::to_string(1'000'000'000 + nanos % 1'000'000'000).substr(1);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  if (!fraction.empty()) text += "." + fraction;
  return text + " s";
}

std::string phrase_of(const PlannedFault& fault) {
  return phrase_of(fault.kind, Who{Who::Kind::machine, fault.a}, Who{Who::Kind::machine, fault.b});
}

// One that is not listed here is written with both machines, which says too much at worst.
int machines_of_fault(std::size_t kind) {
  constexpr std::array<std::string_view, 8> pairs{
      "a bridge",    "a one-way cut",           "replication alone is cut", "agents alone are cut",
      "a slow link", "two machines lose power", "a link comes and goes",    "one frozen walsender"};
  constexpr std::array<std::string_view, 10> everybody{
      "messages ",     "the store is ",       "the store reads ",     "answers of the store ",
      "cold and dark", "an operator's pause", "a ring of majorities", "another durability ",
      "two halves",    "names are "};
  const std::string_view name = fault_kinds()[kind].name;
  if (std::find(pairs.begin(), pairs.end(), name) != pairs.end()) return 2;
  const bool all = std::any_of(everybody.begin(), everybody.end(),
                               [&](std::string_view begin) { return name.starts_with(begin); });
  return all && name != "two halves" ? 0 : 1;
}

std::optional<Bug> bug_called(std::string_view name) {
  for (const auto& word : words(static_cast<const Bug*>(nullptr))) {
    if (word.word == name) return word.value;
  }
  return std::nullopt;
}

std::string invariant_of(const std::string& violation) {
  for (std::size_t at = violation.find('I'); at != std::string::npos;
       at = violation.find('I', at + 1)) {
    std::size_t end = at + 1;
    while (end < violation.size() &&
           std::isdigit(static_cast<unsigned char>(violation[end])) != 0) {
      ++end;
    }
    const bool begins = at == 0 || violation[at - 1] == ' ';
    const bool ends = end < violation.size() && violation[end] == ':';
    if (begins && ends && end > at + 1) return violation.substr(at, end - at);
  }
  return violation.substr(0, violation.find(':'));
}

namespace {

std::string text_of_tags(std::size_t node, const core::Tags& tags) {
  std::string text = "node " + std::to_string(node);
  if (tags.nofailover) text += " nofailover";
  if (tags.nosync) text += " nosync";
  if (tags.clonefrom) text += " clonefrom";
  text += " priority " + std::to_string(tags.failover_priority);
  if (!tags.zone.empty()) text += " zone " + tags.zone;
  return text + "\n";
}

}  // namespace

std::string text_of(const Story& story) {
  std::string text;
  for (const std::string& line : story.about) text += line.empty() ? "#\n" : "# " + line + "\n";
  std::string tags;
  for (const std::string& tag : story.tags) tags += (tags.empty() ? "tags " : ", ") + tag;
  if (!tags.empty()) text += tags + "\n";
  const Shape& shape = story.shape;
  text += "world " + std::to_string(shape.machines) + " nodes, " +
          std::string(word_of(shape.mode)) + "\n";
  text += "acknowledgements " + std::to_string(shape.acknowledgements) + "\n";
  std::apply(
      [&](const auto&... field) {
        const core::Tuning usual;
        const auto write = [&](const auto& each) {
          if (shape.tuning.*each.member == usual.*each.member) return;
          text += std::string(each.name) + " " + text_of(shape.tuning.*each.member) + "\n";
        };
        (write(field), ...);
      },
      fields(static_cast<const core::Tuning*>(nullptr)));
  text += "writers " + std::to_string(shape.writers) + ", every " + text_of(shape.pause) + "\n";
  for (const Bug bug : story.planted) text += "plant " + std::string(word_of(bug)) + "\n";
  text += text_of_choices(story);
  if (shape.max_loss > 0) text += "max_loss " + std::to_string(shape.max_loss) + "\n";
  if (shape.store_slowness > 1) {
    text += "store_slowness " + std::to_string(shape.store_slowness) + "\n";
  }
  if (shape.procedures) text += "procedures\n";
  for (std::size_t node = 0; node < shape.tags.size(); ++node) {
    text += text_of_tags(node + 1, shape.tags[node]);
  }
  if (shape.chaos > Nanos{0}) text += "lasts " + text_of(shape.chaos) + "\n";
  text += "\n";
  for (const Step& step : story.steps) text += when(step) + sentence_of(step) + "\n";
  if (!story.breaks.empty()) text += "expect " + story.breaks + " broken\n";
  return text;
}

Story story_of(World& world, const Verdict& verdict) {
  Story story;
  story.shape = world.shape();
  story.shape.step_crashes = 0;
  story.shape.scenes.clear();
  story.shape.plan = true;
  story.shape.step_faults = 0;  // those that came are faults like others now
  story.planted = world.planted();
  story.recorded = world.choices().recorded_between();
  story.breaks = invariant_of(verdict.violation);
  for (const BegunFault& begun : verdict.begun) {
    Step step;
    step.at = begun.at - verdict.chaos_began;
    step.fault = begun.fault.kind;
    step.who.place = begun.fault.a;
    step.other.place = begun.fault.b;
    const bool passes = fault_kinds()[step.fault].end == nullptr;
    if (!passes) step.span = begun.fault.lasts;
    story.steps.push_back(step);
  }
  return story;
}

Verdict run_once(const Story& story, Choices choices, Keep keep) {
  World world(story, std::move(choices), keep);
  return world.run();
}

Told tell(const Story& story, Keep keep) {
  Told told;
  const auto run = [&](Choices choices) {
    ++told.runs;
    told.verdict = run_once(story, std::move(choices), keep);
    const std::string broken = invariant_of(told.verdict.violation);
    if (!story.breaks.empty()) {
      if (broken == story.breaks) return true;
      told.trouble = story.breaks + " was not broken" +
                     (broken.empty() ? "" : ", but: " + told.verdict.violation);
      return false;
    }
    told.trouble = !broken.empty() ? told.verdict.violation : told.verdict.unmet;
    return !told.trouble.empty();
  };
  if (story.recorded) {
    if (run(Choices::of_recording(*story.recorded)) && !story.breaks.empty()) told.trouble.clear();
    return told;
  }
  for (std::uint64_t seed = story.first_seed; seed <= story.last_seed; ++seed) {
    if (!run(Choices::of_seed(seed))) continue;
    if (!story.breaks.empty()) told.trouble.clear();
    return told;
  }
  return told;
}

}  // namespace evergres::sim

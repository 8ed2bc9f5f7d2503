#include "sim/shrink.hpp"

#include <algorithm>

#include "core/situation.hpp"

namespace evergres::sim {
namespace {

std::string choices_of(const Story& story) {
  if (!story.recorded) return "seed " + std::to_string(story.first_seed);
  if (story.recorded->empty()) return "quiet";
  return std::to_string(story.recorded->size()) + " recorded";
}

Nanos rounded(Nanos span, Nanos to) {
  return Nanos{(span.count() + to.count() / 2) / to.count() * to.count()};
}

}  // namespace

Story without_machine(const Story& story, Place gone) {
  Story smaller = story;
  --smaller.shape.machines;
  auto& tags = smaller.shape.tags;
  if (gone < tags.size()) tags.erase(tags.begin() + static_cast<std::ptrdiff_t>(gone));
  const auto most = static_cast<std::uint32_t>(smaller.shape.machines - 1);
  smaller.shape.acknowledgements = std::min(smaller.shape.acknowledgements, most);
  smaller.steps.clear();
  for (Step step : story.steps) {
    const int hits = machines_of_fault(step.fault);
    if (hits > 0 && step.who.place == gone) continue;
    if (hits > 1 && step.other.place == gone) continue;
    if (step.who.place > gone) --step.who.place;
    if (step.other.place > gone) --step.other.place;
    step.who.place = std::min<Place>(step.who.place, most);
    if (step.other.place == step.who.place) step.other.place = step.who.place == 0 ? 1 : 0;
    smaller.steps.push_back(step);
  }
  return smaller;
}

Shrinker::Shrinker(Story story, Tell tell, std::function<bool()> goes_on)
    : best_(std::move(story)), tell_(std::move(tell)), goes_on_(std::move(goes_on)) {}

bool Shrinker::breaks(const Story& candidate, Choices choices) {
  if (!goes_on_()) return false;
  ++runs_;
  tell_({runs_, best_.steps.size(), best_.shape.machines, best_.shape.chaos, choices_of(best_),
         doing_});
  last_ = run_once(candidate, std::move(choices), {});
  return invariant_of(last_.violation) == candidate.breaks;
}

bool Shrinker::begin() {
  doing_ = "the seed as a story";
  const bool same = breaks(best_, best_.recorded ? Choices::of_recording(*best_.recorded)
                                                 : Choices::of_seed(best_.first_seed));
  if (same) cut_tail(last_);
  return same;
}

// What comes behind the end has done nothing.
void Shrinker::cut_tail(const Verdict& verdict) {
  const Nanos end = Moment{verdict.simulated.count()} - verdict.chaos_began;
  if (end >= best_.shape.chaos) return;
  best_.shape.chaos = Nanos{(end.count() / 1'000'000'000 + 1) * 1'000'000'000};
  std::erase_if(best_.steps, [&](const Step& step) { return step.at && *step.at > end; });
}

// Every change moves the choices behind it to other questions, so that a few other ones are a fair
// try of the same story.
bool Shrinker::accept(Story candidate, const std::string& doing, std::uint64_t seeds) {
  doing_ = doing;
  if (candidate.recorded && breaks(candidate, Choices::of_recording(*candidate.recorded))) {
    best_ = std::move(candidate);
    cut_tail(last_);
    return true;
  }
  return try_seeds(std::move(candidate), seeds, doing);
}

bool Shrinker::try_seeds(Story candidate, std::uint64_t most, const std::string& doing) {
  doing_ = doing;
  const std::uint64_t usual = candidate.recorded ? 1 : candidate.first_seed;
  for (std::uint64_t i = 0; i <= most; ++i) {
    const std::uint64_t seed = i == 0 ? usual : i;
    if (i > 0 && seed == usual) continue;
    if (!breaks(candidate, Choices::of_seed(seed))) continue;
    candidate.recorded.reset();
    candidate.first_seed = candidate.last_seed = seed;
    best_ = std::move(candidate);
    cut_tail(last_);
    return true;
  }
  return false;
}

bool Shrinker::fewer_faults() {
  bool better = false;
  for (std::size_t size = std::max<std::size_t>(best_.steps.size() / 2, 1); size > 0; size /= 2) {
    for (std::size_t from = 0; from < best_.steps.size();) {
      if (!goes_on_()) return better;
      Story candidate = best_;
      const auto begin = candidate.steps.begin() + static_cast<std::ptrdiff_t>(from);
      const auto left = static_cast<std::size_t>(candidate.steps.end() - begin);
      candidate.steps.erase(begin, begin + static_cast<std::ptrdiff_t>(std::min(size, left)));
      if (accept(std::move(candidate), "fewer faults")) {
        better = true;
      } else {
        from += size;
      }
    }
  }
  return better;
}

bool Shrinker::fewer_machines() {
  bool better = false;
  for (Place gone = best_.shape.machines; gone-- > 0 && best_.shape.machines > 2;) {
    if (!goes_on_()) return better;
    better = accept(without_machine(best_, gone), "fewer machines") || better;
  }
  return better;
}

bool Shrinker::plainer_settings() {
  bool better = false;
  const auto try_one = [&](auto change) {
    Story candidate = best_;
    change(candidate.shape);
    if (text_of(candidate) == text_of(best_)) return;
    better = accept(std::move(candidate), "plainer settings") || better;
  };
  try_one([](Shape& shape) { shape.tuning = core::Tuning{}; });
  try_one([](Shape& shape) { shape.mode = core::Durability::quorum; });
  try_one([](Shape& shape) { shape.acknowledgements = 1; });
  try_one([](Shape& shape) { shape.writers = std::min<std::size_t>(shape.writers, 3); });
  try_one([](Shape& shape) { shape.pause = Millis{300}; });
  try_one([](Shape& shape) { shape.pause = rounded(shape.pause, Millis{10}); });
  return better;
}

// Each fault shorter, and everything from it on earlier: what lies between shrinks.
bool Shrinker::less_time() {
  bool better = false;
  for (std::size_t i = 0; i < best_.steps.size(); ++i) {
    for (const std::int64_t part : {0, 4, 2}) {
      if (!goes_on_()) return better;
      Story candidate = best_;
      Step& step = candidate.steps[i];
      const Nanos before = i == 0 ? Nanos{0} : *candidate.steps[i - 1].at;
      const Nanos gap = *step.at - before;
      const Nanos less = part == 0 ? gap : gap - gap / part;
      if (less < Millis{100}) break;
      for (std::size_t j = i; j < candidate.steps.size(); ++j) *candidate.steps[j].at -= less;
      candidate.shape.chaos = std::max(candidate.shape.chaos - less, Nanos(Millis{1000}));
      // The time before the first fault is worth more tries: it makes every run after it longer.
      if (accept(std::move(candidate), "earlier", i == 0 ? 40 : 6)) {
        better = true;
        break;
      }
    }
    for (const std::int64_t part : {8, 2}) {
      if (i >= best_.steps.size() || best_.steps[i].span < Millis{200}) break;
      Story candidate = best_;
      candidate.steps[i].span /= part;
      if (accept(std::move(candidate), "shorter faults")) {
        better = true;
        break;
      }
    }
  }
  return better;
}

bool Shrinker::rounder_times() {
  bool better = false;
  for (const Millis to : {Millis{1000}, Millis{100}, Millis{10}}) {
    for (std::size_t i = 0; i < best_.steps.size(); ++i) {
      Story candidate = best_;
      Step& step = candidate.steps[i];
      step.at = rounded(*step.at, to);
      if (step.span > Nanos{0}) step.span = std::max(rounded(step.span, to), Nanos(to));
      const bool ordered =
          (i == 0 || candidate.steps[i - 1].at <= step.at) &&
          (i + 1 == candidate.steps.size() || step.at <= candidate.steps[i + 1].at);
      if (!ordered || text_of(candidate) == text_of(best_)) continue;
      better = accept(std::move(candidate), "rounder times") || better;
    }
  }
  return better;
}

// Without anything left to chance, or with a seed; else what is recorded up to the shortest
// beginning that suffices, zeros instead of parts of it.
void Shrinker::plainer_choices() {
  doing_ = "plainer choices";
  Story quiet = best_;
  quiet.recorded.emplace();
  if (breaks(quiet, Choices::quiet())) {
    best_ = std::move(quiet);
    return cut_tail(last_);
  }
  if (!best_.recorded || try_seeds(best_, 60, doing_)) return;
  shorter_recording();
  for (std::size_t size = best_.recorded->size() / 2; size > 0 && goes_on_(); size /= 4) {
    for (std::size_t from = 0; from < best_.recorded->size() && goes_on_(); from += size) {
      Story candidate = best_;
      auto& answers = *candidate.recorded;
      const std::size_t to = std::min(from + size, answers.size());
      bool changed = false;
      for (std::size_t i = from; i < to; ++i) changed = std::exchange(answers[i], 0) || changed;
      if (!changed || !breaks(candidate, Choices::of_recording(answers))) continue;
      best_ = std::move(candidate);
    }
  }
  shorter_recording();
}

bool Shrinker::shorter_recording() {
  std::size_t enough = best_.recorded->size();
  std::size_t too_few = 0;
  while (enough - too_few > 1 && goes_on_()) {
    const std::size_t middle = too_few + (enough - too_few) / 2;
    const auto begin = best_.recorded->begin();
    const std::vector<std::uint32_t> part(begin, begin + static_cast<std::ptrdiff_t>(middle));
    (breaks(best_, Choices::of_recording(part)) ? enough : too_few) = middle;
  }
  const bool shorter = enough < best_.recorded->size();
  best_.recorded->resize(enough);
  return shorter;
}

Story Shrinker::shrink() {
  try_seeds(best_, 25, "a seed for what is left to chance");
  for (bool better = true; better && goes_on_();) {
    better = fewer_faults();
    better = fewer_machines() || better;
    better = plainer_settings() || better;
    better = less_time() || better;
  }
  rounder_times();
  plainer_choices();
  return best_;
}

}  // namespace evergres::sim

#pragma once

#include <functional>
#include <string>

#include "sim/story.hpp"

namespace evergres::sim {

/// Without one machine: those behind it move up with their tags, what hit it is gone.
Story without_machine(const Story& story, Place gone);

/// Makes a story that breaks an invariant smaller, as long as it breaks the same one: fewer faults,
/// fewer machines, less time, usual settings, and as little as possible left to chance.
class Shrinker {
 public:
  /// What it is doing, for somebody who waits.
  struct Progress {
    std::uint64_t runs = 0;
    std::size_t faults = 0;
    std::size_t machines = 0;
    Nanos lasts{0};
    std::string choices;
    std::string doing;
  };
  using Tell = std::function<void(const Progress&)>;
  /// `goes_on` is asked before every run: false ends the search with what there is.
  Shrinker(Story story, Tell tell, std::function<bool()> goes_on);

  /// Whether the story breaks what it says: else there is nothing to make smaller.
  bool begin();
  Story shrink();
  [[nodiscard]] std::uint64_t runs() const { return runs_; }

 private:
  bool breaks(const Story& candidate, Choices choices);
  /// Becomes the story if it breaks the same with these choices, or with others.
  bool accept(Story candidate, const std::string& doing, std::uint64_t seeds = 6);
  bool try_seeds(Story candidate, std::uint64_t most, const std::string& doing);
  bool fewer_faults();
  bool fewer_machines();
  bool plainer_settings();
  bool less_time();
  bool rounder_times();
  void plainer_choices();
  bool shorter_recording();
  void cut_tail(const Verdict& verdict);

  Story best_;
  Tell tell_;
  std::function<bool()> goes_on_;
  std::uint64_t runs_ = 0;
  std::string doing_;
  Verdict last_;
};

}  // namespace evergres::sim

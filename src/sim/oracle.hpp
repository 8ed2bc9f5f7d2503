#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/planted.hpp"
#include "sim/story.hpp"

/// The simulator itself is tested: does it find what is broken on purpose?
namespace evergres::sim {

/// A mistake, or two that are one only together because each rule covers for the other.
struct Mistake {
  Bug bug;
  std::optional<Bug> with;
  std::string_view breaks;  ///< the rule: a section of PROTOCOL.md and its words
};
std::span<const Mistake> mistakes();

/// "skip_the_fence", "same_incarnation_after_rewind+half_a_copy_counts"
std::string name_of(const Mistake& mistake);
Planted planted(const Mistake& mistake);
std::optional<Mistake> mistake_called(std::string_view name);

/// How a planted mistake was found.
struct Catch {
  std::uint64_t seeds = 0;  ///< how many were run, the one that found it included
  std::string violation;
};

/// Runs seeds from `first` on with these mistakes planted until one of them breaks an invariant;
/// nothing if `most` of them do not.
std::optional<Catch> hunt(const Planted& bugs, std::uint64_t first, std::uint64_t most);

/// How often a mistake was found when it was hunted from several first seeds.
struct Hunted {
  Mistake mistake;
  std::vector<std::uint64_t> needed;  ///< seeds, of each hunt that found it; ascending
  std::size_t hunts = 0;
  std::string violation;  ///< of the quickest one
};
/// The middle one; nothing if fewer than half of the hunts found it.
std::optional<std::uint64_t> median(const Hunted& hunted);
Hunted hunt_again(const Mistake& mistake, std::uint64_t first, std::size_t hunts,
                  std::uint64_t most);

/// A story that finds what seeds hardly ever play.
struct Teller {
  std::string story;  ///< its file
  std::string violation;
};
/// The first of the stories that plants this mistake and nothing else, and breaks what it says.
std::optional<Teller> found_by_story(const Mistake& mistake, std::span<const Story> stories);

/// Which mistakes are hunted on a day: each `parts`-th, another part each day. `day` counts from
/// any beginning.
std::vector<Mistake> todays(std::uint64_t day, std::uint64_t parts);

}  // namespace evergres::sim

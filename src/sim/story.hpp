#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "sim/world.hpp"

namespace evergres::sim {

/// Whom a step of a story is about: a machine, whoever leads then, or the first that does not.
struct Who {
  enum class Kind { machine, leader, standby };
  Kind kind = Kind::machine;
  Place place = 0;  ///< of a machine
  auto operator<=>(const Who&) const = default;
};

/// One line of a story that happens. Times count from the moment in which the cluster is healthy.
struct Step {
  enum class Kind {
    fault,
    mend,  ///< a fault that has no end of its own
    heal,  ///< all of them
    await_leader,
    await_another_leader,
    await_health,
    await_writes,
    await_voters,
    expect_leader,
    expect_same_term,
    expect_higher_term,
    expect_no_write,
    expect_nothing_lost,
  };
  Kind kind = Kind::fault;
  std::size_t line = 0;     ///< of its file
  std::optional<Nanos> at;  ///< not before this
  Nanos after{0};           ///< the end of the step before
  std::size_t fault = 0;    ///< of fault_kinds()
  Who who;
  Who other;
  Nanos span{0};             ///< how long a fault lasts (0: to the end), or how long is waited
  std::uint32_t number = 0;  ///< of writes, of voters
};

/// A run in words: docs/stories.md has the language. A story by hand says what must happen; one
/// that was shrunk from a seed says which invariant it breaks.
struct Story {
  std::string file;                ///< for messages
  std::vector<std::string> about;  ///< comments at its head: what it teaches
  std::set<std::string> tags;      ///< real: also on real processes; ci: there in the short set
  Shape shape;                     ///< chaos: how long it lasts at least
  Planted planted;
  /// What is left to chance: a recording (an empty one is quiet), or seeds. All of them must hold;
  /// of a story that breaks something one must break it.
  std::optional<std::vector<std::uint32_t>> recorded;
  std::uint64_t first_seed = 1;
  std::uint64_t last_seed = 1;
  std::vector<Step> steps;
  std::string breaks;  ///< an invariant; empty: all hold
};

/// Error data_invalid: "FILE:LINE: …", with a hint. `text` may be anything.
Result<Story> read_story(const std::string& text, const std::string& file);
/// What read_story reads.
std::string text_of(const Story& story);
/// A run as a story: its faults as they hit, the rest of its choices as they were recorded. `world`
/// has run with choices that record.
Story story_of(World& world, const Verdict& verdict);

/// "I12", of the sentence of a judge; where it names none the sentence up to its first colon.
std::string invariant_of(const std::string& violation);

/// How many machines a fault of this kind hits by name: 0, 1 or 2.
int machines_of_fault(std::size_t kind);
std::optional<Bug> bug_called(std::string_view name);
/// "a bridge: n1, n3"
std::string phrase_of(const PlannedFault& fault);
/// "300 ms", "12.5 s": exact.
std::string text_of(Nanos span);

/// How a story ended.
struct Told {
  std::string trouble;  ///< why it did not end as it says; empty if it did
  Verdict verdict;      ///< of the run that decided this
  std::uint64_t runs = 0;
};
Told tell(const Story& story, Keep keep);
/// One run of it.
Verdict run_once(const Story& story, Choices choices, Keep keep);

}  // namespace evergres::sim

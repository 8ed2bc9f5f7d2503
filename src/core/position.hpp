#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/record.hpp"

namespace evergres::core {

/// End of the durable WAL of one server: everything up to `lsn` on `timeline` is flushed there.
struct Position {
  TimelineId timeline;
  Lsn lsn;
  auto operator<=>(const Position&) const = default;
};
constexpr auto fields(const Position*) {
  return std::tuple{Field{"timeline", &Position::timeline}, Field{"lsn", &Position::lsn}};
}

/// Where one timeline leaves its parent, as a history file or the record says it.
struct Fork {
  TimelineId timeline;
  TimelineId parent;
  Lsn at;
  auto operator<=>(const Fork&) const = default;
};
constexpr auto fields(const Fork*) {
  return std::tuple{Field{"timeline", &Fork::timeline}, Field{"parent", &Fork::parent},
                    Field{"at", &Fork::at}};
}

/// The tree of timelines as far as it is known.
class TimelineTree {
 public:
  /// From the record; entries whose fork is not known yet are left out.
  explicit TimelineTree(const std::vector<Lineage>& lineage);
  /// Adds what a node's own history file says; what the record says stays.
  void learn(const std::vector<Fork>& forks);

  [[nodiscard]] std::optional<Fork> fork_of(TimelineId timeline) const;

  /// A node that fetched a history file but has not passed its fork still stands on the parent:
  /// while LSN <= the switch LSN of its timeline, the position belongs to the parent timeline.
  [[nodiscard]] Position normalised(Position position) const;

  /// Whether everything in `prefix` is also in a server that ends at `whole`.
  [[nodiscard]] bool is_prefix(Position prefix, Position whole) const;

  /// Whether a server that ends at `end` has nothing that the server leading on `leader` lacks
  /// where their histories part: only then may it attach. Unknown forks answer no.
  [[nodiscard]] bool fits(Position end, TimelineId leader) const;

  /// Whether a server's history gives a timeline another beginning than the one known here: it was
  /// promoted behind our back, onto an id that was then given out to somebody else.
  [[nodiscard]] bool contradicts(const std::vector<Fork>& history) const;

 private:
  std::map<TimelineId, Fork> forks_;
};

/// What a server that ends at `position` holds: each timeline on its way and how far, the newest
/// first. Never empty.
std::vector<Position> way_to(Position position, const TimelineTree& tree);

/// Where two servers part: up to there they hold the same WAL. Either may stand on a timeline that
/// left the other's, or both on others that left a common one. Empty if nothing known connects
/// them.
std::optional<Lsn> where_they_part(Position one, Position other, const TimelineTree& tree);

/// For where_they_part(): a server on `timeline` of which nobody knows how far it wrote.
Position end_of(TimelineId timeline);

/// Orders positions as PROTOCOL.md 5.5 wants it: by the term that wrote the last record, then by
/// LSN. What is on timelines that the record gave to nobody does not count.
struct Rank {
  Term term;
  Lsn lsn;
  auto operator<=>(const Rank&) const = default;
};
Rank rank_of(Position position, const TimelineTree& tree, const std::vector<Lineage>& lineage);

/// The term under which a timeline was given out; 0 for timeline 1 and for ids the record lacks.
Term term_of(TimelineId timeline, const std::vector<Lineage>& lineage);

}  // namespace evergres::core

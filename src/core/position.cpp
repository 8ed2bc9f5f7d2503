#include "core/position.hpp"

#include <algorithm>
#include <limits>

namespace evergres::core {
namespace {
// A history file may claim anything; a chain longer than this is a loop.
constexpr int longest_chain = 100'000;
}  // namespace

TimelineTree::TimelineTree(const std::vector<Lineage>& lineage) {
  for (const Lineage& entry : lineage) {
    if (!entry.begins || entry.parent.value == 0) continue;
    forks_.emplace(entry.timeline, Fork{entry.timeline, entry.parent, *entry.begins});
  }
}

void TimelineTree::learn(const std::vector<Fork>& forks) {
  for (const Fork& fork : forks) forks_.emplace(fork.timeline, fork);
}

std::optional<Fork> TimelineTree::fork_of(TimelineId timeline) const {
  const auto found = forks_.find(timeline);
  if (found == forks_.end()) return std::nullopt;
  return found->second;
}

Position TimelineTree::normalised(Position position) const {
  for (int step = 0; step < longest_chain; ++step) {
    const auto fork = fork_of(position.timeline);
    if (!fork || position.lsn > fork->at) return position;
    position.timeline = fork->parent;
  }
  return position;
}

bool TimelineTree::is_prefix(Position prefix, Position whole) const {
  const Position inner = normalised(prefix);
  Position outer = normalised(whole);
  for (int step = 0; step < longest_chain; ++step) {
    if (inner.timeline == outer.timeline) return inner.lsn <= outer.lsn;
    const auto fork = fork_of(outer.timeline);
    if (!fork) return false;
    // A server that left a timeline before reaching that timeline's own beginning has only so much.
    outer = Position{fork->parent, std::min(outer.lsn, fork->at)};
  }
  return false;
}

bool TimelineTree::fits(Position end, TimelineId leader) const {
  const Position inner = normalised(end);
  if (inner.timeline == leader) return true;
  std::optional<Lsn> left;
  TimelineId timeline = leader;
  for (int step = 0; step < longest_chain; ++step) {
    const auto fork = fork_of(timeline);
    if (!fork) return false;
    left = left ? std::min(*left, fork->at) : fork->at;
    if (fork->parent == inner.timeline) return inner.lsn <= *left;
    timeline = fork->parent;
  }
  return false;
}

bool TimelineTree::contradicts(const std::vector<Fork>& history) const {
  return std::any_of(history.begin(), history.end(), [&](const Fork& fork) {
    const auto known = fork_of(fork.timeline);
    return known && known->at != fork.at;
  });
}

std::vector<Position> way_to(Position position, const TimelineTree& tree) {
  constexpr std::size_t longest_way = 1000;  // two of them are compared with each other
  std::vector<Position> way{position};
  while (way.size() < longest_way) {
    const auto fork = tree.fork_of(position.timeline);
    if (!fork) break;
    position = Position{fork->parent, std::min(position.lsn, fork->at)};
    way.push_back(position);
  }
  return way;
}

std::optional<Lsn> where_they_part(Position one, Position other, const TimelineTree& tree) {
  const auto way = way_to(one, tree);
  for (const Position& theirs : way_to(other, tree)) {
    const auto ours = std::ranges::find(way, theirs.timeline, &Position::timeline);
    if (ours != way.end()) return std::min(ours->lsn, theirs.lsn);
  }
  return std::nullopt;
}

Position end_of(TimelineId timeline) {
  return {timeline, Lsn{std::numeric_limits<std::uint64_t>::max()}};
}

Term term_of(TimelineId timeline, const std::vector<Lineage>& lineage) {
  for (const Lineage& entry : lineage) {
    if (entry.timeline == timeline) return entry.term;
  }
  return Term{0};
}

Rank rank_of(Position position, const TimelineTree& tree, const std::vector<Lineage>& lineage) {
  const auto is_recorded = [&](TimelineId id) {
    return std::ranges::find(lineage, id, &Lineage::timeline) != lineage.end();
  };
  Position at = position;
  for (int step = 0; step < longest_chain; ++step) {
    const auto fork = tree.fork_of(at.timeline);
    // Nothing was acknowledged on a timeline that the record gave to nobody.
    const bool is_of_the_parent = fork && (at.lsn <= fork->at || !is_recorded(at.timeline));
    if (!is_of_the_parent) break;
    at = Position{fork->parent, std::min(at.lsn, fork->at)};
  }
  return Rank{term_of(at.timeline, lineage), at.lsn};
}

}  // namespace evergres::core

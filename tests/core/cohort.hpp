#pragma once

#include <bit>
#include <functional>
#include <vector>

#include "core/election.hpp"
#include "core/quorum.hpp"
#include "core/transition.hpp"

/// Small cohorts for exhaustive tests: nodes are numbers, sets of nodes are bit masks, node 0
/// leads.
namespace evergres::core::cohort {

using Mask = unsigned;

inline Seat seat(unsigned node) {
  return {NodeName{"n" + std::to_string(node + 1)}, Incarnation{"i" + std::to_string(node + 1)}};
}
inline bool has(Mask mask, unsigned node) {
  return ((mask >> node) & 1U) != 0;
}
inline unsigned size_of(Mask mask) {
  return static_cast<unsigned>(std::popcount(mask));
}
inline std::vector<Seat> seats(Mask mask) {
  std::vector<Seat> list;
  for (unsigned node = 0; node < 5; ++node) {
    if (has(mask, node)) list.push_back(seat(node));
  }
  return list;
}

struct SmallPolicy {
  unsigned leader = 0;
  Mask voters = 0;
  unsigned k = 0;
  [[nodiscard]] Policy real(Term term) const {
    return Policy{Durability::quorum, term, seat(leader), seats(voters), k};
  }
};

/// Every policy of a leader among `nodes` nodes.
inline std::vector<SmallPolicy> policies(unsigned leader, unsigned nodes) {
  std::vector<SmallPolicy> list;
  for (Mask voters = 0; voters < (1U << nodes); ++voters) {
    if (has(voters, leader)) continue;
    if (voters == 0) list.push_back({leader, 0, 0});
    for (unsigned k = 1; k <= size_of(voters); ++k) list.push_back({leader, voters, k});
  }
  return list;
}

/// The smallest sets of standbys that acknowledge under a policy.
inline std::vector<Mask> acknowledging(const SmallPolicy& policy, unsigned nodes) {
  std::vector<Mask> list;
  for (Mask set = 0; set < (1U << nodes); ++set) {
    if ((set & policy.voters) == set && size_of(set) == policy.k) list.push_back(set);
  }
  return list;
}

/// The function under test, or one with a planted bug.
using Covers = std::function<bool(const PolicyBook&, const std::vector<Seat>&)>;

inline unsigned common(const Policy& policy, const std::vector<Seat>& fenced) {
  unsigned count = 0;
  for (const Seat& voter : policy.voters) {
    for (const Seat& other : fenced) count += voter == other ? 1U : 0U;
  }
  return count;
}
inline bool covers_with(const PolicyBook& book, const std::vector<Seat>& fenced,
                        const std::function<unsigned(const Policy&)>& needed) {
  std::vector<Policy> all = book.unproven;
  all.push_back(book.current);
  for (const Policy& policy : all) {
    bool leader = false;
    for (const Seat& each : fenced) leader = leader || each == policy.leader;
    if (!leader && common(policy, fenced) < needed(policy)) return false;
  }
  return true;
}
/// Planted: |S| - k instead of |S| - k + 1.
inline bool one_too_few(const PolicyBook& book, const std::vector<Seat>& fenced) {
  return covers_with(book, fenced, [](const Policy& policy) {
    return static_cast<unsigned>(policy.voters.size()) - policy.k;
  });
}
/// Planted: a majority of the voters, whatever k is.
inline bool majority(const PolicyBook& book, const std::vector<Seat>& fenced) {
  return covers_with(book, fenced, [](const Policy& policy) {
    return static_cast<unsigned>(policy.voters.size()) / 2 + 1;
  });
}

}  // namespace evergres::core::cohort

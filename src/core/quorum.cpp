#include "core/quorum.hpp"

#include <algorithm>

namespace evergres::core {
namespace {

bool contains(const std::vector<Seat>& seats, const Seat& seat) {
  return std::find(seats.begin(), seats.end(), seat) != seats.end();
}

std::size_t common(const std::vector<Seat>& voters, const std::vector<Seat>& seats) {
  std::size_t count = 0;
  for (const Seat& voter : voters) count += contains(seats, voter) ? 1U : 0U;
  return count;
}

std::vector<const Policy*> all_of(const PolicyBook& book) {
  std::vector<const Policy*> policies{&book.current};
  for (const Policy& policy : book.unproven) policies.push_back(&policy);
  return policies;
}

std::string missing_from(const Policy& policy, const std::vector<Seat>& fenced) {
  std::string text = "policy \"" + describe(policy) + "\" needs ";
  if (policy.voters.empty()) return text + policy.leader.node.value + " itself, stopped and read";
  const std::size_t needed = voters_to_fence(policy);
  text += policy.leader.node.value + " stopped and read, or " + std::to_string(needed) + " of ";
  text += std::to_string(policy.voters.size()) + " voters; fenced with a known position: ";
  std::string names;
  for (const Seat& voter : policy.voters) {
    if (contains(fenced, voter)) names += (names.empty() ? "" : ", ") + voter.node.value;
  }
  return text + (names.empty() ? "none" : names);
}

}  // namespace

std::vector<TimelineId> unasked_timelines(const Fenced& answer,
                                          const std::vector<Lineage>& lineage) {
  std::vector<TimelineId> unasked;
  for (const Fork& fork : answer.history) {
    const bool began =
        answer.begun && std::ranges::find(*answer.begun, fork.timeline) != answer.begun->end();
    const auto gave_it = [&](const Lineage& given) {
      return given.timeline == fork.timeline && given.node == answer.seat.node;
    };
    if (!began || std::ranges::any_of(lineage, gave_it)) break;
    unasked.push_back(fork.timeline);
  }
  return unasked;
}

void leave_out_the_unreached(Fenced& answer, const std::vector<Lineage>& lineage) {
  if (!answer.position) return;
  Lsn left = answer.position->lsn;
  for (std::size_t i = 0; i < answer.history.size();) {
    const Fork fork = answer.history[i];
    const bool recorded =
        std::ranges::find(lineage, fork.timeline, &Lineage::timeline) != lineage.end();
    if (i == 0 || recorded || fork.at <= left) {
      left = std::min(left, fork.at);
      ++i;
      continue;
    }
    answer.history[i - 1].parent = fork.parent;
    answer.history.erase(answer.history.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

bool is_foreign(const Fenced& answer, const std::vector<Lineage>& lineage) {
  return !unasked_timelines(answer, lineage).empty() ||
         TimelineTree(lineage).contradicts(answer.history);
}

Fenced before_unasked(const Fenced& answer, const std::vector<Lineage>& lineage) {
  Fenced before = answer;
  const auto count = unasked_timelines(answer, lineage).size();
  if (count == 0) return before;
  const Fork first = answer.history[count - 1];
  before.can_run = false;
  if (before.position) before.position = Position{first.parent, first.at};
  before.history.erase(before.history.begin(),
                       before.history.begin() + static_cast<std::ptrdiff_t>(count));
  return before;
}

std::size_t voters_to_fence(const Policy& policy) {
  return policy.voters.size() + 1 - policy.k;
}

bool covers(const Policy& policy, const std::vector<Seat>& fenced) {
  if (contains(fenced, policy.leader)) return true;
  return common(policy.voters, fenced) >= voters_to_fence(policy);
}

bool covers_all(const PolicyBook& book, const std::vector<Seat>& fenced) {
  if (!covers(book.current, fenced)) return false;
  return std::all_of(book.unproven.begin(), book.unproven.end(),
                     [&](const Policy& policy) { return covers(policy, fenced); });
}

bool may_mix(const std::vector<const Policy*>& policies) {
  // A policy without voters is covered by its leader alone, which has everything.
  std::vector<const Policy*> counting;
  for (const Policy* policy : policies) {
    if (!policy->voters.empty()) counting.push_back(policy);
  }
  if (std::ranges::all_of(counting, [](const Policy* policy) { return policy->k == 1; }))
    return true;
  const auto embraces_all = [&](const Policy* one) {
    return std::ranges::all_of(counting, [&](const Policy* other) {
      return one->k <= other->k && common(other->voters, one->voters) == other->voters.size();
    });
  };
  return std::ranges::any_of(counting, embraces_all);
}

Policy next_step(const PolicyBook& book, const Policy& wanted) {
  std::vector<const Policy*> policies = all_of(book);
  policies.push_back(&wanted);
  if (wanted.voters.empty() || may_mix(policies)) return wanted;
  Policy joint = wanted;
  for (const Policy* policy : policies) {
    if (policy->voters.empty()) continue;
    if (policy->k < joint.k) {
      joint.k = policy->k;
      joint.mode = policy->mode;  // not strict before as many are asked for as strict wants
    }
    for (const Seat& voter : policy->voters) {
      if (!contains(joint.voters, voter)) joint.voters.push_back(voter);
    }
  }
  std::ranges::sort(joint.voters);
  return joint;
}

std::vector<Seat> counting_seats(const std::vector<Fenced>& answers, Term term, SystemId system) {
  std::vector<Seat> seats;
  for (const Fenced& answer : answers) {
    if (answer.term != term || answer.system_id != system || !answer.position) continue;
    if (!contains(seats, answer.seat)) seats.push_back(answer.seat);
  }
  return seats;
}

std::vector<std::string> what_is_missing(const PolicyBook& book, const std::vector<Seat>& fenced) {
  std::vector<std::string> sentences;
  if (!covers(book.current, fenced)) sentences.push_back(missing_from(book.current, fenced));
  for (const Policy& policy : book.unproven) {
    if (!covers(policy, fenced)) sentences.push_back("unproven " + missing_from(policy, fenced));
  }
  return sentences;
}

bool acknowledges(const Policy& policy, const std::vector<Seat>& acknowledging) {
  if (acknowledges_nothing(policy)) return false;
  return common(policy.voters, acknowledging) >= policy.k;
}

std::string describe(const Policy& policy) {
  if (acknowledges_nothing(policy)) return policy.leader.node.value + " with nobody (strict)";
  if (policy.voters.empty()) {
    return policy.leader.node.value + " alone" +
           (policy.mode == Durability::async ? " (async)" : "");
  }
  std::string names;
  for (const Seat& voter : policy.voters) names += (names.empty() ? "" : ", ") + voter.node.value;
  const std::string strict = policy.mode == Durability::strict ? " (strict)" : "";
  return policy.leader.node.value + " with any " + std::to_string(policy.k) + " of " + names +
         strict;
}

}  // namespace evergres::core

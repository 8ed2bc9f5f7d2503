#include "core/election.hpp"

#include <algorithm>

namespace evergres::core {
namespace {

struct Candidate {
  const Fenced* answer;
  Rank rank;
};

TimelineTree tree_of(const ElectionInput& input) {
  TimelineTree tree(input.record.lineage);
  for (const Fenced& answer : input.answers) tree.learn(answer.history);
  return tree;
}

bool counts(const Fenced& answer, const Record& record) {
  return answer.term == record.term && answer.system_id == record.system_id && answer.position;
}

/// The answers that may be compared: of this term, of this cluster, with a position.
std::vector<Candidate> compared(const ElectionInput& input, const TimelineTree& tree) {
  std::vector<Candidate> candidates;
  for (const Fenced& answer : input.answers) {
    if (!counts(answer, input.record)) continue;
    candidates.push_back({&answer, rank_of(*answer.position, tree, input.record.lineage)});
  }
  return candidates;
}

/// The highest (term of the last record, LSN); among equals the preferred node, then one that is
/// not the former leader (it has the newest cache of nothing: it was just stopped), then by name.
const Candidate* best_of(const std::vector<Candidate>& candidates, const ElectionInput& input) {
  const auto former = input.record.policy.current.leader.node;
  const auto key = [&](const Candidate& candidate) {
    const NodeName& node = candidate.answer->seat.node;
    const bool preferred = input.preferred && *input.preferred == node;
    return std::tuple{candidate.rank, preferred, node != former};
  };
  const Candidate* best = nullptr;
  for (const Candidate& candidate : candidates) {
    if (!candidate.answer->can_run) continue;
    if (best == nullptr || key(candidate) > key(*best) ||
        (key(candidate) == key(*best) && candidate.answer->seat.node < best->answer->seat.node)) {
      best = &candidate;
    }
  }
  return best;
}

/// A node that cannot run but holds more WAL than the best must be heard first, unless the others
/// suffice without it: then nothing acknowledged is in what it holds beyond them.
const Candidate* ahead_of(const Candidate& best, const std::vector<Candidate>& candidates,
                          const PolicyBook& book) {
  const Candidate* ahead = nullptr;
  std::vector<Seat> others;
  for (const Candidate& candidate : candidates) {
    if (candidate.rank > best.rank) {
      ahead = &candidate;
    } else {
      others.push_back(candidate.answer->seat);
    }
  }
  return covers_all(book, others) ? nullptr : ahead;
}

/// The mode of the policies that may be in force; the stricter one, if a change is under way.
Durability mode_of(const PolicyBook& book) {
  const auto is_strict = [](const Policy& policy) { return policy.mode == Durability::strict; };
  const bool strict =
      is_strict(book.current) || std::any_of(book.unproven.begin(), book.unproven.end(), is_strict);
  return strict ? Durability::strict : Durability::quorum;
}

/// P' contains only fenced nodes whose position is a prefix of the candidate's. The former leader
/// comes back by a policy change, unless the new leader would else be alone.
Policy next_policy(const Candidate& best, const std::vector<Candidate>& candidates,
                   const ElectionInput& input, const TimelineTree& tree) {
  Policy policy;
  policy.mode = mode_of(input.record.policy);
  policy.term = input.record.term;
  policy.leader = best.answer->seat;
  const NodeName former = input.record.policy.current.leader.node;
  std::vector<Seat> spare;
  for (const Candidate& candidate : candidates) {
    const Fenced& answer = *candidate.answer;
    // A leader that stopped for its handover is about to start again as a standby.
    const bool will_run =
        answer.can_run || (input.record.phase == Phase::handover && answer.seat.node == former);
    if (answer.seat == policy.leader || !will_run) continue;
    if (!tree.is_prefix(*answer.position, *best.answer->position)) continue;
    (answer.seat.node == former ? spare : policy.voters).push_back(answer.seat);
  }
  const std::size_t least = policy.mode == Durability::strict ? input.wanted_k : 1;
  while (policy.voters.size() < least && !spare.empty()) {
    policy.voters.push_back(spare.back());
    spare.pop_back();
  }
  std::sort(policy.voters.begin(), policy.voters.end());
  policy.k =
      std::min<std::uint32_t>(input.wanted_k, static_cast<std::uint32_t>(policy.voters.size()));
  if (policy.mode == Durability::strict && policy.k < input.wanted_k) policy.k = 0;
  if (policy.k == 0) policy.voters.clear();
  return policy;
}

TimelineId next_timeline(const ElectionInput& input) {
  std::uint32_t highest = 1;
  for (const Lineage& entry : input.record.lineage)
    highest = std::max(highest, entry.timeline.value);
  for (const Fenced& answer : input.answers) {
    highest = std::max(highest, answer.newest_timeline.value);
    if (answer.position) highest = std::max(highest, answer.position->timeline.value);
  }
  return TimelineId{highest + 1};
}

std::vector<Fork> learned_forks(const ElectionInput& input, const Candidate& best) {
  const TimelineTree known(input.record.lineage);
  std::vector<Fork> learned;
  for (const Fork& fork : best.answer->history) {
    if (!known.fork_of(fork.timeline)) learned.push_back(fork);
  }
  return learned;
}

/// What becomes of a fenced node under the new leader, and why.
std::string part_of(const Fenced& answer, const Choice& choice, const ElectionInput& input,
                    const TimelineTree& tree) {
  if (answer.seat == choice.leader) return "; leads, nobody holds more";
  const auto& voters = choice.policy.voters;
  if (std::find(voters.begin(), voters.end(), answer.seat) != voters.end()) return "; votes";
  const std::string without = "; votes later: ";
  if (!tree.is_prefix(*answer.position, choice.position)) {
    return without + "it holds WAL that " + choice.leader.node.value + " lacks";
  }
  if (answer.seat.node == input.record.policy.current.leader.node) {
    return without + "it led before, and others suffice";
  }
  return without + (answer.can_run ? "too few are left for the policy" : "it does not run");
}

/// They go into the record; a node may say anything about its position.
constexpr std::size_t longest_fact = 300;

/// Every candidate with its position, and who was excluded and why.
std::vector<std::string> facts_about(const ElectionInput& input, const Choice& choice,
                                     const TimelineTree& tree) {
  std::vector<std::string> facts;
  for (const Fenced& answer : input.answers) {
    std::string fact = answer.seat.node.value + ": ";
    if (answer.term != input.record.term) {
      fact += "answered for term " + std::to_string(answer.term.value) + ", not counted";
    } else if (answer.system_id != input.record.system_id) {
      fact += "belongs to another cluster, not counted";
    } else if (!answer.position) {
      fact += "fenced without a position (" + answer.why_no_position + ")";
    } else {
      fact += "fenced at " + answer.position->lsn.text() + " on timeline " +
              std::to_string(answer.position->timeline.value);
      if (!answer.can_run) fact += ", its PostgreSQL cannot lead";
      if (counts(answer, input.record)) fact += part_of(answer, choice, input, tree);
    }
    facts.push_back(fact.substr(0, longest_fact));
  }
  for (const NodeName& member : input.record.members) {
    const bool answered =
        std::any_of(input.answers.begin(), input.answers.end(),
                    [&](const Fenced& answer) { return answer.seat.node == member; });
    if (answered) continue;
    const auto why = input.why_no_answer.find(member);
    facts.push_back(member.value + ": gave no answer, excluded" +
                    (why == input.why_no_answer.end() ? "" : ": " + why->second));
  }
  return facts;
}

}  // namespace

Elected choose(const ElectionInput& input) {
  Elected elected;
  const auto seats = counting_seats(input.answers, input.record.term, input.record.system_id);
  if (!input.accept_data_loss && !covers_all(input.record.policy, seats)) {
    elected.otherwise.missing = what_is_missing(input.record.policy, seats);
    return elected;
  }
  const TimelineTree tree = tree_of(input);
  const auto candidates = compared(input, tree);
  const Candidate* best = best_of(candidates, input);
  if (best == nullptr) {
    elected.otherwise.missing = {"no fenced node has a PostgreSQL that could be promoted"};
    return elected;
  }
  const Candidate* ahead =
      input.accept_data_loss ? nullptr : ahead_of(*best, candidates, input.record.policy);
  if (ahead != nullptr) {
    elected.otherwise.missing = {ahead->answer->seat.node.value + " holds WAL up to " +
                                 ahead->answer->position->lsn.text() + ", more than " +
                                 best->answer->seat.node.value + ", but cannot lead itself"};
    return elected;
  }
  Choice choice;
  choice.leader = best->answer->seat;
  choice.agent = best->answer->agent;
  choice.position = *best->answer->position;
  choice.policy = next_policy(*best, candidates, input, tree);
  choice.timeline = next_timeline(input);
  choice.learned = learned_forks(input, *best);
  choice.facts = facts_about(input, choice, tree);
  elected.choice = std::move(choice);
  return elected;
}

}  // namespace evergres::core

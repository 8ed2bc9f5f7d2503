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

Tags tags_of(const ElectionInput& input, const NodeName& node) {
  const auto found = input.tags.find(node);
  return found == input.tags.end() ? Tags{} : found->second;
}

/// Why an operator does not want this node to lead; nothing if it may. The tag nofailover is about
/// taking over from another: who led last leads again after a crash of its own. Where commits are
/// given up anyway, none more is given up for a tag. A fence by hand stands also then: that node
/// stays stopped, and would give the leadership back at once.
std::optional<std::string> why_kept_out(const ElectionInput& input, const NodeName& node) {
  if (hand_fence(input.record, node) != nullptr) return "is fenced by an operator";
  if (input.accept_data_loss) return std::nullopt;
  const bool former = input.record.policy.current.leader.node == node;
  if (!tags_of(input, node).nofailover || former || input.insisted_on == node) return std::nullopt;
  return "is tagged nofailover";
}

/// What decides between two candidates, the first difference from above; at last the name.
struct Merit {
  Rank rank;                         ///< term of the last record, LSN: no wish comes before it
  bool preferred = false;            ///< an operator named it, or it is the heir
  bool may_lead = false;             ///< not nofailover
  bool streams_from_leader = false;  ///< not below a standby
  std::uint32_t priority = 0;
  bool new_leader = false;  ///< the former one has the newest cache of nothing: it was just stopped
  bool same_zone = false;   ///< as the former leader
  auto operator<=>(const Merit&) const = default;
};

Merit merit_of(const Candidate& candidate, const ElectionInput& input) {
  const NodeName& node = candidate.answer->seat.node;
  const NodeName& former = input.record.policy.current.leader.node;
  const std::string zone = tags_of(input, former).zone;
  const Tags tags = tags_of(input, node);
  return {.rank = candidate.rank,
          .preferred = input.preferred == node,
          .may_lead = !tags.nofailover,
          .streams_from_leader = !tags.replicatefrom,
          .priority = tags.failover_priority,
          .new_leader = node != former,
          .same_zone = !zone.empty() && tags.zone == zone};
}

const Candidate* best_of(const std::vector<Candidate>& candidates, const ElectionInput& input) {
  const Candidate* best = nullptr;
  for (const Candidate& candidate : candidates) {
    const NodeName& node = candidate.answer->seat.node;
    if (!candidate.answer->can_run || why_kept_out(input, node)) continue;
    if (best != nullptr) {
      const auto order = merit_of(candidate, input) <=> merit_of(*best, input);
      if (order < 0 || (order == 0 && best->answer->seat.node < node)) continue;
    }
    best = &candidate;
  }
  return best;
}

/// The leader of the current policy, if a policy of the book is async and it was stopped and read.
const Fenced* former_async_leader(const ElectionInput& input,
                                  const std::vector<Candidate>& candidates) {
  const PolicyBook& book = input.record.policy;
  if (!some_async(book)) return nullptr;
  for (const Candidate& candidate : candidates) {
    if (candidate.answer->seat == book.current.leader) return candidate.answer;
  }
  return nullptr;
}

/// An async leader that was stopped and read has all that was acknowledged, and only who has its
/// WAL too may follow it: another one may stand on the newer timeline of a failover that gave this
/// leader up and never opened.
void keep_who_has_the_leaders_wal(std::vector<Candidate>& candidates, const Fenced* former,
                                  const TimelineTree& tree) {
  if (former == nullptr) return;
  std::erase_if(candidates, [&](const Candidate& candidate) {
    return !tree.is_prefix(*former->position, *candidate.answer->position);
  });
}

/// A node that cannot lead but holds more WAL than the best must be heard first, unless the others
/// suffice without it: then nothing acknowledged is in what it holds beyond them. Where the answers
/// do not cover the book, the others suffice if they leave nothing but async policies uncovered.
const Candidate* ahead_of(const Candidate& best, const std::vector<Candidate>& candidates,
                          const PolicyBook& book, bool covered) {
  const Candidate* ahead = nullptr;
  std::vector<Seat> others;
  for (const Candidate& candidate : candidates) {
    if (candidate.rank > best.rank) {
      ahead = &candidate;
    } else {
      others.push_back(candidate.answer->seat);
    }
  }
  const bool enough = covered ? covers_all(book, others) : only_async_is_uncovered(book, others);
  return enough ? nullptr : ahead;
}

/// The mode of the policies that may be in force; the stricter one, if a change is under way.
Durability mode_of(const PolicyBook& book) {
  const auto has = [&](Durability mode) {
    const auto is_it = [&](const Policy& policy) { return policy.mode == mode; };
    return is_it(book.current) || std::any_of(book.unproven.begin(), book.unproven.end(), is_it);
  };
  if (has(Durability::strict)) return Durability::strict;
  return has(Durability::quorum) ? Durability::quorum : Durability::async;
}

/// Nodes that must not lead vote only where others are missing: else a commit could be on them
/// alone, and nobody could lead with it.
void add_reluctant(std::vector<Seat>& voters, std::vector<Seat> reluctant, std::size_t wanted) {
  std::sort(reluctant.begin(), reluctant.end());
  for (const Seat& seat : reluctant) {
    if (voters.size() < wanted) voters.push_back(seat);
  }
}

/// Whether it is the leader or a voter of a policy that may be in force.
bool voted(const PolicyBook& book, const Seat& seat) {
  const auto names_it = [&](const Policy& policy) {
    return policy.leader == seat ||
           std::find(policy.voters.begin(), policy.voters.end(), seat) != policy.voters.end();
  };
  return names_it(book.current) ||
         std::any_of(book.unproven.begin(), book.unproven.end(), names_it);
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
  std::vector<Seat> reluctant;
  std::vector<Seat> tagged;
  for (const Candidate& candidate : candidates) {
    const Fenced& answer = *candidate.answer;
    const NodeName& node = answer.seat.node;
    if (hand_fence(input.record, node) != nullptr) continue;
    // With strict no tag takes out a voter while others are missing.
    const bool wished_out = why_not_vote(tags_of(input, node)).has_value();
    const bool kept = policy.mode == Durability::strict && voted(input.record.policy, answer.seat);
    if (wished_out && !kept) continue;
    // A leader that stopped for its handover is about to start again as a standby.
    const bool will_run =
        answer.can_run || (input.record.phase == Phase::handover && node == former);
    if (answer.seat == policy.leader || !will_run) continue;
    if (!tree.is_prefix(*answer.position, *best.answer->position)) continue;
    if (wished_out) {
      tagged.push_back(answer.seat);
      continue;
    }
    const bool must_not_lead = tags_of(input, node).nofailover;
    (node == former ? spare : must_not_lead ? reluctant : policy.voters).push_back(answer.seat);
  }
  add_reluctant(policy.voters, reluctant, std::max<std::size_t>(input.wanted_k, 1));
  const std::size_t least = policy.mode == Durability::strict ? input.wanted_k : 1;
  while (policy.voters.size() < least && !spare.empty()) {
    policy.voters.push_back(spare.back());
    spare.pop_back();
  }
  add_reluctant(policy.voters, tagged, policy.mode == Durability::strict ? least : 0);
  std::sort(policy.voters.begin(), policy.voters.end());
  policy.k =
      std::min<std::uint32_t>(input.wanted_k, static_cast<std::uint32_t>(policy.voters.size()));
  if (policy.mode == Durability::strict && policy.k < input.wanted_k) policy.k = 0;
  if (policy.mode == Durability::async) policy.k = 0;
  if (policy.k == 0) policy.voters.clear();
  return policy;
}

/// Whether the id that was given out last is this server's, and no promotion began it: nobody who
/// was asked has a file of it, and who began it keeps a note of that. Nothing else refers to its
/// term. As with every id, nobody else has one that a promotion by hand would take for the next.
bool was_given_in_vain(const ElectionInput& input, const Seat& leader) {
  const Record& record = input.record;
  if (record.lineage.empty()) return false;
  const Lineage& last = record.lineage.back();
  const bool is_its_own = std::ranges::any_of(record.policy.unproven, [&](const Policy& policy) {
    return policy.term == last.term && policy.leader == leader;
  });
  if (!is_its_own || last.node != leader.node || last.begins) return false;
  const bool has_loss =
      record.loss && record.loss->term == last.term && record.loss->opened.value_or(true);
  if (has_loss || record.policy.current.term == last.term) return false;
  const auto is_below = [&](TimelineId id, std::uint32_t step) {
    return id.value + step <= last.timeline.value;
  };
  return std::ranges::all_of(input.answers, [&](const Fenced& answer) {
    const std::uint32_t step = answer.seat == leader ? 1 : timeline_step;  // its own placeholders
    return is_below(answer.newest_timeline, step) &&
           (!answer.position || is_below(answer.position->timeline, timeline_step));
  });
}

/// A node that fails to be promoted again and again takes one id for all of it.
TimelineId next_timeline(const ElectionInput& input, const Seat& leader) {
  if (was_given_in_vain(input, leader)) return input.record.lineage.back().timeline;
  std::uint32_t highest = 1;
  for (const Lineage& entry : input.record.lineage)
    highest = std::max(highest, entry.timeline.value);
  for (const Fenced& answer : input.answers) {
    highest = std::max(highest, answer.newest_timeline.value);
    if (answer.position) highest = std::max(highest, answer.position->timeline.value);
  }
  return TimelineId{highest + timeline_step};
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
  if (answer.seat == choice.leader) {
    const bool is_most =
        std::all_of(input.answers.begin(), input.answers.end(), [&](const Fenced& other) {
          return !counts(other, input.record) || tree.is_prefix(*other.position, choice.position);
        });
    return is_most ? "; leads, nobody holds more" : "; leads";
  }
  const auto& voters = choice.policy.voters;
  if (std::find(voters.begin(), voters.end(), answer.seat) != voters.end()) return "; votes";
  const Tags tags = tags_of(input, answer.seat.node);
  if (hand_fence(input.record, answer.seat.node) != nullptr) return "; does not vote";
  if (choice.policy.mode == Durability::async) return "; follows, async has no voters";
  if (const auto wish = why_not_vote(tags)) return "; does not vote: " + *wish;
  if (tags.nofailover && answer.can_run) return "; votes only where others are missing";
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
      if (const auto kept_out = why_kept_out(input, answer.seat.node)) fact += ", " + *kept_out;
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

/// Why none of the fenced nodes may lead.
std::vector<std::string> nobody_may(const std::vector<Candidate>& candidates,
                                    const ElectionInput& input) {
  std::vector<std::string> reasons;
  for (const Candidate& candidate : candidates) {
    const NodeName& node = candidate.answer->seat.node;
    const auto kept_out = why_kept_out(input, node);
    if (kept_out && candidate.answer->can_run)
      reasons.push_back(node.value + " could lead, but " + *kept_out);
  }
  if (reasons.empty()) reasons = {"no fenced node has a PostgreSQL that could be promoted"};
  return reasons;
}

std::string holds_more(const Candidate& ahead, const std::string& than,
                       const ElectionInput& input) {
  const NodeName& node = ahead.answer->seat.node;
  const auto kept_out = why_kept_out(input, node);
  return node.value + " holds WAL up to " + ahead.answer->position->lsn.text() + ", more than " +
         than + ", but " +
         (kept_out && ahead.answer->can_run ? *kept_out : std::string("cannot lead itself"));
}

std::string is_coming_up(const Record& record) {
  return record.policy.current.leader.node.value +
         " is starting and may come up with everything that was acknowledged";
}

/// Why a coordinator whose answers do not cover the book may not go on; empty if it may. An async
/// leader acknowledges alone: until its lease has ended nobody takes over, whoever asks for it.
std::vector<std::string> what_holds_it_up(const ElectionInput& input,
                                          const std::vector<Seat>& seats) {
  const Record& record = input.record;
  if (!input.accept_data_loss && !only_async_is_uncovered(record.policy, seats)) {
    return what_is_missing(record.policy, seats);
  }
  const std::string leader = record.policy.current.leader.node.value;
  if (some_async(record.policy) && !input.lease_ended) {
    return {"the lease of " + leader + " has not ended yet"};
  }
  if (!input.accept_data_loss && input.leader_is_coming_up) return {is_coming_up(record)};
  if (!input.accept_data_loss && !is_majority(record, seats)) {
    return {"durability async needs promises of more than half of the " +
            std::to_string(record.members.size()) + " members, " + std::to_string(seats.size()) +
            " promised"};
  }
  return {};
}

bool cannot_lead(const Fenced& answer, const ElectionInput& input) {
  return !answer.can_run || why_kept_out(input, answer.seat.node);
}

/// An async leader that was stopped and read, but cannot lead, and nobody else has its WAL: it has
/// until its lease ends to come up, and as long as it is starting. Then it is given up as if it had
/// not answered, only that what is lost with it is known. Its promise counts for the majority.
bool may_give_up(const Fenced& former, const ElectionInput& input, const std::vector<Seat>& seats) {
  std::vector<Seat> others = seats;
  std::erase(others, former.seat);
  return !input.accept_data_loss && cannot_lead(former, input) && input.lease_ended &&
         !input.leader_is_coming_up && is_majority(input.record, seats) &&
         only_async_is_uncovered(input.record.policy, others);
}

/// What is lost with the best: up to where the leader itself was read; else up to its last word,
/// and what a node that cannot lead holds beyond the best.
Loss loss_with(const ElectionInput& input, const Candidate& best, const Fenced* former,
               const std::vector<Candidate>& candidates, const TimelineTree& tree) {
  const Position& chosen = *best.answer->position;
  if (former != nullptr) {
    const Policy& lost = input.record.policy.current;
    const LastWord end{former->seat, lost.term, *former->position, {}};
    Loss read = possible_loss(input.record, end, chosen, tree);
    // Promoted behind our back, it wrote more, of which nobody was told.
    const auto held = held_of_the_lost(input.record, *former->position, tree);
    if (read.to && held) read.to = std::min(*read.to, std::max(read.from, *held));
    return read;
  }
  Loss loss = possible_loss(input.record, input.word, chosen, tree);
  for (const Candidate& candidate : candidates) {
    const Position& position = *candidate.answer->position;
    if (tree.is_prefix(position, chosen)) continue;
    const Lsn held = held_of_the_lost(input.record, position, tree).value_or(position.lsn);
    if (loss.to) loss.to = std::max(*loss.to, held);
  }
  return loss;
}

/// The best of enough answers, and what is lost with it; or why there is none.
struct Selection {
  std::optional<Candidate> best;
  std::optional<Loss> loss;
  std::vector<std::string> missing;
  bool complete = false;  ///< the best holds everything that was acknowledged
};

/// Why nobody can be chosen of those that remain.
std::vector<std::string> why_nobody(const ElectionInput& input,
                                    const std::vector<Candidate>& eligible, const Fenced* former) {
  if (former == nullptr || !cannot_lead(*former, input)) return nobody_may(eligible, input);
  if (input.leader_is_coming_up) return {is_coming_up(input.record)};
  return {holds_more({former, {}}, "any node that could lead", input)};
}

Selection select(const ElectionInput& input, const std::vector<Candidate>& candidates,
                 const TimelineTree& tree, const std::vector<Seat>& seats) {
  const Record& record = input.record;
  const Fenced* former = former_async_leader(input, candidates);
  bool covered = covers_all(record.policy, seats);
  auto eligible = candidates;
  if (!input.accept_data_loss) keep_who_has_the_leaders_wal(eligible, former, tree);
  const Candidate* best = best_of(eligible, input);
  if (best == nullptr && former != nullptr && may_give_up(*former, input, seats)) {
    eligible = candidates;
    std::erase_if(eligible, [&](const Candidate& each) { return each.answer == former; });
    best = best_of(eligible, input);
    covered = false;
  }
  if (best == nullptr) return {{}, {}, why_nobody(input, eligible, former), false};
  const Candidate* ahead = ahead_of(*best, eligible, record.policy, covered);
  if (ahead != nullptr && !input.accept_data_loss) {
    return {{}, {}, {holds_more(*ahead, best->answer->seat.node.value, input)}, false};
  }
  const bool whole = former == nullptr
                         ? covered
                         : tree.is_prefix(*former->position, *best->answer->position);
  // Whoever is ahead of it may hold commits that were acknowledged under quorum or strict.
  const bool keeps_all = former != nullptr || best->answer->seat == record.policy.current.leader;
  if (whole && (ahead == nullptr || keeps_all)) return {*best, {}, {}, ahead == nullptr};
  const Loss loss = loss_with(input, *best, former, candidates, tree);
  if (!input.accept_data_loss && !is_tolerable(loss, record)) {
    return {{}, {}, {too_much(loss, record)}, false};
  }
  return {*best, loss, {}, false};
}

}  // namespace

Elected choose(const ElectionInput& input) {
  Elected elected;
  const auto seats = counting_seats(input.answers, input.record.term, input.record.system_id);
  if (!covers_all(input.record.policy, seats)) {
    elected.otherwise.missing = what_holds_it_up(input, seats);
    if (!elected.otherwise.missing.empty()) return elected;
  }
  const TimelineTree tree = tree_of(input);
  const auto candidates = compared(input, tree);
  const Selection selection = select(input, candidates, tree, seats);
  if (!selection.best) {
    elected.otherwise.missing = selection.missing;
    return elected;
  }
  const Candidate& best = *selection.best;
  Choice choice;
  choice.leader = best.answer->seat;
  choice.agent = best.answer->agent;
  choice.position = *best.answer->position;
  choice.policy = next_policy(best, candidates, input, tree);
  choice.timeline = next_timeline(input, choice.leader);
  choice.learned = learned_forks(input, best);
  choice.facts = facts_about(input, choice, tree);
  // Whoever was to lead after a dropped leader never opened, so that nothing of it can be lost.
  const auto inherited = inherited_loss(input.record, choice.leader, choice.position, tree);
  choice.loss = inherited ? inherited : selection.loss;
  elected.complete = selection.complete;
  elected.choice = std::move(choice);
  return elected;
}

}  // namespace evergres::core

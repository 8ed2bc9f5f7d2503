#include "core/transition.hpp"

#include <algorithm>

namespace evergres::core {
namespace {

Error refusal(std::string message, std::string detail) {
  return Error(ErrorCode::refused, std::move(message), std::move(detail));
}

Outcome holds_claim(const Record& record, const Claim& claim) {
  if (!claim.empty() && record.claim == claim) return {};
  return refusal("the claim of term " + std::to_string(record.term.value) + " is not ours",
                 "It belongs to a run of the agent on \"" + record.claimant.value + "\".");
}

Outcome is_open_leader(const Record& record, const Claim& claim) {
  if (auto held = holds_claim(record, claim); !held) return held;
  if (record.phase == Phase::leading) return {};
  return refusal("no leader is open",
                 "The record is in phase \"" + std::string(word_of(record.phase)) + "\".");
}

bool is_unproven(const PolicyBook& book, const Policy& policy) {
  return std::find(book.unproven.begin(), book.unproven.end(), policy) != book.unproven.end();
}

bool is_recorded(const PolicyBook& book, const Policy& policy) {
  return book.current == policy || is_unproven(book, policy);
}

/// Whether a commit may have been acknowledged by this node, in whatever incarnation.
bool counts(const PolicyBook& book, const NodeName& node) {
  const auto names_it = [&](const Policy& policy) {
    return policy.leader.node == node ||
           std::any_of(policy.voters.begin(), policy.voters.end(),
                       [&](const Seat& voter) { return voter.node == node; });
  };
  return names_it(book.current) ||
         std::any_of(book.unproven.begin(), book.unproven.end(), names_it);
}

void add_unproven(PolicyBook& book, const Policy& policy) {
  if (!is_unproven(book, policy)) book.unproven.push_back(policy);
}

std::vector<std::string> dropped_policies(const PolicyBook& book) {
  std::vector<std::string> sentences{"an operator accepted loss; dropped: " +
                                     describe(book.current)};
  for (const Policy& policy : book.unproven)
    sentences.push_back("dropped, unproven: " + describe(policy));
  return sentences;
}

void learn(Record& record, const Fork& fork) {
  for (Lineage& entry : record.lineage) {
    if (entry.timeline != fork.timeline) continue;
    entry.parent = fork.parent;
    entry.begins = fork.at;
  }
}

/// The loss of this choice takes the place of one that never took effect, and stands beside one
/// that did and is not measured yet. Whoever is chosen loses nothing of its own; what was given up
/// of it before stays noted until it opens: if it does not, the next one may lack it again.
void note_loss(Record& record, std::optional<Loss> next, const Seat& chosen) {
  constexpr std::size_t most_earlier_losses = 16;
  const std::optional<Loss> before = record.loss;
  const bool in_effect = before && took_effect(record, *before);
  if (next && next->leader == chosen) next.reset();
  if (!next && in_effect) return;
  if (before && !in_effect && before->leader == chosen) {
    record.loss->opened = false;  // an older version derived it from what `learn` is about to note
    return;
  }
  if (next) {
    next->opened = false;
    if (before && !in_effect && before->leader == next->leader)
      next->silent_ms = std::max(next->silent_ms, before->silent_ms);
  }
  record.loss = std::move(next);
  if (!in_effect || before->measured) return;
  auto& earlier = record.earlier_losses;
  if (!earlier) earlier.emplace();
  earlier->push_back(*before);
  if (earlier->size() > most_earlier_losses) earlier->erase(earlier->begin());
}

/// Whether this timeline leaves the one of that leadership. One in between was promoted in vain:
/// its probes may have taken ids that mean other transactions elsewhere.
bool descends_from(const Record& record, Term leadership, const Fork& fork) {
  return std::ranges::any_of(record.lineage, [&](const Lineage& entry) {
    return entry.term == leadership && entry.timeline == fork.parent;
  });
}

/// Without a list, because an older version wrote the record, the leadership before is that of the
/// current policy. That is never too old: where an operator accepted a loss it is a term in which
/// nobody served, and whoever asks about an earlier one finds a gap.
void note_leadership(Record& record, const Fork& fork, std::optional<std::uint64_t> next_xid) {
  auto& list = record.leaderships;
  const bool known = list && !list->empty();
  const Term after = known ? list->back().term : record.policy.current.term;
  if (after >= record.term) return;  // dropped in this term: the next one begins the list
  if (!descends_from(record, after, fork)) next_xid.reset();
  if (!list) list.emplace();
  list->push_back(Leadership{record.term, after, next_xid});
  if (list->size() > most_leaderships) list->erase(list->begin());
}

std::string policy_trouble(const Policy& policy) {
  if (policy.mode == Durability::async && !policy.voters.empty()) {
    return "an async policy has voters";
  }
  if (policy.voters.empty() != (policy.k == 0)) return "k and the voters of a policy disagree";
  if (policy.k > policy.voters.size()) return "a policy wants more acknowledgements than voters";
  for (std::size_t i = 0; i < policy.voters.size(); ++i) {
    if (policy.voters[i].node == policy.leader.node) return "a leader is its own voter";
    // A node may vote under two incarnations, in a joint policy (next_step).
    if (i > 0 && !(policy.voters[i - 1] < policy.voters[i])) {
      return "the voters of a policy are not sorted and unique";
    }
  }
  return {};
}

}  // namespace

Record claim_bootstrap(const ClusterId& cluster, const NodeName& node, const Claim& claim) {
  Record record;
  record.cluster_id = cluster;
  record.claim = claim;
  record.claimant = node;
  record.phase = Phase::vacant;
  record.why = "init on " + node.value;
  return record;
}

Result<Record> finish_bootstrap(Record record, const Claim& claim, SystemId system,
                                const Seat& seat, Durability durability) {
  if (auto held = holds_claim(record, claim); !held) return held.error();
  if (record.system_id.value != 0) {
    return refusal("the cluster is already initialised",
                   "Its system identifier is " + std::to_string(record.system_id.value) + ".");
  }
  record.system_id = system;
  record.policy.current = Policy{durability, Term{0}, seat, {}, 0};
  record.durability = durability;
  record.lineage = {Lineage{Term{0}, TimelineId{1}, TimelineId{0}, Lsn{0}, seat.node}};
  record.members = {seat.node};
  record.claim = Claim{};
  return record;
}

Result<Record> claim_term(Record record, const NodeName& node, const Claim& claim,
                          std::string why) {
  if (record.system_id.value == 0) {
    return refusal("the cluster is not initialised yet",
                   "initdb has not finished on \"" + record.claimant.value + "\".");
  }
  record.term.value += 1;
  record.claim = claim;
  record.claimant = node;
  record.phase = Phase::electing;
  record.leader.reset();
  record.heir.reset();
  record.rewind_ready = false;
  record.kind = record.term.value == 1 ? "bootstrap" : "failover";
  record.why = std::move(why);
  record.facts.clear();
  return record;
}

Result<Record> begin_handover(Record record, const Seat& leader, const Claim& claim,
                              const NodeName& heir, std::string why) {
  if (auto open = is_open_leader(record, claim); !open) return open.error();
  if (record.leader != leader) {
    return refusal("only the leader hands over", "\"" + leader.node.value + "\" does not lead.");
  }
  record.term.value += 1;
  record.phase = Phase::handover;
  record.heir = heir;
  record.request.reset();
  record.rewind_ready = false;
  record.kind = heir == leader.node ? "restart" : "switchover";
  record.why = std::move(why);
  record.facts.clear();
  return record;
}

namespace {

bool is_the_same_but_for_its_term(Policy one, const Policy& other) {
  one.term = other.term;
  return one == other;
}

/// Policies of choices that never opened ask the same of every later election if they differ in
/// nothing but their term: the newest stands for all. Who opened may have acknowledged under its
/// policies, and those of a leader that is about to be lost are told apart by their terms
/// (inherited_loss): these stay.
void drop_what_stands_for_the_same(Record& record) {
  const auto stays = [&](const Policy& each) {
    const auto& loss = record.loss;
    const bool of_the_lost = loss && !took_effect(record, *loss) && loss->leader == each.leader &&
                             each.term < loss->since.value_or(loss->term);
    return of_the_lost || each.term <= record.policy.current.term;
  };
  auto& all = record.policy.unproven;
  std::vector<Policy> kept;
  for (auto each = all.begin(); each != all.end(); ++each) {
    const bool comes_again = std::any_of(each + 1, all.end(), [&](const Policy& later) {
      return is_the_same_but_for_its_term(*each, later);
    });
    if (!comes_again || stays(*each)) kept.push_back(*each);
  }
  all = std::move(kept);
}

/// The same id for the same node again: it never began (was_given_in_vain in election.cpp).
bool was_its_last(const Record& record, const Choice& choice) {
  if (record.lineage.empty()) return false;
  const Lineage& last = record.lineage.back();
  return last.timeline == choice.timeline && last.node == choice.leader.node && !last.begins;
}

}  // namespace

Result<Record> choose_leader(Record record, const Claim& claim, const Choice& choice,
                             bool replace_book) {
  if (auto held = holds_claim(record, claim); !held) return held.error();
  const bool at_work = record.phase == Phase::electing ? !record.leader.has_value()
                                                       : record.phase == Phase::handover;
  if (!at_work) return refusal("there is nothing to choose in this term", "");
  if (choice.policy.term != record.term || choice.policy.leader != choice.leader) {
    return refusal("the policy of the choice is of another term", "");
  }
  if (was_its_last(record, choice)) record.lineage.pop_back();
  for (const Lineage& entry : record.lineage) {
    if (entry.timeline >= choice.timeline) {
      return refusal("timeline " + std::to_string(choice.timeline.value) + " was given out before",
                     "");
    }
  }
  note_loss(record, choice.loss, choice.leader);
  for (const Fork& fork : choice.learned) learn(record, fork);
  record.lineage.push_back(Lineage{record.term, choice.timeline, choice.position.timeline,
                                   std::nullopt, choice.leader.node});
  record.facts = choice.facts;
  if (replace_book) {
    for (const std::string& dropped : dropped_policies(record.policy))
      record.facts.push_back(dropped);
    record.kind = "forced failover";
    record.policy.current = choice.policy;
    record.policy.unproven.clear();
  }
  add_unproven(record.policy, choice.policy);
  drop_what_stands_for_the_same(record);
  record.phase = Phase::electing;
  record.leader = choice.leader;
  record.claim = choice.agent;
  record.claimant = choice.leader.node;
  record.heir.reset();
  if (record.request && record.request->kind != RequestKind::restart) record.request.reset();
  return record;
}

Result<Record> open_leadership(Record record, const Claim& claim, const Policy& policy, Fork fork,
                               std::optional<std::uint64_t> next_xid) {
  if (auto held = holds_claim(record, claim); !held) return held.error();
  if (record.phase != Phase::electing || !record.leader || *record.leader != policy.leader) {
    return refusal("this node was not chosen in this term", "");
  }
  if (policy.term != record.term) return refusal("the barrier is of another term", "");
  if (!is_recorded(record.policy, policy)) {
    return refusal("a policy that was never recorded cannot be proven", "");
  }
  learn(record, fork);
  if (record.loss && record.loss->term == record.term) record.loss->opened = true;
  if (record.loss && !took_effect(record, *record.loss)) record.loss.reset();
  note_leadership(record, fork, next_xid);
  record.policy = PolicyBook{policy, {}};
  record.phase = Phase::leading;
  record.renewed += 1;  // the grant of an async leader counts from here
  return record;
}

Result<Record> vacate(Record record, const Claim& claim, std::string why) {
  if (auto held = holds_claim(record, claim); !held) return held.error();
  record.phase = Phase::vacant;
  record.leader.reset();
  record.heir.reset();
  record.claim = Claim{};
  record.why = std::move(why);
  return record;
}

Result<Record> resume_leadership(Record record, const Seat& leader, const Claim& claim) {
  if (record.phase != Phase::leading || !record.leader || *record.leader != leader) {
    return refusal("\"" + leader.node.value + "\" does not lead", "");
  }
  record.claim = claim;
  record.claimant = leader.node;
  return record;
}

Result<Record> propose_policy(Record record, const Claim& claim, const Policy& policy) {
  if (auto held = holds_claim(record, claim); !held) return held.error();
  const bool may = record.leader && *record.leader == policy.leader &&
                   (record.phase == Phase::leading || record.phase == Phase::electing);
  if (!may) return refusal("only the chosen or open leader changes the policy", "");
  if (policy.term != record.term) return refusal("the policy is of another term", "");
  if (auto trouble = policy_trouble(policy); !trouble.empty()) return refusal(trouble, "");
  if (policy.mode == Durability::async && !record.lease_ms) {
    return refusal("an async policy needs a lease in the record", "");
  }
  // Before the opening nobody waits for a commit.
  if (record.phase == Phase::leading && next_step(record.policy, policy) != policy) {
    return refusal("voters of this policy may be counted together with those of another",
                   "\"" + describe(next_step(record.policy, policy)) + "\" has to come first.");
  }
  add_unproven(record.policy, policy);
  // Whoever waits out a lease begins anew: grants of until now rest on the policies before.
  if (policy.mode == Durability::async) record.renewed += 1;
  return record;
}

Result<Record> prove_policy(Record record, const Claim& claim, const Policy& policy) {
  if (auto open = is_open_leader(record, claim); !open) return open.error();
  if (!is_recorded(record.policy, policy)) {
    return refusal("a policy that was never recorded cannot be proven", "");
  }
  record.policy = PolicyBook{policy, {}};
  return record;
}

Result<Record> renew(Record record, const Claim& claim) {
  if (auto open = is_open_leader(record, claim); !open) return open.error();
  record.renewed += 1;
  return record;
}

Result<Record> set_rewind_ready(Record record, const Claim& claim) {
  if (auto open = is_open_leader(record, claim); !open) return open.error();
  record.rewind_ready = true;
  return record;
}

Result<Record> add_member(Record record, const Claim& claim, const NodeName& node) {
  if (auto open = is_open_leader(record, claim); !open) return open.error();
  const auto place = std::lower_bound(record.members.begin(), record.members.end(), node);
  if (place == record.members.end() || *place != node) record.members.insert(place, node);
  return record;
}

Result<Record> set_durability(Record record, const Claim& claim, Durability durability,
                              std::uint64_t max_loss_bytes, Millis lease) {
  if (auto open = is_open_leader(record, claim); !open) return open.error();
  if (durability == Durability::async) {
    if (lease.count() <= 0) return refusal("an async leader needs a lease", "");
    if (!record.lease_ms || !lease_is_fixed(record)) {
      record.lease_ms = static_cast<std::uint64_t>(lease.count());
    }
    record.max_loss_bytes = max_loss_bytes;
  }
  record.durability = durability;
  return record;
}

Result<Record> record_loss(Record record, const Claim& claim, const Loss& loss) {
  if (auto open = is_open_leader(record, claim); !open) return open.error();
  const auto is_it = [&](const Loss& known) {
    return known.leader == loss.leader && known.term == loss.term;
  };
  auto& earlier = record.earlier_losses;
  if (record.loss && is_it(*record.loss)) {
    record.loss = loss;
  } else if (!earlier || std::erase_if(*earlier, is_it) == 0) {
    return refusal("the record knows no loss of " + loss.leader.node.value, "");
  }
  if (earlier && earlier->empty()) earlier.reset();
  return record;
}

Result<Record> set_paused(Record record, bool paused) {
  record.paused = paused;
  return record;
}

Result<Record> fence_by_hand(Record record, const HandFence& fence, bool even_the_leader) {
  const bool at_work = record.phase == Phase::electing || record.phase == Phase::handover;
  const bool named = record.leader && record.leader->node == fence.node;
  if (at_work || (named && !even_the_leader)) {
    return refusal("\"" + fence.node.value + "\" cannot be fenced now",
                   named ? "It leads." : "A leader is just being chosen.");
  }
  auto& fences = record.hand_fences.emplace(record.hand_fences.value_or(std::vector<HandFence>{}));
  const auto place =
      std::lower_bound(fences.begin(), fences.end(), fence.node,
                       [](const HandFence& one, const NodeName& node) { return one.node < node; });
  if (place != fences.end() && place->node == fence.node) {
    return refusal("\"" + fence.node.value + "\" is fenced already", "By " + place->who + ".");
  }
  fences.insert(place, fence);
  return record;
}

Result<Record> end_hand_fence(Record record, const NodeName& node) {
  if (hand_fence(record, node) == nullptr) {
    return refusal("\"" + node.value + "\" is not fenced by an operator", "");
  }
  std::erase_if(*record.hand_fences, [&](const HandFence& fence) { return fence.node == node; });
  if (record.hand_fences->empty()) record.hand_fences.reset();
  return record;
}

Result<Record> ask(Record record, const Request& request) {
  if (record.request && record.request->id != request.id) {
    return refusal("another request is still pending",
                   "It is a " + std::string(word_of(record.request->kind)) + ".");
  }
  record.request = request;
  return record;
}

Result<Record> clear_request(Record record, const std::string& request_id) {
  if (record.request && record.request->id == request_id) record.request.reset();
  return record;
}

Result<Record> begin_reinit(Record record, Term term, const NodeName& node,
                            const std::string& request_id) {
  const bool stands = record.request && record.request->id == request_id &&
                      record.request->kind == RequestKind::reinit && record.request->to == node;
  if (!stands || record.term != term || record.phase != Phase::leading) {
    return refusal("the request to make " + node.value + " anew no longer stands", "");
  }
  if (counts(record.policy, node)) {
    return refusal("a policy still counts " + node.value, "The leader takes it out first.");
  }
  record.request.reset();
  return record;
}

bool differs_only_in_small_things(Record a, Record b) {
  a.renewed = b.renewed = 0;
  a.request = b.request = std::nullopt;
  return a == b;
}

bool claim_still_stands(const Record& now, const Record& decided_on) {
  const auto& asked = decided_on.request;
  const bool on_request = asked && asked->kind == RequestKind::failover;
  return differs_only_in_small_things(now, decided_on) && (!on_request || now.request == asked);
}

std::string inconsistency(const Record& record) {
  if (auto trouble = policy_trouble(record.policy.current); !trouble.empty()) return trouble;
  for (const Policy& policy : record.policy.unproven) {
    if (auto trouble = policy_trouble(policy); !trouble.empty()) return trouble;
  }
  for (std::size_t i = 1; i < record.lineage.size(); ++i) {
    if (record.lineage[i - 1].timeline >= record.lineage[i].timeline) {
      return "the lineage is not ascending";
    }
    if (record.lineage[i - 1].term > record.lineage[i].term) {
      return "the lineage goes back in its terms";
    }
  }
  if (some_async(record.policy) && !record.lease_ms) return "an async policy without a lease";
  if (record.phase == Phase::leading && !record.leader) return "a leading phase without a leader";
  if (record.phase == Phase::handover && (!record.leader || !record.heir)) {
    return "a handover without leader or heir";
  }
  if (!record.lineage.empty() && record.lineage.back().term > record.term) {
    return "the lineage is ahead of the term";
  }
  Term before;
  for (const Leadership& each : record.leaderships.value_or(std::vector<Leadership>{})) {
    const bool in_order = each.after >= before && each.term > each.after;
    if (!in_order || each.term > record.term) return "the leaderships are not in order";
    before = each.term;
  }
  return {};
}

}  // namespace evergres::core

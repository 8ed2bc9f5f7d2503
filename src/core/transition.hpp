#pragma once

#include "base/instant.hpp"
#include "base/result.hpp"
#include "core/election.hpp"
#include "core/record.hpp"

/// Every way in which the record may change. Each takes the record as it was read and returns the
/// record to compare-and-set, or a refusal. Nothing else builds a record.
namespace evergres::core {

/// `init` of the first node: the claim before initdb has run. (No record existed.)
Record claim_bootstrap(const ClusterId& cluster, const NodeName& node, const Claim& claim);

/// initdb is done: the cluster has an identity, its first policy is (node, {}, 0) of the wanted
/// durability, nobody leads yet.
Result<Record> finish_bootstrap(Record record, const Claim& claim, SystemId system,
                                const Seat& seat, Durability durability = Durability::quorum);

/// An agent run takes the next term in order to elect. Any leadership ends with it.
Result<Record> claim_term(Record record, const NodeName& node, const Claim& claim, std::string why);

/// The leader takes the next term in order to hand over to `heir`.
Result<Record> begin_handover(Record record, const Seat& leader, const Claim& claim,
                              const NodeName& heir, std::string why);

/// The coordinator records P', gives out the timeline and passes the claim to the chosen node.
/// `replace_book`: an operator accepted the loss; the uncovered policies are dropped.
Result<Record> choose_leader(Record record, const Claim& claim, const Choice& choice,
                             bool replace_book);

/// The chosen leader proved its barrier under `policy`: it leads. `fork` is where its timeline
/// began. `next_xid`: the first transaction id that could be given out on it, if that is certain;
/// it is not noted where a timeline lies between that nobody opened.
Result<Record> open_leadership(Record record, const Claim& claim, const Policy& policy, Fork fork,
                               std::optional<std::uint64_t> next_xid = {});

/// A claim holder that cannot go on gives up; a leader that must not go on steps down.
Result<Record> vacate(Record record, const Claim& claim, std::string why);

/// The agent of the open leader was restarted: the same leadership, a new claim.
Result<Record> resume_leadership(Record record, const Seat& leader, const Claim& claim);

/// A policy enters the book before any PostgreSQL hears of it. An async one counts as a renewal, so
/// that no observer's lease began before it.
Result<Record> propose_policy(Record record, const Claim& claim, const Policy& policy);

/// The proof of a policy that was applied after all others: it becomes current, the rest is
/// settled.
Result<Record> prove_policy(Record record, const Claim& claim, const Policy& policy);

/// The leader's sign of life.
Result<Record> renew(Record record, const Claim& claim);

Result<Record> set_rewind_ready(Record record, const Claim& claim);
Result<Record> add_member(Record record, const Claim& claim, const NodeName& node);

/// What an operator wants enters by the open leader, which then changes its policy to it. For
/// `async`: what an automatic failover may lose, and how long a grant lasts; the lease stays as it
/// is while lease_is_fixed().
Result<Record> set_durability(Record record, const Claim& claim, Durability durability,
                              std::uint64_t max_loss_bytes, Millis lease);

/// A leader whose WAL was given up showed how much it was. That of the last failover stays in the
/// record, an earlier one leaves it: the history has it.
Result<Record> record_loss(Record record, const Claim& claim, const Loss& loss);

/// An operator's pause or its end. It changes nothing else: neither term nor policy nor grant.
Result<Record> set_paused(Record record, bool paused);

/// An operator takes a node out by hand, or puts it back. Refused for the open leader unless
/// `even_the_leader`: it hands over first.
Result<Record> fence_by_hand(Record record, const HandFence& fence, bool even_the_leader);
Result<Record> end_hand_fence(Record record, const NodeName& node);

/// An operator's request enters; one at a time.
Result<Record> ask(Record record, const Request& request);
/// Fulfilled or refused. The record stays as it is if another request stands there.
Result<Record> clear_request(Record record, const std::string& request_id);
/// The node of an operator's reinit throws its data away: from here on the request is fulfilled.
/// Refused unless it still stands in this term and no policy counts the node, so that what a newer
/// record relies on is never destroyed by a node that has not seen it.
Result<Record> begin_reinit(Record record, Term term, const NodeName& node,
                            const std::string& request_id);

/// Whether two records differ in nothing but `renewed` and `request`: then a lost compare-and-set
/// is simply tried again.
bool differs_only_in_small_things(Record a, Record b);

/// Whether a claim that was decided on one record may be made on the one that is there now. A
/// failover that an operator asked for, perhaps in a pause or with a loss accepted, is a reason only
/// as long as it is asked for.
bool claim_still_stands(const Record& now, const Record& decided_on);

/// The consistency that every record must have, however it was written; a sentence if it has not.
std::string inconsistency(const Record& record);

}  // namespace evergres::core

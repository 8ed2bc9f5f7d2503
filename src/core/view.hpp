#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/situation.hpp"

/// Questions that several rules ask of a situation.
namespace evergres::core {

/// An answer with its reason, a sentence without a full stop.
struct Verdict {
  bool yes = false;
  std::string why;
};

/// Our own seat; absent without a data directory.
std::optional<Seat> my_seat(const Situation& s);

/// The record names us, in this incarnation, as its leader (in whatever phase).
bool record_names_me(const Situation& s);

/// The record names us as the open leader, this run holds its claim, and our primary has its grant.
bool is_open_leader(const Situation& s);

/// This run of the agent holds the claim of the record.
bool claim_is_mine(const Situation& s);

/// A message of this peer that answers one of ours sent within suspect_after has come.
bool is_heard(const Situation& s, const Peer& peer);

/// The peer's heartbeat, if it is heard and speaks of the record that we know.
const Heartbeat* fresh_word(const Situation& s, const NodeName& node);

/// The leader of the record, which has one, is heard and says that it leads: only from it is a node
/// made anew. What is given up for that covers policies until then.
bool leads_as_heard(const Situation& s);

/// The store answered within the last 2.5 s.
bool store_works(const Situation& s);

/// Whether somebody is in charge: an open leader, or an agent run that is at work on the phase that
/// the record shows. Silence counts only after suspect_after; a refused connection together with a
/// cut WAL stream counts at once, because then the processes are gone.
Verdict somebody_in_charge(const Situation& s);

/// The seats that would be fenced if this node took the next term: itself and every peer that
/// answers the pre-vote with "I do not hear anybody in charge either".
std::vector<Seat> seats_behind_me(const Situation& s);

/// The other nodes that hear each other but not us, as their cards in the store say, while we have
/// heard nobody for voter_timeout. Empty or at least two: we are cut off, they are not.
std::vector<NodeName> hearing_each_other_without_us(const Situation& s);

/// Whether those nodes could elect without us: then we must not take the leadership away from them.
bool others_suffice_without_us(const Situation& s);

/// The fenced answers for the term of the record, as far as they count: ours and those of the peers
/// that are heard. Who was promoted unasked, onto an id that somebody else has as well, counts with
/// what it had before.
std::vector<Fenced> fenced_answers(const Situation& s);
/// The foreign ones among them, as they were given.
std::vector<Fenced> foreign_answers(const Situation& s);
/// Our server was promoted unasked, onto an id that somebody else has as well: it cannot lead.
bool began_what_another_has(const Situation& s);

/// We may be primary now: the record names us, and the supervisor holds our grant of its term.
Verdict entitled_to_be_primary(const Situation& s);

/// Whether this node must still fence itself for the term of the record.
Verdict must_fence(const Situation& s);

/// The slots of the open leader, from its own look or its heartbeat; null if they are not known.
const std::vector<Slot>* leader_slots(const Situation& s);

/// The tags of a node as it said last; none if it never spoke.
Tags tags_of(const Situation& s, const NodeName& node);

/// Whether this policy counts the node, in whatever incarnation, as its leader or as a voter.
bool counts_node(const Policy& policy, const NodeName& node);

/// Whether the current or an unproven policy counts the node.
bool any_policy_counts(const Situation& s, const NodeName& node);

/// Whether this node streams under a name that never counts: it is tagged replicatefrom, and with
/// strict no policy keeps it as a voter until others take its place.
bool streams_voteless(const Situation& s);

/// Why a node must not vote however much it has, because an operator wants it so: a sentence
/// without a full stop; nothing if it may.
std::optional<std::string> why_not_voter(const Situation& s, const NodeName& node);

/// An operator wants this node cloned anew: until that has begun, no commit may count on it.
bool is_to_be_made_anew(const Situation& s, const NodeName& node);

/// Whether k voters of `policy` other than `node` stream from its leader, as they say themselves:
/// then they release commits and probes under it without `node`.
bool others_acknowledge_enough(const Situation& s, const NodeName& node, const Policy& policy);
/// Under the current policy: then `node` may leave a strict one, and no commit waits for it.
bool others_acknowledge_enough(const Situation& s, const NodeName& node);

/// The other known nodes whose WAL this leader should keep and which have no slot here yet.
std::vector<NodeName> nodes_without_slot(const Situation& s);

/// Whether an operation of this kind may be tried (again) in this term: not sooner than `pause`,
/// doubled with every failure in a row up to 30 s, after it failed.
bool may_try(const Situation& s, const std::string& kind, Millis pause);

/// Whether the last attempt of this kind was in the term of the record and did not succeed.
bool failed_in_this_term(const Situation& s, const std::string& kind);

/// The timeline on which the leader of the record leads.
TimelineId leader_timeline(const Record& record);

/// The policy of the chosen or open leader that was recorded last.
const Policy* newest_policy(const Record& record);

/// The policy that the open leader should have now: silent voters leave, caught-up members enter.
/// `why` says what changes, empty if nothing does.
struct WantedPolicy {
  Policy policy;
  std::string why;
  std::string held_back;  ///< a sentence if the last voter is silent but may not leave
};
WantedPolicy wanted_policy(const Situation& s);

/// Whether `node` may leave a policy even as its last voter: nobody could be leading with it
/// elsewhere, because its card in the store is stale as well, or it tells us that it regards us, or
/// whoever holds the claim, as being in charge.
bool may_be_the_last_to_leave(const Situation& s, const NodeName& node);

/// Notes what a heartbeat of the leader in the record's term says of its WAL; it was alive after
/// `alive_at`.
void note_last_word(Situation& s, const Heartbeat& said, Instant alive_at);

/// The furthest that anybody who is known here heard of the leader of the current policy, in the
/// term of that policy. A word from more than a lease before its last known renewal says nothing:
/// that leader went on unheard, and nobody knows how far.
std::optional<LastWord> furthest_word(const Situation& s);

/// The word after which that leader may have gone on unheard: the furthest, or nothing if it
/// answered the fence and was read.
std::optional<LastWord> last_word_of_the_unread(const Situation& s);

/// When nobody who led under an async policy can acknowledge any more: this node has known the
/// record's `renewed` for the lease and its margin. Nothing while that is not known.
std::optional<Instant> lease_end(const Situation& s);
bool lease_has_ended(const Situation& s);

/// What a failover needs beyond these nodes, the lease aside; empty if they would do. Where nothing
/// but async policies is uncovered: a majority of the members, and a loss within max_loss.
std::vector<std::string> what_a_failover_lacks(const Situation& s, const std::vector<Seat>& seats);

/// Why `node` could not take over in a planned handover, where the leader stops and is read;
/// nothing if it could. `insisted`: an operator wants it although it is tagged nofailover.
std::optional<std::string> why_not_inherit(const Situation& s, const NodeName& node,
                                           bool insisted = false);

/// Why `node` could not take over if the leader were lost now; nothing if it could.
std::optional<std::string> why_not_lead(const Situation& s, const NodeName& node);

}  // namespace evergres::core

#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/election.hpp"
#include "core/record.hpp"
#include "core/slot.hpp"

/// Everything a decision may want. Each alternative is a small value; `kind` is its word in log,
/// journal and `attempts`. The performer must cover all of them (std::visit).
namespace evergres::core {

/// Nothing to do, or nothing that may be done.
struct StayPut {
  static constexpr const char* kind = "stay_put";
  auto operator<=>(const StayPut&) const = default;
};
/// Let the running operation go on. (Every other intent ends an operation of another kind.)
struct Wait {
  static constexpr const char* kind = "wait";
  auto operator<=>(const Wait&) const = default;
};
/// Write the files of PostgreSQL as the cluster's settings say and have it read them again.
struct ApplySettings {
  static constexpr const char* kind = "apply_settings";
  std::uint64_t generation = 0;
  auto operator<=>(const ApplySettings&) const = default;
};
/// Ask the supervisor to start PostgreSQL: a standby without upstream, gate closed.
struct StartServer {
  static constexpr const char* kind = "start_server";
  bool without_hot_standby = false;  ///< once, so that lowered limits are accepted
  auto operator<=>(const StartServer&) const = default;
};
/// Stop PostgreSQL: no process of the data directory stays alive.
struct StopServer {
  static constexpr const char* kind = "stop_server";
  bool orderly = false;  ///< else at once
  auto operator<=>(const StopServer&) const = default;
};
/// Stop in an orderly way with a deadline of a second and start again as a standby.
struct RestartServer {
  static constexpr const char* kind = "restart_server";
  std::string request_id;
  auto operator<=>(const RestartServer&) const = default;
};
/// Promise the term, cut the receiver, read the position.
struct Fence {
  static constexpr const char* kind = "fence";
  Term term;
  Claim claim;
  auto operator<=>(const Fence&) const = default;
};
/// Take the next term in order to elect.
struct ClaimTerm {
  static constexpr const char* kind = "claim_term";
  Term after;  ///< the term that it follows
  std::string why;
  auto operator<=>(const ClaimTerm&) const = default;
};
/// Give up what this run claimed.
struct Vacate {
  static constexpr const char* kind = "vacate";
  Term term;
  std::string why;
  auto operator<=>(const Vacate&) const = default;
};
/// Record the chosen leader with P' and its timeline.
struct ChooseLeader {
  static constexpr const char* kind = "choose_leader";
  Term term;
  Seat leader;
  Claim agent;
  Position position;
  Policy policy;
  TimelineId timeline;
  std::vector<Fork> learned;
  std::vector<std::string> facts;
  std::optional<Loss> loss;
  bool replace_book = false;
  auto operator<=>(const ChooseLeader&) const = default;
};
/// Promote this node's server under its recorded policy and timeline.
struct Promote {
  static constexpr const char* kind = "promote";
  Term term;
  Policy policy;
  TimelineId timeline;
  auto operator<=>(const Promote&) const = default;
};
/// Prove the barrier, record the open leadership, open the gate.
struct ProveBarrier {
  static constexpr const char* kind = "prove_barrier";
  Term term;
  Policy policy;
  TimelineId timeline;
  auto operator<=>(const ProveBarrier&) const = default;
};
/// The agent was restarted under an open leader: take the claim over.
struct ResumeLeadership {
  static constexpr const char* kind = "resume_leadership";
  Term term;
  auto operator<=>(const ResumeLeadership&) const = default;
};
/// Admit applications.
struct OpenGate {
  static constexpr const char* kind = "open_gate";
  Term term;
  auto operator<=>(const OpenGate&) const = default;
};
/// Write the safety settings again and reload.
struct MendSettings {
  static constexpr const char* kind = "mend_settings";
  auto operator<=>(const MendSettings&) const = default;
};
/// Make the replication slots of these nodes, and drop those of others, whose WAL is kept
/// elsewhere.
struct MakeSlots {
  static constexpr const char* kind = "make_slots";
  std::vector<NodeName> nodes;
  std::vector<NodeName> drop = {};
  auto operator<=>(const MakeSlots&) const = default;
};
/// Drop the slots of these nodes although they may be in use: too much WAL is kept for them.
struct ReleaseSlots {
  static constexpr const char* kind = "release_slots";
  std::vector<NodeName> nodes;
  std::uint64_t limit = 0;  ///< bytes; a slot that keeps less by now stays
  auto operator<=>(const ReleaseSlots&) const = default;
};
/// Move a permanent slot here on to where the leader's keeps WAL from.
struct SlotAdvance {
  std::string name;
  Lsn to;
  auto operator<=>(const SlotAdvance&) const = default;
};
/// Make, move and drop permanent slots on this server.
struct KeepSlots {
  static constexpr const char* kind = "keep_slots";
  std::vector<PermanentSlot> make;
  std::vector<SlotAdvance> advance = {};
  std::vector<std::string> drop = {};
  auto operator<=>(const KeepSlots&) const = default;
};
/// CHECKPOINT on the new timeline, then record that others may rewind.
struct AllowRewinds {
  static constexpr const char* kind = "allow_rewinds";
  Term term;
  auto operator<=>(const AllowRewinds&) const = default;
};
/// Record a policy, apply it, prove it, record the proof.
struct ChangePolicy {
  static constexpr const char* kind = "change_policy";
  Term term;
  Policy policy;
  std::string why;
  auto operator<=>(const ChangePolicy&) const = default;
};
/// Put the durability that the operator wants into the record; the policy follows it.
struct RecordDurability {
  static constexpr const char* kind = "record_durability";
  Term term;
  Durability durability = Durability::quorum;
  std::uint64_t max_loss_bytes = 0;
  Millis lease{0};
  auto operator<=>(const RecordDurability&) const = default;
};
/// Put what the stopped leader itself shows of the loss into record and history.
struct RecordLoss {
  static constexpr const char* kind = "record_loss";
  Term term;
  Loss loss;
  auto operator<=>(const RecordLoss&) const = default;
};
/// Put a node that streams from us onto the list of members.
struct AddMember {
  static constexpr const char* kind = "add_member";
  NodeName node;
  auto operator<=>(const AddMember&) const = default;
};
/// CHECKPOINT, then take the next term for a handover.
struct BeginHandover {
  static constexpr const char* kind = "begin_handover";
  Term after;
  NodeName heir;
  std::string why;
  auto operator<=>(const BeginHandover&) const = default;
};
/// In a handover the leader stops, fast, and reads the end of its WAL: its own fence.
struct StopForHandover {
  static constexpr const char* kind = "stop_for_handover";
  Term term;
  Claim claim;
  NodeName heir;
  auto operator<=>(const StopForHandover&) const = default;
};
/// Point the walreceiver to the leader, or to a standby that streams from it, under this node's
/// name of this term.
struct Follow {
  static constexpr const char* kind = "follow";
  Seat upstream;
  Term term;
  bool voteless = false;  ///< under a name that no policy can count
  auto operator<=>(const Follow&) const = default;
};
/// Bring this node's diverged data directory back with pg_rewind.
struct Rewind {
  static constexpr const char* kind = "rewind";
  Seat leader;
  Term term;
  auto operator<=>(const Rewind&) const = default;
};
/// Make the data directory anew from the leader, or from a standby that streams from it.
struct Clone {
  static constexpr const char* kind = "clone";
  Seat leader;
  Term term;
  std::string request_id = {};        ///< of the operator's reinit that this fulfils; "" if none
  std::optional<NodeName> from = {};  ///< the standby; absent: the leader
  auto operator<=>(const Clone&) const = default;
};
/// Remove an operator's request that was fulfilled or cannot be.
struct ClearRequest {
  static constexpr const char* kind = "clear_request";
  std::string request_id;
  auto operator<=>(const ClearRequest&) const = default;
};

using Intent =
    std::variant<StayPut, Wait, StartServer, StopServer, RestartServer, Fence, ClaimTerm, Vacate,
                 ChooseLeader, Promote, ProveBarrier, ResumeLeadership, OpenGate, MendSettings,
                 ApplySettings, MakeSlots, ReleaseSlots, KeepSlots, AllowRewinds, ChangePolicy,
                 RecordDurability, RecordLoss, AddMember, BeginHandover, StopForHandover, Follow,
                 Rewind, Clone, ClearRequest>;

/// The word of an intent.
std::string_view kind_of(const Intent& intent);
/// The same with what matters of its content: "choose_leader n2 on timeline 5", for people.
std::string describe(const Intent& intent);

}  // namespace evergres::core

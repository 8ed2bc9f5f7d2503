#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/field.hpp"
#include "base/lsn.hpp"
#include "base/names.hpp"

namespace evergres::core {

/// Who a policy counts: a node in one life of its data directory. A rewound or re-cloned node is a
/// new incarnation and has acknowledged nothing.
struct Seat {
  NodeName node;
  Incarnation incarnation;
  auto operator<=>(const Seat&) const = default;
};
constexpr auto fields(const Seat*) {
  return std::tuple{Field{"node", &Seat::node}, Field{"incarnation", &Seat::incarnation}};
}

/// What happens when fewer standbys are there than wanted: `quorum` goes on with a smaller policy,
/// which it records first; with `strict` writes wait. `async` is a known word that this version
/// refuses.
enum class Durability { quorum, strict, async };
constexpr auto words(const Durability*) {
  return std::array{Word{"quorum", Durability::quorum}, Word{"strict", Durability::strict},
                    Word{"async", Durability::async}};
}

/// P = (L, S, k): a commit counts when it is flushed on the leader and on k of the voters. Without
/// voters it counts on the leader alone, and with `strict` not at all.
/// `term` is the leadership whose application names it uses.
struct Policy {
  Durability mode = Durability::quorum;
  Term term;
  Seat leader;
  std::vector<Seat> voters;  ///< sorted, unique, without the leader
  std::uint32_t k = 0;       ///< 0 if and only if there are no voters
  auto operator<=>(const Policy&) const = default;
};
constexpr auto fields(const Policy*) {
  return std::tuple{Field{"mode", &Policy::mode}, Field{"term", &Policy::term},
                    Field{"leader", &Policy::leader}, Field{"voters", &Policy::voters},
                    Field{"k", &Policy::k}};
}

/// Under which policies a commit may have been acknowledged. Only the proof of a policy that was
/// applied after all the others replaces the list.
struct PolicyBook {
  Policy current;
  std::vector<Policy> unproven;
  auto operator<=>(const PolicyBook&) const = default;
};
constexpr auto fields(const PolicyBook*) {
  return std::tuple{Field{"current", &PolicyBook::current},
                    Field{"unproven", &PolicyBook::unproven}};
}

enum class Phase {
  vacant,    ///< nobody leads and nobody is at work on it
  electing,  ///< a coordinator fences; from the choice of `leader` on, that node promotes itself
  handover,  ///< the leader is stopping for a planned switchover
  leading,   ///< the leader proved its barrier and serves
};
constexpr auto words(const Phase*) {
  return std::array{Word{"vacant", Phase::vacant}, Word{"electing", Phase::electing},
                    Word{"handover", Phase::handover}, Word{"leading", Phase::leading}};
}

/// A timeline id that was given out, never to be used again. `begins` is the position where it
/// leaves its parent; unknown until the node that got it proved its barrier or showed its history.
struct Lineage {
  Term term;
  TimelineId timeline;
  TimelineId parent;  ///< 0 for the first
  std::optional<Lsn> begins;
  NodeName node;
  auto operator<=>(const Lineage&) const = default;
};
constexpr auto fields(const Lineage*) {
  return std::tuple{Field{"term", &Lineage::term}, Field{"timeline", &Lineage::timeline},
                    Field{"parent", &Lineage::parent}, Field{"begins", &Lineage::begins},
                    Field{"node", &Lineage::node}};
}

/// `reinit`: make the data directory of a node anew, from the leader.
enum class RequestKind { switchover, failover, restart, reinit };
constexpr auto words(const RequestKind*) {
  return std::array{Word{"switchover", RequestKind::switchover},
                    Word{"failover", RequestKind::failover}, Word{"restart", RequestKind::restart},
                    Word{"reinit", RequestKind::reinit}};
}

/// What an operator asked for; at most one at a time. It is removed by whoever fulfilled or refused
/// it.
struct Request {
  std::string id;
  RequestKind kind = RequestKind::switchover;
  std::optional<NodeName> to;      ///< the wished leader; for `restart` and `reinit` the node meant
  bool accept_data_loss = false;   ///< only with `failover`
  std::int64_t asked_wall_ms = 0;  ///< for display
  std::optional<bool> force = {};  ///< of a failover: also to a node that is tagged nofailover
  auto operator<=>(const Request&) const = default;
};
constexpr auto fields(const Request*) {
  return std::tuple{Field{"id", &Request::id},
                    Field{"kind", &Request::kind},
                    Field{"to", &Request::to},
                    Field{"accept_data_loss", &Request::accept_data_loss},
                    Field{"asked_wall_ms", &Request::asked_wall_ms},
                    Field{"force", &Request::force}};
}

/// An operator took a node out by hand: its PostgreSQL is stopped and stays so, it neither votes
/// nor leads, until it is put back.
struct HandFence {
  NodeName node;
  std::string who;
  std::string why;           ///< may be empty
  std::int64_t wall_ms = 0;  ///< for display
  auto operator<=>(const HandFence&) const = default;
};
constexpr auto fields(const HandFence*) {
  return std::tuple{Field{"node", &HandFence::node}, Field{"who", &HandFence::who},
                    Field{"why", &HandFence::why}, Field{"wall_ms", &HandFence::wall_ms}};
}

/// The cluster's one register. It changes only by compare-and-set and only through the functions in
/// core/transition.hpp.
struct Record {
  ClusterId cluster_id;
  SystemId system_id;  ///< 0 until initdb has run
  Term term;
  Claim claim;        ///< the agent run that may take the next step
  NodeName claimant;  ///< the node of that agent run
  Phase phase = Phase::vacant;
  std::optional<Seat> leader;    ///< chosen (electing), stopping (handover) or serving (leading)
  std::optional<NodeName> heir;  ///< in a handover: who is to lead next (may be the leader itself)
  PolicyBook policy;
  std::vector<Lineage> lineage;   ///< ascending by timeline
  std::vector<NodeName> members;  ///< sorted
  std::uint64_t renewed = 0;      ///< bumped by the leader each second
  std::optional<Request> request;
  bool rewind_ready = false;  ///< the leader checkpointed on its timeline: others may rewind
  bool paused = false;        ///< maintenance: no automatic failover, nothing is rebuilt
  std::optional<Durability> durability;               ///< wanted by the operator; absent: quorum
  std::optional<std::vector<HandFence>> hand_fences;  ///< sorted by node; absent: none
  std::string kind;  ///< of the last change of term: "bootstrap", "failover", "switchover", …
  std::string why;   ///< one sentence about it, for the history
  std::vector<std::string> facts;  ///< what the coordinator knew when it chose, for the history
  auto operator<=>(const Record&) const = default;
};
constexpr auto fields(const Record*) {
  return std::tuple{Field{"cluster_id", &Record::cluster_id},
                    Field{"system_id", &Record::system_id},
                    Field{"term", &Record::term},
                    Field{"claim", &Record::claim},
                    Field{"claimant", &Record::claimant},
                    Field{"phase", &Record::phase},
                    Field{"leader", &Record::leader},
                    Field{"heir", &Record::heir},
                    Field{"policy", &Record::policy},
                    Field{"lineage", &Record::lineage},
                    Field{"members", &Record::members},
                    Field{"renewed", &Record::renewed},
                    Field{"request", &Record::request},
                    Field{"rewind_ready", &Record::rewind_ready},
                    Field{"paused", &Record::paused},
                    Field{"durability", &Record::durability},
                    Field{"hand_fences", &Record::hand_fences},
                    Field{"kind", &Record::kind},
                    Field{"why", &Record::why},
                    Field{"facts", &Record::facts}};
}

/// "evg_n2_7f3a91c2_t12": the application name under which a seat's walreceiver connects in one
/// term.
std::string application_name(const Seat& seat, Term term);

/// "evgc_n3_7f3a91c2_t12": the name of a node that never votes. No policy's names can match it,
/// whatever the upstream becomes.
std::string voteless_name(const Seat& seat, Term term);

/// The fence by hand of a node, if an operator took it out.
const HandFence* hand_fence(const Record& record, const NodeName& node);

/// "evg_n2": the replication slot of a member, the same on every server. ('-' becomes '_'.)
std::string slot_name(const NodeName& node);

/// The value of synchronous_standby_names for a policy: `ANY k ("…", …)`; for (L, {}, 0) '', or
/// with `strict` the name that nobody bears.
std::string synchronous_standby_names(const Policy& policy);

/// A strict policy that fewer standbys than wanted leave with none: nothing is acknowledged.
bool acknowledges_nothing(const Policy& policy);

/// The resting value on every start and on every node that does not lead: nobody can acknowledge.
inline constexpr const char* names_nobody = "ANY 1 (\"~nobody\")";

}  // namespace evergres::core

#pragma once

#include <array>
#include <cstddef>
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
/// which it records first; with `strict` writes wait. With `async` commits wait for nobody, and a
/// failover may lose the end of the leader's WAL (core/loss.hpp).
enum class Durability { quorum, strict, async };
constexpr auto words(const Durability*) {
  return std::array{Word{"quorum", Durability::quorum}, Word{"strict", Durability::strict},
                    Word{"async", Durability::async}};
}

/// P = (L, S, k): a commit counts when it is flushed on the leader and on k of the voters. Without
/// voters it counts on the leader alone, and with `strict` not at all. `async` has no voters.
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

/// The operator does not mind how much an automatic failover loses.
inline constexpr std::uint64_t unlimited_loss = UINT64_MAX;

/// WAL that a failover without its leader gave up: with async, or as an operator accepted.
struct Loss {
  Seat leader;                  ///< whose WAL it was
  Term term;                    ///< the failover's
  Lsn from;                     ///< where the next leader's WAL leaves it
  std::optional<Lsn> to;        ///< the furthest that is known of it; absent: nothing is
  std::uint64_t silent_ms = 0;  ///< what it wrote after its last word, in this time, is not in `to`
  bool measured = false;        ///< `to` was read from the leader itself after it was stopped
  std::optional<bool> opened = {};  ///< false: that failover has not opened, nothing is lost yet
  std::optional<Term> since = {};  ///< the failover that gave it up first, if `term` inherited it
  auto operator<=>(const Loss&) const = default;
};
constexpr auto fields(const Loss*) {
  return std::tuple{Field{"leader", &Loss::leader},       Field{"term", &Loss::term},
                    Field{"from", &Loss::from},           Field{"to", &Loss::to},
                    Field{"silent_ms", &Loss::silent_ms}, Field{"measured", &Loss::measured},
                    Field{"opened", &Loss::opened},       Field{"since", &Loss::since}};
}

/// A leadership that opened, for those who ask later what became of a transaction: an id that was
/// given out before it names the same transaction on its timeline only if it is below `next_xid`.
struct Leadership {
  Term term;
  Term after;  ///< of the leadership that opened before it; 0: none. Those between never opened.
  /// The first transaction id (xid8, with its epoch) that its leader would assign, read after the
  /// promotion and proven to be before anything that took one. Absent: not known for certain.
  std::optional<std::uint64_t> next_xid;
  auto operator<=>(const Leadership&) const = default;
};
constexpr auto fields(const Leadership*) {
  return std::tuple{Field{"term", &Leadership::term}, Field{"after", &Leadership::after},
                    Field{"next_xid", &Leadership::next_xid}};
}

/// So many leaderships the record remembers.
inline constexpr std::size_t most_leaderships = 16;

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
  std::uint64_t renewed = 0;      ///< bumped by the leader when it opens, when it proposes async,
                                  ///< and each second
  std::optional<Request> request;
  bool rewind_ready = false;  ///< the leader checkpointed on its timeline: others may rewind
  bool paused = false;  ///< maintenance: no automatic failover, nothing is rebuilt
  std::optional<Durability> durability;               ///< wanted by the operator; absent: quorum
  std::optional<std::vector<HandFence>> hand_fences;  ///< sorted by node; absent: none
  std::optional<std::uint64_t> max_loss_bytes;  ///< async: what an automatic failover may lose
  std::optional<std::uint64_t> lease_ms;  ///< no grant lasts longer after a renewal; set before the
                                          ///< first async policy, the same until async is left
  std::optional<Loss> loss;               ///< of the last failover that lost something
  std::optional<std::vector<Loss>> earlier_losses;  ///< before it, not measured yet; oldest first
  std::optional<std::vector<Leadership>> leaderships;  ///< the last that opened; ascending by term
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
                    Field{"max_loss_bytes", &Record::max_loss_bytes},
                    Field{"lease_ms", &Record::lease_ms},
                    Field{"loss", &Record::loss},
                    Field{"earlier_losses", &Record::earlier_losses},
                    Field{"leaderships", &Record::leaderships},
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

/// Under which application names the voters of a policy connect.
std::vector<std::string> voter_names(const Policy& policy);

/// The value of synchronous_standby_names for a policy: `ANY k ("…", …)`; for (L, {}, 0) '', or
/// with `strict` the name that nobody bears.
std::string synchronous_standby_names(const Policy& policy);

/// A strict policy that fewer standbys than wanted leave with none: nothing is acknowledged.
bool acknowledges_nothing(const Policy& policy);

/// The resting value on every start and on every node that does not lead: nobody can acknowledge.
inline constexpr const char* names_nobody = "ANY 1 (\"~nobody\")";

}  // namespace evergres::core

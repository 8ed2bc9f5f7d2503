#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/decide.hpp"
#include "explore/pool.hpp"
#include "explore/state.hpp"

namespace evergres::explore {

/// Mistakes, planted to see that they are found.
enum class Planted {
  nothing,
  skip_the_fence,          ///< a fenced node goes on receiving
  apply_before_recording,  ///< a policy is in force before the record has it
  prove_without_waiting,   ///< a policy counts as proven before its probe is acknowledged
  keep_the_incarnation,    ///< a rewound node is taken for the one that it was
  read_before_the_cut,     ///< a fence reads its position before its receiver is gone
};
constexpr auto words(const Planted*) {
  return std::array{Word{"nothing", Planted::nothing},
                    Word{"skip_the_fence", Planted::skip_the_fence},
                    Word{"apply_before_recording", Planted::apply_before_recording},
                    Word{"prove_without_waiting", Planted::prove_without_waiting},
                    Word{"keep_the_incarnation", Planted::keep_the_incarnation},
                    Word{"read_before_the_cut", Planted::read_before_the_cut}};
}

/// A small world: how it begins, and what may go wrong in it.
struct Plan {
  std::string name;
  std::size_t nodes = 3;
  Budget faults;
  core::Durability durability = core::Durability::quorum;
  std::uint32_t acknowledgements = 1;
  Byte most_terms = 6;  ///< beyond these nothing is explored
  Planted planted = Planted::nothing;
};

/// What may happen next in a state. `what` is of one node, or from `other` to `node`.
enum class What : Byte {
  think,          ///< the agent decides and does one step of what it decided
  think_unheard,  ///< the same, but the reply of the store is lost
  give_up,        ///< the operation that waits gives up
  read,           ///< the agent reads the record
  hear,           ///< a heartbeat arrives
  doubt,          ///< nothing arrived for suspect_after, then for voter_timeout
  refuse,         ///< the port of a dead agent refuses
  look_at_card,   ///< the card of a silent node is read again
  wait,           ///< time passes for whoever holds the claim
  ready,          ///< PostgreSQL has started
  promoted,       ///< an order to promote takes effect
  receive,        ///< the walreceiver attaches, or gets one record and flushes it
  receive_only,   ///< gets one record and does not flush it
  flush,
  stream_breaks,  ///< both ends notice
  grant_ends,     ///< the supervisor stops a primary without a grant
  write,          ///< a client commits on a primary
  kill_server,
  kill_agent,
  kill_machine,
  restart_agent,
  cut_off,
  isolate,  ///< also from the store
  mend,     ///< the cut ends
  delay,    ///< a heartbeat is put aside
  deliver_late,
  lose,  ///< the late heartbeat is lost
  ask_switchover,
  ask_restart,
  count
};
std::string_view word_of_action(What what);

struct Action {
  What what = What::think;
  Byte node = 0;
  Byte other = 0;
};

/// What is known of a node's decision in one state of that node: decide() is pure, so it is asked
/// once for each.
struct Known {
  std::uint32_t order = 0;  ///< its intent
  std::uint32_t beat = 0;   ///< what it tells the others; 0: not asked yet
  std::uint16_t rule = 0;
  Byte wishes_grant = 0;  ///< 1: the grant is renewed, 0: it may end
  Byte revoke = 0;
};

struct Beat {
  core::Heartbeat said;
  std::uint32_t record = 0;
  bool operator==(const Beat&) const = default;
  [[nodiscard]] std::uint64_t digest() const;
};

struct Order {
  core::Intent intent;
  bool operator==(const Order&) const = default;
  [[nodiscard]] std::uint64_t digest() const;
};

/// A policy as acknowledging needs it.
struct SmallPolicy {
  Byte k = 0;
  Byte term = 0;
  bool nothing = false;                       ///< it acknowledges nothing
  std::vector<std::pair<Byte, Byte>> voters;  ///< node, incarnation
};

class Move;

/// The tables of one plan, and what happens in it. Not for several threads.
class World {
 public:
  /// `expected` states of nodes are reserved.
  World(Plan plan, std::size_t expected);

  /// A healthy cluster that init began, with all its faults still to come.
  State begin();
  /// All that may happen in a state.
  void actions(const State& state, std::vector<Action>& list);
  /// Does it. False if nothing came of it. Complaints are in `violation`.
  bool apply(State& state, Action action);

  /// One round without faults: cuts end, agents start, everybody hears, reads, thinks.
  void calm_round(State& state);
  /// What is missing to a healthy cluster; empty if nothing is.
  std::string missing(const State& state) const;
  /// Whether the bounds of the plan end the exploration here.
  [[nodiscard]] bool beyond(const State& state) const;
  /// "n2 claim_when_…: claim_term", for people.
  std::string describe(const State& before, Action action);

  std::string violation;  ///< the first broken promise
  /// Rules that answered, with the number of different states of nodes in which they did.
  std::map<std::string, std::uint64_t> rules_seen;
  [[nodiscard]] std::size_t memory() const;
  [[nodiscard]] std::size_t node_states() const { return nodes_.size(); }
  [[nodiscard]] const Plan& plan() const { return plan_; }

 private:
  friend class Hand;
  friend class Move;
  [[nodiscard]] core::Situation situation_of(const Node& node) const;
  void see_others(core::Situation& s, const Node& node) const;
  [[nodiscard]] core::Heartbeat heartbeat_of(const core::Situation& s) const;
  bool tell(Move& move, State& state, Action action);
  bool think(Move& move, State& state, Action action);
  const Known& know(std::uint32_t node);
  std::uint32_t beat_of(std::uint32_t node);
  std::uint32_t policy_number(const core::Policy& policy);
  std::uint32_t record_number(core::Record record);
  [[nodiscard]] core::Seat seat_of(std::size_t node, Byte incarnation) const;
  [[nodiscard]] NodeName name_of(std::size_t node) const;
  [[nodiscard]] std::size_t index_of(const NodeName& name) const;
  void complain(const std::string& what) {
    if (violation.empty()) violation = what;
  }
  void check_opening(const State& state, const core::Record& before, const core::Record& record,
                     const Server& leader);
  [[nodiscard]] bool holds(const Server& server, const State& state) const;

  Plan plan_;
  Pool<Node> nodes_;
  std::vector<Known> known_;
  Pool<core::Record> records_;
  Pool<core::Fenced> answers_;
  Pool<Beat> beats_;
  Pool<Order> orders_;
  Pool<core::Policy> policies_;
  std::vector<SmallPolicy> small_policies_;
};

}  // namespace evergres::explore

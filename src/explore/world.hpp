#pragma once

#include <array>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/decide.hpp"
#include "explore/pool.hpp"
#include "explore/state.hpp"

namespace evergres::explore {

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
  ask_reinit,
  fence_by_hand,
  put_back,
  remove_wal,  ///< what this standby needs next
  count
};
std::string_view word_of_action(What what);

struct Action {
  What what = What::think;
  Byte node = 0;
  Byte other = 0;
};

/// Mistakes, planted to see that they are found.
enum class Planted {
  nothing,
  skip_the_fence,           ///< a fenced node goes on receiving
  apply_before_recording,   ///< a policy is in force before the record has it
  prove_without_waiting,    ///< a policy counts as proven before its probe is acknowledged
  keep_the_incarnation,     ///< a rewound node is taken for the one that it was
  read_before_the_cut,      ///< a fence reads its position before its receiver is gone
  too_few_fenced,           ///< one voter that answered is enough, whatever k
  own_timeline_id,          ///< a promoted server takes the next id that it knows
  open_before_the_barrier,  ///< a promoted leader opens before its voters acknowledged
  names_through_empty,      ///< on the way to other names nobody is waited for
  lsn_without_term,         ///< the longest WAL is the best, on whatever timeline
};
constexpr auto words(const Planted*) {
  return std::array{Word{"nothing", Planted::nothing},
                    Word{"skip_the_fence", Planted::skip_the_fence},
                    Word{"apply_before_recording", Planted::apply_before_recording},
                    Word{"prove_without_waiting", Planted::prove_without_waiting},
                    Word{"keep_the_incarnation", Planted::keep_the_incarnation},
                    Word{"read_before_the_cut", Planted::read_before_the_cut},
                    Word{"too_few_fenced", Planted::too_few_fenced},
                    Word{"own_timeline_id", Planted::own_timeline_id},
                    Word{"open_before_the_barrier", Planted::open_before_the_barrier},
                    Word{"names_through_empty", Planted::names_through_empty},
                    Word{"lsn_without_term", Planted::lsn_without_term}};
}

class World;

/// A stretch of the way from the healthy cluster to where a walk begins: first these things happen,
/// then those who take part go on without faults, a step at a time, until something is reached.
struct Leg {
  std::vector<Action> acts;
  std::vector<Byte> who;                                  ///< take part, and hear each other
  bool (*reached)(const World&, const State&) = nullptr;  ///< with nobody: at once
};

/// A small world: how it begins, and what may go wrong in it.
struct Plan {
  std::string name;
  std::size_t nodes = 3;
  std::vector<Leg> way = {};  ///< from the healthy cluster to the beginning of the walk
  Budget faults = {};
  core::Durability durability = core::Durability::quorum;
  std::uint32_t acknowledgements = 1;
  Byte most_terms = 6;  ///< beyond these nothing is explored
  Planted planted = Planted::nothing;
  bool exact = false;  ///< keep also what nobody will look at: to see that dropping it is no loss
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

/// Who remembers a heartbeat, as far as it decides what of it will ever be looked at.
struct Ear {
  Byte node = 0;
  Byte term = 0;       ///< of the record that it knows
  Byte newest = 0;     ///< the heartbeat speaks of a record as new as that one
  Byte heard = 0;      ///< its sender was heard within suspect_after, and not refused since
  Byte of_leader = 0;  ///< its sender is the open leader of that record
  bool operator==(const Ear&) const = default;
};

class Move;

/// The tables of one plan, and what happens in it. Not for several threads.
class World {
 public:
  /// `expected` states of nodes are reserved.
  World(Plan plan, std::size_t expected);

  /// Where the walk begins, with all its faults still to come: a healthy cluster that init began,
  /// after the way of the plan. What happens on the way is looked at as any other step.
  State begin();
  /// The same state as in another world of the same plan, without what nobody will look at.
  State taken_from(const World& other, const State& state);
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

  [[nodiscard]] const core::Record& record_of(const State& state) const {
    return records_[state.record];
  }
  [[nodiscard]] const Node& node_of(const State& state, std::size_t node) const {
    return nodes_[state.nodes[node]];
  }
  /// The kind of the operation that this node performs; empty if none.
  [[nodiscard]] std::string_view at_work(const State& state, std::size_t node) const {
    const std::uint32_t order = node_of(state, node).agent.order;
    return order == 0 ? std::string_view() : kind_of(orders_[order].intent);
  }

  std::string violation;         ///< the first broken promise
  std::vector<std::string> way;  ///< the steps from the healthy cluster to the beginning
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
  void come_up(State& state);
  bool go_on(State& state, const Leg& leg);
  [[nodiscard]] What next_step(const State& state, std::size_t node) const;
  bool turn(State& state, Byte node, const Leg& leg);
  bool step(State& state, Action action, const Leg& leg);
  void twist(core::Situation& s) const;
  bool tell(Move& move, State& state, Action action);
  bool think(Move& move, State& state, Action action);
  const Known& know(std::uint32_t node);
  std::uint32_t beat_of(std::uint32_t node);
  [[nodiscard]] Ear ear_of(const Node& node, std::size_t other) const;
  std::uint32_t remembered(std::uint32_t beat, const Ear& ear);
  std::uint32_t as_heard(const Node& node, std::size_t other, std::uint32_t beat);
  bool is_news(const Node& node, std::size_t other, std::uint32_t beat);
  void outdate_words(Node& node);
  std::uint32_t beat_from(const World& other, std::uint32_t beat);
  std::uint32_t node_from(const World& other, std::uint32_t number);
  void drop_the_unseen(Node& node);
  void drop_the_unseen_of_agent(Node& node) const;
  void drop_the_unseen_of_view(Node& node, std::size_t other) const;
  void list_peers(const State& state, const Node& node,
                  const std::array<const Node*, most_nodes>& all, std::vector<Action>& list);
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
  std::unordered_map<std::uint64_t, std::uint32_t> remembered_;  ///< by heartbeat and ear
};

}  // namespace evergres::explore

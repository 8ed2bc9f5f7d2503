#pragma once

#include <deque>
#include <random>
#include <sstream>

#include "core/decide.hpp"
#include "core/grant.hpp"
#include "core/transition.hpp"
#include "core/view.hpp"
#include "small_postgres.hpp"

/// Nodes with real decide(), grant_wish() and transitions, a register, and a network that loses.
/// One tick is a tenth of a second. Everything follows from the seed.
namespace evergres::core::small {

inline Instant at(int tick) {
  return Instant{std::int64_t{tick} * 100'000'000};
}

struct Running {
  Intent intent;
  std::string kind;
  Term term;
  int started = 0;
  int step = 0;
  int next = 0;           ///< tick of the next step
  std::size_t probe = 0;  ///< LSN after the probe
  std::optional<LastWord> word = {};  ///< of a leader that was not read when it was decided
};

struct Node {
  NodeName name;
  Postgres postgres;
  Promise promise;  ///< on disk
  bool agent_alive = false;
  int agent_back = 0;  ///< tick at which a dead agent is started again
  int frozen_until = -1;
  bool store_ok = true;
  Situation s;
  std::optional<Running> running;
  std::uint64_t card = 0;
  std::vector<NodeName> card_hears;
  std::map<NodeName, std::uint64_t> cards_seen;
  std::string said_last;
  int runs = 0;
  Tags tags;  ///< in its configuration
};

struct Letter {
  int due = 0;
  int sent = 0;
  std::size_t to = 0;
  Heartbeat heartbeat;
  std::optional<Record> record;
};

/// Who told a client, when, and what the names in force were.
struct Acknowledged {
  NodeName by;
  int tick = 0;
  Lsn end;
  Durability mode = Durability::quorum;
};

class World {
 public:
  World(std::uint64_t seed, std::size_t size, Durability durability = Durability::quorum,
        bool tagged = false);

  /// Faults of one tick, at random.
  void trouble();
  /// Ends all faults.
  void heal();
  /// One tenth of a second of everybody.
  void step();
  /// An operator fences a voter by hand in the end. Why its server still runs a minute later; empty
  /// if it does not, or if nobody votes.
  std::string take_a_voter_out();
  /// What is missing to a healthy cluster; empty if nothing is.
  [[nodiscard]] std::string missing() const;

  std::string violation;     ///< the first broken promise
  std::ostringstream trace;  ///< decisions that differ from the one before
  bool impatient = false;  ///< planted: nobody waits for a lease
  bool proofs_fail = false;  ///< in trouble most proofs of a policy cannot be recorded
  bool forcing = false;  ///< operators accept losses of async
  bool forgetful = false;  ///< planted: the last word of a leader is its first
  int opened = 0;
  int given_up = 0;  ///< failovers without an async leader
  int inherited_losses = 0;  ///< of an accepted loss, by a failover behind one that did not open
  int fates = 0;     ///< of transactions whose leader is gone, that could be told
  int measured = 0;  ///< whose loss was read from that leader later
  std::size_t answered() const { return acknowledged_.size(); }
  std::map<std::string, int> rules_seen;

 private:
  friend class Hand;
  int below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }
  bool chance(int percent) { return below(100) < percent; }
  bool linked(std::size_t a, std::size_t b) const { return a == b || !cut_[a][b]; }
  std::size_t index_of(const NodeName& name) const;
  void complain(const std::string& what) {
    if (violation.empty()) violation = what + " (tick " + std::to_string(tick_) + ")";
  }

  void start_agent(Node& node);
  void give_tags();
  void fence_or_unfence(const NodeName& node);
  void force_a_failover();
  void kill_the_chosen();
  void withdraw_a_forced_failover();
  [[nodiscard]] bool all_is_async() const;
  [[nodiscard]] bool is_out(const Node& node) const;
  [[nodiscard]] std::string who_does_not_vote(const Record& record) const;
  void stop_agent(Node& node);
  void replicate(std::size_t index);
  void write_and_answer(Node& node);
  void supervise(Node& node);
  void read_store(Node& node);
  void deliver();
  void look(std::size_t index);
  void look_at_server(Node& node);
  void think(Node& node);
  void begin(Node& node, const Intent& intent);
  void send(std::size_t index);
  /// A compare-and-set of what the node knows; false: conflict, refusal, no store or a lost reply.
  bool put(Node& node, const Result<Record>& next);
  void check_record(const Record& record);
  void check_strictness(const Node& node, int id);
  void check_loss(const Record& record);
  void check_measured(const Loss& loss);
  void note_found_again(const std::set<int>& held);
  void note_lost(const Record& record, const std::set<int>& held);
  void write(Postgres& primary);
  static std::vector<Leadership> leaderships_since(const Record& record, Term term);
  void check_fates(const Record& record, const Postgres& leader);
  void renew_lease(Node& node);
  void learn(Node& node, const Record& record);
  bool do_step(Node& node, Running& op, bool& failed);  // small_operations.hpp

  std::mt19937_64 random_;
  bool tagged_ = false;   ///< nodes have tags, and operators fence nodes by hand
  Durability mode_;       ///< operators change between this and quorum
  bool toggles_ = false;  ///< they do, and with strict two acknowledgements are wanted
  Wanted wanted_;         ///< by the operators, while `toggles_`
  int tick_ = 0;
  std::vector<Node> nodes_;
  Register register_;
  std::vector<std::vector<bool>> cut_;
  std::deque<Letter> post_;
  bool calm_ = true;
  int next_record_ = 1;
  std::map<int, Acknowledged> acknowledged_;
  std::map<int, std::pair<Term, std::size_t>> written_;  ///< records: in which term, and where
  std::map<Term, std::map<int, Acknowledged>> lost_;  ///< and given up by the failover of a term
  std::map<Term, int> last_word_tick_;  ///< of the leader that was given up, by the failover's term
  std::map<Term, NodeName> opened_by_;
  std::map<TimelineId, NodeName> promoted_to_;
  int next_incarnation_ = 1;
};

}  // namespace evergres::core::small

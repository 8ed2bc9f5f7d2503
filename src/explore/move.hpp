#pragma once

#include "base/result.hpp"
#include "explore/world.hpp"

namespace evergres::explore {

/// One change of a state: the nodes that it touches, as they become.
class Move {
 public:
  Move(World& world, State& state) : w(world), now(state) {
    for (std::size_t i = 0; i < w.plan_.nodes; ++i) nodes_[i] = w.nodes_[state.nodes[i]];
  }
  /// Notes what is acknowledged now, and puts everything back into the state.
  void finish();

  Node& node(std::size_t index) { return nodes_[index]; }
  Server& server(std::size_t index) { return nodes_[index].server; }
  Agent& agent(std::size_t index) { return nodes_[index].agent; }
  [[nodiscard]] std::size_t size() const { return w.plan_.nodes; }
  [[nodiscard]] bool linked(std::size_t a, std::size_t b) const {
    return a == b || (now.cut_off != a + 1 && now.cut_off != b + 1);
  }

  /// Immediately, as by SIGKILL.
  void kill(std::size_t index);
  /// Always as a standby without upstream, with the resting names.
  void start(std::size_t index);
  /// Its receiver is gone, and the walsender that served it.
  void end_stream(std::size_t index);
  /// The end of WAL that is acknowledged under the names in force.
  [[nodiscard]] Byte acknowledged_end(const Server& primary) const;
  void append(Server& primary);
  [[nodiscard]] static bool is_prefix(const Server& inner, const Server& outer);
  void learn(Agent& agent, std::size_t index, std::uint32_t record, std::uint16_t revision);
  /// A compare-and-set of what the node knows. False: refusal, conflict, no store or a lost reply.
  bool put(std::size_t index, const Result<core::Record>& next, bool unheard);

  void promoted(std::size_t index);
  void receive(std::size_t index, bool flushes);
  /// What it has flushed reaches its upstream.
  void report(std::size_t index);
  void hear(std::size_t index, std::size_t from, std::uint32_t beat, bool late);
  void doubt(std::size_t index, std::size_t other);
  void look_at_card(std::size_t index, std::size_t other);
  void end_agent(std::size_t index);
  void restart_agent(std::size_t index);
  void ask(core::RequestKind kind, std::size_t to);
  /// What an operator changes in the record. False: it is refused.
  bool change(const Result<core::Record>& next);
  bool fence_by_hand(std::size_t index);
  bool put_back(std::size_t index);

  bool has_put = false;  ///< the record in the store was changed

 private:
  void note_acknowledged(std::size_t index);
  void attach(std::size_t index, std::size_t from);

  World& w;
  State& now;
  std::array<Node, most_nodes> nodes_;
  friend class Hand;
};

}  // namespace evergres::explore

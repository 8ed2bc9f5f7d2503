#pragma once

#include <array>
#include <cstdint>

#include "core/election.hpp"
#include "core/situation.hpp"

/// What a state of a small world consists of: numbers without padding. Values of the core (records,
/// heartbeats, policies, intents, answers to a fence) stand in pools and are meant by their number,
/// 0 for none. Nodes are 0, 1, 2; a timeline, a term, a position and an incarnation fit a byte.
namespace evergres::explore {

inline constexpr std::size_t most_nodes = 3;
inline constexpr std::size_t longest_wal = 24;
inline constexpr std::size_t most_forks = 10;

using Byte = std::uint8_t;

/// What a primary knows of the walreceiver of one node.
struct Sender {
  Byte incarnation = 0;  ///< 0: it never attached
  Byte term = 0;         ///< both are in the name under which it reported last
  Byte end = 0;          ///< reported as flushed; stays when it is gone
  Byte streams = 0;
  bool operator==(const Sender&) const = default;
};

struct SmallFork {
  Byte timeline = 0;
  Byte parent = 0;
  Byte at = 0;
  Byte none = 0;
  bool operator==(const SmallFork&) const = default;
};

/// A PostgreSQL. A record of its WAL is the timeline on which it was written: at one position of
/// one timeline there is only one record, or a timeline was given out twice.
struct Server {
  std::uint32_t names = 0;  ///< policy in force; 0: the resting value, nobody acknowledges
  core::ServerState state = core::ServerState::absent;  // an int
  Byte incarnation = 0;
  Byte rebuilding = 0;
  Byte asked = 0;        ///< to promote, since its last start
  Byte promotes_to = 0;  ///< an order to promote is under way; its timeline
  Byte grant = 0;        ///< 0 none, 1 to promote, 2 to lead
  Byte grant_term = 0;
  Byte upstream = 0;  ///< node + 1; 0: none
  Byte upstream_term = 0;
  Byte attached = 0;
  Byte receiving = 0;
  Byte diverged = 0;
  Byte gate = 0;
  Byte wal_gone = 0;  ///< its upstream no longer has the WAL that it needs next
  Byte timeline = 1;
  Byte newest = 1;
  Byte length = 0;   ///< of the WAL as written
  Byte flushed = 0;  ///< of it
  std::array<Byte, longest_wal> wal{};
  std::array<SmallFork, most_forks> forks{};  ///< history of its timeline; timeline 0 ends it
  std::array<Sender, most_nodes> senders{};
  std::array<Byte, 3> none{};
  bool operator==(const Server&) const = default;

  [[nodiscard]] bool runs() const {
    return state == core::ServerState::standby || state == core::ServerState::primary;
  }
};

/// What an agent knows of another node.
struct View {
  std::uint32_t beat = 0;  ///< its last heartbeat; 0: never heard in this run
  Byte silence = 0;        ///< 0: heard within suspect_after; 1: not; 2: not for voter_timeout
  Byte refused = 0;
  Byte stale_card = 0;  ///< its card in the store stands still
  Byte card_hears = 0;  ///< a bit for each node that it hears, as its card says
  bool operator==(const View&) const = default;
};

struct Agent {
  std::uint32_t record = 0;  ///< the newest known
  std::uint32_t fenced = 0;  ///< its answer
  std::uint32_t order = 0;   ///< the intent that is being performed
  std::array<View, most_nodes> views{};
  std::uint16_t revision = 0;
  Byte alive = 0;
  Byte run = 0;
  Byte away = 0;  ///< the store does not answer it
  Byte promise_term = 0;
  Byte promise_claim = 0;
  Byte claimed = 0;  ///< it won the term: 1 just now, 2 a second ago, 3 three seconds ago
  Byte step = 0;     ///< of the order
  Byte order_term = 0;
  Byte probe = 0;  ///< position after the probe of a proof
  Byte fence_failures = 0;
  Byte fence_failed_in = 0;  ///< terms in which the last attempt of this kind failed; 0: none
  Byte promote_failed_in = 0;
  Byte barrier_failed_in = 0;
  Byte rewind_failed_in = 0;
  bool operator==(const Agent&) const = default;
};

struct Node {
  Agent agent;
  Server server;
  std::uint32_t me = 0;
  bool operator==(const Node&) const = default;
};
static_assert(std::has_unique_object_representations_v<Node>);

/// Without an end, as it is without faults.
inline constexpr Byte endless = 255;

/// How many faults of each kind may still happen.
struct Budget {
  Byte servers = 0;    ///< PostgreSQL is killed
  Byte agents = 0;     ///< an agent is killed
  Byte machines = 0;   ///< both, and what was written and not flushed is gone
  Byte cuts = 0;       ///< a node is cut off from the others
  Byte deserts = 0;    ///< a node is cut off from the others and from the store
  Byte doubts = 0;     ///< messages of a living node are lost for so long that it counts as silent
  Byte replies = 0;    ///< a reply of the store is lost
  Byte letters = 0;    ///< a heartbeat comes late, and once more
  Byte writes = 0;     ///< a client commits
  Byte wishes = 0;     ///< an operator asks for a switchover, a restart or a clone
  Byte hands = 0;      ///< an operator takes a node out by hand, and puts it back some time
  Byte removals = 0;   ///< the upstream of a standby no longer has the WAL that it needs next
  Byte failures = 0;   ///< an operation gives up too early
  Byte unflushed = 0;  ///< a standby receives WAL and does not flush it yet
  Byte returns = endless;  ///< a dead agent starts again
  Byte proofs = 2;         ///< a proof waits for a voter that is not there, and gives up
  bool operator==(const Budget&) const = default;
};

/// Timelines are given out in steps: they count as 0, 1, 2, … where something is kept for each.
constexpr std::size_t place_of_timeline(Byte timeline) {
  return timeline / core::timeline_step;
}

/// A state of the whole world.
struct State {
  std::array<std::uint32_t, most_nodes> nodes{};
  std::uint32_t record = 0;  ///< in the store
  std::uint32_t letter = 0;  ///< a heartbeat that is late
  std::uint16_t revision = 0;
  std::array<Byte, most_forks + 1> acknowledged{};  ///< by timeline: the last position
  Byte cut_off = 0;                                 ///< node + 1
  Byte letter_way = 0;                              ///< from * 4 + to of the letter
  Byte letter_left = 0;                             ///< so often it may still come
  Budget left;
  bool operator==(const State&) const = default;
};
static_assert(std::has_unique_object_representations_v<State>);

}  // namespace evergres::explore

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/field.hpp"
#include "base/names.hpp"
#include "base/result.hpp"

/// What an agent tells those who watch it (endpoints), and what they answer. A word is sent when
/// something of it changes that matters, and at least each second.
namespace evergres::cluster {

/// How long a word and an acknowledgement may be, in bytes of JSON.
inline constexpr std::size_t longest_route_word = std::size_t{256} << 10U;
inline constexpr std::size_t longest_route_ack = 256;
inline constexpr std::size_t most_route_nodes = 64;
inline constexpr std::size_t most_route_promotions = 256;

/// A leadership that opened: see proxy::Promotion.
struct RoutePromotion {
  Term term;
  Term after;
  std::optional<std::uint64_t> next_xid;
  auto operator<=>(const RoutePromotion&) const = default;
};
constexpr auto fields(const RoutePromotion*) {
  return std::tuple{Field{"term", &RoutePromotion::term}, Field{"after", &RoutePromotion::after},
                    Field{"next_xid", &RoutePromotion::next_xid}};
}

/// A node as the speaking agent sees it.
struct RouteNode {
  NodeName name;
  std::string host;  ///< of its PostgreSQL
  int port = 0;
  std::string agent_host;
  int agent_port = 0;
  std::string zone;  ///< "" if it has no tag
  bool noloadbalance = false;
  bool answers = false;              ///< its PostgreSQL answers SQL
  bool replays = false;              ///< a standby that streams on the recorded lineage
  std::optional<std::uint64_t> lag;  ///< bytes that it has not replayed; absent: not known
  /// Where other endpoints reach that of this node; both absent if it has none.
  std::optional<std::string> endpoint_host = {};
  std::optional<int> endpoint_port = {};
  auto operator<=>(const RouteNode&) const = default;
};
constexpr auto fields(const RouteNode*) {
  return std::tuple{Field{"name", &RouteNode::name},
                    Field{"host", &RouteNode::host},
                    Field{"port", &RouteNode::port},
                    Field{"agent_host", &RouteNode::agent_host},
                    Field{"agent_port", &RouteNode::agent_port},
                    Field{"zone", &RouteNode::zone},
                    Field{"noloadbalance", &RouteNode::noloadbalance},
                    Field{"answers", &RouteNode::answers},
                    Field{"replays", &RouteNode::replays},
                    Field{"lag", &RouteNode::lag},
                    Field{"endpoint_host", &RouteNode::endpoint_host},
                    Field{"endpoint_port", &RouteNode::endpoint_port}};
}

struct RouteWord {
  ClusterId cluster;
  NodeName speaker;
  /// Grows, within one connection, with every change that matters; an acknowledgement names it.
  std::uint64_t number = 0;
  Term term;
  Revision revision;  ///< of the record
  bool open = false;  ///< its phase is "leading"
  NodeName leader;    ///< of `open`, else ""
  /// Of `open`: the timeline that this leadership writes. Who is connected to the leader can see
  /// there whether it is still this one.
  std::optional<TimelineId> timeline = {};
  /// Said by the leader's own agent only, while the leader is open: a handover is about to begin.
  /// What runs may end, nothing new should begin.
  bool draining = false;
  /// The boot id of the speaker's machine, and where its PostgreSQL has its unix socket: for those
  /// who are on the same machine.
  std::string machine;
  std::string socket_directory;
  std::vector<RouteNode> nodes;
  std::vector<RoutePromotion> promotions;  ///< ascending by term, as far as they are recorded
  auto operator<=>(const RouteWord&) const = default;
};
constexpr auto fields(const RouteWord*) {
  return std::tuple{Field{"cluster", &RouteWord::cluster},
                    Field{"speaker", &RouteWord::speaker},
                    Field{"number", &RouteWord::number},
                    Field{"term", &RouteWord::term},
                    Field{"revision", &RouteWord::revision},
                    Field{"open", &RouteWord::open},
                    Field{"leader", &RouteWord::leader},
                    Field{"timeline", &RouteWord::timeline},
                    Field{"draining", &RouteWord::draining},
                    Field{"machine", &RouteWord::machine},
                    Field{"socket_directory", &RouteWord::socket_directory},
                    Field{"nodes", &RouteWord::nodes},
                    Field{"promotions", &RouteWord::promotions}};
}

/// At once for every new number, and at least each second.
struct RouteAck {
  std::uint64_t heard = 0;  ///< the number of the newest word that is obeyed everywhere
  std::uint32_t busy = 0;   ///< transactions that run on the leader through this watcher
  auto operator<=>(const RouteAck&) const = default;
};
constexpr auto fields(const RouteAck*) {
  return std::tuple{Field{"heard", &RouteAck::heard}, Field{"busy", &RouteAck::busy}};
}

/// Error data_invalid for a name, an address or a tag that cannot be one: such a node is not told.
Outcome check_route_node(const RouteNode& node);

/// What a watcher received. Error data_invalid if it is no word, or one with names, addresses or
/// numbers that cannot be.
Result<RouteWord> parse_route_word(std::string_view text);

/// The id of this start of this machine's kernel, as all processes on it read it; "" if it cannot
/// be read.
std::string boot_id();

}  // namespace evergres::cluster

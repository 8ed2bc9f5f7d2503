#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/lsn.hpp"
#include "proxy/pool/leader_view.hpp"

namespace evergres::proxy {

enum class Port { read_write, read_only };

/// A node as the last look at it showed it. Unknown is absent, and never good enough.
struct Candidate {
  NodeName node;
  std::string zone;
  bool answers = false;
  bool replays = false;              ///< a standby that streams on the recorded lineage
  std::optional<std::uint64_t> lag;  ///< bytes of WAL that it has not replayed
  std::optional<Lsn> replayed;
  std::uint32_t busy = 0;  ///< connections for reading that we have to it
};

struct RouteWish {
  Port port = Port::read_write;
  std::string zone;
  std::uint64_t max_lag = 16U << 20U;  ///< bytes
  bool leader_may_read = true;         ///< the read-only port falls back to the leader
  std::optional<Lsn> at_least;         ///< read your writes: what must have been replayed
  std::uint32_t turn = 0;              ///< counts up: equals take turns
};

/// Where to, or why to wait. There is no third: whoever waits has a deadline.
struct Route {
  std::optional<NodeName> node;
  Term term;  ///< the highest known; a connection that is made for it ends with it
  std::string_view because;
};

/// Whether a node of which this is known may be read.
bool near_enough(bool answers, bool replays, const std::optional<std::uint64_t>& lag,
                 std::uint64_t max_lag);

/// Pure. Writers go to `leader` and nowhere else.
Route choose_route(const RouteWish& wish, Term highest, const std::optional<OpenLeader>& leader,
                   const std::vector<Candidate>& candidates);

}  // namespace evergres::proxy

#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/position.hpp"
#include "core/record.hpp"
#include "core/situation.hpp"

/// A PostgreSQL that fits into a walk of thousands of steps, with the habits that cost commits: a
/// standby reports its replay position as flushed when it attaches, that report sticks, WAL that
/// was written but not flushed reappears after a restart, and a promotion goes on after its order
/// gave up.
namespace evergres::core::small {

struct Postgres {
  ServerState state = ServerState::absent;
  Incarnation incarnation;
  std::vector<int> wal;  ///< ids of records; the index is the LSN
  std::size_t flushed = 0;
  TimelineId timeline{1};
  std::vector<Fork> history;
  TimelineId newest{1};
  Policy names;        ///< in force; meaningless while `nobody`
  bool nobody = true;  ///< the resting value: no commit is ever acknowledged
  bool rebuilding = false;
  bool asked_to_promote = false;
  int promotes_at = -1;  ///< tick at which an order to promote takes effect
  TimelineId promotes_to;
  int ready_at = -1;  ///< tick at which a start is over
  std::optional<Grant> grant;
  std::optional<Upstream> upstream;
  bool attached = false;
  bool receiving = false;
  bool diverged = false;
  bool gate_open = false;
  std::map<std::string, std::size_t> acknowledged;  ///< by application name; sticks
  std::map<std::string, int> replied_at;            ///< by application name, a tick
  std::set<NodeName> slots;
  std::size_t settled = 0;  ///< records below were answered to their clients

  [[nodiscard]] bool runs() const {
    return state == ServerState::standby || state == ServerState::primary;
  }
  [[nodiscard]] Position position() const { return {timeline, Lsn{flushed}}; }

  void kill() {
    if (state == ServerState::absent) return;
    state = ServerState::stopped;
    grant.reset();
    attached = receiving = gate_open = false;
    promotes_at = -1;
  }

  /// Always a standby without upstream, with the resting names.
  void start(int tick, int takes) {
    state = ServerState::starting;
    ready_at = tick + takes;
    upstream.reset();
    grant.reset();
    attached = receiving = diverged = gate_open = asked_to_promote = false;
    nobody = true;
    promotes_at = -1;
    acknowledged.clear();
    replied_at.clear();
    flushed = wal.size();
  }

  /// What time does by itself: a start ends, an order to promote is carried out.
  void tick(int now) {
    if (state == ServerState::starting && now >= ready_at) state = ServerState::standby;
    if (state != ServerState::standby || promotes_at < 0 || now < promotes_at) return;
    state = ServerState::primary;
    flushed = wal.size();
    settled = flushed;
    history.push_back(Fork{promotes_to, timeline, Lsn{flushed}});
    timeline = newest = promotes_to;
    promotes_at = -1;
    attached = receiving = false;
  }

  [[nodiscard]] bool has_prefix_in(const Postgres& other) const {
    return wal.size() <= other.wal.size() && std::equal(wal.begin(), wal.end(), other.wal.begin());
  }

  /// How many records are acknowledged under the names in force.
  [[nodiscard]] std::size_t acknowledged_end() const {
    if (nobody || acknowledges_nothing(names)) return 0;
    if (names.voters.empty()) return flushed;
    std::vector<std::size_t> ends;
    for (const Seat& voter : names.voters) {
      const auto found = acknowledged.find(application_name(voter, names.term));
      ends.push_back(found == acknowledged.end() ? 0 : found->second);
    }
    std::sort(ends.rbegin(), ends.rend());
    return std::min(flushed, ends[names.k - 1]);
  }
};

/// The one register of the store.
struct Register {
  Record record;
  std::uint64_t revision = 1;
};

}  // namespace evergres::core::small

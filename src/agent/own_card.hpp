#pragma once

#include <optional>
#include <string>

#include "base/instant.hpp"
#include "cluster/cluster_store.hpp"

namespace evergres::agent {

/// Announces this node in the store, once per round, and notices another living agent that does so
/// under the same name: a state directory that was copied to a second machine.
///
/// Each run of an agent writes its own random id into the card and writes only over what it wrote
/// itself. Whoever finds the beat of the run that it replaced still moving came later and yields;
/// the earlier one writes again and goes on. A dead run moves no beat, so a restarted agent is
/// never taken for a copy, nor is a store that was put back. Belongs to one thread; blocks on the
/// store.
class OwnCard {
 public:
  /// How long the beat of an earlier agent must stand still until this one stops yielding to it.
  static constexpr Millis yields_for{5000};

  /// Writes `card` (its `agent` is this run). The sentence, if there is one, names the earlier
  /// agent: nothing was written and this agent must not act. Errors: those of the store.
  Result<std::optional<std::string>> announce(cluster::ClusterStore& store,
                                              const cluster::NodeCard& card, Millis deadline);

 private:
  struct Other {
    std::optional<std::string> agent;
    std::uint64_t beat = 0;
    Instant moved_at;
  };
  std::optional<std::string> yield_to(const cluster::NodeCard& theirs);
  Result<bool> elder_stands_still(cluster::ClusterStore& store, const cluster::NodeCard& card,
                                  Millis deadline);

  std::optional<Revision> written_;  ///< of our card as we wrote it last
  std::optional<Other> before_;      ///< whose card stood there before our first
  bool yielding_ = false;
  std::string last_intruder_;  ///< the later agent that was warned of last
};

}  // namespace evergres::agent

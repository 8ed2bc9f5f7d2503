#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>

#include "cluster/cluster_store.hpp"
#include "sim/network.hpp"
#include "sim/process.hpp"
#include "store/memory.hpp"

namespace evergres::sim {

/// How the store is just now.
struct StoreHealth {
  int down = 0;                    ///< by how many faults: nothing is answered
  int read_only = 0;               ///< changes are refused
  std::int64_t slowness = 1;       ///< if it is more than the usual one
  std::uint32_t lost_answers = 0;  ///< permille of changes that are made and not confirmed
  std::uint32_t stale = 0;         ///< permille of reads that show an older record
  int locked = 0;  ///< by how many faults: changes wait until their callers have given up
  std::multiset<Place> refused;       ///< whose login fails
  std::multiset<Place> of_yesterday;  ///< who is shown the last record of the term before
};

/// The store of the cluster: real keys, values and revisions behind the real typed view, one change
/// at a time, with the ways there and back. A change takes effect between its call and its answer,
/// or although no answer comes, or not at all.
class StoreModel {
 public:
  using Work = std::function<EventQueue::Action(cluster::ClusterStore&)>;
  using Watcher = std::function<void(const core::Record&)>;

  /// `usual_slowness`: an answer takes so many times 1 to 12 ms.
  StoreModel(EventQueue& events, Network& network, Choices& choices, Place place,
             std::int64_t usual_slowness);

  /// The caller's work is done at the store and returns what the caller does with the outcome.
  /// `failed` runs instead when no answer came in time. `changes`: it may be refused or lost.
  void ask(Process& caller, Place from, bool changes, Nanos deadline, Work work,
           const std::function<void(Error)>& failed);

  using Read = Result<std::optional<cluster::Versioned<core::Record>>>;
  void read_record(Process& caller, Place from, Nanos deadline,
                   const std::function<void(Read)>& done);
  using Write = Result<cluster::WriteOutcome>;
  void write_record(Process& caller, Place from, core::Record record, Revision expected,
                    Nanos deadline, const std::function<void(Write)>& done);

  /// The operator's hand, and the beginning of the world: at once, past every fault.
  Outcome put_now(const core::Record& record);
  [[nodiscard]] std::optional<cluster::Versioned<core::Record>> read_now();

  /// Called with each record that is written, when it takes effect.
  void watch(Watcher watcher) { watcher_ = std::move(watcher); }
  StoreHealth health;

 private:
  void note(const core::Record& record, Revision revision);
  void when_unlocked(EventQueue::Action change, Moment until);

  EventQueue& events_;
  Network& network_;
  Choices& choices_;
  Place place_;
  std::int64_t usual_slowness_;
  cluster::ClusterStore store_;
  Watcher watcher_;
  std::vector<cluster::Versioned<core::Record>> past_;
  std::optional<cluster::Versioned<core::Record>> of_last_term_;
};

}  // namespace evergres::sim

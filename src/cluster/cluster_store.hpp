#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cluster/spec.hpp"
#include "cluster/status.hpp"
#include "core/record.hpp"
#include "store/store.hpp"

namespace evergres::cluster {

/// A value together with the revision that a compare-and-set of it must name.
template <typename T>
struct Versioned {
  T value;
  Revision revision;
};

struct RecordApplied {
  Revision revision;
};
/// Somebody else changed the record first; nothing was written. `current` is empty when the record
/// does not exist (any more).
struct RecordConflict {
  std::optional<Versioned<core::Record>> current;
};
using WriteOutcome = std::variant<RecordApplied, RecordConflict>;

struct CardApplied {
  Revision revision;
};
struct CardConflict {
  std::optional<Versioned<NodeCard>> current;
};
using CardOutcome = std::variant<CardApplied, CardConflict>;

struct SpecApplied {
  Revision revision;
};
/// Somebody else changed it first; nothing was written. `current` is empty when there is none.
struct SpecConflict {
  std::optional<Versioned<Spec>> current;
};
using SpecOutcome = std::variant<SpecApplied, SpecConflict>;

/// Error data_invalid if the record contradicts itself: names that cannot be names, voters that are
/// unsorted, doubled or contain the leader, k > |S| or k = 0 with voters, a lineage that does not
/// ascend, more than 64 members, 64 unproven policies or 4096 timelines.
Outcome check_record(const core::Record& record);

/// The loss as the history shows it.
LostTail lost_tail(const core::Loss& loss);

/// The typed view over the store: keys under /evergres/<cluster>/. It blocks like the store (call
/// it on the store thread), passes the store's errors on, and believes nothing it reads: text that
/// does not parse or contradicts itself is data_invalid.
class ClusterStore {
 public:
  ClusterStore(std::unique_ptr<store::Store> store, std::string cluster);

  /// Nothing if there is no record.
  Result<std::optional<Versioned<core::Record>>> read_record(Millis deadline);
  /// Compare-and-set; `expected` nothing means that no record may exist yet. A record that
  /// contradicts itself is refused before it is written (data_invalid).
  Result<WriteOutcome> write_record(const core::Record& record, std::optional<Revision> expected,
                                    Millis deadline);
  /// The settings of the cluster; nothing if nobody ever declared any. data_invalid as parse_spec.
  Result<std::optional<Versioned<Spec>>> read_spec(Millis deadline);
  /// Compare-and-set; `expected` nothing means that there are none yet.
  Result<SpecOutcome> write_spec(const Spec& spec, std::optional<Revision> expected,
                                 Millis deadline);
  /// The revision of a document that read_spec refuses: what replaces it must name it.
  Result<std::optional<Revision>> spec_revision(Millis deadline);

  /// Waits until anything of the cluster changed after `seen`; returns the newest revision, which
  /// is `seen` if the deadline passed first.
  Result<Revision> wait_for_change(Revision seen, Millis deadline);

  /// All readable cards by name. One unreadable card does not hide the others: it is left out and
  /// named in `unreadable`.
  struct Cards {
    std::vector<Versioned<NodeCard>> cards;
    std::vector<std::string> unreadable;  ///< sentences
    Revision revision;
  };
  Result<Cards> list_cards(Millis deadline);
  Result<CardOutcome> put_card(const NodeCard& card, store::Expect expect, Millis deadline);
  Result<CardOutcome> remove_card(const NodeName& node, store::Expect expect, Millis deadline);

  /// Writes the entry of its term. Idempotent: the same entry again is fine; a different entry for
  /// a term that has one is already_exists and the first stays.
  Outcome append_history(const HistoryEntry& entry, Millis deadline);
  /// What a failover gave up is known better now. Without an entry of that term, or with one
  /// that cannot be read, nothing is done.
  Outcome amend_history(std::uint64_t term, const LostTail& lost, Millis deadline);
  /// Oldest first, newest last. Unreadable entries are left out.
  Result<std::vector<HistoryEntry>> list_history(Millis deadline);

 private:
  [[nodiscard]] std::string key(std::string_view rest) const;

  std::unique_ptr<store::Store> store_;
  std::string root_;  ///< "/evergres/<cluster>/"
};

}  // namespace evergres::cluster

#pragma once

#include <optional>
#include <utility>

#include "base/names.hpp"

namespace evergres::proxy {

/// What an agent says about the cluster's record when it has read it. Hostile until it is believed:
/// agents may be old, frozen, or of another cluster.
struct LeaderWord {
  ClusterId cluster;
  Term term;
  Revision revision;                        ///< of the record; grows with every change
  bool open = false;                        ///< its phase is `leading`: the leader may write
  NodeName leader;                          ///< of `open`
  std::optional<TimelineId> timeline = {};  ///< of `open`: the one that it writes
  /// The leader's own agent says whether a handover is about to begin; from others: absent.
  std::optional<bool> draining = {};
};

/// Where writers go: the open leader of the highest known term.
struct OpenLeader {
  Term term;
  NodeName node;
  /// A server of this leadership writes on this timeline; absent: nobody said.
  std::optional<TimelineId> timeline = {};
  auto operator<=>(const OpenLeader&) const = default;
};

/// Follows the record through several agents at once and believes the newest word: the highest
/// term, and within a term the latest revision. It never goes back, so that an agent that is late
/// or frozen cannot send writers to an old leader. One thread.
class LeaderView {
 public:
  explicit LeaderView(ClusterId cluster) : cluster_(std::move(cluster)) {}

  enum class Heard {
    nothing_new,
    news,
    foreign,   ///< of another cluster: not believed
    disputed,  ///< two records with one term and one revision: there is no leader until a higher
               ///< term or a later revision is heard
  };
  Heard hear(const LeaderWord& word);

  [[nodiscard]] std::optional<OpenLeader> leader() const;
  /// The open leader is about to hand over: what runs may end, nothing new begins.
  [[nodiscard]] bool draining() const { return draining_ && leader(); }
  /// The leader's agent is heard no longer: what it announced was called off, or will be told by
  /// the record. True if that is news.
  bool forget_draining() { return std::exchange(draining_, false); }
  /// Server connections of an older term are closed at once.
  [[nodiscard]] Term highest() const { return newest_ ? newest_->term : Term{}; }

 private:
  Heard believe(const LeaderWord& word);
  bool take_draining(const LeaderWord& word);

  ClusterId cluster_;
  std::optional<LeaderWord> newest_;
  bool disputed_ = false;
  bool draining_ = false;
};

}  // namespace evergres::proxy

#pragma once

#include <map>
#include <optional>
#include <utility>

#include "sim/judge.hpp"

namespace evergres::sim {

/// Invariants about time and number: how long a leader that nobody reaches stays one (I4), who may
/// depose a leader that is heard (I22), how often the leadership changes (I23).
class Bounds {
 public:
  Bounds(const EventQueue& events, const Judge::Machines& machines, const Network& network,
         Judge& judge, core::Tuning tuning)
      : events_(events), machines_(machines), network_(network), judge_(judge), tuning_(tuning) {}

  /// Ten times a second.
  void look();
  /// Ways are as they were until now. Called before one changes, however soon after the last
  /// change.
  void note_ways();
  /// A record took effect in the store.
  void recorded(const core::Record& record);
  /// A fault began or ended.
  void disturbed() { ++disturbances_; }

 private:
  [[nodiscard]] bool hears_peers(Place place) const;
  [[nodiscard]] bool is_heard_by_all(Place place) const;
  void look_at(const Machine& machine);
  void check_confirmation(const Machine& machine);
  void check_deposing(const core::Record& record);
  void check_flapping(const core::Record& record);

  const EventQueue& events_;
  const Judge::Machines& machines_;
  const Network& network_;
  Judge& judge_;
  core::Tuning tuning_;
  std::map<std::pair<Place, Place>, Moment> asked_;  ///< until when the first reached the second
  std::map<Place, Moment> confirmed_;  ///< when what confirmed it last can have been asked
  std::map<Place, Moment> unheard_;    ///< from peers
  std::map<Place, Moment> by_hand_;    ///< a primary that was promoted behind our back
  std::map<Place, Moment> serves_;     ///< a primary with its agent, which others hear
  std::optional<core::Record> last_;
  int disturbances_ = 0;
  int openings_ = 0;
};

}  // namespace evergres::sim

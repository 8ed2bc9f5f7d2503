#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "sim/machine.hpp"

namespace evergres::sim {

/// What must never happen, looked at while it would: the invariants of reliability.md 2.6, by their
/// numbers. The first one that is broken is kept, with its moment.
class Judge {
 public:
  using Machines = std::vector<std::unique_ptr<Machine>>;
  Judge(const EventQueue& events, const Machines& machines, Trace& trace)
      : events_(events), machines_(machines), trace_(trace) {}

  /// A record took effect in the store.
  void recorded(const core::Record& record);
  /// PostgreSQL told a client that its commit is done.
  void acknowledged(Place node, std::uint64_t record, std::uint64_t end);
  void promoted(Place node, const core::Fork& fork);
  void attached(Place receiver, Place sender, const std::string& name);
  /// A data directory is about to be overwritten.
  void destroys(Place node);
  /// Ten times a second.
  void look();
  /// At the very end.
  void finish(const core::Record& record);
  /// No fault is active, so nobody may change the leadership (I22).
  void expect_quiet(bool quiet) { quiet_ = quiet; }
  void complain(const std::string& what);

  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] std::size_t acknowledgements() const { return acknowledged_.size(); }
  [[nodiscard]] Moment last_acknowledgement() const { return last_acknowledgement_; }
  [[nodiscard]] int leaderships() const { return static_cast<int>(opened_by_.size()); }
  /// From the last acknowledgement of one leadership to the first of the next.
  [[nodiscard]] const std::vector<Millis>& gaps() const { return gaps_; }

 private:
  struct Acknowledged {
    Place node = 0;
    std::uint64_t end = 0;
    Moment at;
  };
  [[nodiscard]] const Machine& of(const NodeName& name) const;
  [[nodiscard]] bool holds(const Machine& machine, std::uint64_t record, std::uint64_t end) const;
  void draw(const core::Record& record);
  void draw_lost(std::uint64_t record);
  void check_terms(const core::Record& record);
  void check_opening(const core::Record& record);
  [[nodiscard]] bool may_count(const std::string& name, Place sender) const;
  std::string name_of(Place place) const { return machines_[place]->name.value; }

  const EventQueue& events_;
  const Machines& machines_;
  Trace& trace_;
  bool quiet_ = false;
  std::string violation_;
  std::optional<core::Record> last_;
  std::map<std::uint64_t, Acknowledged> acknowledged_;
  std::map<Term, NodeName> opened_by_;
  std::map<TimelineId, std::pair<Place, core::Fork>> timelines_;
  std::map<Place, Moment> primary_without_grant_;
  Moment last_acknowledgement_;
  int acknowledged_in_ = 0;  ///< how many leaderships had opened at the last one
  std::vector<Millis> gaps_;
};

}  // namespace evergres::sim

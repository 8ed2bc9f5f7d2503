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
  /// Called at the next one, once; whoever asked before is not.
  void at_next_acknowledgement(EventQueue::Action action) { next_ = std::move(action); }
  void promoted(Place node, const core::Fork& fork);
  void attached(Place receiver, Place sender, const std::string& name);
  /// A data directory is about to be overwritten.
  void destroys(Place node);
  /// The same, for a copy that holds what it holds.
  void replaces(Place node, const DataDirectory& copy);
  /// Whether others hold everything that was acknowledged and is held there.
  [[nodiscard]] bool is_spare(Place node) const { return !only_copy(node); }
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
  /// Acknowledged under async, given up, and told.
  [[nodiscard]] std::uint64_t lost() const { return lost_; }
  [[nodiscard]] int leaderships() const { return static_cast<int>(opened_by_.size()); }
  /// From the last acknowledgement of one leadership to the first of the next.
  [[nodiscard]] const std::vector<Millis>& gaps() const { return gaps_; }

 private:
  struct Acknowledged {
    Place node = 0;
    std::uint64_t end = 0;
    Moment at;
    bool may_be_lost = false;  ///< an async policy was in the book
  };
  [[nodiscard]] const Machine& of(const NodeName& name) const;
  [[nodiscard]] static bool holds(const DataDirectory& disk, std::uint64_t record,
                                  std::uint64_t end);
  [[nodiscard]] bool holds(const Machine& machine, std::uint64_t record, std::uint64_t end) const;
  void draw(const core::Record& record);
  void draw_lost(std::uint64_t record);
  /// Something acknowledged that is nowhere else.
  void give_up(Place node, const DataDirectory* instead);
  [[nodiscard]] std::optional<std::uint64_t> only_copy(
      Place node, const DataDirectory* instead = nullptr) const;
  void check_terms(const core::Record& record);
  void check_opening(const core::Record& record);
  /// I6: whether the record tells of this loss, and no more of it than is allowed.
  [[nodiscard]] bool is_told(const core::Record& record, const Acknowledged& how) const;
  void excuse_what_was_told(const core::Record& record, const Machine& leader);
  void check_tags(const core::Record& record);
  void check_gate(Place node, std::uint64_t record);
  void check_names(const Machine& machine);
  void check_copies(const Machine& leader);
  [[nodiscard]] bool woke_up(Place node) const;
  [[nodiscard]] bool leads_async(Place node) const;
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
  std::optional<NodeName> last_opened_;
  std::map<NodeName, core::PolicyBook>
      led_with_;  ///< what stood in the record last, of each leader
  std::map<TimelineId, std::pair<Place, core::Fork>> timelines_;
  std::map<Place, Moment> primary_without_grant_;
  std::uint64_t lost_ = 0;
  std::map<Term, Moment> told_at_;  ///< when the loss of a term's failover stood in the record
  Moment last_acknowledgement_;
  EventQueue::Action next_;
  int acknowledged_in_ = 0;  ///< how many leaderships had opened at the last one
  std::vector<Millis> gaps_;
};

}  // namespace evergres::sim

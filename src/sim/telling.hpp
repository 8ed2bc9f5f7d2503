#pragma once

#include <functional>
#include <string>

#include "sim/story.hpp"

namespace evergres::sim {

/// Does the steps of a story in a world that is healthy, one after the other.
class Telling {
 public:
  Telling(World& world, const Story& story);
  /// What did not come true, with file and line; empty if all did, or if an invariant was broken
  /// on the way.
  std::string tell();

 private:
  std::string take(const Step& step);
  std::string await(const std::function<bool()>& came, const std::string& what, Nanos most);
  std::string await_leader(const Step& step);
  std::string expect(const Step& step);
  void mend(const Step& step);
  [[nodiscard]] PlannedFault fault_of(const Step& step);
  [[nodiscard]] Place place_of(const Who& who);
  [[nodiscard]] std::optional<core::Record> record();
  /// Who is the open leader and takes writes.
  [[nodiscard]] std::optional<Place> leader();

  World& world_;
  const Story& story_;
  Moment began_;
  Term term_;
  Place last_leader_ = 0;
};

}  // namespace evergres::sim

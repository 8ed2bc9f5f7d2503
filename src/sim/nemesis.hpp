#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/judge.hpp"

namespace evergres::sim {

class World;

/// A kind of fault: how it begins and how it ends. `a` and `b` are machines, `b` another one.
struct FaultKind {
  std::string_view name;
  std::string_view number;  ///< of reliability.md 2.5
  void (*begin)(World& world, Place a, Place b);
  void (*end)(World& world, Place a, Place b);  ///< null: it passes by itself
};
std::span<const FaultKind> fault_kinds();
std::optional<std::size_t> fault_called(std::string_view name);
/// Those of recurring_faults.cpp, part of them.
std::span<const FaultKind> recurring_fault_kinds();

/// One fault of a plan. The plan is drawn before the chaos begins, so that it can be shortened.
struct PlannedFault {
  Nanos after{0};  ///< from the begin of the chaos
  Nanos lasts{0};  ///< 0: until somebody ends it, at the healing at the latest
  std::size_t kind = 0;
  Place a = 0;
  Place b = 0;
  bool on_leader = false;  ///< `a` becomes whoever leads when it begins
};

/// Which faults a run has, how often, how long: mostly few kinds, so that each gets its chance.
std::vector<PlannedFault> draw_plan(Choices& choices, std::size_t machines, Nanos chaos);

/// A fault at a step (F32): it hits the node `here`, which has just decided something, or another.
PlannedFault draw_step_fault(Choices& choices, std::size_t machines, Place here);

}  // namespace evergres::sim

#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "checks/told.hpp"

namespace evergres::checks {

struct Judgement {
  Anomalies anomalies;
  std::size_t operations = 0;
  double unknown_share = 0;
};

/// Judges a history in JSON: an object with "workload" ("set", "bank", "lists", "registers",
/// "monotonic", "echo") and what that needs; docs/reference/histories.md gives the members. Errors:
/// data_invalid, naming the member.
Result<Judgement> judge(std::string_view json);

}  // namespace evergres::checks

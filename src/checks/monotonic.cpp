#include "checks/monotonic.hpp"

#include <algorithm>
#include <map>

namespace evergres::checks {
namespace {

/// Ordered by `began`; those that had ended before are swept along by their end.
void add_backwards(std::vector<const Count*> told, Anomalies& anomalies) {
  std::vector<const Count*> by_end = told;
  std::ranges::sort(told, {}, [](const Count* one) { return one->span.began; });
  std::ranges::sort(by_end, {}, [](const Count* one) { return one->span.end(); });
  std::int64_t highest = 0;
  std::size_t next = 0;
  std::vector<std::string> backwards;
  for (const Count* one : told) {
    for (; next < by_end.size() && by_end[next]->span.end() < one->span.began; ++next) {
      highest = std::max(highest, by_end[next]->seen);
    }
    if (one->seen >= highest + one->by) continue;
    backwards.push_back(std::to_string(one->seen) + " after " + std::to_string(highest));
  }
  if (backwards.empty()) return;
  anomalies.push_back(
      {"backwards", std::to_string(backwards.size()) +
                        " looks found less than was known: " + examples(backwards)});
}

}  // namespace

Anomalies check_monotonic(const std::vector<Count>& counts, std::int64_t last) {
  Anomalies anomalies;
  std::vector<const Count*> told;
  std::map<std::int64_t, int> increases;
  std::int64_t certain = 0;
  std::int64_t possible = 0;
  for (const Count& one : counts) {
    if (one.told != Told::failed) possible += one.by;
    if (one.told != Told::ok) continue;
    told.push_back(&one);
    certain += one.by;
    if (one.by > 0) ++increases[one.seen];
  }
  add_backwards(told, anomalies);
  std::vector<std::string> same;
  for (const auto& [seen, times] : increases) {
    if (times > 1) same.push_back(std::to_string(seen));
  }
  if (!same.empty()) {
    anomalies.push_back({"same", "values that several increases saw: " + examples(same)});
  }
  if (last < certain) {
    anomalies.push_back({"lost", "the counter is " + std::to_string(last) + "; increases of " +
                                     std::to_string(certain) + " were acknowledged"});
  }
  if (last > possible) {
    anomalies.push_back({"excess", "the counter is " + std::to_string(last) + "; at most " +
                                       std::to_string(possible) + " were asked for"});
  }
  return anomalies;
}

}  // namespace evergres::checks

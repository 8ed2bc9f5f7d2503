#include "checks/set.hpp"

#include <map>

namespace evergres::checks {

Anomalies check_set(const std::vector<Addition>& additions, const std::vector<std::string>& there) {
  std::map<std::string, std::size_t> found;
  for (const std::string& id : there) ++found[id];
  std::vector<std::string> lost, twice, denied, strange;
  std::map<std::string, Told> asked;
  for (const Addition& one : additions) {
    asked[one.id] = one.told;
    const bool is_there = found.contains(one.id);
    if (one.told == Told::ok && !is_there) lost.push_back(one.id);
    if (one.told == Told::failed && is_there) denied.push_back(one.id);
  }
  for (const auto& [id, count] : found) {
    if (count > 1) twice.push_back(id);
    if (!asked.contains(id)) strange.push_back(id);
  }
  Anomalies anomalies;
  const auto tell = [&](const char* kind, const std::vector<std::string>& ids, const char* what) {
    if (ids.empty()) return;
    anomalies.push_back({kind, std::to_string(ids.size()) + " " + what + ": " + examples(ids)});
  };
  tell("lost", lost, "acknowledged and not there");
  tell("twice", twice, "executed more than once");
  tell("denied", denied, "told as failed and there");
  tell("strange", strange, "that nobody asked for");
  return anomalies;
}

}  // namespace evergres::checks

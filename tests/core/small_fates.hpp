#pragma once

#include "small_world.hpp"

/// World: what became of a transaction whose leader is gone. Here each record is one, and its index
/// its id: those that were lost are given out again.
namespace evergres::core::small {

inline void World::write(Postgres& primary) {
  const Term term = term_of(primary.timeline, register_.record.lineage);
  written_[next_record_] = {term, primary.wal.size()};
  primary.wal.push_back(next_record_++);
}

/// The leaderships since `term`, if none is missing and the first id of each is known.
inline std::vector<Leadership> World::leaderships_since(const Record& record, Term term) {
  std::vector<Leadership> since;
  for (const Leadership& each : record.leaderships.value_or(std::vector<Leadership>{})) {
    if (each.term <= term) continue;
    if (each.after != (since.empty() ? term : since.back().term) || !each.next_xid) return {};
    since.push_back(each);
  }
  return since;
}

/// Asked when a leadership opens: an id below all first ids names the same transaction here, and
/// any other transaction of that leader never came here. (proxy/outcome/fate.hpp)
inline void World::check_fates(const Record& record, const Postgres& leader) {
  for (const auto& [id, where] : written_) {
    if (!opened_by_.contains(where.first)) continue;  // nobody served
    const auto since = leaderships_since(record, where.first);
    if (since.empty()) continue;
    ++fates;
    const auto knows = [&](const Leadership& each) { return where.second < *each.next_xid; };
    const bool same = std::ranges::all_of(since, knows);
    const bool is_here = std::ranges::find(leader.wal, id) != leader.wal.end();
    const bool is_it = where.second < leader.wal.size() && leader.wal[where.second] == id;
    if (same ? is_it : !is_here) continue;
    return complain("the fate of record " + std::to_string(id) + " at " +
                    std::to_string(where.second) + " of term " +
                    std::to_string(where.first.value) + " would be told wrong in term " +
                    std::to_string(record.term.value));
  }
}

}  // namespace evergres::core::small

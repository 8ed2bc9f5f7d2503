#include "proxy/console/stats_history.hpp"

#include <utility>

namespace evergres::proxy {
namespace {

StatsTotals sum_of(const StatsHistory::Totals& totals) {
  StatsTotals sum;
  for (const auto& [database, more] : totals) add(sum, more);
  return sum;
}

std::uint64_t per_second(std::uint64_t count, Nanos span) {
  if (span.count() <= 0) return 0;
  return static_cast<std::uint64_t>(static_cast<double>(count) * 1e9 /
                                    static_cast<double>(span.count()));
}

StatsTotals average(const StatsTotals& now, const StatsTotals& then, Nanos span) {
  StatsTotals grown;
  for (const auto member : stats_members) {
    grown.*member = now.*member > then.*member ? now.*member - then.*member : 0;
  }
  StatsTotals result;
  for (const auto member : stats_members) result.*member = per_second(grown.*member, span);
  const auto per_event = [](std::uint64_t micros, std::uint64_t events) {
    return events == 0 ? 0 : micros / events;
  };
  result.transaction_us = per_event(grown.transaction_us, grown.transactions);
  result.query_us = per_event(grown.query_us, grown.queries);
  result.wait_us = per_event(grown.wait_us, grown.assignments);
  return result;
}

}  // namespace

void StatsHistory::sample(Instant now, Totals totals) {
  older_ = std::exchange(newer_, Sample{now, std::move(totals)});
}

StatsHistory::Totals StatsHistory::averages(Instant now, const Totals& totals) const {
  Totals result;
  for (const auto& [database, current] : totals) {
    const auto then = older_.totals.find(database);
    const StatsTotals& before = then == older_.totals.end() ? StatsTotals() : then->second;
    result[database] = average(current, before, now - older_.at);
  }
  return result;
}

StatsTotals StatsHistory::total_averages(Instant now, const Totals& totals) const {
  return average(sum_of(totals), sum_of(older_.totals), now - older_.at);
}

}  // namespace evergres::proxy

#pragma once

#include <map>
#include <string>

#include "base/instant.hpp"
#include "proxy/console/snapshot.hpp"

namespace evergres::proxy {

/// From totals to averages, as PgBouncer has them (stats.c, calc_average): counts are per second
/// since the older of the last two samples, which is one to two periods ago; times are per event.
/// Pure: whoever owns it takes a sample every `period`.
class StatsHistory {
 public:
  static constexpr Millis period{60'000};

  /// Before anything was counted.
  explicit StatsHistory(Instant started) : older_{started, {}}, newer_{started, {}} {}

  using Totals = std::map<std::string, StatsTotals>;  ///< by database

  [[nodiscard]] Instant next_sample() const { return newer_.at + period; }
  void sample(Instant now, Totals totals);

  /// A counter that went back counts as 0, a database that is new as grown from 0.
  [[nodiscard]] Totals averages(Instant now, const Totals& totals) const;
  /// Of all databases together.
  [[nodiscard]] StatsTotals total_averages(Instant now, const Totals& totals) const;

 private:
  struct Sample {
    Instant at;
    Totals totals;
  };
  Sample older_;
  Sample newer_;
};

}  // namespace evergres::proxy

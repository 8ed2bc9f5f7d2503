#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/instant.hpp"
#include "proxy/console/histogram.hpp"
#include "proxy/console/snapshot.hpp"

namespace evergres::proxy {

/// Of a span that is not negative.
inline std::uint64_t micros(Nanos span) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(span).count());
}

/// What one shard counts of one database. Its pools count here, and it stays when they go, so that
/// no counter goes back. About 17 KB, allocated once.
struct Tally {
  StatsTotals totals;
  Times times;

  // Microseconds.
  void query_took(std::uint64_t time) {
    ++totals.queries;
    totals.query_us += time;
    times.query.record(time);
  }
  void transaction_took(std::uint64_t time) {
    ++totals.transactions;
    totals.transaction_us += time;
    times.transaction.record(time);
  }
  /// For the server that it was lent now.
  void waited(std::uint64_t time) {
    ++totals.assignments;
    totals.wait_us += time;
    times.wait.record(time);
  }
};

/// By database. One thread.
class Tallies {
 public:
  std::shared_ptr<Tally> of(const std::string& database) {
    auto& tally = all_[database];
    if (!tally) tally = std::make_shared<Tally>();
    return tally;
  }
  /// Anybody who logs in can name a database. Those that never had a server are not kept longer
  /// than their pools.
  void forget_unknown() {
    std::erase_if(all_, [](const auto& entry) {
      return entry.second.use_count() == 1 && entry.second->totals.assignments == 0;
    });
  }
  [[nodiscard]] const std::map<std::string, std::shared_ptr<Tally>>& all() const { return all_; }

 private:
  std::map<std::string, std::shared_ptr<Tally>> all_;
};

}  // namespace evergres::proxy

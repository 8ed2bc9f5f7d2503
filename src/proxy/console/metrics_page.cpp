#include "proxy/console/metrics_page.hpp"

namespace evergres::proxy {
namespace {

using metrics::Labels;
using metrics::Metric;

double seconds(std::uint64_t micros) {
  return static_cast<double>(micros) / 1e6;
}

void add_pool(metrics::Page& page, const PoolFacts& pool) {
  const Labels labels{{"database", pool.database}, {"user", pool.user}};
  const auto add = [&](Metric metric, const char* state, std::uint32_t count) {
    Labels with = labels;
    with.emplace_back("state", state);
    page.add(metric, std::uint64_t{count}, with);
  };
  add(Metric::proxy_clients, "active", pool.clients_active);
  add(Metric::proxy_clients, "waiting", pool.clients_waiting);
  add(Metric::proxy_servers, "active", pool.servers_active);
  add(Metric::proxy_servers, "idle", pool.servers_idle);
  add(Metric::proxy_servers, "used", pool.servers_used);
  add(Metric::proxy_servers, "tested", pool.servers_tested);
  add(Metric::proxy_servers, "login", pool.servers_login);
  page.add(Metric::proxy_longest_wait_seconds, seconds(pool.longest_wait_us), labels);
}

metrics::Distribution distribution(const Histogram& histogram) {
  metrics::Distribution result;
  for (const std::uint64_t bound : printed_bounds) {
    result.bounds.push_back({seconds(bound), histogram.not_longer_than(bound)});
  }
  result.sum = seconds(histogram.sum());
  result.count = histogram.count();
  return result;
}

}  // namespace

void add_metrics(metrics::Page& page, const Snapshot& snapshot) {
  for (const PoolFacts& pool : snapshot.all.pools) add_pool(page, pool);
  page.add_flag(Metric::proxy_paused, snapshot.paused);
  page.add(Metric::proxy_failed_logins_total, snapshot.all.failed_logins);
  for (const auto& [database, totals] : snapshot.all.totals) {
    const Labels labels{{"database", database}};
    page.add(Metric::proxy_transactions_total, totals.transactions, labels);
    page.add(Metric::proxy_queries_total, totals.queries, labels);
    page.add(Metric::proxy_received_bytes_total, totals.received, labels);
    page.add(Metric::proxy_sent_bytes_total, totals.sent, labels);
  }
  for (const auto& [database, times] : snapshot.all.times) {
    const Labels labels{{"database", database}};
    page.add_histogram(Metric::proxy_wait_seconds, distribution(times.wait), labels);
    page.add_histogram(Metric::proxy_hold_seconds, distribution(times.hold), labels);
    page.add_histogram(Metric::proxy_query_seconds, distribution(times.query), labels);
    page.add_histogram(Metric::proxy_transaction_seconds, distribution(times.transaction), labels);
  }
}

}  // namespace evergres::proxy

#include "proxy/console/metrics_page.hpp"

#include <gtest/gtest.h>

namespace evergres::proxy {
namespace {

TEST(ConsoleMetrics, ShowPoolsTotalsAndHistograms) {
  Snapshot snapshot;
  PoolFacts pool{"app", "app_rw"};
  pool.clients_waiting = 4;
  pool.servers_idle = 2;
  pool.longest_wait_us = 1'500'000;
  snapshot.all.pools = {pool};
  snapshot.all.totals["app"].transactions = 7;
  snapshot.all.failed_logins = 3;
  Histogram& wait = snapshot.all.times["app"].wait;
  wait.record(64);
  wait.record(65);
  wait.record(2'000'000);
  metrics::Page page(metrics::Labels{{"scope", "demo"}});
  add_metrics(page, snapshot);
  const std::string text = page.text();
  for (const char* line :
       {"evergres_proxy_clients{scope=\"demo\",database=\"app\",user=\"app_rw\","
        "state=\"waiting\"} 4",
        "evergres_proxy_servers{scope=\"demo\",database=\"app\",user=\"app_rw\",state=\"idle\"} 2",
        "evergres_proxy_longest_wait_seconds{scope=\"demo\",database=\"app\",user=\"app_rw\"} 1.5",
        "evergres_proxy_paused{scope=\"demo\"} 0",
        "evergres_proxy_failed_logins_total{scope=\"demo\"} 3",
        "evergres_proxy_transactions_total{scope=\"demo\",database=\"app\"} 7",
        "evergres_proxy_wait_seconds_bucket{scope=\"demo\",database=\"app\",le=\"6.4e-05\"} 1",
        "evergres_proxy_wait_seconds_bucket{scope=\"demo\",database=\"app\",le=\"0.000256\"} 2",
        "evergres_proxy_wait_seconds_bucket{scope=\"demo\",database=\"app\",le=\"+Inf\"} 3",
        "evergres_proxy_wait_seconds_sum{scope=\"demo\",database=\"app\"} 2.000129",
        "evergres_proxy_hold_seconds_count{scope=\"demo\",database=\"app\"} 0"}) {
    EXPECT_NE(("\n" + text).find("\n" + std::string(line) + "\n"), std::string::npos)
        << line << "\n" << text;
  }
}

}  // namespace
}  // namespace evergres::proxy

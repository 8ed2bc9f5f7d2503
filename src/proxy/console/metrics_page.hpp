#pragma once

#include "metrics/page.hpp"
#include "proxy/console/snapshot.hpp"

namespace evergres::proxy {

/// What the endpoint says on /metrics: the pools, the totals and the histograms of each database.
void add_metrics(metrics::Page& page, const Snapshot& snapshot);

}  // namespace evergres::proxy

#pragma once

#include <string>

#include "agent/services.hpp"

namespace evergres::api {

/// The text of /metrics: the values of metrics/metric.hpp that are known now.
std::string metrics_page(const agent::View& view);

}  // namespace evergres::api

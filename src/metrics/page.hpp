#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "metrics/metric.hpp"

namespace evergres::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;
/// Whole numbers are written exactly: WAL positions do not fit a double in the end.
using Value = std::variant<std::int64_t, std::uint64_t, double>;

inline constexpr const char* content_type = "text/plain; version=0.0.4; charset=utf-8";

/// One page in Prometheus' text format 0.0.4
/// (prometheus.io/docs/instrumenting/exposition_formats). A value.
class Page {
 public:
  /// Every sample carries these labels: Patroni's are scope and name.
  explicit Page(Labels common);

  void add(Metric metric, Value value, const Labels& labels = {});
  /// 1 or 0. Not an overload of add(): every number would prefer to become a bool.
  void add_flag(Metric metric, bool value) { add(metric, std::int64_t{value ? 1 : 0}); }

  /// The families that have samples, each with its HELP and TYPE, in the order of the table.
  [[nodiscard]] std::string text() const;

 private:
  struct Sample {
    Metric metric;
    std::string labels;  ///< rendered
    std::string value;   ///< rendered
  };
  Labels common_;
  std::vector<Sample> samples_;
};

}  // namespace evergres::metrics

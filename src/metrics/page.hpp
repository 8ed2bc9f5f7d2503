#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "metrics/metric.hpp"

namespace evergres::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;
/// Whole numbers are written exactly: WAL positions do not fit a double in the end.
using Value = std::variant<std::int64_t, std::uint64_t, double>;

inline constexpr const char* content_type = "text/plain; version=0.0.4; charset=utf-8";

/// What a histogram says at one moment.
struct Distribution {
  struct Bound {
    double most = 0;          ///< ascending
    std::uint64_t count = 0;  ///< of what is not more
  };
  std::vector<Bound> bounds;  ///< without infinity
  double sum = 0;
  std::uint64_t count = 0;
};

/// One page in Prometheus' text format 0.0.4
/// (prometheus.io/docs/instrumenting/exposition_formats). A value.
class Page {
 public:
  /// Every sample carries these labels: Patroni's are scope and name.
  explicit Page(Labels common);

  void add(Metric metric, Value value, const Labels& labels = {});
  /// 1 or 0. Not an overload of add(): every number would prefer to become a bool.
  void add_flag(Metric metric, bool value) { add(metric, std::int64_t{value ? 1 : 0}); }

  /// Of a metric that is a histogram, for which add() is not.
  void add_histogram(Metric metric, const Distribution& distribution, const Labels& labels = {});

  /// The families that have samples, each with its HELP and TYPE, in the order of the table.
  [[nodiscard]] std::string text() const;

 private:
  struct Sample {
    Metric metric;
    std::string_view suffix;  ///< "_bucket", "_sum", "_count" of a histogram
    std::string labels;  ///< rendered
    std::string value;   ///< rendered
  };
  void append_sample(Metric metric, std::string_view suffix, Value value, const Labels& labels);

  Labels common_;
  std::vector<Sample> samples_;
};

}  // namespace evergres::metrics

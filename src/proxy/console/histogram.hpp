#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace evergres::proxy {

/// Counts of times in whole microseconds. Each power of two is divided into sixteen buckets, so
/// that a quantile is at most 1/16 too high; what is longer than 19 hours counts as that. 4 KB,
/// without allocation. One thread at a time: a shard has its own, which are merged for display.
class Histogram {
 public:
  void record(std::uint64_t micros) {
    ++counts_[index_of(micros)];
    ++count_;
    sum_ += micros;
    if (micros > most_) most_ = micros;
  }

  void merge(const Histogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t sum() const { return sum_; }   ///< microseconds
  [[nodiscard]] std::uint64_t most() const { return most_; }  ///< the longest, exactly

  /// `share` 0.99: as long or shorter are 99 % of the times. 0 if there are none.
  [[nodiscard]] std::uint64_t quantile(double share) const;

  /// How many were not longer; exact for powers of two, else up to the end of the bucket.
  [[nodiscard]] std::uint64_t not_longer_than(std::uint64_t micros) const;

  bool operator==(const Histogram&) const = default;

 private:
  static constexpr unsigned fine_bits = 4;
  static constexpr std::size_t fine = std::size_t{1} << fine_bits;
  static constexpr unsigned top_bit = 36;  // 2^36 microseconds are 19 hours
  static constexpr std::size_t buckets = fine * (top_bit - fine_bits + 1);

  /// A bucket holds the times above the end of the one before up to its own end: Prometheus' `le`
  /// includes the bound.
  static constexpr std::size_t index_of(std::uint64_t micros) {
    const std::uint64_t below = micros == 0 ? 0 : micros - 1;
    if (below < fine) return static_cast<std::size_t>(below);
    const auto high = static_cast<unsigned>(std::bit_width(below)) - 1;
    if (high >= top_bit) return buckets - 1;
    const auto within = static_cast<std::size_t>(below >> (high - fine_bits)) - fine;
    return fine * (high - fine_bits + 1) + within;
  }
  static constexpr std::uint64_t end_of(std::size_t index) {
    if (index < fine) return index + 1;
    const auto shift = static_cast<unsigned>(index / fine) - 1;
    return (std::uint64_t{fine + index % fine + 1}) << shift;
  }

  std::array<std::uint64_t, buckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t most_ = 0;
};

/// What a worker measures of one database.
struct Times {
  Histogram wait;         ///< of a transaction for a server, a hold included
  Histogram hold;         ///< of a transaction for an open leader, if it had to wait for one
  Histogram query;        ///< from a query that was sent to the end of its answer
  Histogram transaction;  ///< from its first query that was sent to the end of its last answer

  void merge(const Times& other) {
    wait.merge(other.wait);
    hold.merge(other.hold);
    query.merge(other.query);
    transaction.merge(other.transaction);
  }
};

/// The bounds that are printed for Prometheus, in microseconds: exact in the histogram.
inline constexpr std::array<std::uint64_t, 12> printed_bounds{
    64,        256,       1'024,      4'096,      16'384,      65'536,
    262'144,   1'048'576, 4'194'304,  16'777'216, 67'108'864,  268'435'456};

}  // namespace evergres::proxy

#include "proxy/console/histogram.hpp"

#include <algorithm>
#include <cmath>

namespace evergres::proxy {

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < buckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  most_ = std::max(most_, other.most_);
}

std::uint64_t Histogram::quantile(double share) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(share * static_cast<double>(count_));
  const auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::max(wanted, 1.0)), 1,
                                              count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets; ++i) {
    seen += counts_[i];
    if (seen < rank) continue;
    // The last bucket has no end, and no time is longer than the longest.
    return i + 1 == buckets ? most_ : std::min(end_of(i), most_);
  }
  return most_;
}

std::uint64_t Histogram::not_longer_than(std::uint64_t micros) const {
  if (micros >= most_) return count_;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i <= index_of(micros); ++i) seen += counts_[i];
  return seen;
}

}  // namespace evergres::proxy

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"

namespace evergres::sim {

/// Where every random decision of a simulated world comes from: a seed, a recorded run, or the
/// bytes of a fuzzer. Same source, same world. What a recorded source or a fuzzer does not say any
/// more is 0, which by convention is the quiet alternative.
class Choices {
 public:
  static Choices of_seed(std::uint64_t seed);
  static Choices of_bytes(std::span<const std::uint8_t> bytes);
  static Choices of_recording(std::vector<std::uint32_t> answers);
  /// A file of numbers as text() writes it. Error data_invalid if it holds anything else.
  static Result<Choices> of_text(const std::string& text);

  /// 0 … limit-1; `limit` is at least 1.
  std::uint32_t below(std::uint32_t limit);
  bool chance(std::uint32_t permille);
  /// Microsecond steps, both ends included.
  Nanos between(Nanos least, Nanos most);
  /// Mostly near `least`, seldom up to `most`: how long things take in practice.
  Nanos skewed(Nanos least, Nanos most);
  template <typename T>
  const T& one_of(const std::vector<T>& many) {
    return many[below(static_cast<std::uint32_t>(many.size()))];
  }

  /// From here on the answers are kept, for of_recording().
  void record() { recording_ = true; }
  [[nodiscard]] const std::vector<std::uint32_t>& recorded() const { return recorded_; }
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::uint64_t asked() const { return asked_; }

 private:
  enum class Source { seed, answers };
  std::uint64_t next();

  Source source_ = Source::seed;
  std::uint64_t state_ = 0;
  std::vector<std::uint32_t> answers_;
  std::size_t position_ = 0;
  bool recording_ = false;
  std::vector<std::uint32_t> recorded_;
  std::uint64_t asked_ = 0;
};

}  // namespace evergres::sim

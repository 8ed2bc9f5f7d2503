#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"

namespace evergres::sim {

/// Where every random decision of a simulated world comes from: a seed, a recorded run, or the
/// bytes of a fuzzer. Same source, same world. What a recorded source or a fuzzer does not say any
/// more is 0, which by convention is the quiet alternative; so is a recorded answer that is none to
/// the question, because something before it was taken away.
class Choices {
 public:
  static Choices of_seed(std::uint64_t seed);
  static Choices of_bytes(std::span<const std::uint8_t> bytes);
  static Choices of_recording(std::vector<std::uint32_t> answers);
  /// Each question is answered with 0.
  static Choices quiet() { return of_recording({}); }
  /// A file of numbers as text() writes it. Error data_invalid, with the line, if it holds anything
  /// else.
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
  /// The same without what was drawn while an Aside lived: what is left to chance once the world
  /// and its faults are given.
  [[nodiscard]] std::vector<std::uint32_t> recorded_between() const;
  [[nodiscard]] std::string text() const;

  /// While it lives, what is drawn is a part of the plan of a run: shape, faults.
  class Aside {
   public:
    explicit Aside(Choices& choices) : choices_(choices), from_(choices.recorded_.size()) {}
    ~Aside() {
      const std::size_t to = choices_.recorded_.size();
      if (to > from_) choices_.asides_.emplace_back(from_, to);
    }
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;

   private:
    Choices& choices_;
    std::size_t from_;
  };

 private:
  enum class Source { seed, bytes, recording };
  std::uint64_t next();

  Source source_ = Source::seed;
  std::uint64_t state_ = 0;
  std::vector<std::uint32_t> answers_;
  std::size_t position_ = 0;
  bool recording_ = false;
  std::vector<std::uint32_t> recorded_;
  std::vector<std::pair<std::size_t, std::size_t>> asides_;  ///< from, and up to but not included
};

}  // namespace evergres::sim

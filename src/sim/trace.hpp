#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "sim/event_queue.hpp"

namespace evergres::sim {

/// What happened, line by line. The hash covers every line, also those that are not kept: two runs
/// of one seed have the same.
class Trace {
 public:
  explicit Trace(const EventQueue& events) : events_(events) {}

  /// "   12.345678 n1 …"
  void say(std::string_view who, std::string_view what);
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::uint64_t lines() const { return lines_; }
  /// The last lines, at most as many as were asked to be kept.
  [[nodiscard]] const std::deque<std::string>& kept() const { return kept_; }
  void keep(std::size_t lines) { most_ = lines; }

 private:
  const EventQueue& events_;
  std::uint64_t hash_ = 0xCBF29CE484222325ULL;
  std::uint64_t lines_ = 0;
  std::size_t most_ = 0;
  std::deque<std::string> kept_;
};

}  // namespace evergres::sim

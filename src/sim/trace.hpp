#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/network.hpp"

namespace evergres::sim {

/// What a drawing shows: something at one place, or on its way from there to another. The store is
/// the place behind the last machine, the clients are the one behind the store.
struct Mark {
  enum class Kind { fault, term, promise, names, server, promoted, opened, acknowledged, broken };
  Moment at;
  Kind kind = Kind::fault;
  Place from = 0;
  Place to = 0;
  std::string text;
};

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

  /// Kept only if that was asked for; not part of the hash.
  void mark(Mark::Kind kind, Place from, Place to, std::string text) {
    if (keep_marks_) marks_.push_back({events_.now(), kind, from, to, std::move(text)});
  }
  void mark_then(Mark mark) {
    if (keep_marks_) marks_.push_back(std::move(mark));
  }
  void keep_marks() { keep_marks_ = true; }
  [[nodiscard]] const std::vector<Mark>& marks() const { return marks_; }

 private:
  const EventQueue& events_;
  std::uint64_t hash_ = 0xCBF29CE484222325ULL;
  std::uint64_t lines_ = 0;
  std::size_t most_ = 0;
  std::deque<std::string> kept_;
  bool keep_marks_ = false;
  std::vector<Mark> marks_;
};

}  // namespace evergres::sim

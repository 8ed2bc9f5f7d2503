#pragma once

#include <optional>
#include <thread>

#include "agent/operations/operation.hpp"

namespace evergres::agent {

/// Carries out one operation at a time on a thread of its own. Belongs to the control thread.
class Performer {
 public:
  Performer(const Setup& setup, Tell tell) : setup_(setup), tell_(std::move(tell)) {}
  ~Performer();

  /// Starts, keeps or cancels: the same intent goes on, Wait keeps whatever runs, anything else
  /// ends what runs; the new operation begins when the old one has ended.
  void pursue(const core::Intent& intent, Knowledge& knowledge);

 private:
  void start(const core::Intent& intent, Knowledge& knowledge);

  const Setup& setup_;
  Tell tell_;
  std::optional<core::Intent> running_;
  std::jthread thread_;
};

}  // namespace evergres::agent

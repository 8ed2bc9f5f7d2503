#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/instant.hpp"
#include "core/situation.hpp"

/// What this run of the agent has counted, and how close it came to its limits: for metrics, never
/// for decisions.
namespace evergres::agent {

/// The largest value of the last one to two minutes.
class Peak {
 public:
  void note(Nanos value, Instant now) {
    if (!current_ || now - began_ >= Millis{60'000}) {
      before_ = current_ && now - began_ < Millis{120'000} ? current_ : std::nullopt;
      current_.reset();
      began_ = now;
    }
    current_ = std::max(current_.value_or(value), value);
  }
  [[nodiscard]] std::optional<Nanos> value() const { return std::max(before_, current_); }

 private:
  Instant began_;
  std::optional<Nanos> before_;
  std::optional<Nanos> current_;
};

struct OperationTally {
  std::map<core::Ending, std::uint64_t> ended;
  Nanos spent{0};
};

struct Tally {
  std::map<std::string, OperationTally> operations;  ///< by kind of intent
  std::map<std::string, std::uint64_t> decisions;    ///< changes of the decision, by rule
  std::uint64_t terms = 0;                           ///< new terms seen in the record
  Peak loop_took;                                    ///< of the control loop, without its waits
  Peak grant_used;  ///< while this node leads: how much of its grant had passed
};

}  // namespace evergres::agent

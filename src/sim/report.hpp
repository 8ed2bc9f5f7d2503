#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/world.hpp"

namespace evergres::sim {

/// Many runs together, and what they did and did not touch.
class Report {
 public:
  void add(std::uint64_t seed, const Verdict& verdict);
  [[nodiscard]] std::size_t runs() const { return runs_; }
  [[nodiscard]] const std::vector<std::uint64_t>& failed() const { return failed_; }
  /// Faults, scenes, rules, failover times; what was never seen is said by name. Several lines.
  [[nodiscard]] std::string text() const;
  /// Each rule with what it says, without numbers, and how often.
  [[nodiscard]] std::string reasons() const;
  /// One line: seeds, hours, faults, leaderships, writes.
  [[nodiscard]] std::string summary() const;
  [[nodiscard]] double hours() const { return static_cast<double>(simulated_.count()) / 3.6e12; }
  [[nodiscard]] int fault_count() const;
  [[nodiscard]] int leaderships() const { return leaderships_; }
  [[nodiscard]] const Clients::Counts& writes() const { return writes_; }
  [[nodiscard]] std::size_t reason_count() const { return reasons_.size(); }
  [[nodiscard]] const std::map<std::string, int>& faults() const { return faults_; }
  [[nodiscard]] const std::map<std::string, int>& rules() const { return rules_; }
  [[nodiscard]] const std::map<std::string, int>& scenes() const { return scenes_; }

 private:
  std::size_t runs_ = 0;
  std::vector<std::uint64_t> failed_;
  Nanos simulated_{0};
  std::uint64_t events_ = 0;
  Clients::Counts writes_;
  int leaderships_ = 0;
  std::vector<Millis> gaps_;
  std::vector<Millis> healthy_after_;
  std::map<std::string, int> faults_;
  std::map<std::string, int> scenes_;
  std::uint64_t lost_ = 0;
  int need_a_person_ = 0;
  std::map<std::string, int> rules_;
  std::map<std::string, int> reasons_;
};

}  // namespace evergres::sim

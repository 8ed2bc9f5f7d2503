#include "sim/report.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace evergres::sim {
namespace {

void add_to(std::map<std::string, int>& all, const std::map<std::string, int>& some) {
  for (const auto& [name, times] : some) all[name] += times;
}

std::string percentiles(std::vector<Millis> times) {
  if (times.empty()) return "none";
  std::sort(times.begin(), times.end());
  const auto part = [&](std::size_t percent) {
    return static_cast<double>(times[(times.size() - 1) * percent / 100].count()) / 1000.0;
  };
  return fmt::format("p50 {:.2f} s, p99 {:.2f} s, longest {:.2f} s, of {}", part(50), part(99),
                     part(100), times.size());
}

}  // namespace

void Report::add(std::uint64_t seed, const Verdict& verdict) {
  ++runs_;
  if (!verdict.violation.empty()) failed_.push_back(seed);
  simulated_ += verdict.simulated;
  events_ += verdict.events;
  writes_.acknowledged += verdict.writes.acknowledged;
  writes_.unknown += verdict.writes.unknown;
  writes_.refused += verdict.writes.refused;
  writes_.held += verdict.writes.held;
  leaderships_ += verdict.leaderships;
  gaps_.insert(gaps_.end(), verdict.gaps.begin(), verdict.gaps.end());
  if (verdict.healthy_after) healthy_after_.push_back(*verdict.healthy_after);
  add_to(faults_, verdict.faults);
  add_to(rules_, verdict.rules);
  add_to(reasons_, verdict.reasons);
}

std::string Report::summary() const {
  int faults = 0;
  for (const auto& [name, times] : faults_) faults += times;
  return fmt::format(
      "{} seeds, {:.2f} simulated hours, {} events, {} faults of {} kinds, {} leaderships, {} "
      "writes acknowledged, {} unknown; {} failed",
      runs_, static_cast<double>(simulated_.count()) / 3.6e12, events_, faults, faults_.size(),
      leaderships_, writes_.acknowledged, writes_.unknown, failed_.size());
}

std::string Report::text() const {
  std::string text = "Faults\n";
  for (const FaultKind& kind : fault_kinds()) {
    const auto found = faults_.find(std::string(kind.name));
    text += fmt::format("  {:<46} {:<18} {:>7}\n", kind.name, kind.number,
                        found == faults_.end() ? 0 : found->second);
  }
  text += "\nRules (decisions that were another than the one before)\n";
  for (const core::Rule& rule : core::rules()) {
    const auto found = rules_.find(std::string(rule.name));
    text += fmt::format("  {:<46} {:>26}\n", rule.name,
                        found == rules_.end() ? 0 : found->second);
  }
  text += fmt::format("\n{} different reasons\n", reasons_.size());
  text += "From the last acknowledgement of a leadership to the first of the next: " +
          percentiles(gaps_) + "\n";
  text += "From the end of all faults to health: " + percentiles(healthy_after_) + "\n";
  text += summary() + "\n";
  return text;
}

}  // namespace evergres::sim

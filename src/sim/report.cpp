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

int times_of(const std::map<std::string, int>& all, std::string_view name) {
  const auto found = all.find(std::string(name));
  return found == all.end() ? 0 : found->second;
}

std::string table_line(std::string_view name, std::string_view number, int times) {
  return fmt::format("  {:<46} {:<18} {:>7}\n", name, number, times);
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
  writes_.closed += verdict.writes.closed;
  need_a_person_ += verdict.needs_a_person ? 1 : 0;
  leaderships_ += verdict.leaderships;
  gaps_.insert(gaps_.end(), verdict.gaps.begin(), verdict.gaps.end());
  if (verdict.healthy_after) healthy_after_.push_back(*verdict.healthy_after);
  add_to(faults_, verdict.faults);
  add_to(scenes_, verdict.scenes);
  lost_ += verdict.lost;
  add_to(rules_, verdict.rules);
  add_to(reasons_, verdict.reasons);
}

int Report::fault_count() const {
  int faults = 0;
  for (const auto& [name, times] : faults_) faults += times;
  return faults;
}

std::string Report::summary() const {
  return fmt::format(
      "{} seeds, {:.2f} simulated hours, {} events, {} faults of {} kinds, {} leaderships, {} "
      "writes acknowledged, {} unknown, {} closed by a proxy, {} held, {} lost and told (async), "
      "{} left to a person; {} failed",
      runs_, hours(), events_, fault_count(), faults_.size(), leaderships_, writes_.acknowledged,
      writes_.unknown, writes_.closed, writes_.held, lost_, need_a_person_, failed_.size());
}

std::string Report::text() const {
  std::string text = "Faults\n";
  for (const FaultKind& kind : fault_kinds()) {
    text += table_line(kind.name, kind.number, times_of(faults_, kind.name));
  }
  text += "\nScenes\n";
  for (const Scene& scene : sim::scenes())
    text += table_line(scene.name, "", times_of(scenes_, scene.name));
  text += "\nRules (decisions that were another than the one before)\n";
  for (const core::Rule& rule : core::rules()) {
    text += table_line(rule.name, "", times_of(rules_, rule.name));
  }
  text += fmt::format("\n{} different reasons\n", reasons_.size());
  text += "From the last acknowledgement of a leadership to the first of the next: " +
          percentiles(gaps_) + "\n";
  text += "From the end of all faults to health: " + percentiles(healthy_after_) + "\n";
  text += summary() + "\n";
  return text;
}

std::string Report::reasons() const {
  std::string text;
  for (const auto& [reason, times] : reasons_) text += fmt::format("{:>7}  {}\n", times, reason);
  return text;
}

}  // namespace evergres::sim

#include <algorithm>

#include "core/loss.hpp"
#include "sim/judge.hpp"

/// What depends on what an operator wishes: how much may be lost and that it is told (async), who
/// may lead and vote (tags), and that nobody is served before the barrier.
namespace evergres::sim {

// Under whichever mode it was acknowledged: who changes to async accepts this for all that is
// there. Beyond the last word of the lost leader nothing is known but how long ago that was.
bool Judge::is_told(const core::Record& record, const Acknowledged& how) const {
  std::vector<core::Loss> losses = record.earlier_losses.value_or(std::vector<core::Loss>{});
  if (record.loss) losses.push_back(*record.loss);
  return std::any_of(losses.begin(), losses.end(), [&](const core::Loss& loss) {
    // It is lost with whoever led last and held it, whoever acknowledged it.
    if (loss.leader.node != last_opened_ || how.end <= loss.from.value) return false;
    const std::uint64_t limit = record.max_loss_bytes.value_or(0);
    const auto bytes = core::bytes_of(loss);
    if (bytes && *bytes > limit) return false;
    if (!loss.to || how.end <= loss.to->value) return true;
    const auto told = told_at_.find(loss.since.value_or(loss.term));
    const Millis silent{static_cast<std::int64_t>(loss.silent_ms)};
    return told != told_at_.end() && told->second - how.at <= silent + Millis{2000};
  });
}

void Judge::excuse_what_was_told(const core::Record& record, const Machine& leader) {
  std::erase_if(acknowledged_, [&](const auto& each) {
    const auto& [id, how] = each;
    if (holds(leader, id, how.end)) return false;
    if (!is_told(record, how)) {
      if (!how.may_be_lost) return false;  // I5

      complain("I6: record " + std::to_string(id) + " of " + name_of(how.node) +
               " is lost, and nobody tells of it");
      return false;
    }
    ++lost_;
    return true;
  });
}

// Decision 0027: whoever is tagged nofailover takes over from nobody unless an operator says so.
void Judge::check_tags(const core::Record& record) {
  const Machine& leader = of(record.leader->node);
  const auto tags = leader.agent.knowledge().situation.tags.value_or(core::Tags{});
  const bool former = last_opened_ && *last_opened_ == record.leader->node;
  if (tags.nofailover && !former && last_opened_ && record.kind == "failover") {
    complain("0027: " + leader.name.value + " is tagged nofailover and took over");
  }
  last_opened_ = record.leader->node;
}

// A machine that stood still for longer than its lease may let a backend answer before its
// supervisor: with async nobody else is asked, which is why only quorum and strict promise that
// this loses nothing.
bool Judge::woke_up(Place node) const {
  const auto& since = machines_[node]->woke_at;
  return since && events_.now() - *since < Millis{200};
}

// Its own policies, not those of whoever leads since: the next leader may have changed the mode.
bool Judge::leads_async(Place node) const {
  const auto book = led_with_.find(machines_[node]->name);
  return book != led_with_.end() && core::some_async(book->second);
}

// PROTOCOL.md 5.8: applications are let in after the barrier of their leader's term.
void Judge::check_gate(Place node, std::uint64_t end) {
  if (!last_) return;
  const TimelineId timeline = machines_[node]->postgres.disk.timeline_at(end);
  for (const core::Lineage& entry : last_->lineage) {
    if (entry.timeline != timeline || entry.term.value == 0) continue;
    if (opened_by_.contains(entry.term)) continue;
    complain("I2: " + name_of(node) + " acknowledged on timeline " +
             std::to_string(timeline.value) + ", whose leader has not opened");
  }
}

}  // namespace evergres::sim

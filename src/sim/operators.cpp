#include <algorithm>
#include <map>
#include <set>

#include "sim/world.hpp"

/// Where the cluster waits for a person: what one would see and do.
namespace evergres::sim {

namespace {

bool was_given(const std::vector<core::Lineage>& lineage, TimelineId id, const NodeName& node) {
  return std::ranges::any_of(lineage, [&](const core::Lineage& given) {
    return given.timeline == id && given.node == node;
  });
}

}  // namespace

// Nobody may lead while the only server that holds everything was promoted by hand, onto an id that
// somebody else has (decision 0051).
bool World::needs_a_person() {
  const auto now = store_.read_now();
  if (!now || now->value.phase == core::Phase::leading) return false;
  const auto& lineage = now->value.lineage;
  std::map<TimelineId, int> owners;
  std::set<TimelineId> unasked;
  for (const core::Lineage& given : lineage) ++owners[given.timeline];
  for (const auto& machine : machines_) {
    for (const TimelineId id : machine->postgres.disk.what_began().begun) {
      if (was_given(lineage, id, machine->name)) continue;
      ++owners[id];
      unasked.insert(id);
    }
  }
  return std::ranges::any_of(unasked, [&](TimelineId id) { return owners[id] > 1; });
}

// The only server without a tag was promoted by hand, and a tagged one has streamed the timeline
// that began there: nobody can tell whose it is, and the tagged one waits (decision 0051).
bool World::untag_who_could_lead() {
  const auto now = store_.read_now();
  if (!now || now->value.phase == core::Phase::leading || shape_.tags.empty()) return false;
  const auto has_streamed = [&](const Machine& machine, TimelineId id) {
    const auto& disk = machine.postgres.disk;
    return shape_.tags[machine.place].nofailover && !disk.what_began().begun.contains(id) &&
           disk.histories.contains(id);
  };
  const bool waits = std::ranges::any_of(machines_, [&](const auto& stray) {
    return std::ranges::any_of(stray->postgres.disk.what_began().begun, [&](TimelineId id) {
      return !was_given(now->value.lineage, id, stray->name) &&
             std::ranges::any_of(machines_, [&](const auto& other) {
               return other != stray && has_streamed(*other, id);
             });
    });
  });
  if (!waits) return false;
  trace_.say("operator", "the tags nofailover are taken away");
  for (const auto& machine : machines_) {
    shape_.tags[machine->place].nofailover = false;
    machine->agent.tag(shape_.tags[machine->place]);
  }
  return true;
}

}  // namespace evergres::sim

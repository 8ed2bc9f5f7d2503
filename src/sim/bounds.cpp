#include "sim/bounds.hpp"

#include <algorithm>

namespace evergres::sim {
namespace {

constexpr Millis time_to_stop{200};
constexpr Millis heard_for{2500};  // more than any suspect_after

/// Keeps since when something is so.
void track(std::map<Place, Moment>& since, Place place, bool is_so, Moment now) {
  if (is_so) {
    since.emplace(place, now);
  } else {
    since.erase(place);
  }
}

}  // namespace

bool Bounds::hears_peers(Place place) const {
  for (const auto& other : machines_) {
    if (other->place != place && network_.open(other->place, place, Traffic::peers)) return true;
  }
  return false;
}

// A confirmation takes both ways, one after the other: it counts from the question.
void Bounds::note_ways() {
  for (const auto& machine : machines_) {
    const Place place = machine->place;
    for (Place other = 0; other <= machines_.size(); ++other) {
      if (other == place) continue;
      const Traffic kind = other == machines_.size() ? Traffic::store : Traffic::peers;
      Moment& asked = asked_[{place, other}];
      if (network_.open(place, other, kind)) asked = events_.now();
      if (network_.open(other, place, kind)) {
        confirmed_[place] = std::max(confirmed_[place], asked);
      }
    }
  }
}

/// By everybody who hears anybody.
/// By at least one, and by every one that hears anybody.
bool Bounds::is_heard_by_all(Place place) const {
  bool is_heard = false;
  for (const auto& other : machines_) {
    if (other->place == place || !other->agent_process.acts() || !hears_peers(other->place)) {
      continue;
    }
    if (!network_.linked(place, other->place, Traffic::peers)) return false;
    is_heard = true;
  }
  return is_heard;
}

void Bounds::look() {
  note_ways();
  for (const auto& machine : machines_) look_at(*machine);
}

// A leader whose policy has no voters needs no confirmation.
void Bounds::look_at(const Machine& machine) {
  const Place place = machine.place;
  const Moment now = events_.now();
  const bool hears = hears_peers(place);
  const auto& known = machine.agent.knowledge().situation.record;
  const bool alone = !known || (known->policy.current.voters.empty() &&
                                known->policy.current.mode != core::Durability::async);
  if (alone || !machine.supervisor_process.acts()) confirmed_[place] = now;
  track(unheard_, place, !hears, now);
  const PostgresModel& server = machine.postgres;
  const bool primary = server.state() == PostgresModel::State::primary && server.postmaster_lives();
  track(serves_, place,
        primary && server.admits() && machine.agent_process.acts() && is_heard_by_all(place), now);
  track(by_hand_, place, primary && server.promoted_by_hand, now);
  if (primary) check_confirmation(machine);
}

// I4: no confirmation arrives any more, and each that has arrived was asked for before. What was
// promoted behind our back never was confirmed: its time begins with that.
void Bounds::check_confirmation(const Machine& machine) {
  Moment since = confirmed_[machine.place];
  const auto by_hand = by_hand_.find(machine.place);
  if (by_hand != by_hand_.end()) since = std::max(since, by_hand->second);
  if (events_.now() - since <= tuning_.grant_length + time_to_stop) return;
  judge_.complain("I4: " + machine.name.value +
                  " is primary, and nobody can have confirmed it for longer than a grant");
}

// I22: whoever hears nobody cannot know that the leader is gone, unless its own vote is enough.
void Bounds::check_deposing(const core::Record& record) {
  if (last_->phase != core::Phase::leading || record.phase != core::Phase::electing) return;
  const core::Policy& policy = last_->policy.current;
  if (policy.voters.size() <= policy.k || !last_->leader) return;
  std::optional<Place> claimant;
  std::optional<Place> leader;
  for (const auto& machine : machines_) {
    if (machine->name == record.claimant) claimant = machine->place;
    if (machine->name == last_->leader->node) leader = machine->place;
  }
  if (!claimant || !leader || claimant == leader || hears_peers(*claimant)) return;
  const auto alone = unheard_.find(*claimant);
  const auto served = serves_.find(*leader);
  if (alone == unheard_.end() || served == serves_.end()) return;
  if (events_.now() - alone->second < tuning_.suspect_after) return;
  if (events_.now() - served->second < heard_for) return;
  judge_.complain("I22: " + record.claimant.value + ", which hears nobody, deposed " +
                  last_->leader->node.value + ", which others hear");
}

// I23: what does not happen cannot change the leadership.
void Bounds::check_flapping(const core::Record& record) {
  const bool opens = record.phase == core::Phase::leading &&
                     (!last_ || last_->phase != core::Phase::leading || last_->term != record.term);
  if (!opens) return;
  constexpr int first = 1;
  if (++openings_ <= first + 2 * disturbances_) return;
  judge_.complain("I23: leaders change more often than anything happens");
}

void Bounds::recorded(const core::Record& record) {
  if (last_ && record.term > last_->term) check_deposing(record);
  check_flapping(record);
  last_ = record;
}

}  // namespace evergres::sim

#include <algorithm>

#include "core/rules/rules.hpp"

namespace evergres::core {
namespace {

/// Of WAL. To move a slot within one frees no file.
constexpr std::uint64_t segment = 16U << 20U;

const Slot* find_slot(const std::optional<std::vector<Slot>>& slots, const std::string& name) {
  if (!slots) return nullptr;
  const auto found = std::find_if(slots->begin(), slots->end(),
                                  [&](const Slot& slot) { return slot.name == name; });
  return found == slots->end() ? nullptr : &*found;
}

bool is_as_wanted(const Slot& slot, const PermanentSlot& wanted) {
  return slot.logical == wanted.logical && (!slot.logical || slot.database == wanted.database);
}

/// Drops what Evergres made and `wanted` does not want; what is in use stays until it is not.
void drop_the_rest(KeepSlots& change, const Situation& s,
                   const std::vector<PermanentSlot>& wanted) {
  for (const Slot& slot : *s.server.slots) {
    if (!slot.ours || slot.active) continue;
    const bool stays = std::any_of(wanted.begin(), wanted.end(), [&](const PermanentSlot& one) {
      return one.name == slot.name && is_as_wanted(slot, one);
    });
    if (!stays) change.drop.push_back(slot.name);
  }
}

KeepSlots as_leader(const Situation& s) {
  KeepSlots change;
  for (const PermanentSlot& wanted : *s.wanted.slots) {
    if (find_slot(s.server.slots, wanted.name) == nullptr) change.make.push_back(wanted);
  }
  drop_the_rest(change, s, *s.wanted.slots);
  return change;
}

// A logical slot left from a leadership of ours would be used again with catalog rows that are
// gone: it goes. A physical one moves behind the leader's, and only where our own WAL is.
KeepSlots as_follower(const Situation& s, const Heartbeat& leader) {
  KeepSlots change;
  std::vector<PermanentSlot> here;
  for (const PermanentSlot& wanted : *s.wanted.slots) {
    if (!wanted.logical && !tags_of(s, s.me).nofailover) here.push_back(wanted);
  }
  for (const PermanentSlot& wanted : here) {
    const Slot* own = find_slot(s.server.slots, wanted.name);
    const Slot* theirs = find_slot(leader.slots, wanted.name);
    if (own == nullptr) change.make.push_back(wanted);
    const bool comparable = own != nullptr && own->ours && !own->active && own->restart &&
                            theirs != nullptr && !theirs->logical && theirs->restart;
    if (!comparable) continue;
    const Lsn confirmed = std::min(*theirs->restart, s.server.replay.value_or(Lsn{}));
    // A receiver begins again at the start of its segment.
    const Lsn to{confirmed.value / segment * segment};
    if (bytes_between(*own->restart, to) >= segment) {
      change.advance.push_back({wanted.name, to});
    }
  }
  drop_the_rest(change, s, here);
  for (const Slot& own : *s.server.slots) {  // one that lost its WAL is made anew
    const bool dropped = std::find(change.drop.begin(), change.drop.end(), own.name) !=
                         change.drop.end();
    if (own.ours && !own.active && !dropped && own.wal_status == "lost")
      change.drop.push_back(own.name);
  }
  return change;
}

}  // namespace

// The slots that the operator declared are on the leader, and the physical ones on whoever may
// lead, never ahead of the leader's.
Judgement keep_permanent_slots(const Situation& s) {
  if (!s.record || !s.wanted.slots || !s.server.slots) return std::nullopt;
  if (!may_try(s, KeepSlots::kind, Millis{10'000})) return std::nullopt;
  KeepSlots change;
  if (is_open_leader(s)) {
    change = as_leader(s);
  } else {
    const bool follows = s.record->phase == Phase::leading && !record_names_me(s) &&
                         s.server.state == ServerState::standby && !s.server.cold &&
                         s.server.receiving && s.server.upstream &&
                         s.server.upstream->term == s.record->term;
    if (!follows) return std::nullopt;
    const Heartbeat* leader = fresh_word(s, s.record->leader->node);
    if (leader == nullptr) return std::nullopt;
    change = as_follower(s, *leader);
  }
  if (change.make.empty() && change.advance.empty() && change.drop.empty()) return std::nullopt;
  return Answer{std::move(change), "the permanent slots here are not as they are declared", {}};
}

}  // namespace evergres::core

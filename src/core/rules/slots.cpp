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
  if (slot.logical != wanted.logical) return false;
  if (!slot.logical) return true;
  return slot.database == wanted.database && slot.plugin.value_or(wanted.plugin) == wanted.plugin;
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

/// For log and explain.
std::string why_dropped(const Situation& s, const std::string& name) {
  const Slot* slot = find_slot(s.server.slots, name);
  const auto& declared = *s.wanted.slots;
  const auto wanted = std::find_if(declared.begin(), declared.end(),
                                   [&](const PermanentSlot& one) { return one.name == name; });
  const std::string is_dropped = "slot " + name + " is dropped: ";
  const bool leads = is_open_leader(s);
  if (wanted == declared.end()) return is_dropped + "it is not declared any more";
  if (slot != nullptr && !is_as_wanted(*slot, *wanted))
    return is_dropped + "its type, database or plugin is not the declared one, it is made anew";
  if (!leads && wanted->logical) return is_dropped + "it is of an earlier leadership of this node";
  if (!leads && tags_of(s, s.me).nofailover) return is_dropped + "this node never leads";
  if (slot != nullptr && slot->wal_status == "lost") return is_dropped + "its WAL is gone";
  return is_dropped + "the leader has none that it could follow";
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
// gone: it goes. A physical one moves behind the leader's, and only where our own WAL is; one that
// has nothing to follow would keep WAL for ever.
KeepSlots as_follower(const Situation& s, const Heartbeat& leader) {
  KeepSlots change;
  std::vector<PermanentSlot> here;
  for (const PermanentSlot& wanted : *s.wanted.slots) {
    if (wanted.logical || tags_of(s, s.me).nofailover) continue;
    const Slot* theirs = find_slot(leader.slots, wanted.name);
    const bool nothing_to_follow = leader.slots && (theirs == nullptr || theirs->logical);
    if (!nothing_to_follow) here.push_back(wanted);
  }
  for (const PermanentSlot& wanted : here) {
    const Slot* own = find_slot(s.server.slots, wanted.name);
    const Slot* theirs = find_slot(leader.slots, wanted.name);
    if (theirs == nullptr || !theirs->restart) continue;  // the leader did not say where it is
    if (own == nullptr) change.make.push_back(wanted);
    if (own == nullptr || !own->ours || own->active || !own->restart) continue;
    const Lsn confirmed = std::min(*theirs->restart, s.server.replay.value_or(Lsn{}));
    // A receiver begins again at the start of its segment.
    const Lsn to{confirmed.value / segment * segment};
    if (bytes_between(*own->restart, to) >= segment) {
      change.advance.push_back({wanted.name, to});
    }
  }
  drop_the_rest(change, s, here);
  for (const Slot& own : *s.server.slots) {  // one that lost its WAL is made anew
    const bool dropped =
        std::find(change.drop.begin(), change.drop.end(), own.name) != change.drop.end();
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
  std::vector<std::string> facts;
  for (const std::string& name : change.drop) facts.push_back(why_dropped(s, name));
  return Answer{std::move(change), "the permanent slots here are not as they are declared",
                std::move(facts)};
}

}  // namespace evergres::core

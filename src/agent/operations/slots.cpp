#include "agent/operations/slots.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "agent/known_settings.hpp"
#include "agent/made_slots.hpp"
#include "core/view.hpp"
#include "postgres/slots.hpp"

namespace evergres::agent {
namespace {

/// Of a whole KeepSlots: what it did not reach is tried again at a later look.
constexpr Millis keeping_deadline{1000};

const std::filesystem::path& state_of(const Hands& hands) {
  return hands.setup.settings.state_directory;
}

/// Whether the last leader, as it was heard, had this logical slot.
bool was_elsewhere(const core::Situation& s, const std::string& name) {
  return std::any_of(s.peers.begin(), s.peers.end(), [&](const auto& entry) {
    const auto& said = entry.second.said;
    return said && said->slots &&
           std::any_of(said->slots->begin(), said->slots->end(),
                       [&](const core::Slot& one) { return one.name == name && one.logical; });
  });
}

Outcome make_slot(Hands& hands, postgres::Session& session, const core::PermanentSlot& slot,
                  bool anew, Instant deadline) {
  const Term term = hands.situation().record ? hands.situation().record->term : Term{0};
  MadeSlot made{slot.name, slot.logical, slot.logical && anew, term.value, ""};
  if (slot.logical) {
    auto begins = postgres::make_logical_slot(hands.server(), slot.name, slot.database, slot.plugin,
                                              deadline);
    if (!begins) return begins.error();
    made.begins = begins->text();
  } else if (auto done = postgres::make_physical_slot(session, slot.name, deadline); !done) {
    return done;
  }
  return note_made_slot(state_of(hands), made);
}

/// What PostgreSQL shows now; looks that were begun before do not count any more.
Outcome learn_slots_again(Hands& hands, postgres::Session& session, Instant deadline) {
  const Instant at = boot_now();
  auto slots = look_at_slots(state_of(hands), session, deadline);
  if (!slots) return slots.error();
  hands.learn([at, slots = std::move(*slots)](Knowledge& k) {
    learn_all_slots(k, slots, at);
    k.all_slots_changed_at = at;
  });
  return {};
}

/// Nobody else led since this server did: no timeline was given out in between.
bool still_led_here(const core::Situation& s) {
  const auto& lineage = s.record->lineage;
  return core::my_seat(s) == s.record->policy.current.leader && lineage.size() > 1 &&
         lineage[lineage.size() - 2].node == s.me;
}

/// Its consumer will be told of the gap, whenever it is made. That this could not be noted keeps
/// nobody from leading.
void owe(Hands& hands, const std::string& name) {
  auto noted = owe_slot(state_of(hands), name, *hands.situation().wanted.slots);
  if (!noted) spdlog::warn("slot {}: {}", name, noted.error().one_line());
}

/// A logical slot of ours that the leader drops to make it anew, with another plugin or database.
bool is_replaced(const core::Situation& s, const std::string& name) {
  const auto is_logical = [&](const auto& slot) { return slot.name == name && slot.logical; };
  return core::is_open_leader(s) && s.server.slots && s.wanted.slots &&
         std::ranges::any_of(*s.server.slots, is_logical) &&
         std::ranges::any_of(*s.wanted.slots, is_logical);
}

/// What happened to one logical slot, for history and log; "" if it was fine.
std::string renew(Hands& hands, postgres::Session& session, const core::PermanentSlot& slot,
                  const std::vector<core::Slot>& here, Instant deadline) {
  const auto found = std::find_if(here.begin(), here.end(),
                                  [&](const core::Slot& one) { return one.name == slot.name; });
  const std::string who = "logical slot " + slot.name;
  if (found != here.end()) {
    if (!found->ours) {
      return who + " was here before this node became leader, and Evergres did not make it: it may "
                   "be of an earlier leadership and then lacks changes";
    }
    if (auto dropped = postgres::drop_slot(session, slot.name, deadline); !dropped) {
      return who + " is of an earlier leadership: " + dropped.error().one_line();
    }
  }
  if (auto made = make_slot(hands, session, slot, true, deadline); !made) {
    owe(hands, slot.name);
    return who + " could not be made before writers were admitted, so that their first changes may "
                 "be missing in it: " + made.error().one_line();
  }
  return who +
         " was made anew before writers were admitted: what its consumer had not fetched from the "
         "last leader is not in it";
}

}  // namespace

bool has_logical_slots(const core::Wanted& wanted) {
  return wanted.slots && std::any_of(wanted.slots->begin(), wanted.slots->end(),
                                     [](const core::PermanentSlot& one) { return one.logical; });
}

std::vector<std::string> renew_logical_slots(Hands& hands, Instant deadline) {
  std::vector<std::string> facts;
  const core::Situation& s = hands.situation();
  if (!has_logical_slots(s.wanted) || still_led_here(s)) return facts;
  auto session = postgres::Session::connect(hands.server(), {}, deadline);
  auto here = session ? look_at_slots(state_of(hands), *session, deadline)
                      : Result<std::vector<core::Slot>>(session.error());
  if (!here) {
    facts.push_back("logical slots could not be looked at: " + here.error().one_line());
    for (const core::PermanentSlot& slot : *s.wanted.slots) {
      if (slot.logical) owe(hands, slot.name);
    }
  } else {
    for (const core::PermanentSlot& slot : *s.wanted.slots) {
      if (!slot.logical) continue;
      if (auto fact = renew(hands, *session, slot, *here, deadline); !fact.empty())
        facts.push_back(std::move(fact));
    }
  }
  for (const std::string& fact : facts) spdlog::warn("{}", fact);
  return facts;
}

std::vector<std::string> names_of_made_slots(const Hands& hands) {
  std::vector<std::string> names;
  const auto made = read_made_slots(state_of(hands));
  if (!made) return names;
  for (const MadeSlot& one : *made) names.push_back(one.name);
  return names;
}

Outcome remove_what_refuses_the_start(Hands& hands, const postgres::Configuration& configuration) {
  const auto altered = postgres::read_altered(hands.server(), configuration.safety);
  if (!altered) return altered.error();
  if (postgres::writes_logical_wal(configuration, *altered)) return {};
  // Not for settings that this node does not know or could not take.
  const auto& newest = hands.known.settings.newest;
  if (!newest) return {};
  postgres::Configuration wanted = configuration;
  wanted.cluster_parameters.clear();
  wanted.admissions.clear();
  fill_in(wanted, newest.get());
  if (postgres::writes_logical_wal(wanted, *altered)) return {};
  const auto made = read_made_slots(state_of(hands));
  const bool none = !made || std::none_of(made->begin(), made->end(),
                                          [](const MadeSlot& one) { return one.logical; });
  if (none) return {};
  const auto status = hands.supervisor_status();
  if (!status) return status.error();
  if (status->state != supervisor::State::stopped) return {};
  const auto removed = remove_logical_slots(state_of(hands), hands.server().data);
  if (!removed) return removed.error();
  for (const std::string& name : *removed) {
    spdlog::warn("removed the logical slot {}: wal_level is not logical any more, and PostgreSQL "
                 "does not start with it", name);
  }
  return {};
}

// One that cannot be made, moved or dropped keeps nobody from the others. Logical ones come last:
// an open transaction holds them up, and a fence or a policy must not wait for that.
Outcome carry_out(const core::KeepSlots& intent, Hands& hands) {
  const Instant deadline = boot_now() + keeping_deadline;
  auto session = postgres::Session::connect(hands.server(), {}, deadline);
  if (!session) return session.error();
  Outcome outcome;
  const auto note = [&outcome](Outcome step) {
    if (!step && outcome) outcome = std::move(step);
  };
  const auto make = [&](bool logical) {
    for (const core::PermanentSlot& slot : intent.make) {
      if (hands.stopped()) return;
      if (slot.logical != logical) continue;
      const bool anew = was_elsewhere(hands.situation(), slot.name);
      note(make_slot(hands, *session, slot, anew, deadline));
    }
  };
  for (const std::string& name : intent.drop) {
    if (hands.stopped()) return hands.cancelled();
    if (is_replaced(hands.situation(), name)) owe(hands, name);
    note(postgres::drop_slot(*session, name, deadline));
  }
  make(false);
  for (const core::SlotAdvance& one : intent.advance) {
    if (hands.stopped()) return hands.cancelled();
    note(postgres::advance_slot(*session, one.name, one.to, deadline));
  }
  make(true);
  if (hands.stopped()) return hands.cancelled();
  note(learn_slots_again(hands, *session, deadline));
  return outcome;
}

// What was seen may be ten seconds old: who caught up meanwhile keeps the slot.
Outcome carry_out(const core::ReleaseSlots& intent, Hands& hands) {
  auto session = postgres::Session::connect(hands.server(), {}, boot_now() + sql_deadline);
  if (!session) return session.error();
  const auto now = postgres::list_slots(*session, boot_now() + sql_deadline);
  if (!now) return now.error();
  Outcome outcome;
  for (const NodeName& node : intent.nodes) {
    const std::string name = core::slot_name(node);
    const bool behind = std::any_of(now->begin(), now->end(), [&](const auto& slot) {
      return slot.name == name && slot.retained_bytes > intent.limit;
    });
    if (!behind) continue;
    auto dropped = postgres::drop_used_slot(*session, name, boot_now() + Millis{1000});
    if (dropped) hands.learn([node](Knowledge& k) { learn_slot(k, node, false); });
    if (!dropped && outcome) outcome = std::move(dropped);
  }
  auto looked = learn_slots_again(hands, *session, boot_now() + sql_deadline);
  return outcome ? looked : outcome;
}

}  // namespace evergres::agent

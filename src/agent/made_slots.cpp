#include "agent/made_slots.hpp"

#include <algorithm>
#include <mutex>

#include "base/file.hpp"
#include "cluster/json.hpp"

namespace evergres::agent {
namespace {

struct SlotsDocument {
  MadeSlots slots;
  std::optional<std::vector<std::string>> owed;  ///< see owe_slot(); absent: none
  auto operator<=>(const SlotsDocument&) const = default;
};
constexpr auto fields(const SlotsDocument*) {
  return std::tuple{Field{"slots", &SlotsDocument::slots}, Field{"owed", &SlotsDocument::owed}};
}

constexpr std::size_t slots_file_limit = std::size_t{64} << 10U;

std::filesystem::path slots_file(const std::filesystem::path& state_directory) {
  return state_directory / "slots.json";
}

const MadeSlot* find_slot(const MadeSlots& made, const std::string& name, bool logical) {
  const auto found = std::find_if(made.begin(), made.end(), [&](const MadeSlot& one) {
    return one.name == name && one.logical == logical;
  });
  return found == made.end() ? nullptr : &*found;
}

/// As PostgreSQL's ReplicationSlotValidateName has them: nothing else becomes a path.
bool is_slot_name(const std::string& name) {
  return !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string note_of(const postgres::SlotFacts& slot, const MadeSlot* made) {
  if (slot.wal_status == "lost")
    return "its WAL is gone, nothing can be read from it; dropped by hand it is made anew";
  if (made == nullptr || !made->anew) return "";
  return "made anew at " + made->begins + " in term " + std::to_string(made->term) +
         ": changes before that which its consumer had not fetched are not in it";
}

/// PostgreSQL panics at a slot without its state file and removes what is named .tmp when it starts
/// (ReplicationSlotDropAcquired and StartupReplicationSlots in slot.c), so the name goes first.
Outcome remove_slot_directory(const std::filesystem::path& slots, const std::string& name) {
  const std::filesystem::path gone = slots / (name + ".tmp");
  std::error_code problem;
  std::filesystem::remove_all(gone, problem);
  if (!problem) std::filesystem::rename(slots / name, gone, problem);
  if (problem) return error_from_errno("could not remove the slot " + name, problem.value());
  if (auto synced = sync_directory(slots); !synced) return synced;
  std::filesystem::remove_all(gone, problem);
  return {};
}

Result<SlotsDocument> read_document(const std::filesystem::path& state_directory) {
  const auto text = read_file_if_present(slots_file(state_directory), slots_file_limit);
  if (!text) return text.error();
  if (!*text) return SlotsDocument();
  return cluster::parse_json<SlotsDocument>(**text, slots_file_limit, "slots.json");
}

Outcome change_document(const std::filesystem::path& state_directory,
                        const std::function<void(SlotsDocument&)>& change) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const auto before = read_document(state_directory);
  SlotsDocument document = before ? *before : SlotsDocument();
  change(document);
  if (document.owed && document.owed->empty()) document.owed.reset();
  if (before && document == *before) return {};
  return write_file_durably(slots_file(state_directory), cluster::json_text(document), 0600);
}

}  // namespace

Result<MadeSlots> read_made_slots(const std::filesystem::path& state_directory) {
  auto document = read_document(state_directory);
  if (!document) return document.error();
  return std::move(document->slots);
}

Outcome change_made_slots(const std::filesystem::path& state_directory,
                          const std::function<void(MadeSlots&)>& change) {
  return change_document(state_directory, [&](SlotsDocument& all) { change(all.slots); });
}

Outcome owe_slot(const std::filesystem::path& state_directory, const std::string& name,
                 const std::vector<core::PermanentSlot>& declared) {
  return change_document(state_directory, [&](SlotsDocument& all) {
    if (!all.owed) all.owed.emplace();
    std::erase_if(*all.owed, [&](const std::string& one) {
      return one == name || std::ranges::find(declared, one, &core::PermanentSlot::name) ==
                                declared.end();
    });
    all.owed->push_back(name);
  });
}

Outcome note_made_slot(const std::filesystem::path& state_directory, MadeSlot slot) {
  return change_document(state_directory, [&](SlotsDocument& all) {
    const bool owed = all.owed && std::erase(*all.owed, slot.name) > 0;
    slot.anew = slot.anew || (owed && slot.logical);
    std::erase_if(all.slots, [&](const MadeSlot& one) { return one.name == slot.name; });
    all.slots.push_back(slot);
  });
}

Result<std::vector<std::string>> remove_logical_slots(const std::filesystem::path& state_directory,
                                                      const std::filesystem::path& data) {
  const auto made = read_made_slots(state_directory);
  if (!made) return made.error();
  const std::filesystem::path slots = data / "pg_replslot";
  std::vector<std::string> removed;
  for (const MadeSlot& one : *made) {
    if (!one.logical || !is_slot_name(one.name)) continue;
    if (!postgres::is_logical_on_disk(slots / one.name)) continue;
    if (auto gone = remove_slot_directory(slots, one.name); !gone) return gone.error();
    removed.push_back(one.name);
  }
  if (removed.empty()) return removed;
  auto noted = change_document(state_directory, [&](SlotsDocument& all) {
    std::erase_if(all.slots, [&](const MadeSlot& one) {
      return one.logical && std::find(removed.begin(), removed.end(), one.name) != removed.end();
    });
    if (!all.owed) all.owed.emplace();
    for (const std::string& name : removed) {
      if (std::ranges::find(*all.owed, name) == all.owed->end()) all.owed->push_back(name);
    }
  });
  if (!noted) return noted.error();
  return removed;
}

// What is noted is read first: a slot that is made meanwhile is not taken for one that is gone.
Result<std::vector<core::Slot>> look_at_slots(const std::filesystem::path& state_directory,
                                              postgres::Session& session, Instant deadline) {
  const auto read = read_made_slots(state_directory);
  const MadeSlots made = read ? *read : MadeSlots();
  const auto found = postgres::list_slots(session, deadline);
  if (!found) return found.error();
  std::vector<core::Slot> slots;
  for (const postgres::SlotFacts& facts : *found) {
    const MadeSlot* ours = find_slot(made, facts.name, facts.logical);
    core::Slot slot{facts.name,       facts.logical,  facts.active,
                    ours != nullptr,  facts.restart,  facts.retained_bytes,
                    facts.wal_status, facts.database, note_of(facts, ours)};
    if (facts.logical) slot.plugin = facts.plugin;
    slots.push_back(std::move(slot));
  }
  const auto is_gone = [&](const MadeSlot& one) {
    return std::none_of(found->begin(), found->end(), [&](const postgres::SlotFacts& facts) {
      return facts.name == one.name && facts.logical == one.logical;
    });
  };
  MadeSlots gone;
  std::copy_if(made.begin(), made.end(), std::back_inserter(gone), is_gone);
  if (!gone.empty()) {
    auto forgotten = change_made_slots(state_directory, [&](MadeSlots& noted) {
      std::erase_if(noted, [&](const MadeSlot& one) {
        return std::find(gone.begin(), gone.end(), one) != gone.end();
      });
    });
    if (!forgotten) return forgotten.error();
  }
  return slots;
}

}  // namespace evergres::agent

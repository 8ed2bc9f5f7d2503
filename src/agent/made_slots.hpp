#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/field.hpp"
#include "base/result.hpp"
#include "core/situation.hpp"
#include "postgres/slots.hpp"

namespace evergres::agent {

/// A permanent slot that Evergres made on this server. It is noted after it was made: what is not
/// noted counts as made by others, and is never dropped.
struct MadeSlot {
  std::string name;
  bool logical = false;
  bool anew = false;       ///< a logical one that a new leader had to make again
  std::uint64_t term = 0;  ///< in which it was made
  std::string begins;      ///< a logical one: "0/3000060"
  auto operator<=>(const MadeSlot&) const = default;
};
constexpr auto fields(const MadeSlot*) {
  return std::tuple{Field{"name", &MadeSlot::name}, Field{"logical", &MadeSlot::logical},
                    Field{"anew", &MadeSlot::anew}, Field{"term", &MadeSlot::term},
                    Field{"begins", &MadeSlot::begins}};
}
using MadeSlots = std::vector<MadeSlot>;

/// state_directory/slots.json; absent: none.
Result<MadeSlots> read_made_slots(const std::filesystem::path& state_directory);

/// Reads, changes and writes it durably, if it changed; one thread of this process at a time. An
/// unreadable file is replaced: what it said counts as made by others from then on.
Outcome change_made_slots(const std::filesystem::path& state_directory,
                          const std::function<void(MadeSlots&)>& change);

/// A logical slot that is declared went away, or could not be made in time: whenever it is made, its
/// consumer lacks changes and is told. Remembered until then, or until it is not in `declared`.
Outcome owe_slot(const std::filesystem::path& state_directory, const std::string& name,
                 const std::vector<core::PermanentSlot>& declared);

/// Notes a slot that was made just now in place of what was noted under its name; one that was owed
/// is not any more, and counts as made anew.
Outcome note_made_slot(const std::filesystem::path& state_directory, MadeSlot slot);

/// Of a stopped server that will not start with wal_level = logical: it refuses to while it has a
/// logical slot. Removes those that are noted as ours from `data`/pg_replslot, durably, and the
/// notes of them, and returns their names; they are owed. What bears such a name and is not logical
/// stays.
Result<std::vector<std::string>> remove_logical_slots(const std::filesystem::path& state_directory,
                                                      const std::filesystem::path& data);

/// The slots of this server with what is noted of them. Asks PostgreSQL; notes of slots that are
/// gone are removed, so that nothing that others make under such a name is taken for ours.
Result<std::vector<core::Slot>> look_at_slots(const std::filesystem::path& state_directory,
                                              postgres::Session& session, Instant deadline);

}  // namespace evergres::agent

#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/lsn.hpp"
#include "base/result.hpp"
#include "postgres/session.hpp"

/// All replication slots of a server, and the permanent ones (decision 0031). Slots of members:
/// postgres/promotion.hpp.
namespace evergres::postgres {

/// One row of pg_replication_slots.
struct SlotFacts {
  std::string name;
  bool logical = false;
  bool active = false;
  std::string database;        ///< of a logical one
  std::optional<Lsn> restart;  ///< absent: it never reserved WAL, or lost it
  std::uint64_t retained_bytes = 0;  ///< from there to the end of WAL here
  std::string wal_status;            ///< "" if it keeps none
  std::string plugin;                ///< of a logical one
};

/// Temporary slots are left out: they end with their session.
Result<std::vector<SlotFacts>> list_slots(Session& session, Instant deadline);

/// A physical slot that keeps WAL from the last checkpoint on (on a standby: its last
/// restartpoint). `conflict` if a slot of this name exists.
Outcome make_physical_slot(Session& session, const std::string& name, Instant deadline);

/// On a primary; returns where it begins. It waits for the transactions that are open now, for half
/// of the time that is left or longer; after the deadline there is no slot. `timed_out` at once if
/// less than 80 ms are left, `conflict` if a slot of this name exists.
Result<Lsn> make_logical_slot(const Server& server, const std::string& name,
                              const std::string& database, const std::string& plugin,
                              Instant deadline);

/// Of a stopped server: whether `directory`, pg_replslot/NAME, holds a logical slot, by its state
/// file. False if it cannot be read.
bool is_logical_on_disk(const std::filesystem::path& directory);

/// Moves an idle physical slot on, never back: one that is there already is left alone.
Outcome advance_slot(Session& session, const std::string& name, Lsn to, Instant deadline);

/// Drops a slot of either kind if it exists. `conflict` if it is in use.
Outcome drop_slot(Session& session, const std::string& name, Instant deadline);
/// The same, but a logical one of this name stays.
Outcome drop_physical_slot(Session& session, const std::string& name, Instant deadline);

/// Ends the walsender that uses it, and drops it before the next one comes.
Outcome drop_used_slot(Session& session, const std::string& name, Instant deadline);

}  // namespace evergres::postgres

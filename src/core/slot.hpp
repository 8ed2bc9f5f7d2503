#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>

#include "base/field.hpp"
#include "base/lsn.hpp"

/// Replication slots as values (decision 0031).
namespace evergres::core {

/// A replication slot that the operator wants on whoever leads.
struct PermanentSlot {
  std::string name;
  bool logical = false;
  std::string database;  ///< of a logical one
  std::string plugin;    ///< the same
  auto operator<=>(const PermanentSlot&) const = default;
};
constexpr auto fields(const PermanentSlot*) {
  return std::tuple{
      Field{"name", &PermanentSlot::name}, Field{"logical", &PermanentSlot::logical},
      Field{"database", &PermanentSlot::database}, Field{"plugin", &PermanentSlot::plugin}};
}

/// A replication slot of a server as it was at the last look: each 10 s, and after Evergres changed
/// one.
struct Slot {
  std::string name;
  bool logical = false;
  bool active = false;         ///< somebody streams from it
  bool ours = false;           ///< made by Evergres for the settings of the cluster
  std::optional<Lsn> restart;  ///< WAL is kept from here on; absent: none is
  std::uint64_t retained_bytes = 0;
  std::string wal_status;  ///< pg_replication_slots: "reserved", "extended", "unreserved", "lost"
  std::string database;    ///< of a logical one
  std::string note;        ///< what its consumer has to know; "" if nothing
  std::optional<std::string> plugin = {};  ///< of a logical one; absent: an older version said it
  auto operator<=>(const Slot&) const = default;
};
constexpr auto fields(const Slot*) {
  return std::tuple{Field{"name", &Slot::name},
                    Field{"logical", &Slot::logical},
                    Field{"active", &Slot::active},
                    Field{"ours", &Slot::ours},
                    Field{"restart", &Slot::restart},
                    Field{"retained_bytes", &Slot::retained_bytes},
                    Field{"wal_status", &Slot::wal_status},
                    Field{"database", &Slot::database},
                    Field{"note", &Slot::note},
                    Field{"plugin", &Slot::plugin}};
}

}  // namespace evergres::core

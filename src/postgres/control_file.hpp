#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/instant.hpp"
#include "base/lsn.hpp"
#include "base/names.hpp"
#include "base/result.hpp"
#include "postgres/server.hpp"

namespace evergres::postgres {

/// What pg_controldata prints (src/bin/pg_controldata), in the C locale.
struct ControlFile {
  SystemId system_id;
  std::string state;  ///< "shut down", "in archive recovery", "in production", …
  Lsn checkpoint;     ///< start of the latest checkpoint record
  Lsn redo;
  TimelineId timeline;  ///< of the latest checkpoint
  TimelineId previous_timeline;
  Lsn minimum_recovery_end;  ///< 0/0 if there is none
  TimelineId minimum_recovery_timeline;
  bool checksums = false;
  bool wal_log_hints = false;
  std::uint32_t wal_segment_bytes = 0;
  std::uint32_t wal_block_bytes = 0;
  int max_connections = 0;
  int max_worker_processes = 0;
  int max_wal_senders = 0;
  int max_prepared_xacts = 0;
  int max_locks_per_xact = 0;

  /// Stopped by a shutdown checkpoint (as a primary) or by a restartpoint (as a standby).
  [[nodiscard]] bool cleanly_stopped() const {
    return state == "shut down" || state == "shut down in recovery";
  }
};

/// Unknown lines are skipped; a missing or malformed line that we need is `data_invalid`.
Result<ControlFile> parse_control_file(std::string_view text);

/// Runs pg_controldata on `directory`. It may be called while the server runs: the values are those
/// of the last update of the file.
Result<ControlFile> read_control_file(const Server& server, const std::filesystem::path& directory,
                                      Instant deadline);

}  // namespace evergres::postgres

#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "supervisor/settings.hpp"

namespace evergres::supervisor {

/// PostgreSQL's System V shared memory segment, as line 7 of postmaster.pid names it
/// (src/include/utils/pidfile.h).
struct SharedMemory {
  int key = 0;
  int id = 0;
};

struct PidFile {
  pid_t pid = 0;  ///< of the postmaster; also of a single-user server, which writes it negated
  std::optional<SharedMemory> memory;  ///< absent in the first moments of a start
};

/// Nothing if there is no postmaster.pid or if it does not parse.
std::optional<PidFile> read_pid_file(const std::filesystem::path& data_directory);

/// How many processes have the segment attached; 0 if it does not exist (any more).
std::uint64_t attachments_of(const SharedMemory& memory);

/// Makes sure that no process of a former server is attached to the data directory: leftovers of
/// ours (they carry our PGSERVICEFILE, or have lost their postmaster) are killed. Blocks for at
/// most 8 s. Refused if somebody else's postmaster runs there or if a survivor cannot be ended.
Outcome clear_survivors(const Settings& settings);

/// Removes the reserved history files of pg_wal above the newest real one, then writes
/// standby.signal; both with fsync of file and directory. PostgreSQL refuses to start with a
/// placeholder above its timeline, and archive followers need those below it. At last, durably, the
/// history files in `forget` go, which the start could not follow: as long as the signal is absent
/// they say what began here (postgres/begun.hpp).
Outcome prepare_standby(const std::filesystem::path& data_directory,
                        const std::vector<std::string>& forget = {});

/// "0000000B.history"
bool is_history_file(const std::string& name);

/// The line that marks a reserved history file.
inline constexpr const char* reserved_history_marker = "# evergres reserved";

/// True only if the file is certainly absent; an I/O error is not absence.
bool standby_signal_is_gone(const std::filesystem::path& data_directory);

}  // namespace evergres::supervisor

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>

#include "base/names.hpp"
#include "base/result.hpp"
#include "postgres/server.hpp"

namespace evergres::postgres {

enum class DataKind {
  absent,      ///< no such path, and its parent exists
  empty,       ///< a directory with nothing in it
  ours,        ///< a whole data directory of the expected major version, owned by this user
  incomplete,  ///< ours, but a rebuild was interrupted or pg_control is missing: never start it
};

struct DataDirectory {
  DataKind kind = DataKind::absent;
  int major = 0;    ///< of PG_VERSION; 0 if there is none
  std::string why;  ///< for `incomplete`: one sentence
};

/// Looks at files only, starts nothing. What must not be touched (other owner, wider mode than
/// 0750, other major version, not a data directory, not a directory) is `wrong_data_directory` with
/// what to do. `rebuilding_file()` of the server makes it `incomplete`.
Result<DataDirectory> inspect(const Server& server, int expected_major);

/// Bytes that this user may still write on the file system of `path` (or its nearest parent).
Result<std::uint64_t> free_bytes(const std::filesystem::path& path);

/// The first line of postmaster.pid, whether or not that process lives.
std::optional<pid_t> postmaster_pid(const Server& server);

/// evergres.incarnation in `directory`. Nothing if it is absent or names another node (a copy of
/// somebody else's data directory); `data_invalid` if it is not ours to read.
Result<std::optional<Incarnation>> read_incarnation(const std::filesystem::path& directory,
                                                    const NodeName& node);
/// Durable before it returns. Done before a rewind, clone or restore begins: from then on nothing
/// that the old life acknowledged counts.
Outcome replace_incarnation(const std::filesystem::path& directory, const NodeName& node,
                            const Incarnation& incarnation);

/// Says that the data directory is being rewritten and must not be started.
struct Rebuilding {
  std::string method;  ///< "rewind", "clone"
  Incarnation incarnation;
};
Outcome write_rebuilding(const Server& server, const Rebuilding& rebuilding);
Result<std::optional<Rebuilding>> read_rebuilding(const Server& server);
Outcome remove_rebuilding(const Server& server);

/// Renames a finished directory to `server.data`, durably. An existing data directory changes
/// places with it in one step (renameat2 RENAME_EXCHANGE) and becomes data.replaced-<suffix>, which
/// is for remove_replaced. Both must be on one local file system. No server may run in either.
Outcome put_in_place(const Server& server, const std::filesystem::path& finished,
                     const std::string& suffix);

/// Renames the data.clone-* of clones that were killed to data.replaced-*. Only while no clone
/// runs.
Outcome set_copies_aside(const Server& server);

/// Whether there is a data.replaced-* beside the data directory: nothing uses them.
Result<bool> has_replaced(const Server& server);

/// Removes them, file by file, until `stop`. Several threads may do so at once.
Outcome remove_replaced(const Server& server, const std::stop_token& stop = {});

}  // namespace evergres::postgres

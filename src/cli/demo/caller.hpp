#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/session.hpp"

/// PostgreSQL refuses to run as root. A root caller therefore prepares the directories and runs the
/// rest of the command as the user `postgres`.
namespace evergres::cli::demo {

bool caller_is_root();

/// Copies this executable to `program`, readable for everybody, replacing an older copy; it may
/// live where the other user cannot read it.
Outcome copy_own_program(const std::filesystem::path& program);

/// Makes `directory` (and its parents, 0755) and gives it to the user postgres, mode `mode`. What
/// is there must already belong to that user.
Outcome make_for_postgres(const std::filesystem::path& directory, unsigned mode);

/// Runs `program` with `arguments` as postgres: groups, gid and uid are changed in the child, HOME
/// is that user's, the working directory is /. Waits for it; the value is its exit status, 128 + n
/// if signal n ended it.
Result<int> run_as_postgres(const std::filesystem::path& program,
                            const std::vector<std::string>& arguments);

/// For this process: becomes the owner of `path` if it is root and that is somebody else. Before an
/// exec, never undone.
Outcome become_owner_of(const std::filesystem::path& path);

}  // namespace evergres::cli::demo

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

/// Small files that must survive a crash of the machine. Every function blocks on the disk; call
/// them from worker threads. Any number of threads, one writer per path.
namespace evergres {

/// The whole content. Longer than `limit` bytes is `data_invalid`, absent is `not_found`.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit = 1U << 20U);

/// The same, with "absent" as an expected outcome.
Result<std::optional<std::string>> read_file_if_present(const std::filesystem::path& path,
                                                        std::size_t limit = 1U << 20U);

/// Replaces `path` atomically: a reader and a crash see the old content or the new one. The new
/// file is created beside it with `mode` (never wider, whatever the umask), fsynced, renamed, and
/// the directory is fsynced.
Outcome write_file_durably(const std::filesystem::path& path, std::string_view content,
                           mode_t mode);

/// The same where there is nothing yet: whether it was created. A file that is there is left alone,
/// also one that comes at the same moment.
Result<bool> create_file_durably(const std::filesystem::path& path, std::string_view content,
                                 mode_t mode);

/// The same as write_file_durably without fsync, for files that are written anew before anybody
/// relies on them after a crash of the machine: a reader and a crash of this process see the old
/// content or the new one.
Outcome write_file_atomically(const std::filesystem::path& path, std::string_view content,
                              mode_t mode);

/// Removes the file and fsyncs its directory. An absent file is a success.
Outcome remove_durably(const std::filesystem::path& path);

/// Makes creations, renames and removals inside `directory` durable.
Outcome sync_directory(const std::filesystem::path& directory);

}  // namespace evergres

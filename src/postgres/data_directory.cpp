#include "postgres/data_directory.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <system_error>
#include <vector>

#include "base/file.hpp"

namespace evergres::postgres {

namespace fs = std::filesystem;

namespace {

Error wrong(const Server& server, std::string what, std::string detail, std::string hint) {
  return Error(ErrorCode::wrong_data_directory, server.data.string() + " " + std::move(what),
               std::move(detail), std::move(hint));
}

Outcome check_owner_and_mode(const Server& server, const struct stat& status) {
  if (!S_ISDIR(status.st_mode)) {
    return wrong(server, "is not a directory", {}, "Name a directory as data_directory.");
  }
  if (status.st_uid != ::geteuid()) {
    return wrong(server, "belongs to another user",
                 "Its owner has the user id " + std::to_string(status.st_uid) +
                     ", this process runs as " + std::to_string(::geteuid()) + ".",
                 "Run evergres as that user, or chown the directory.");
  }
  if ((status.st_mode & 0027) != 0) {
    return wrong(server, "is open to other users",
                 "PostgreSQL wants mode 0700 or 0750 and refuses to start otherwise.",
                 "chmod 0700 " + server.data.string());
  }
  return {};
}

Result<int> major_of(const Server& server, int expected_major) {
  const auto text = read_file(server.data / "PG_VERSION", 64);
  if (!text) return text.error();
  int major = 0;
  const auto& content = *text;
  const auto [end, error] = std::from_chars(content.data(), content.data() + content.size(), major);
  if (error != std::errc{}) {
    return wrong(server, "has a PG_VERSION that is no version", {}, "Name another data_directory.");
  }
  if (major != expected_major) {
    return wrong(server, "is of PostgreSQL " + std::to_string(major),
                 "The programs in " + server.bin_dir.string() + " are of PostgreSQL " +
                     std::to_string(expected_major) + ".",
                 "Set bin_directory to the programs of PostgreSQL " + std::to_string(major) +
                     ", or upgrade the data first.");
  }
  return major;
}

/// A file of "word value" lines: the value of `word`.
std::optional<std::string> value_of(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    if (line.size() > word.size() && line.starts_with(word) && line[word.size()] == ' ') {
      return std::string(line.substr(word.size() + 1));
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return std::nullopt;
}

fs::path incarnation_file(const fs::path& directory) {
  return directory / "evergres.incarnation";
}

}  // namespace

Result<DataDirectory> inspect(const Server& server, int expected_major) {
  struct stat status {};
  if (::lstat(server.data.c_str(), &status) != 0) {
    if (errno == ENOENT && fs::is_directory(server.data.parent_path())) {
      return DataDirectory{DataKind::absent, 0, {}};
    }
    return error_from_errno("could not look at " + server.data.string(), errno);
  }
  if (S_ISLNK(status.st_mode) && ::stat(server.data.c_str(), &status) != 0) {
    return error_from_errno("could not follow " + server.data.string(), errno);
  }
  if (auto fit = check_owner_and_mode(server, status); !fit) return fit.error();
  std::error_code failed;
  if (fs::is_empty(server.data, failed)) return DataDirectory{DataKind::empty, 0, {}};
  if (failed) return error_from_errno("could not read " + server.data.string(), failed.value());

  if (!fs::exists(server.data / "PG_VERSION", failed)) {
    return wrong(server, "is not a PostgreSQL data directory",
                 "It is not empty and has no PG_VERSION. Nothing in it was touched.",
                 "Name an empty or absent directory, or move its content away.");
  }
  const auto major = major_of(server, expected_major);
  if (!major) return major.error();
  const auto rebuilding = read_rebuilding(server);
  if (!rebuilding) return rebuilding.error();
  if (*rebuilding) {
    return DataDirectory{DataKind::incomplete, *major,
                         "A " + (**rebuilding).method + " did not finish."};
  }
  if (!fs::exists(server.data / "global" / "pg_control", failed)) {
    return DataDirectory{DataKind::incomplete, *major, "global/pg_control is missing."};
  }
  return DataDirectory{DataKind::ours, *major, {}};
}

Result<std::uint64_t> free_bytes(const fs::path& path) {
  fs::path existing = path;
  std::error_code failed;
  while (!fs::exists(existing, failed) && existing.has_relative_path()) {
    existing = existing.parent_path();
  }
  struct statvfs status {};
  if (::statvfs(existing.c_str(), &status) != 0) {
    return error_from_errno("could not ask for the free space of " + existing.string(), errno);
  }
  return std::uint64_t{status.f_bavail} * std::uint64_t{status.f_frsize};
}

std::optional<pid_t> postmaster_pid(const Server& server) {
  const auto text = read_file_if_present(server.data / "postmaster.pid", 4096);
  if (!text || !*text) return std::nullopt;
  pid_t pid = 0;
  const std::string& content = **text;
  const auto parsed = std::from_chars(content.data(), content.data() + content.size(), pid);
  if (parsed.ec != std::errc{} || pid <= 1) return std::nullopt;
  return pid;
}

Result<std::optional<Incarnation>> read_incarnation(const fs::path& directory,
                                                    const NodeName& node) {
  const auto text = read_file_if_present(incarnation_file(directory), 4096);
  if (!text) return text.error();
  if (!*text) return std::optional<Incarnation>();
  const auto name = value_of(**text, "node");
  const auto id = value_of(**text, "incarnation");
  if (!name || !id || id->empty() || id->size() > 64) {
    return Error(ErrorCode::data_invalid, incarnation_file(directory).string() + " is damaged",
                 "It must have the lines \"node <name>\" and \"incarnation <id>\".",
                 "Clone this node again.");
  }
  if (*name != node.value) return std::optional<Incarnation>();
  return std::optional<Incarnation>(Incarnation(*id));
}

Outcome replace_incarnation(const fs::path& directory, const NodeName& node,
                            const Incarnation& incarnation) {
  const std::string text = "node " + node.value + "\nincarnation " + incarnation.value + "\n";
  return write_file_durably(incarnation_file(directory), text, 0600);
}

Outcome write_rebuilding(const Server& server, const Rebuilding& rebuilding) {
  const std::string text =
      "method " + rebuilding.method + "\nincarnation " + rebuilding.incarnation.value + "\n";
  return write_file_durably(server.rebuilding_file(), text, 0600);
}

Result<std::optional<Rebuilding>> read_rebuilding(const Server& server) {
  const auto text = read_file_if_present(server.rebuilding_file(), 4096);
  if (!text) return text.error();
  if (!*text) return std::optional<Rebuilding>();
  // A damaged sentinel is still a sentinel: the data must not be started.
  Rebuilding rebuilding{value_of(**text, "method").value_or("rebuild"),
                        Incarnation(value_of(**text, "incarnation").value_or(""))};
  return std::optional<Rebuilding>(std::move(rebuilding));
}

Outcome remove_rebuilding(const Server& server) {
  return remove_durably(server.rebuilding_file());
}

Outcome put_in_place(const Server& server, const fs::path& finished, const std::string& suffix) {
  const fs::path replaced = server.beside("replaced-" + suffix);
  const bool existed = ::access(server.data.c_str(), F_OK) == 0;
  // The exchange is one step of the file system: at no moment is there no data directory.
  const unsigned flags = existed ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, finished.c_str(), AT_FDCWD, server.data.c_str(), flags) != 0) {
    return error_from_errno("could not move " + finished.string() + " into place", errno);
  }
  if (auto synced = sync_directory(server.data.parent_path()); !synced) return synced;
  if (!existed) return {};
  if (::rename(finished.c_str(), replaced.c_str()) != 0) {
    return error_from_errno("could not move " + finished.string() + " away", errno);
  }
  return {};
}

namespace {

Result<std::vector<fs::path>> beside_with(const Server& server, const std::string& infix) {
  const std::string prefix = server.data.filename().string() + infix;
  std::vector<fs::path> found;
  std::error_code failed;
  for (fs::directory_iterator entry(server.data.parent_path(), failed), end;
       !failed && entry != end; entry.increment(failed)) {
    if (entry->path().filename().string().starts_with(prefix)) found.push_back(entry->path());
  }
  if (failed && failed != std::errc::no_such_file_or_directory) {
    return error_from_errno("could not list " + server.data.parent_path().string(), failed.value());
  }
  return found;
}

/// Of a whole database: fs::remove_all could not be stopped.
Outcome remove_tree(const fs::path& tree, const std::stop_token& stop) {
  std::error_code failed;
  for (fs::directory_iterator entry(tree, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    if (stop.stop_requested()) return Error(ErrorCode::cancelled, "the removal was given up");
    std::error_code unknown;
    if (entry->is_directory(unknown) && !entry->is_symlink(unknown)) {
      if (auto removed = remove_tree(entry->path(), stop); !removed) return removed;
    } else {
      fs::remove(entry->path(), failed);
    }
  }
  if (!failed) fs::remove(tree, failed);
  const bool gone = !failed || failed == std::errc::no_such_file_or_directory;
  if (!gone) return error_from_errno("could not remove " + tree.string(), failed.value());
  return {};
}

}  // namespace

Outcome set_copies_aside(const Server& server) {
  const std::string infix = ".clone-";
  const auto copies = beside_with(server, infix);
  if (!copies) return copies.error();
  for (const fs::path& copy : *copies) {
    const auto id =
        copy.filename().string().substr(server.data.filename().string().size() + infix.size());
    if (::rename(copy.c_str(), server.beside("replaced-" + id).c_str()) != 0) {
      return error_from_errno("could not rename " + copy.string(), errno);
    }
  }
  return {};
}

Result<bool> has_replaced(const Server& server) {
  const auto replaced = beside_with(server, ".replaced-");
  if (!replaced) return replaced.error();
  return !replaced->empty();
}

Outcome remove_replaced(const Server& server, const std::stop_token& stop) {
  const auto replaced = beside_with(server, ".replaced-");
  if (!replaced) return replaced.error();
  for (const fs::path& tree : *replaced) {
    if (auto removed = remove_tree(tree, stop); !removed) return removed;
  }
  return {};
}

}  // namespace evergres::postgres

#include "supervisor/data_directory.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "supervisor/log.hpp"
#include "supervisor/processes.hpp"
#include "supervisor/protocol.hpp"

namespace evergres::supervisor {

namespace fs = std::filesystem;

namespace {

constexpr Millis survivor_limit{5'000};
constexpr Millis burial_limit{3'000};

Outcome sync_path(const fs::path& path, int flags) {
  const int file = open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (file < 0) return error_from_errno("could not open " + path.string(), errno);
  const int failure = fsync(file) == 0 ? 0 : errno;
  close(file);
  if (failure != 0) return error_from_errno("could not fsync " + path.string(), failure);
  return {};
}

Outcome sync_directory(const fs::path& path) {
  return sync_path(path, O_RDONLY | O_DIRECTORY);
}

/// The timeline of a file called NNNNNNNN.history.
std::optional<std::uint32_t> history_timeline(const std::string& name) {
  if (name.size() != 16 || !name.ends_with(".history")) return {};
  std::uint32_t timeline = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 8, timeline, 16);
  if (error != std::errc() || end != name.data() + 8) return {};
  return timeline;
}

Result<bool> is_reserved(const fs::path& path) {
  std::ifstream file(path);
  if (!file) return error_from_errno("could not open " + path.string(), errno);
  for (std::string line; std::getline(file, line);) {
    if (line.find(reserved_history_marker) != std::string::npos) return true;
  }
  if (file.bad()) return error_from_errno("could not read " + path.string(), EIO);
  return false;
}

Outcome remove_reserved_history(const fs::path& wal_directory) {
  std::uint32_t newest_real = 0;
  std::vector<std::pair<std::uint32_t, fs::path>> reserved;
  std::error_code error;
  for (fs::directory_iterator entry(wal_directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto timeline = history_timeline(entry->path().filename().string());
    if (!timeline) continue;
    const auto is = is_reserved(entry->path());
    if (!is) return is.error();
    if (*is)
      reserved.emplace_back(*timeline, entry->path());
    else
      newest_real = std::max(newest_real, *timeline);
  }
  if (error) return error_from_errno("could not read " + wal_directory.string(), error.value());
  bool removed = false;
  for (const auto& [timeline, path] : reserved) {
    if (timeline <= newest_real) continue;
    if (unlink(path.c_str()) != 0) {
      return error_from_errno("could not remove " + path.string(), errno);
    }
    say("supervisor", "removed the reserved history file " + path.filename().string());
    removed = true;
  }
  return removed ? sync_directory(wal_directory) : Outcome();
}

bool contains(const std::vector<Process>& processes, pid_t pid) {
  return std::any_of(processes.begin(), processes.end(),
                     [pid](const Process& process) { return process.pid == pid; });
}

/// Somebody else's postmaster among the servers of the directory, if there is one: it has no
/// server as parent, is the one that postmaster.pid names and does not carry our service file.
std::optional<pid_t> foreign_postmaster(const Settings& settings,
                                        const std::vector<Process>& servers) {
  const auto file = read_pid_file(settings.data_directory);
  const std::string ours =
      "PGSERVICEFILE=" + upstream_service_file(settings.state_directory).string();
  for (const auto& server : servers) {
    if (contains(servers, server.parent) || !file || server.pid != file->pid) continue;
    if (!environment_has(server.pid, ours)) return server.pid;
  }
  return {};
}

/// PostgreSQL refuses to start while the pid of its old postmaster.pid lives, whoever has it now.
/// Called when no server of this directory is alive, so that pid belongs to a stranger.
void remove_misleading_pid_file(const fs::path& data_directory) {
  const auto file = read_pid_file(data_directory);
  if (!file || file->pid <= 1 || (kill(file->pid, 0) != 0 && errno == ESRCH)) return;
  unlink((data_directory / "postmaster.pid").c_str());
  say("supervisor", "removed postmaster.pid: its process " + std::to_string(file->pid) +
                        " is no server of this data directory");
}

/// A zombie still has its pid, and PostgreSQL refuses to start while the pid in the lock file of
/// its socket exists. Whoever inherited it normally waits for it at once; this does not wait long.
void wait_for_burial(const std::set<pid_t>& killed) {
  const Instant until = boot_now() + burial_limit;
  for (const pid_t pid : killed) {
    while (kill(pid, 0) == 0 && boot_now() < until) {
      waitpid(pid, nullptr, WNOHANG);  // if it has become our own child
      poll(nullptr, 0, 5);
    }
  }
}

}  // namespace

std::optional<PidFile> read_pid_file(const fs::path& data_directory) {
  std::ifstream file(data_directory / "postmaster.pid");
  long pid = 0;
  std::string line;
  if (!std::getline(file, line) || !(std::istringstream(line) >> pid) || pid == 0) return {};
  PidFile found;
  found.pid = static_cast<pid_t>(std::labs(pid));
  for (int number = 2; number <= 7; ++number) {
    if (!std::getline(file, line)) return found;
  }
  unsigned long key = 0;
  int id = 0;
  if (std::istringstream(line) >> key >> id) found.memory = SharedMemory{static_cast<int>(key), id};
  return found;
}

std::uint64_t attachments_of(const SharedMemory& memory) {
  shmid_ds segment{};
  if (shmctl(memory.id, IPC_STAT, &segment) != 0) return 0;
  // After a restart of the machine the same id may be somebody else's.
  if (segment.shm_perm.__key != memory.key) return 0;
  return segment.shm_nattch;
}

Outcome clear_survivors(const Settings& settings) {
  const Instant until = boot_now() + survivor_limit;
  bool told = false;
  std::set<pid_t> killed;
  while (true) {
    const auto servers = servers_in(settings.data_directory);
    if (const auto foreign = foreign_postmaster(settings, servers)) {
      return Error(ErrorCode::refused, "another PostgreSQL runs on this data directory",
                   "Process " + std::to_string(*foreign) + " was not started by this supervisor.",
                   "Stop it with pg_ctl stop; Evergres starts PostgreSQL itself.");
    }
    for (const auto& server : servers) {
      kill(server.pid, SIGKILL);
      killed.insert(server.pid);
    }
    if (!servers.empty() && !told) {
      say("supervisor", "killed " + std::to_string(servers.size()) + " leftover server processes");
      told = true;
    }
    const auto file = read_pid_file(settings.data_directory);
    const auto attached = file && file->memory ? attachments_of(*file->memory) : 0;
    if (servers.empty() && attached == 0) break;
    if (boot_now() >= until) {
      return Error(ErrorCode::refused, "the data directory is still in use",
                   std::to_string(servers.size()) + " server processes are alive and " +
                       std::to_string(attached) + " are attached to its shared memory.",
                   "Find them with ps and ipcs -m -p and end them.");
    }
    poll(nullptr, 0, 10);
  }
  wait_for_burial(killed);
  remove_misleading_pid_file(settings.data_directory);
  return {};
}

bool is_history_file(const std::string& name) {
  return history_timeline(name).has_value();
}

Outcome prepare_standby(const fs::path& data_directory, const std::vector<std::string>& forget) {
  std::error_code error;
  if (!fs::exists(data_directory / "PG_VERSION", error)) {
    return Error(ErrorCode::not_found, "there is no data directory at " + data_directory.string(),
                 "It has no file PG_VERSION.", "Create it with initdb, a clone or a restore.");
  }
  if (auto removed = remove_reserved_history(data_directory / "pg_wal"); !removed) return removed;
  const auto written = sync_path(data_directory / "standby.signal", O_WRONLY | O_CREAT);
  if (!written) return written;
  if (auto synced = sync_directory(data_directory); !synced || forget.empty()) return synced;
  for (const std::string& name : forget) {
    if (unlink((data_directory / "pg_wal" / name).c_str()) != 0 && errno != ENOENT) {
      return error_from_errno("could not remove " + name, errno);
    }
    say("supervisor", "removed the history file " + name + ", which the start could not follow");
  }
  return sync_directory(data_directory / "pg_wal");
}

bool standby_signal_is_gone(const fs::path& data_directory) {
  struct stat found {};
  return stat((data_directory / "standby.signal").c_str(), &found) != 0 && errno == ENOENT;
}

}  // namespace evergres::supervisor

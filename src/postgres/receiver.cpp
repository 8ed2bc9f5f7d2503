#include "postgres/receiver.hpp"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <string>

#include "base/file.hpp"
#include "postgres/look_again.hpp"

namespace evergres::postgres {

namespace {

constexpr Millis between_scans{5};
constexpr Millis between_looks{2};

/// The content of /proc/<pid>/<file>; nothing if the process is gone. Any other trouble (too many
/// open files, say) is an Error, because a receiver that cannot be seen is not a receiver that is
/// gone.
Result<std::optional<std::string>> read_of(const std::string& pid, const char* file) {
  const std::string directory = "/proc/" + pid;
  auto text = read_file(directory + "/" + file, 1U << 20U);
  if (text) return std::optional<std::string>(std::move(text).value());
  if (::access(directory.c_str(), F_OK) != 0 && errno == ENOENT) {
    return std::optional<std::string>();
  }
  return text.error();
}

/// "pid (name) S ppid …"; the name may contain anything, so the last ')' counts (proc(5)). Nothing
/// for a process that is gone or only waits to be reaped.
Result<std::optional<pid_t>> parent_of(const std::string& pid) {
  const auto text = read_of(pid, "stat");
  if (!text) return text.error();
  if (!*text) return std::optional<pid_t>();
  const std::string& line = **text;
  const auto close = line.rfind(')');
  if (close == std::string::npos || close + 4 >= line.size()) {
    return Error(ErrorCode::data_invalid, "could not understand /proc/" + pid + "/stat");
  }
  const char state = line[close + 2];
  pid_t parent = 0;
  const auto parsed = std::from_chars(line.data() + close + 4, line.data() + line.size(), parent);
  if (parsed.ec != std::errc{}) {
    return Error(ErrorCode::data_invalid, "could not understand /proc/" + pid + "/stat");
  }
  if (state == 'Z' || state == 'X') return std::optional<pid_t>();
  return std::optional<pid_t>(parent);
}

Result<bool> is_receiver_of(pid_t postmaster, const std::string& pid) {
  const auto parent = parent_of(pid);
  if (!parent) return parent.error();
  if (!*parent || **parent != postmaster) return false;
  const auto title = read_of(pid, "cmdline");
  if (!title) return title.error();
  return *title && is_receiver_title((**title).substr(0, (**title).find('\0')));
}

}  // namespace

bool is_receiver_title(std::string_view title) {
  constexpr std::string_view lead = "postgres: ";
  constexpr std::string_view word = "walreceiver";
  if (!title.starts_with(lead)) return false;
  // Behind "postgres: " or behind "cluster name: ", and a whole word.
  for (auto at = title.find(word); at != std::string_view::npos; at = title.find(word, at + 1)) {
    const auto after = at + word.size();
    const bool ends = after == title.size() || title[after] == ' ';
    if (title.substr(0, at).ends_with(": ") && ends) return true;
  }
  return false;
}

Result<std::vector<pid_t>> receiver_processes(pid_t postmaster) {
  const auto own = parent_of(std::to_string(postmaster));
  if (!own) return own.error();
  if (!*own) {
    return Error(ErrorCode::not_found, "the postmaster is gone",
                 "There is no process " + std::to_string(postmaster) + ".");
  }
  // Not /proc/<pid>/task/<pid>/children: proc(5) says that it may miss children that live.
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  if (!proc) return error_from_errno("could not open /proc", errno);
  std::vector<pid_t> found;
  errno = 0;
  while (const dirent* entry = ::readdir(proc.get())) {
    const std::string name = entry->d_name;
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc{} || parsed.ptr != name.data() + name.size()) continue;
    const auto is_receiver = is_receiver_of(postmaster, name);
    if (!is_receiver) return is_receiver.error();
    if (*is_receiver) found.push_back(pid);
    errno = 0;
  }
  if (errno != 0) return error_from_errno("could not list /proc", errno);
  return found;
}

Outcome cut_receiver(pid_t postmaster, Instant deadline) {
  int scans_without = 0;
  std::vector<pid_t> told;
  for (;;) {
    const auto receivers = receiver_processes(postmaster);
    if (!receivers) return receivers.error();
    scans_without = receivers->empty() ? scans_without + 1 : 0;
    if (scans_without == 2) return {};
    for (const pid_t pid : *receivers) {
      if (std::find(told.begin(), told.end(), pid) != told.end()) continue;
      ::kill(pid, SIGTERM);
      told.push_back(pid);
    }
    if (boot_now() >= deadline) {
      return Error(ErrorCode::timed_out, "the walreceiver did not end in time",
                   "It may still write and acknowledge what its upstream sends.",
                   "Stop PostgreSQL on this node to fence it.");
    }
    look_again_after(scans_without > 0 ? between_scans : between_looks);
  }
}

}  // namespace evergres::postgres

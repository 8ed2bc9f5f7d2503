#include "store/frozen_holder.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace evergres::store {
namespace {

/// WAL_WRITE_LOCK of SQLite's WAL index (sqlite.org/walformat.html, "WAL Locks").
constexpr unsigned long long write_lock_byte = 120;

/// The holder as /proc/locks shows it. Not F_GETLK: closing a second descriptor of the file would
/// drop the locks that our own SQLite holds on it.
std::optional<pid_t> holder_of(const std::string& index_file) {
  struct stat info {};
  if (::stat(index_file.c_str(), &info) != 0) return std::nullopt;
  char device[64];
  std::snprintf(device, sizeof device, "%02x:%02x:%llu", major(info.st_dev), minor(info.st_dev),
                static_cast<unsigned long long>(info.st_ino));
  std::ifstream locks("/proc/locks");
  std::string line;
  while (std::getline(locks, line)) {
    // "3: POSIX  ADVISORY  WRITE 4711 fe:00:131093 120 120"; waiting ones have "->" second.
    std::istringstream words(line);
    std::string number, kind, advisory, mode, place, end;
    long pid = 0;
    unsigned long long from = 0;
    if (!(words >> number >> kind >> advisory >> mode >> pid >> place >> from >> end)) continue;
    if (kind != "POSIX" || mode != "WRITE" || place != device) continue;
    const bool open_ended = end == "EOF";
    const unsigned long long to = open_ended ? ~0ULL : std::strtoull(end.c_str(), nullptr, 10);
    if (from <= write_lock_byte && write_lock_byte <= to) return static_cast<pid_t>(pid);
  }
  return std::nullopt;
}

bool is_stopped(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const auto name_end = text.rfind(')');
  return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] == 'T';
}

bool is_one_of_us(pid_t pid) {
  std::error_code failure;
  const std::filesystem::path process = "/proc/" + std::to_string(pid);
  struct stat info {};
  if (::stat(process.c_str(), &info) != 0 || info.st_uid != ::geteuid()) return false;
  const auto theirs = std::filesystem::read_symlink(process / "exe", failure);
  if (failure) return false;
  const auto ours = std::filesystem::read_symlink("/proc/self/exe", failure);
  return !failure && theirs.filename() == ours.filename();
}

}  // namespace

Result<bool> end_frozen_holder(std::string_view address) {
  constexpr std::string_view scheme = "sqlite:";
  if (!address.starts_with(scheme)) return false;
  const std::string index_file = std::string(address.substr(scheme.size())) + "-shm";
  const auto holder = holder_of(index_file);
  if (!holder || *holder == ::getpid() || !is_stopped(*holder) || !is_one_of_us(*holder))
    return false;
  // Looked at again: between the two readings the pid could have changed hands.
  if (holder_of(index_file) != holder) return false;
  if (::kill(*holder, SIGKILL) != 0)
    return error_from_errno("could not end the frozen holder of the store", errno);
  return true;
}

}  // namespace evergres::store

#include "proxy/worker/start_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

namespace evergres::proxy {
namespace {

std::filesystem::path start_lock_path(const std::filesystem::path& run_directory) {
  return run_directory / "proxy.lock";
}

}  // namespace

Result<std::optional<StartLock>> StartLock::try_take(const std::filesystem::path& run_directory) {
  const std::filesystem::path path = start_lock_path(run_directory);
  StartLock lock;
  lock.file_ = Descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.file_.open()) return error_from_errno("could not open " + path.string(), errno);
  if (::flock(lock.file_.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK || errno == EINTR) return std::optional<StartLock>();
    return error_from_errno("could not lock " + path.string(), errno);
  }
  // Only for people: a lock without a number in it is one all the same.
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.file_.number(), 0) != 0 ||
      ::pwrite(lock.file_.number(), text.data(), text.size(), 0) < 0) {
    return error_from_errno("could not write " + path.string(), errno);
  }
  return std::optional<StartLock>(std::move(lock));
}

Error StartLock::not_given(const std::filesystem::path& run_directory) {
  const std::filesystem::path path = start_lock_path(run_directory);
  long pid = 0;
  std::ifstream(path) >> pid;
  const std::string holder = pid > 0 ? "Process " + std::to_string(pid) : "It";
  return Error(ErrorCode::timed_out, "another process of this endpoint is starting",
               holder + " has held " + path.string() +
                   " for long, and two that start at once would both serve.",
               "Look into its log why it does not get on; if it hangs, end it and start again.");
}

}  // namespace evergres::proxy

#include "base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/names.hpp"

namespace evergres {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

std::filesystem::path directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path{"."};
}

Outcome write_all(int fd, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return error_from_errno("could not write " + path.string(), errno);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Outcome write_new(const std::filesystem::path& path, std::string_view content, mode_t mode,
                  bool durable) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (file.get() < 0) return error_from_errno("could not create " + path.string(), errno);
  // The umask may have narrowed the mode; it is asked for exactly.
  if (::fchmod(file.get(), mode) != 0) {
    return error_from_errno("could not set the mode of " + path.string(), errno);
  }
  if (auto written = write_all(file.get(), content, path); !written) return written;
  if (durable && ::fsync(file.get()) != 0) {
    return error_from_errno("could not fsync " + path.string(), errno);
  }
  return {};
}

Outcome replace(const std::filesystem::path& path, std::string_view content, mode_t mode,
                bool durable) {
  std::filesystem::path fresh = path;
  fresh += ".new-" + random_hex(4);
  auto written = write_new(fresh, content, mode, durable);
  if (written && ::rename(fresh.c_str(), path.c_str()) != 0) {
    written = error_from_errno("could not replace " + path.string(), errno);
  }
  if (!written) ::unlink(fresh.c_str());
  return written;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return error_from_errno("could not open " + path.string(), errno);
  std::string content;
  char buffer[8192];
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error_from_errno("could not read " + path.string(), errno);
    if (got == 0) return content;
    content.append(buffer, static_cast<std::size_t>(got));
    if (content.size() > limit) {
      return Error(ErrorCode::data_invalid, path.string() + " is too long",
                   "At most " + std::to_string(limit) + " bytes are expected there.");
    }
  }
}

Result<std::optional<std::string>> read_file_if_present(const std::filesystem::path& path,
                                                        std::size_t limit) {
  auto content = read_file(path, limit);
  if (content) return std::optional<std::string>(std::move(content).value());
  // Only the file itself may be missing: an unreadable parent is a failure, not an absence.
  if (content.error().code() == ErrorCode::not_found) return std::optional<std::string>();
  return content.error();
}

Outcome write_file_durably(const std::filesystem::path& path, std::string_view content,
                           mode_t mode) {
  if (auto written = replace(path, content, mode, true); !written) return written;
  return sync_directory(directory_of(path));
}

Result<bool> create_file_durably(const std::filesystem::path& path, std::string_view content,
                                 mode_t mode) {
  std::filesystem::path fresh = path;
  fresh += ".new-" + random_hex(4);
  auto written = write_new(fresh, content, mode, true);
  bool was_there = false;
  if (written &&
      ::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0) {
    was_there = errno == EEXIST;
    if (!was_there) written = error_from_errno("could not create " + path.string(), errno);
  }
  if (!written || was_there) ::unlink(fresh.c_str());
  if (!written) return written.error();
  if (auto synced = sync_directory(directory_of(path)); !synced) return synced.error();
  return !was_there;
}

Outcome write_file_atomically(const std::filesystem::path& path, std::string_view content,
                              mode_t mode) {
  return replace(path, content, mode, false);
}

Outcome remove_durably(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return error_from_errno("could not remove " + path.string(), errno);
  }
  return sync_directory(directory_of(path));
}

Outcome sync_directory(const std::filesystem::path& directory) {
  const Descriptor file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() < 0) return error_from_errno("could not open " + directory.string(), errno);
  if (::fsync(file.get()) != 0) {
    return error_from_errno("could not fsync " + directory.string(), errno);
  }
  return {};
}

}  // namespace evergres

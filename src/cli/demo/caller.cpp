#include "cli/demo/caller.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace evergres::cli::demo {
namespace {

namespace fs = std::filesystem;

struct User {
  std::string name;
  std::string home;
  uid_t uid = 0;
  gid_t gid = 0;
};

Result<User> as_user(const passwd* entry, const std::string& wanted) {
  if (entry == nullptr) {
    return Error(ErrorCode::missing_program, "there is no user " + wanted,
                 "PostgreSQL refuses to run as root and needs another user.",
                 "Install the distribution's PostgreSQL, which makes the user postgres, or call "
                 "this as an ordinary user.");
  }
  return User{entry->pw_name, entry->pw_dir, entry->pw_uid, entry->pw_gid};
}

Result<User> postgres_user() {
  return as_user(getpwnam("postgres"), "postgres");
}

/// Drops root for good. errno tells what failed.
bool become(const User& user) {
  return initgroups(user.name.c_str(), user.gid) == 0 && setgid(user.gid) == 0 &&
         setuid(user.uid) == 0;
}

void set_home(const User& user) {
  setenv("HOME", user.home.c_str(), 1);
  setenv("USER", user.name.c_str(), 1);
  setenv("LOGNAME", user.name.c_str(), 1);
  unsetenv("XDG_RUNTIME_DIR");
  unsetenv("XDG_STATE_HOME");
}

/// Copies the open file to `program` beside an older copy and renames: a running copy cannot be
/// overwritten. 0 or errno.
int install(int source, const fs::path& program) {
  std::error_code error;
  fs::create_directories(program.parent_path(), error);
  if (error) return error.value();
  fs::path fresh = program;
  fresh += ".new";
  unlink(fresh.c_str());
  const int target = open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (target < 0) return errno;
  std::vector<char> buffer(1U << 16U);
  int why = 0;
  while (why == 0) {
    const ssize_t got = read(source, buffer.data(), buffer.size());
    if (got == 0) break;
    if (got < 0 || write(target, buffer.data(), static_cast<std::size_t>(got)) != got) {
      why = errno != 0 ? errno : EIO;
    }
  }
  if (why == 0 && fchmod(target, 0755) != 0) why = errno;
  close(target);
  if (why == 0 && rename(fresh.c_str(), program.c_str()) != 0) why = errno;
  return why;
}

}  // namespace

bool caller_is_root() {
  return geteuid() == 0;
}

Outcome copy_own_program(const fs::path& program) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error && fs::equivalent(self, program, error)) return {};
  const int source = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (source < 0) return error_from_errno("could not read this program", errno);
  int why = 0;
  if (caller_is_root()) {
    // The copy is made by the user who owns the place: root follows no link that others planted.
    const Result<User> user = postgres_user();
    if (!user) return user.error();
    const pid_t child = fork();
    if (child == 0) _exit(become(*user) ? install(source, program) : errno);
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    why = child < 0 ? errno : (WIFEXITED(status) ? WEXITSTATUS(status) : EIO);
  } else {
    why = install(source, program);
  }
  close(source);
  if (why != 0) {
    const Error failed = error_from_errno("could not install " + program.string(), why);
    return Error(failed.code(), failed.message(), "The program copies itself there to be run.",
                 "Choose another place with --directory.");
  }
  return {};
}

Outcome make_for_postgres(const fs::path& directory, unsigned mode) {
  const Result<User> user = postgres_user();
  if (!user) return user.error();
  std::error_code error;
  fs::create_directories(directory.parent_path(), error);
  if (error) {
    return error_from_errno("could not make " + directory.parent_path().string(), error.value());
  }
  const bool is_new = mkdir(directory.c_str(), mode) == 0;
  if (!is_new && errno != EEXIST) {
    return error_from_errno("could not make " + directory.string(), errno);
  }
  // O_NOFOLLOW and fchown: what another user put there meanwhile is never given away.
  const int handle = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (handle < 0) return error_from_errno("could not open " + directory.string(), errno);
  struct stat seen {};
  bool done = fstat(handle, &seen) == 0;
  const bool may_take = is_new || seen.st_uid == user->uid || fs::is_empty(directory, error);
  if (done && may_take) {
    done = fchown(handle, user->uid, user->gid) == 0 && fchmod(handle, mode) == 0;
  }
  const int why = errno;
  close(handle);
  if (!done) return error_from_errno("could not give " + directory.string() + " to postgres", why);
  if (!may_take) {
    return Error(ErrorCode::already_exists, directory.string() + " is in use",
                 "It is not empty and does not belong to the user postgres.",
                 "Choose another one with --directory.");
  }
  return {};
}

Result<int> run_as_postgres(const fs::path& program, const std::vector<std::string>& arguments) {
  const Result<User> user = postgres_user();
  if (!user) return user.error();
  std::vector<std::string> words{program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) return error_from_errno("could not fork", errno);
  if (child == 0) {
    if (!become(*user)) _exit(126);
    set_home(*user);
    if (chdir("/") == 0) execv(pointers.front(), pointers.data());
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
  if (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127) {
    return Error(ErrorCode::permission, "could not run " + program.string() + " as postgres",
                 "The user postgres may not reach that directory.",
                 "Choose one below directories that everybody may enter, with --directory.");
  }
  return WEXITSTATUS(status);
}

Outcome become_owner_of(const fs::path& path) {
  if (!caller_is_root()) return {};
  struct stat seen {};
  if (stat(path.c_str(), &seen) != 0) {
    return error_from_errno("could not look at " + path.string(), errno);
  }
  if (seen.st_uid == 0) return {};
  const Result<User> user = as_user(getpwuid(seen.st_uid), std::to_string(seen.st_uid));
  if (!user) return user.error();
  if (!become(*user)) return error_from_errno("could not become " + user->name, errno);
  set_home(*user);
  return {};
}

}  // namespace evergres::cli::demo

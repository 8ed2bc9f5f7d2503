#include "net/process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>

namespace evergres::net {

namespace {

constexpr std::size_t kept_lines = 20;
constexpr std::size_t longest_line = 8192;
/// How often a request to stop is noticed.
constexpr int look_each_ms = 50;

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { reset(); }
  [[nodiscard]] int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

/// Everything the child needs, allocated before the fork: between fork and exec of a program with
/// threads only async-signal-safe calls are allowed.
struct Prepared {
  std::vector<std::string> environment;
  std::vector<char*> argv;
  std::vector<char*> envp;
};

char* pointer(const std::string& text) {
  return const_cast<char*>(text.c_str());
}

void prepare(const Command& command, Prepared& prepared) {
  std::vector<std::pair<std::string, std::string>> added = command.environment;
  added.emplace_back("LC_ALL", "C");
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    const bool replaced = std::any_of(added.begin(), added.end(),
                                      [&](const auto& pair) { return pair.first == name; });
    if (!replaced) prepared.environment.emplace_back(text);
  }
  for (const auto& [name, value] : added) prepared.environment.push_back(name + "=" + value);
  prepared.argv.push_back(pointer(command.program.native()));
  for (const auto& argument : command.arguments) prepared.argv.push_back(pointer(argument));
  prepared.argv.push_back(nullptr);
  for (const auto& entry : prepared.environment) prepared.envp.push_back(pointer(entry));
  prepared.envp.push_back(nullptr);
}

struct ChildEnds {
  int input;
  int output;
  int errors;
  int report;  ///< close-on-exec: errno of a failed exec goes through it
};

[[noreturn]] void fail_in_child(int report) {
  const int reason = errno;
  [[maybe_unused]] const ssize_t ignored = ::write(report, &reason, sizeof reason);
  ::_exit(127);
}

/// Only async-signal-safe calls here.
[[noreturn]] void become(const Prepared& prepared, const ChildEnds& ends, pid_t parent,
                         const char* working_directory) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail_in_child(ends.report);
  if (::getppid() != parent) ::_exit(127);  // the parent died before the line above
  ::setpgid(0, 0);
  for (int number = 1; number < 32; ++number) {
    if (number != SIGKILL && number != SIGSTOP) ::signal(number, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::dup2(ends.input, 0) < 0 || ::dup2(ends.output, 1) < 0 || ::dup2(ends.errors, 2) < 0) {
    fail_in_child(ends.report);
  }
  // Descriptors of other threads may have been opened without close-on-exec.
  ::syscall(SYS_close_range, 3U, ~0U, static_cast<unsigned>(CLOSE_RANGE_CLOEXEC));
  if (*working_directory != '\0' && ::chdir(working_directory) != 0) fail_in_child(ends.report);
  ::execve(prepared.argv[0], prepared.argv.data(), prepared.envp.data());
  fail_in_child(ends.report);
}

/// The content as a file in memory, read from its beginning; works for any length without a writer.
Result<Descriptor> input_of(const std::string& content) {
  if (content.empty()) {
    Descriptor nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (nothing.get() < 0) return error_from_errno("could not open /dev/null", errno);
    return nothing;
  }
  Descriptor file(::memfd_create("input", MFD_CLOEXEC));
  if (file.get() < 0) return error_from_errno("could not create the input of a program", errno);
  std::string_view rest = content;
  while (!rest.empty()) {
    const ssize_t written = ::write(file.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return error_from_errno("could not write the input of a program", errno);
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};

Result<Pipe> make_pipe(int flags) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return error_from_errno("could not create a pipe", errno);
  Pipe made{Descriptor(ends[0]), Descriptor(ends[1])};
  ::fcntl(made.read_end.get(), F_SETFL, flags);
  return made;
}

/// Cuts a stream of bytes into lines of bounded length.
class Lines {
 public:
  template <typename OnText>
  void feed(std::string_view bytes, const OnText& on_text) {
    for (const char byte : bytes) {
      if (byte == '\n' || byte == '\r') {
        end(on_text);
      } else if (line_.size() < longest_line) {
        line_.push_back(byte);
      }
    }
  }
  template <typename OnText>
  void end(const OnText& on_text) {
    if (!line_.empty()) on_text(std::string_view(line_));
    line_.clear();
  }

 private:
  std::string line_;
};

class Running {
 public:
  Running(pid_t pid, Descriptor output, Descriptor errors, const OnLine& on_line)
      : pid_(pid),
        pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
        output_(std::move(output)),
        errors_(std::move(errors)),
        on_line_(on_line) {}

  Result<ProcessExit> wait(const Command& command, Instant deadline, const std::stop_token& stop,
                           const Objection& objection) {
    for (;;) {
      const Nanos left = deadline - boot_now();
      if (stop.stop_requested() || left.count() <= 0) return give_up(command, stop);
      look(std::clamp<std::int64_t>(left.count() / 1'000'000 + 1, 1, look_each_ms));
      int status = 0;
      const pid_t reaped = ::waitpid(pid_, &status, WNOHANG);
      if (reaped == pid_) return ended(status);
      if (reaped < 0 && errno != EINTR) {
        return error_from_errno("lost sight of " + command.program.string(), errno);
      }
      auto reason = objection ? objection() : std::nullopt;
      if (reason) {
        kill_and_reap();
        return *std::move(reason);
      }
    }
  }

 private:
  void look(std::int64_t wait_ms) {
    // Without pidfd (old kernels) the end is noticed at the next look.
    std::array<pollfd, 3> polled{pollfd{output_.get(), POLLIN, 0}, pollfd{errors_.get(), POLLIN, 0},
                                 pollfd{pidfd_.get(), POLLIN, 0}};
    if (::poll(polled.data(), polled.size(), static_cast<int>(wait_ms)) <= 0) return;
    if (polled[0].revents != 0) drain(output_, output_lines_, Stream::output);
    if (polled[1].revents != 0) drain(errors_, error_lines_, Stream::errors);
  }

  /// Reads what is there, but returns now and then, so that a talkative child cannot hide a
  /// deadline.
  void drain(Descriptor& from, Lines& lines, Stream stream) {
    const auto on_text = [&](std::string_view line) { take(stream, line); };
    std::array<char, 16384> buffer;
    for (int turn = 0; turn < 64 && from.get() >= 0; ++turn) {
      const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return;
      if (got == 0) {
        lines.end(on_text);
        from.reset();
        return;
      }
      lines.feed(std::string_view(buffer.data(), static_cast<std::size_t>(got)), on_text);
    }
  }

  void take(Stream stream, std::string_view line) {
    if (stream == Stream::errors) {
      if (last_errors_.size() == kept_lines) last_errors_.pop_front();
      last_errors_.emplace_back(line);
    }
    if (on_line_) on_line_(stream, line);
  }

  ProcessExit ended(int status) {
    // A grandchild may hold the pipes open: what is in them now is all that is waited for.
    drain(output_, output_lines_, Stream::output);
    drain(errors_, error_lines_, Stream::errors);
    output_lines_.end([&](std::string_view line) { take(Stream::output, line); });
    error_lines_.end([&](std::string_view line) { take(Stream::errors, line); });
    ProcessExit exit;
    exit.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    exit.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    exit.last_errors.assign(last_errors_.begin(), last_errors_.end());
    return exit;
  }

  ProcessExit kill_and_reap() {
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    return ended(status);
  }

  Error give_up(const Command& command, const std::stop_token& stop) {
    const std::string text = kill_and_reap().error_text();
    const std::string name = command.program.filename().string();
    if (stop.stop_requested()) {
      return Error(ErrorCode::cancelled, name + " was stopped on request", text);
    }
    return Error(ErrorCode::timed_out, name + " did not end in time and was killed", text);
  }

  pid_t pid_;
  Descriptor pidfd_;
  Descriptor output_;
  Descriptor errors_;
  const OnLine& on_line_;
  Lines output_lines_;
  Lines error_lines_;
  std::deque<std::string> last_errors_;
};

Error could_not_start(const Command& command, int reason) {
  const std::string name = command.program.string();
  if (reason == ENOENT) {
    return Error(ErrorCode::missing_program, name + " does not exist",
                 "The program (or the working directory " + command.working_directory.string() +
                     ") is not there.",
                 "Install the package that contains it, or correct the path.");
  }
  return error_from_errno("could not start " + name, reason);
}

}  // namespace

std::string ProcessExit::error_text() const {
  std::string text;
  for (const auto& line : last_errors) text += (text.empty() ? "" : "\n") + line;
  return text;
}

Result<ProcessExit> run(const Command& command, Instant deadline, const std::stop_token& stop,
                        const OnLine& on_line, const Objection& objection) {
  Prepared prepared;
  prepare(command, prepared);
  auto input = input_of(command.input);
  if (!input) return input.error();
  auto output = make_pipe(O_NONBLOCK);
  auto errors = make_pipe(O_NONBLOCK);
  auto report = make_pipe(0);
  for (const auto* made : {&output, &errors, &report}) {
    if (!*made) return made->error();
  }
  const ChildEnds ends{input->get(), output->write_end.get(), errors->write_end.get(),
                       report->write_end.get()};
  const pid_t parent = ::getpid();
  const std::string working_directory = command.working_directory.string();
  const pid_t pid = ::fork();
  if (pid < 0) return error_from_errno("could not fork", errno);
  if (pid == 0) become(prepared, ends, parent, working_directory.c_str());
  ::setpgid(pid, pid);  // both sides do it, so that the group exists whoever is first
  output->write_end.reset();
  errors->write_end.reset();
  report->write_end.reset();
  int reason = 0;
  ssize_t got = 0;
  while ((got = ::read(report->read_end.get(), &reason, sizeof reason)) < 0 && errno == EINTR) {
  }
  if (got == static_cast<ssize_t>(sizeof reason)) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return could_not_start(command, reason);
  }
  return Running(pid, std::move(output->read_end), std::move(errors->read_end), on_line)
      .wait(command, deadline, stop, objection);
}

}  // namespace evergres::net

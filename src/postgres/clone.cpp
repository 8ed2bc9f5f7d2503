#include "postgres/clone.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <system_error>

#include "base/file.hpp"
#include "net/process.hpp"
#include "postgres/begun.hpp"
#include "postgres/data_directory.hpp"
#include "postgres/history.hpp"
#include "postgres/standstill.hpp"

namespace evergres::postgres {

namespace fs = std::filesystem;

namespace {

/// What pg_basebackup says with --verbose (14 to 18). Its slowest part at the end is to sync all
/// files, of which it shows nothing: that is our own disk, and no other source would be faster.
constexpr std::array stages{
    CopyStage{"", "the source to answer", copy_patience},
    CopyStage{"initiating base backup", "the source's checkpoint and the size of its data",
              first_byte_patience},
    CopyStage{"checkpoint completed", "the source's files", copy_patience},
    CopyStage{"waiting for background process", "the last WAL of the copy", copy_patience, true},
    CopyStage{"syncing data to disk", "our own disk", std::nullopt}};

struct Progress {
  std::uint64_t done_kb = 0;
  std::uint64_t total_kb = 0;
  int percent = 0;
};

template <typename Number>
bool take(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

std::optional<Progress> parse_progress(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  Progress progress;
  const bool fits = take(line, progress.done_kb) && take(line, std::string_view("/")) &&
                    take(line, progress.total_kb) && take(line, std::string_view(" kB (")) &&
                    take(line, progress.percent) && take(line, std::string_view("%)"));
  if (!fits) return std::nullopt;
  return progress;
}

Error no_space(std::uint64_t needed_kb, std::uint64_t free) {
  return Error(ErrorCode::no_space, "there is not enough space for a clone",
               "The source has " + std::to_string(needed_kb / 1024) + " MB, and " +
                   std::to_string(free / 1048576) + " MB are free.",
               "Free some space, or give the data directory a larger file system.");
}

/// Watches pg_basebackup: its first progress line says how large the source is.
class Watch {
 public:
  Watch(const OnProgress& on_progress, std::uint64_t free, std::stop_source& too_large)
      : on_progress_(on_progress), free_(free), too_large_(too_large) {}

  void operator()(std::string_view line) {
    const auto progress = parse_progress(line);
    if (!progress) return;
    if (needed_kb_ == 0) {
      needed_kb_ = progress->total_kb;
      if (needed_kb_ * 1024 / 10 * 11 > free_) too_large_.request_stop();
    }
    if (const auto text = parse_clone_progress(line); text && on_progress_) on_progress_(*text);
  }
  [[nodiscard]] std::uint64_t needed_kb() const { return needed_kb_; }

 private:
  const OnProgress& on_progress_;
  std::uint64_t free_;
  std::stop_source& too_large_;
  std::uint64_t needed_kb_ = 0;
};

net::Command base_backup(const Server& server, const CloneRequest& request,
                         const fs::path& directory) {
  net::Command command{server.program("pg_basebackup"),
                       {"-D", directory.string(), "-d", "service=" + std::string(source_service),
                        "-X", "stream", "-c", "fast", "-P", "-v", "--no-password"},
                       {{"PGSERVICEFILE", server.source_file().string()}},
                       {},
                       {}};
  if (!request.slot.empty()) command.arguments.push_back("--slot=" + request.slot);
  return command;
}

Outcome copy(const Server& server, const CloneRequest& request, const fs::path& directory,
             const OnProgress& on_progress, Instant deadline, const std::stop_token& stop) {
  const auto service = render_service(server, source_service, request.source);
  if (!service) return service.error();
  if (auto written = write_file_durably(server.source_file(), *service, 0600); !written) {
    return written;
  }
  const auto free = free_bytes(directory);
  if (!free) return free.error();
  std::stop_source enough;
  const auto pass_on = [&enough] { enough.request_stop(); };
  const std::stop_callback<decltype(pass_on)> forward(stop, pass_on);
  Watch watch(on_progress, *free, enough);
  Standstill standstill(
      "pg_basebackup", stages,
      [&](bool streams_wal) {
        return what_was_written(directory, streams_wal, enough.get_token());
      },
      boot_now);
  const net::OnLine on_line = [&](net::Stream, std::string_view line) {
    standstill.heard(line);
    watch(line);
  };
  const auto exit = net::run(base_backup(server, request, directory), deadline, enough.get_token(),
                             on_line, [&standstill] { return standstill.look(); });
  auto removed = remove_durably(server.source_file());
  if (!exit) {
    const bool ours = exit.error().code() == ErrorCode::cancelled && !stop.stop_requested();
    return ours ? no_space(watch.needed_kb(), *free) : exit.error();
  }
  if (exit->success()) return removed;
  return Error(ErrorCode::postgres_failed, "pg_basebackup failed", exit->error_text(),
               "Look at whether the source runs and admits this node.");
}

Outcome prepare(const Server& server, const CloneRequest& request, const fs::path& directory) {
  // pg_basebackup leaves slots, pid file and statistics behind by itself.
  auto configured =
      write_configuration(server, directory, request.configuration, Gate::closed, request.major);
  if (!configured) return configured;
  auto named = replace_incarnation(directory, server.node, request.incarnation);
  if (!named) return named;
  if (auto forgotten = forget_timelines_begun(directory); !forgotten) return forgotten;
  Server copied = server;
  copied.data = directory;
  if (auto reserved = reserve_below_newest(copied); !reserved) return reserved;
  // What was copied did not begin here.
  return write_file_durably(directory / "standby.signal", "", 0600);
}

}  // namespace

std::optional<std::string> parse_clone_progress(std::string_view line) {
  const auto progress = parse_progress(line);
  if (!progress) return std::nullopt;
  return "cloning " + std::to_string(progress->done_kb / 1024) + " of " +
         std::to_string(progress->total_kb / 1024) + " MB (" + std::to_string(progress->percent) +
         " %)";
}

Outcome clone(const Server& server, const CloneRequest& request, const OnProgress& on_progress,
              Instant deadline, const std::stop_token& stop) {
  const fs::path directory = server.beside("clone-" + request.incarnation.value);
  std::error_code failed;
  fs::remove_all(directory, failed);  // of an earlier attempt with the same id
  if (failed) return error_from_errno("could not remove " + directory.string(), failed.value());
  auto done = copy(server, request, directory, on_progress, deadline, stop);
  if (done) done = prepare(server, request, directory);
  if (done && stop.stop_requested()) done = Error(ErrorCode::cancelled, "the clone was given up");
  if (!done) {
    fs::rename(directory, server.beside("replaced-" + request.incarnation.value), failed);
    return done;
  }
  if (auto placed = put_in_place(server, directory, request.incarnation.value); !placed) {
    return placed;
  }
  // A rewind that failed before may have left it; what it warned of is gone.
  return remove_rebuilding(server);
}

}  // namespace evergres::postgres

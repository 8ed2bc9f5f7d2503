#include "postgres/rewind.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <system_error>
#include <vector>

#include "base/file.hpp"
#include "net/process.hpp"
#include "postgres/begun.hpp"
#include "postgres/control_file.hpp"
#include "postgres/data_directory.hpp"
#include "postgres/standstill.hpp"

namespace evergres::postgres {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kept_tails = 3;

/// What pg_rewind says with --progress (14 to 18). Between the two lists and the copy, when it
/// syncs, and while it reads our WAL backwards from the divergence to the last common checkpoint
/// (findLastCheckpoint, which says nothing for minutes), it works on our own disk alone.
constexpr std::array stages{
    CopyStage{"", "the source to answer", copy_patience},
    CopyStage{"servers diverged at WAL location", "our own disk", std::nullopt},
    CopyStage{"reading source file list", "the list of the source's files", first_byte_patience},
    CopyStage{"reading target file list", "our own disk", std::nullopt},
    CopyStage{"need to copy", "the source's files", copy_patience},
    CopyStage{"syncing target data directory", "our own disk", std::nullopt}};

Error refused(std::string message, std::string detail, std::string hint) {
  return Error(ErrorCode::refused, std::move(message), std::move(detail), std::move(hint));
}

Outcome check_stopped(const Server& server, Instant deadline) {
  const auto control = read_control_file(server, server.data, deadline);
  if (!control) return control.error();
  if (!control->cleanly_stopped()) {
    return refused("pg_rewind needs a server that was stopped cleanly",
                   "The state of the cluster is \"" + control->state + "\".",
                   "Start it once without upstream and with a closed gate, and stop it.");
  }
  if (!control->checksums && !control->wal_log_hints) {
    return refused("pg_rewind cannot work on this data directory",
                   "It has neither data checksums nor wal_log_hints.", "Clone this node again.");
  }
  // Up to 15 pg_rewind takes the target's timeline from its latest checkpoint alone (pg_rewind.c,
  // checkPointCopy.ThisTimeLineID): it would find nothing to do for a server that ended beyond it.
  if (control->minimum_recovery_timeline > control->timeline) {
    return refused("pg_rewind would not see where this server ended",
                   "It ended on timeline " +
                       std::to_string(control->minimum_recovery_timeline.value) +
                       " without a checkpoint there; its latest one is on timeline " +
                       std::to_string(control->timeline.value) + ".",
                   "Clone this node again.");
  }
  return {};
}

/// What must be on disk before the first byte changes.
Outcome check_announced(const Server& server, const RewindRequest& request) {
  const auto incarnation = read_incarnation(server.data, server.node);
  if (!incarnation) return incarnation.error();
  const auto rebuilding = read_rebuilding(server);
  if (!rebuilding) return rebuilding.error();
  const bool announced = *rebuilding && (**rebuilding).incarnation == request.incarnation;
  if (!announced || *incarnation != request.incarnation) {
    return refused("the rewind was not announced",
                   "The new incarnation or the sentinel is not on disk.",
                   "Write both before the rewind begins.");
  }
  return {};
}

/// Slots of members, and permanent ones, belong to the WAL that goes; the directories survive a
/// rewind.
Outcome remove_slots(const fs::path& data, const std::vector<std::string>& others) {
  std::error_code failed;
  std::vector<fs::path> slots;
  for (fs::directory_iterator entry(data / "pg_replslot", failed), end; !failed && entry != end;
       entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    const bool named = std::find(others.begin(), others.end(), name) != others.end();
    if (named || name.starts_with("evg_")) slots.push_back(entry->path());
  }
  for (const auto& slot : slots) {
    if (!failed) fs::remove_all(slot, failed);
  }
  if (failed) return error_from_errno("could not remove the replication slots", failed.value());
  return sync_directory(data / "pg_replslot");
}

enum class Play { rehearsal, real };

Outcome run_rewind(const Server& server, Play play, const OnProgress& on_progress, Instant deadline,
                   const std::stop_token& stop) {
  const bool changes = play == Play::real;
  // A dry run would read all that it does not write. From this line on nothing is left to be found.
  std::stop_source known;
  const auto pass_on = [&known] { known.request_stop(); };
  const std::stop_callback<decltype(pass_on)> forward(stop, pass_on);
  net::Command command{
      server.program("pg_rewind"),
      {"--target-pgdata=" + server.data.string(),
       "--source-server=service=" + std::string(source_service) + " dbname=postgres",
       "--no-ensure-shutdown", "--progress"},
      {{"PGSERVICEFILE", server.source_file().string()}},
      {},
      {}};
  if (!changes) command.arguments.emplace_back("--dry-run");
  Standstill standstill(
      "pg_rewind", rewind_stages(),
      [&](bool streams_wal) {
        return what_was_written(server.data, streams_wal, known.get_token());
      },
      boot_now);
  const net::OnLine on_line = [&](net::Stream, std::string_view line) {
    standstill.heard(line);
    if (!changes && line.find("need to copy") != line.npos) known.request_stop();
    if (on_progress) on_progress((changes ? "rewinding: " : "rehearsing: ") + std::string(line));
  };
  const auto exit = net::run(command, deadline, known.get_token(), on_line,
                             [&standstill] { return standstill.look(); });
  if (!exit) {
    const bool enough = exit.error().code() == ErrorCode::cancelled && !stop.stop_requested();
    return enough ? Outcome{} : exit.error();
  }
  if (exit->success()) return {};
  return Error(ErrorCode::postgres_failed, "pg_rewind failed", exit->error_text(),
               changes ? "This node needs a clone now; its data directory must not be started."
                       : "Nothing was changed yet.");
}

/// While `then` runs, the service of the source can be looked up.
template <typename Then>
Outcome with_source(const Server& server, const Upstream& source, const Then& then) {
  const auto service = render_service(server, source_service, source);
  if (!service) return service.error();
  if (auto written = write_file_durably(server.source_file(), *service, 0600); !written) {
    return written;
  }
  auto done = then();
  auto removed = remove_durably(server.source_file());
  return done ? removed : done;
}

}  // namespace

std::span<const CopyStage> rewind_stages() {
  return stages;
}

Outcome rehearse_rewind(const Server& server, const Upstream& source, const OnProgress& on_progress,
                        Instant deadline, const std::stop_token& stop) {
  if (auto ready = check_stopped(server, deadline); !ready) return ready;
  return with_source(server, source, [&] {
    return run_rewind(server, Play::rehearsal, on_progress, deadline, stop);
  });
}

Outcome rewind(const Server& server, const RewindRequest& request, const OnProgress& on_progress,
               Instant deadline, const std::stop_token& stop) {
  if (auto ready = check_stopped(server, deadline); !ready) return ready;
  if (auto ready = check_announced(server, request); !ready) return ready;
  // With standby.signal pg_rewind would start a server of its own wrongly.
  if (auto removed = remove_durably(server.data / "standby.signal"); !removed) return removed;
  auto done = with_source(server, request.source, [&] {
    return run_rewind(server, Play::real, on_progress, deadline, stop);
  });
  if (!done) return done;

  for (const char* leftover : {"postmaster.pid", "postmaster.opts"}) {
    if (auto gone = remove_durably(server.data / leftover); !gone) return gone;
  }
  if (auto forgotten = forget_timelines_begun(server.data); !forgotten) return forgotten;
  // The newest history file is the source's now: it did not begin here.
  auto signal = write_file_durably(server.data / "standby.signal", "", 0600);
  if (!signal) return signal;
  if (auto gone = remove_slots(server.data, request.slots); !gone) return gone;
  auto configured =
      write_configuration(server, server.data, request.configuration, Gate::closed, request.major);
  if (!configured) return configured;
  auto named = replace_incarnation(server.data, server.node, request.incarnation);
  if (!named) return named;
  return {};
}

namespace {

std::string segment_name(TimelineId timeline, Lsn within, std::uint32_t segment_bytes) {
  const std::uint64_t number = within.value / segment_bytes;
  const std::uint64_t per_id = 0x100000000ULL / segment_bytes;
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "%08X%08X%08X", timeline.value,
                static_cast<unsigned>(number / per_id), static_cast<unsigned>(number % per_id));
  return name.data();
}

/// Segments with something between `from` and where the parts end, by name. Those behind are there
/// for later use and say nothing.
Result<std::vector<std::string>> segments_of(const Server& server,
                                             std::span<const core::Position> parts, Lsn from,
                                             std::uint32_t segment_bytes) {
  const auto is_ours = [&](const std::string& name) {
    return std::ranges::any_of(parts, [&](const core::Position& part) {
      const std::string last = segment_name(part.timeline, part.lsn, segment_bytes);
      const std::string first = segment_name(part.timeline, from, segment_bytes);
      return name.size() == last.size() && first <= name && name <= last;
    });
  };
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator entry(server.wal(), failed), end; !failed && entry != end;
       entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    if (is_ours(name)) names.push_back(name);
  }
  if (failed) return error_from_errno("could not list " + server.wal().string(), failed.value());
  std::sort(names.begin(), names.end());
  return names;
}

Outcome copy_segments(const Server& server, const std::vector<std::string>& names,
                      const fs::path& tail, std::uint32_t segment_bytes, Instant deadline) {
  for (const auto& name : names) {
    if (boot_now() >= deadline) {
      return Error(ErrorCode::timed_out, "the tail was not copied in time");
    }
    const auto segment = read_file(server.wal() / name, segment_bytes);
    if (!segment) return segment.error();
    if (auto written = write_file_durably(tail / name, *segment, 0600); !written) return written;
  }
  return {};
}

/// The oldest go first, by the time of their last change.
Outcome drop_old_tails(const Server& server) {
  std::error_code failed;
  std::vector<std::pair<fs::file_time_type, fs::path>> tails;
  for (fs::directory_iterator entry(server.tails(), failed), end; !failed && entry != end;
       entry.increment(failed)) {
    tails.emplace_back(entry->last_write_time(failed), entry->path());
  }
  if (failed) return error_from_errno("could not list the kept tails", failed.value());
  std::sort(tails.begin(), tails.end());
  for (std::size_t at = 0; at + kept_tails < tails.size(); ++at) {
    fs::remove_all(tails[at].second, failed);
    if (failed) return error_from_errno("could not remove an old tail", failed.value());
  }
  return sync_directory(server.tails());
}

}  // namespace

Outcome keep_tail(const Server& server, std::span<const core::Position> parts, Lsn from,
                  Instant deadline) {
  const auto control = read_control_file(server, server.data, deadline);
  if (!control) return control.error();
  const std::uint32_t segment_bytes = control->wal_segment_bytes;
  const auto names = segments_of(server, parts, from, segment_bytes);
  if (!names) return names.error();
  if (names->empty()) return {};
  std::string position = from.text();
  std::replace(position.begin(), position.end(), '/', '-');
  const fs::path tail =
      server.tails() / (std::to_string(parts.front().timeline.value) + "-" + position);
  const fs::path copy = tail.string() + ".part";
  std::error_code failed;
  fs::remove_all(copy, failed);
  fs::create_directories(copy, failed);
  if (failed) return error_from_errno("could not create " + copy.string(), failed.value());
  if (auto copied = copy_segments(server, *names, copy, segment_bytes, deadline); !copied) {
    fs::remove_all(copy, failed);  // it may be what filled the disk
    return copied;
  }
  // What an earlier try kept stays until then.
  fs::remove_all(tail, failed);
  fs::rename(copy, tail, failed);
  if (failed) return error_from_errno("could not rename " + copy.string(), failed.value());
  return drop_old_tails(server);
}

}  // namespace evergres::postgres

#include "postgres/wal_end.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <system_error>

#include "net/process.hpp"
#include "postgres/history.hpp"

namespace evergres::postgres {

namespace {

constexpr std::uint64_t short_page_header = 24;  // SizeOfXLogShortPHD
constexpr std::uint64_t long_page_header = 40;   // SizeOfXLogLongPHD, first page of a segment
constexpr std::uint64_t alignment = 8;

/// What pg_waldump (14 to 18) says where WAL simply ends. Anything else is a failure.
constexpr std::array<std::string_view, 3> end_messages{
    "error in WAL record at ", "could not find a valid record after ", "first record is after "};

bool is_end_message(std::string_view line) {
  return std::any_of(end_messages.begin(), end_messages.end(), [&](std::string_view message) {
    return line.find(message) != std::string_view::npos;
  });
}

std::string segment_name(TimelineId timeline, std::uint64_t number, std::uint64_t segment_bytes) {
  const std::uint64_t per_id = 0x100000000ULL / segment_bytes;
  char name[32];
  std::snprintf(name, sizeof name, "%08X%08X%08X", timeline.value,
                static_cast<unsigned>(number / per_id), static_cast<unsigned>(number % per_id));
  return name;
}

/// The segments that exist without a gap from some position on.
struct Segments {
  std::string first;
  std::string last;
  Lsn end;  ///< of the last one
};

std::optional<Segments> segments_from(const Server& server, TimelineId timeline, Lsn from,
                                      std::uint64_t segment_bytes) {
  const auto exists = [&](std::uint64_t number) {
    std::error_code failed;
    return std::filesystem::exists(server.wal() / segment_name(timeline, number, segment_bytes),
                                   failed);
  };
  const std::uint64_t first = from.value / segment_bytes;
  if (!exists(first)) return std::nullopt;
  std::uint64_t last = first;
  while (exists(last + 1)) ++last;
  return Segments{segment_name(timeline, first, segment_bytes),
                  segment_name(timeline, last, segment_bytes), Lsn{(last + 1) * segment_bytes}};
}

/// Whether a record was ever written to the segment: it begins with a page header that names the
/// size of segments (XLogLongPageHeaderData, xlog_internal.h). One that was created ahead of its
/// use is all zeros.
Result<bool> was_begun(const std::filesystem::path& segment, std::uint32_t segment_bytes) {
  std::ifstream file(segment, std::ios::binary);
  std::array<char, long_page_header> page{};
  if (!file.read(page.data(), page.size())) {
    return Error(ErrorCode::data_invalid, "could not read the begin of " + segment.string());
  }
  std::uint16_t info = 0;
  std::uint32_t bytes = 0;
  std::memcpy(&info, page.data() + 2, sizeof info);
  std::memcpy(&bytes, page.data() + 32, sizeof bytes);
  constexpr std::uint16_t long_header = 0x0002;  // XLP_LONG_HEADER
  return (info & long_header) != 0 && bytes == segment_bytes;
}

std::optional<std::string_view> between(std::string_view line, std::string_view before,
                                        char after) {
  const auto at = line.find(before);
  if (at == std::string_view::npos) return std::nullopt;
  const auto rest = line.substr(at + before.size());
  const auto end = rest.find(after);
  if (end == std::string_view::npos) return std::nullopt;
  return rest.substr(0, end);
}

struct Dump {
  std::optional<WalRecordLine> last;
  bool ended = true;  ///< it stopped at the given end, or where no valid record follows
  std::string errors;
};

/// Reads the segments from `from` on.
///
/// Both segments are named. Without the first, pg_waldump takes the size of segments from any file
/// that it finds in the directory (search_directory), and gives up if that one was created ahead of
/// its use; without the last it refuses an end in a later segment; and without an end it waits five
/// seconds for a segment that is not there (WALDumpOpenSegment).
Result<Dump> dump(const Server& server, TimelineId timeline, Lsn from, const Segments& segments,
                  Instant deadline, const std::stop_token& stop) {
  Dump read;
  const net::OnLine on_line = [&](net::Stream stream, std::string_view line) {
    if (stream != net::Stream::output) return;
    if (const auto record = parse_record_line(line)) read.last = record;
  };
  std::vector<std::string> arguments{"-p", server.wal().string(), "-t",
                                     std::to_string(timeline.value)};
  arguments.insert(arguments.end(), {"-s", from.text(), "-e", segments.end.text()});
  arguments.insert(arguments.end(), {segments.first, segments.last});
  const net::Command command{server.program("pg_waldump"), arguments, {}, {}, {}};
  const auto exit = net::run(command, deadline, stop, on_line);
  if (!exit) return exit.error();
  read.errors = exit->error_text();
  read.ended = exit->success() || (exit->signal == 0 && is_end_message(read.errors));
  return read;
}

/// A timeline that leaves another one, or a descendant of it, not before some position.
struct Descendant {
  TimelineId timeline;
  Lsn begins;  ///< where it leaves its own parent
};

/// The descendants that pg_wal has real histories of, newest first.
Result<std::vector<Descendant>> descendants_of(const Server& server, TimelineId timeline,
                                               Lsn from) {
  std::vector<Descendant> found;
  const auto newest = newest_timeline(server);
  if (!newest) return newest.error();
  if (!*newest || (*newest)->value <= timeline.value) return found;
  const auto reserved = reserved_histories(server);
  if (!reserved) return reserved.error();
  std::error_code failed;
  for (std::uint32_t id = (*newest)->value; id > timeline.value; --id) {
    const TimelineId child{id};
    if (std::binary_search(reserved->begin(), reserved->end(), child)) continue;
    if (!std::filesystem::exists(server.wal() / history_file_name(child), failed)) continue;
    const auto history = read_history(server, child);
    if (!history) return history.error();
    Lsn left{UINT64_MAX};  // a later timeline may have been left before an earlier one
    for (auto step = history->rbegin(); step != history->rend(); ++step) {
      left = std::min(left, step->switch_lsn);
      if (step->parent != timeline || left < from) continue;
      found.push_back(Descendant{child, history->back().switch_lsn});
    }
  }
  return found;
}

Error dump_failed(const std::string& errors) {
  return Error(ErrorCode::postgres_failed, "could not read the end of the WAL",
               errors.empty() ? "pg_waldump gave no reason." : errors,
               "Look at pg_wal of this node; clone the node again if it is damaged.");
}

/// Reads the end of WAL of a server whose control file is known.
struct Reader {
  const Server& server;
  const ControlFile& control;
  Instant deadline;
  const std::stop_token& stop;

  [[nodiscard]] Result<Lsn> end_of_wal(TimelineId timeline, Lsn from) const;
  [[nodiscard]] Result<WalEnd> end_along_timelines(TimelineId timeline, Lsn from) const;
  [[nodiscard]] std::optional<Lsn> end_of_shutdown_checkpoint() const;
};

/// No record follows the shutdown checkpoint of a server that was stopped cleanly as a primary: its
/// end is found without a program. Nothing in another state, or if the header at its position is
/// not one of such a record (XLogRecord in xlogrecord.h: total length, xid, previous, info,
/// resource manager; the same from 14 to 18).
std::optional<Lsn> Reader::end_of_shutdown_checkpoint() const {
  if (control.state != "shut down") return std::nullopt;
  const auto number = control.checkpoint.value / control.wal_segment_bytes;
  std::ifstream file(
      server.wal() / segment_name(control.timeline, number, control.wal_segment_bytes),
      std::ios::binary);
  file.seekg(static_cast<std::streamoff>(control.checkpoint.value % control.wal_segment_bytes));
  std::array<char, 24> header{};
  if (!file.read(header.data(), header.size())) return std::nullopt;
  WalRecordLine record;
  record.begin = control.checkpoint;
  std::memcpy(&record.total_bytes, header.data(), sizeof record.total_bytes);
  const auto info = static_cast<unsigned char>(header[16]);
  const auto manager = static_cast<unsigned char>(header[17]);
  constexpr unsigned kind_bits = 0xF0;  // the others are flags; kind 0 is CHECKPOINT_SHUTDOWN
  constexpr std::uint32_t most = 1024;  // it is about 114 bytes long
  const bool fits = manager == 0 && (info & kind_bits) == 0 && record.total_bytes > header.size() &&
                    record.total_bytes < most;
  if (!fits) return std::nullopt;
  return end_of_record(record, control.wal_block_bytes, control.wal_segment_bytes);
}

Result<Lsn> Reader::end_of_wal(TimelineId timeline, Lsn from) const {
  const auto segments = segments_from(server, timeline, from, control.wal_segment_bytes);
  const bool at_start = from.value % control.wal_segment_bytes == 0;
  if (!segments) {
    if (at_start) return from;
    return Error(ErrorCode::not_found, "the WAL segment of " + from.text() + " is missing",
                 "pg_wal has no segment of timeline " + std::to_string(timeline.value) +
                     " with this position.");
  }
  const auto begun = was_begun(server.wal() / segments->first, control.wal_segment_bytes);
  if (!begun) return begun.error();
  if (!*begun && at_start) return from;
  const auto read = dump(server, timeline, from, *segments, deadline, stop);
  if (!read) return read.error();
  if (!read->ended) return dump_failed(read->errors);
  if (!read->last) return from;
  return std::max(from,
                  end_of_record(*read->last, control.wal_block_bytes, control.wal_segment_bytes));
}

Result<WalEnd> Reader::end_along_timelines(TimelineId timeline, Lsn from) const {
  const auto descendants = descendants_of(server, timeline, from);
  if (!descendants) return descendants.error();
  for (const Descendant& child : *descendants) {
    const auto end = end_of_wal(child.timeline, child.begins);
    if (!end && end.error().code() == ErrorCode::not_found)
      continue;  // only its history was fetched
    if (!end) return end.error();
    if (*end > child.begins) return WalEnd{child.timeline, *end};
  }
  const auto end = end_of_wal(timeline, from);
  if (!end) return end.error();
  return WalEnd{timeline, *end};
}

}  // namespace

std::optional<WalRecordLine> parse_record_line(std::string_view line) {
  if (!line.starts_with("rmgr: ")) return std::nullopt;
  const auto lengths = between(line, "len (rec/tot): ", ',');
  const auto position = between(line, "lsn: ", ',');
  if (!lengths || !position) return std::nullopt;
  const auto slash = lengths->find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto total = lengths->substr(slash + 1);
  total.remove_prefix(std::min(total.find_first_not_of(' '), total.size()));
  WalRecordLine record;
  const auto [end, error] =
      std::from_chars(total.data(), total.data() + total.size(), record.total_bytes);
  const auto begin = Lsn::parse(*position);
  if (error != std::errc{} || !begin || record.total_bytes == 0) return std::nullopt;
  record.begin = *begin;
  record.is_switch =
      line.starts_with("rmgr: XLOG ") && line.find("desc: SWITCH") != std::string_view::npos;
  return record;
}

Lsn end_of_record(const WalRecordLine& record, std::uint32_t block_bytes,
                  std::uint32_t segment_bytes) {
  std::uint64_t at = record.begin.value;
  if (record.is_switch) return Lsn{(at / segment_bytes + 1) * segment_bytes};
  std::uint64_t left = (record.total_bytes + alignment - 1) / alignment * alignment;
  while (left > 0) {
    if (at % segment_bytes == 0) {
      at += long_page_header;
    } else if (at % block_bytes == 0) {
      at += short_page_header;
    }
    const std::uint64_t room = block_bytes - at % block_bytes;
    const std::uint64_t here = std::min(room, left);
    at += here;
    left -= here;
  }
  return Lsn{at};
}

Result<Lsn> end_of_wal(const Server& server, TimelineId timeline, Lsn from, Instant deadline,
                       const std::stop_token& stop) {
  const auto control = read_control_file(server, server.data, deadline);
  if (!control) return control.error();
  return Reader{server, *control, deadline, stop}.end_of_wal(timeline, from);
}

Result<WalEnd> end_along_timelines(const Server& server, TimelineId timeline, Lsn from,
                                   Instant deadline, const std::stop_token& stop) {
  const auto control = read_control_file(server, server.data, deadline);
  if (!control) return control.error();
  return Reader{server, *control, deadline, stop}.end_along_timelines(timeline, from);
}

Result<WalEnd> end_of_stopped(const Server& server, const ControlFile& control, Instant deadline,
                              const std::stop_token& stop) {
  TimelineId timeline = control.timeline;
  Lsn from = control.checkpoint;
  if (control.minimum_recovery_end > from) {
    from = control.minimum_recovery_end;
    timeline = std::max(timeline, control.minimum_recovery_timeline);
  }
  const Reader reader{server, control, deadline, stop};
  // The checkpoint may be older than a switch of timelines that was promoted to or received since.
  const auto descendants = descendants_of(server, timeline, from);
  if (!descendants) return descendants.error();
  if (descendants->empty() && from == control.checkpoint) {
    if (const auto end = reader.end_of_shutdown_checkpoint()) return WalEnd{timeline, *end};
  }
  return reader.end_along_timelines(timeline, from);
}

Result<TimelineId> timeline_of_received(const Server& server, TimelineId replayed, Lsn replay,
                                        Lsn received, Instant deadline) {
  const auto descendants = descendants_of(server, replayed, replay);
  if (!descendants) return descendants.error();
  if (descendants->empty() || received <= replay) return replayed;
  const auto control = read_control_file(server, server.data, deadline);
  if (!control) return control.error();
  const std::uint64_t last = (received.value - 1) / control->wal_segment_bytes;
  std::error_code failed;
  for (const Descendant& child : *descendants) {
    if (received <= child.begins) continue;
    const auto segment = segment_name(child.timeline, last, control->wal_segment_bytes);
    if (std::filesystem::exists(server.wal() / segment, failed)) return child.timeline;
  }
  return replayed;
}

}  // namespace evergres::postgres

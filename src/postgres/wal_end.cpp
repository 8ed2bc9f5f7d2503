#include "postgres/wal_end.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <system_error>

#include "net/process.hpp"

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

std::filesystem::path segment_file(const Server& server, TimelineId timeline, std::uint64_t number,
                                   std::uint64_t segment_bytes) {
  const std::uint64_t per_id = 0x100000000ULL / segment_bytes;
  char name[32];
  std::snprintf(name, sizeof name, "%08X%08X%08X", timeline.value,
                static_cast<unsigned>(number / per_id), static_cast<unsigned>(number % per_id));
  return server.wal() / name;
}

/// The end of the last segment that exists without a gap from `from` on. pg_waldump would wait five
/// seconds for a segment that is not there (WALDumpOpenSegment), so it is told where to stop.
std::optional<Lsn> end_of_segments(const Server& server, TimelineId timeline, Lsn from,
                                   std::uint64_t segment_bytes) {
  std::uint64_t number = from.value / segment_bytes;
  std::error_code failed;
  if (!std::filesystem::exists(segment_file(server, timeline, number, segment_bytes), failed)) {
    return std::nullopt;
  }
  while (std::filesystem::exists(segment_file(server, timeline, number, segment_bytes), failed)) {
    ++number;
  }
  return Lsn{number * segment_bytes};
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

Result<Dump> dump(const Server& server, const std::vector<std::string>& arguments, Instant deadline,
                  const std::stop_token& stop) {
  Dump read;
  const net::OnLine on_line = [&](net::Stream stream, std::string_view line) {
    if (stream != net::Stream::output) return;
    if (const auto record = parse_record_line(line)) read.last = record;
  };
  const net::Command command{server.program("pg_waldump"), arguments, {}, {}, {}};
  const auto exit = net::run(command, deadline, stop, on_line);
  if (!exit) return exit.error();
  read.errors = exit->error_text();
  read.ended = exit->success() || (exit->signal == 0 && is_end_message(read.errors));
  return read;
}

Error dump_failed(const std::string& errors) {
  return Error(ErrorCode::postgres_failed, "could not read the end of the WAL",
               errors.empty() ? "pg_waldump gave no reason." : errors,
               "Look at pg_wal of this node; clone the node again if it is damaged.");
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
  record.is_switch = line.starts_with("rmgr: XLOG ") &&
                     line.find("desc: SWITCH") != std::string_view::npos;
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
  const auto limit = end_of_segments(server, timeline, from, control->wal_segment_bytes);
  if (!limit) {
    if (from.value % control->wal_segment_bytes == 0) return from;
    return Error(ErrorCode::not_found, "the WAL segment of " + from.text() + " is missing",
                 "pg_wal has no segment of timeline " + std::to_string(timeline.value) +
                     " with this position.");
  }
  const auto read = dump(server,
                         {"-p", server.wal().string(), "-t", std::to_string(timeline.value), "-s",
                          from.text(), "-e", limit->text()},
                         deadline, stop);
  if (!read) return read.error();
  if (!read->ended) return dump_failed(read->errors);
  if (!read->last) return from;
  return std::max(
      from, end_of_record(*read->last, control->wal_block_bytes, control->wal_segment_bytes));
}

Result<Lsn> end_of_shutdown_checkpoint(const Server& server, Instant deadline) {
  const auto control = read_control_file(server, server.data, deadline);
  if (!control) return control.error();
  if (control->state != "shut down") {
    return Error(ErrorCode::refused, "there is no shutdown checkpoint",
                 "The state of the cluster is \"" + control->state + "\".",
                 "Read the end of the WAL instead.");
  }
  const auto read = dump(server,
                         {"-p", server.wal().string(), "-t",
                          std::to_string(control->timeline.value), "-s", control->checkpoint.text(),
                          "-n", "1"},
                         deadline, {});
  if (!read) return read.error();
  if (!read->last || read->last->begin != control->checkpoint) return dump_failed(read->errors);
  return end_of_record(*read->last, control->wal_block_bytes, control->wal_segment_bytes);
}

}  // namespace evergres::postgres

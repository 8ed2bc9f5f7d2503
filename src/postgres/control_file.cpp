#include "postgres/control_file.hpp"

#include <charconv>
#include <map>

#include "net/process.hpp"

namespace evergres::postgres {

namespace {

using Values = std::map<std::string, std::string, std::less<>>;

Values split(std::string_view text) {
  Values values;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    const auto colon = line.find(':');
    if (colon != std::string_view::npos) {
      const auto begin = line.find_first_not_of(" \t", colon + 1);
      values.emplace(line.substr(0, colon),
                     begin == std::string_view::npos ? std::string_view{} : line.substr(begin));
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return values;
}

/// Collects the first line that is missing or malformed.
class Reader {
 public:
  explicit Reader(const Values& values) : values_(values) {}

  std::string text(std::string_view name) {
    const auto found = values_.find(name);
    if (found == values_.end()) {
      fail(name, "is missing");
      return {};
    }
    return found->second;
  }
  template <typename Number>
  Number number(std::string_view name) {
    const std::string value = text(name);
    Number parsed{};
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (error != std::errc{} || end != value.data() + value.size()) fail(name, "is no number");
    return parsed;
  }
  Lsn lsn(std::string_view name) {
    const auto parsed = Lsn::parse(text(name));
    if (!parsed) fail(name, "is no position");
    return parsed.value_or(Lsn{});
  }
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  void fail(std::string_view name, const char* why) {
    if (trouble_.empty()) trouble_ = "\"" + std::string(name) + "\" " + why + ".";
  }
  const Values& values_;
  std::string trouble_;
};

}  // namespace

Result<ControlFile> parse_control_file(std::string_view text) {
  const Values values = split(text);
  Reader read(values);
  ControlFile control;
  control.system_id = SystemId{read.number<std::uint64_t>("Database system identifier")};
  control.state = read.text("Database cluster state");
  control.checkpoint = read.lsn("Latest checkpoint location");
  control.redo = read.lsn("Latest checkpoint's REDO location");
  control.timeline = TimelineId{read.number<std::uint32_t>("Latest checkpoint's TimeLineID")};
  control.previous_timeline =
      TimelineId{read.number<std::uint32_t>("Latest checkpoint's PrevTimeLineID")};
  control.minimum_recovery_end = read.lsn("Minimum recovery ending location");
  control.minimum_recovery_timeline =
      TimelineId{read.number<std::uint32_t>("Min recovery ending loc's timeline")};
  control.checksums = read.number<int>("Data page checksum version") != 0;
  control.wal_log_hints = read.text("wal_log_hints setting") == "on";
  control.wal_segment_bytes = read.number<std::uint32_t>("Bytes per WAL segment");
  control.wal_block_bytes = read.number<std::uint32_t>("WAL block size");
  control.max_connections = read.number<int>("max_connections setting");
  control.max_worker_processes = read.number<int>("max_worker_processes setting");
  control.max_wal_senders = read.number<int>("max_wal_senders setting");
  control.max_prepared_xacts = read.number<int>("max_prepared_xacts setting");
  control.max_locks_per_xact = read.number<int>("max_locks_per_xact setting");
  if (!read.trouble().empty()) {
    return Error(ErrorCode::data_invalid, "could not understand pg_controldata", read.trouble());
  }
  return control;
}

Result<ControlFile> read_control_file(const Server& server, const std::filesystem::path& directory,
                                      Instant deadline) {
  std::string text;
  const net::OnLine on_line = [&](net::Stream stream, std::string_view line) {
    if (stream == net::Stream::output && text.size() < 65536) text.append(line).push_back('\n');
  };
  const net::Command command{
      server.program("pg_controldata"), {"-D", directory.string()}, {}, {}, {}};
  const auto exit = net::run(command, deadline, {}, on_line);
  if (!exit) return exit.error();
  if (!(*exit).success()) {
    return Error(ErrorCode::postgres_failed,
                 "could not read the control file of " + directory.string(), (*exit).error_text(),
                 "Clone this node again if the data directory is damaged.");
  }
  return parse_control_file(text);
}

}  // namespace evergres::postgres

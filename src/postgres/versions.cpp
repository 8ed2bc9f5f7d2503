#include "postgres/versions.hpp"

#include <unistd.h>

#include <array>
#include <charconv>

#include "net/process.hpp"

namespace evergres::postgres {

namespace {

using std::string_view;

constexpr std::array<string_view, 0> removed_14{};
constexpr std::array removed_15{string_view{"stats_temp_directory"}};
constexpr std::array removed_16{
    string_view{"stats_temp_directory"}, string_view{"promote_trigger_file"},
    string_view{"vacuum_defer_cleanup_age"}, string_view{"force_parallel_mode"}};
constexpr std::array removed_17{
    string_view{"stats_temp_directory"},     string_view{"promote_trigger_file"},
    string_view{"vacuum_defer_cleanup_age"}, string_view{"force_parallel_mode"},
    string_view{"old_snapshot_threshold"},   string_view{"db_user_namespace"},
    string_view{"trace_recovery_messages"}};

constexpr std::array<MajorVersion, 5> rows{
    MajorVersion{14, removed_14, "postgresql-14"}, MajorVersion{15, removed_15, "postgresql-15"},
    MajorVersion{16, removed_16, "postgresql-16"}, MajorVersion{17, removed_17, "postgresql-17"},
    MajorVersion{18, removed_17, "postgresql-18"}};

constexpr std::array programs{"initdb",        "postgres",       "pg_rewind",
                              "pg_basebackup", "pg_controldata", "pg_waldump"};

bool complete(const std::filesystem::path& bin_dir) {
  for (const char* program : programs) {
    if (::access((bin_dir / program).c_str(), X_OK) != 0) return false;
  }
  return true;
}

}  // namespace

std::span<const MajorVersion> major_versions() {
  return rows;
}

const MajorVersion* find_major(int major) {
  for (const auto& row : rows) {
    if (row.major == major) return &row;
  }
  return nullptr;
}

Result<std::filesystem::path> find_bin_directory(const std::filesystem::path& root) {
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    const auto bin_dir = root / std::to_string(row->major) / "bin";
    if (complete(bin_dir)) return bin_dir;
  }
  return Error(ErrorCode::missing_program, "no PostgreSQL server is installed",
               "No major version from 14 to 18 is complete under " + root.string() + ".",
               "Install the package postgresql-15 (or another major version), or set "
               "bin_directory.");
}

std::optional<int> parse_program_major(std::string_view text) {
  constexpr std::string_view lead = "postgres (PostgreSQL) ";
  if (!text.starts_with(lead)) return std::nullopt;
  text.remove_prefix(lead.size());
  int major = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), major);
  if (error != std::errc{} || major < 10 || end == text.data()) return std::nullopt;
  return major;
}

Result<int> program_major(const std::filesystem::path& bin_dir, Instant deadline) {
  std::string said;
  const net::OnLine on_line = [&](net::Stream stream, std::string_view line) {
    if (stream == net::Stream::output && said.empty()) said = line;
  };
  const auto exit =
      net::run({bin_dir / "postgres", {"--version"}, {}, {}, {}}, deadline, {}, on_line);
  if (!exit) {
    if (exit.error().code() != ErrorCode::missing_program) return exit.error();
    return Error(ErrorCode::missing_program, "PostgreSQL is not installed in " + bin_dir.string(),
                 exit.error().detail(),
                 "Install the package postgresql-15 (or another major version from 14 to 18), or "
                 "correct bin_directory.");
  }
  if (const auto major = parse_program_major(said)) return *major;
  return Error(ErrorCode::postgres_failed, "could not read the version of PostgreSQL",
               (bin_dir / "postgres").string() + " --version said: " + said + (*exit).error_text());
}

}  // namespace evergres::postgres

#include "postgres/versions.hpp"

#include <unistd.h>

#include <algorithm>
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

constexpr std::array added_15{
    string_view{"allow_in_place_tablespaces"},    string_view{"archive_library"},
    string_view{"log_startup_progress_interval"}, string_view{"recovery_prefetch"},
    string_view{"recursive_worktable_factor"},    string_view{"stats_fetch_consistency"},
    string_view{"wal_decode_buffer_size"}};
constexpr std::array added_16{string_view{"createrole_self_grant"},
                              string_view{"debug_io_direct"},
                              string_view{"debug_logical_replication_streaming"},
                              string_view{"debug_parallel_query"},
                              string_view{"enable_presorted_aggregate"},
                              string_view{"gss_accept_delegation"},
                              string_view{"icu_validation_level"},
                              string_view{"max_parallel_apply_workers_per_subscription"},
                              string_view{"reserved_connections"},
                              string_view{"scram_iterations"},
                              string_view{"send_abort_for_crash"},
                              string_view{"send_abort_for_kill"},
                              string_view{"vacuum_buffer_usage_limit"}};
constexpr std::array added_17{string_view{"allow_alter_system"},
                              string_view{"commit_timestamp_buffers"},
                              string_view{"enable_group_by_reordering"},
                              string_view{"event_triggers"},
                              string_view{"io_combine_limit"},
                              string_view{"max_notify_queue_pages"},
                              string_view{"multixact_member_buffers"},
                              string_view{"multixact_offset_buffers"},
                              string_view{"notify_buffers"},
                              string_view{"serializable_buffers"},
                              string_view{"subtransaction_buffers"},
                              string_view{"summarize_wal"},
                              string_view{"sync_replication_slots"},
                              string_view{"synchronized_standby_slots"},
                              string_view{"trace_connection_negotiation"},
                              string_view{"transaction_buffers"},
                              string_view{"transaction_timeout"},
                              string_view{"wal_summary_keep_time"}};
constexpr std::array added_18{string_view{"autovacuum_vacuum_max_threshold"},
                              string_view{"autovacuum_worker_slots"},
                              string_view{"enable_distinct_reordering"},
                              string_view{"enable_self_join_elimination"},
                              string_view{"extension_control_path"},
                              string_view{"file_copy_method"},
                              string_view{"idle_replication_slot_timeout"},
                              string_view{"io_max_combine_limit"},
                              string_view{"io_max_concurrency"},
                              string_view{"io_method"},
                              string_view{"io_workers"},
                              string_view{"log_lock_failures"},
                              string_view{"max_active_replication_origins"},
                              string_view{"md5_password_warnings"},
                              string_view{"oauth_validator_libraries"},
                              string_view{"ssl_groups"},
                              string_view{"ssl_tls13_ciphers"},
                              string_view{"track_cost_delay_timing"},
                              string_view{"vacuum_max_eager_freeze_failure_rate"},
                              string_view{"vacuum_truncate"}};

constexpr std::array<MajorVersion, 5> rows{MajorVersion{14, removed_14, {}, "postgresql-14"},
                                           MajorVersion{15, removed_15, added_15, "postgresql-15"},
                                           MajorVersion{16, removed_16, added_16, "postgresql-16"},
                                           MajorVersion{17, removed_17, added_17, "postgresql-17"},
                                           MajorVersion{18, removed_17, added_18, "postgresql-18"}};

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

int since_major(std::string_view parameter) {
  for (const auto& row : rows) {
    if (std::ranges::find(row.added, parameter) != row.added.end()) return row.major;
  }
  return rows.front().major;
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

#include "postgres/parameters.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "postgres/versions.hpp"

namespace evergres::postgres {
namespace {

using enum Owner;
using std::string_view;

constexpr std::string_view by_node_file = "It is an option of node.yaml on each node.";
constexpr std::string_view by_endpoint =
    "A certificate for applications is that of the endpoint: proxy.tls_certificate in node.yaml.";
constexpr std::string_view remove_it = "Remove it.";
constexpr std::string_view no_library =
    "A library that cannot be loaded would end every new connection, ours as well.";
constexpr std::string_view by_shared =
    "Use shared_preload_libraries, or ALTER ROLE or ALTER DATABASE … SET it.";
constexpr std::string_view no_recovery =
    "A standby of Evergres follows the recorded leader to the end.";

constexpr std::array owned{
    OwnedParameter{"archive_cleanup_command", evergres, "Evergres decides what WAL is kept.",
                   remove_it},
    OwnedParameter{"cluster_name", evergres, "It is the name of the cluster.",
                   "Set cluster in node.yaml before init."},
    OwnedParameter{"config_file", evergres, "Evergres writes this file.", remove_it},
    OwnedParameter{"data_directory", evergres, "It says where the node is.",
                   "Set data_directory in node.yaml."},
    OwnedParameter{"data_sync_retry", forbidden,
                   "After a failed fsync PostgreSQL must stop: the kernel may have dropped the "
                   "data.",
                   remove_it},
    OwnedParameter{"db_user_namespace", forbidden, "It changes the names of roles.", remove_it},
    OwnedParameter{"external_pid_file", evergres, "The supervisor watches the process itself.",
                   remove_it},
    OwnedParameter{"fsync", evergres, "Without it an acknowledged commit is not on the disk.",
                   remove_it},
    OwnedParameter{"full_page_writes", evergres, "Without it a crash can tear pages.", remove_it},
    OwnedParameter{"hba_file", evergres, "Evergres writes pg_hba.conf: it is the gate.",
                   "Use the option allow."},
    OwnedParameter{"hot_standby", evergres, "Evergres asks standbys where they are.", remove_it},
    OwnedParameter{"ident_file", evergres, "Evergres writes pg_ident.conf.", remove_it},
    OwnedParameter{"ignore_invalid_pages", forbidden, "It hides corruption in recovery.",
                   remove_it},
    OwnedParameter{"include*", forbidden, "An included file could set what others own.",
                   "Set the parameters themselves."},
    OwnedParameter{"lc_messages", forbidden, "Evergres reads the messages of PostgreSQL's log.",
                   "Roles and databases may have their own: ALTER ROLE … SET lc_messages."},
    OwnedParameter{"listen_addresses", evergres, "PostgreSQL listens where the members reach it.",
                   "Set postgres_host in node.yaml."},
    OwnedParameter{"local_preload_libraries", forbidden, no_library, by_shared},
    OwnedParameter{"logging_collector", forbidden,
                   "The supervisor writes the log, and Evergres reads in it why a server ended.",
                   "`evergres logs` shows it."},
    OwnedParameter{"password_encryption", evergres, "The gate admits SCRAM only.", remove_it},
    OwnedParameter{"port", evergres, "The members know the node by it.",
                   "Set postgres_port in node.yaml."},
    OwnedParameter{"post_auth_delay", forbidden, "Each connection would wait, ours as well.",
                   remove_it},
    OwnedParameter{"pre_auth_delay", forbidden, "Each connection would wait, ours as well.",
                   remove_it},
    OwnedParameter{"primary_conninfo", evergres, "It says whom a standby follows.",
                   "`evergres switchover` changes the primary."},
    OwnedParameter{"primary_slot_name", evergres, "Each node has its slot on the leader.",
                   remove_it},
    OwnedParameter{"promote_trigger_file", forbidden, "Only Evergres promotes.",
                   "Use `evergres switchover` or `evergres failover`."},
    OwnedParameter{"recovery_end_command", evergres, "A promotion waits for nothing else.",
                   remove_it},
    OwnedParameter{"recovery_init_sync_method", evergres, "syncfs is right and fast.", remove_it},
    OwnedParameter{"recovery_target*", forbidden, no_recovery, remove_it},
    OwnedParameter{"restart_after_crash", evergres,
                   "A primary that crashed must not come back as primary by itself.", remove_it},
    OwnedParameter{"restore_command", evergres,
                   "WAL that comes past Evergres would break the fence of a failover.", remove_it},
    OwnedParameter{"session_preload_libraries", forbidden, no_library, by_shared},
    OwnedParameter{"ssl", evergres, "TLS is always on.", remove_it},
    OwnedParameter{"ssl_ca_file", evergres,
                   "The members and endpoints of the cluster are known by it.", by_endpoint},
    OwnedParameter{"ssl_cert_file", evergres, "Evergres makes and renews the certificate.",
                   by_endpoint},
    OwnedParameter{"ssl_key_file", evergres, "Evergres makes the key.", by_endpoint},
    OwnedParameter{"standby_mode", forbidden, no_recovery, remove_it},
    OwnedParameter{"synchronous_standby_names", evergres,
                   "It is the policy: who must have a commit before it is acknowledged.",
                   "Use the options durability and acknowledgements."},
    OwnedParameter{"unix_socket_directories", evergres, by_node_file,
                   "Set run_directory in node.yaml."},
    OwnedParameter{"unix_socket_group", evergres, "The socket is for the agent.", remove_it},
    OwnedParameter{"unix_socket_permissions", evergres, "The socket is for the agent.", remove_it},
    OwnedParameter{"wal_log_hints", evergres, "pg_rewind needs it.", remove_it},
    OwnedParameter{"wal_retrieve_retry_interval", evergres, "The fence counts on it.", remove_it},
};

/// What is taken at a start only, with the versions that know it so. 99: still.
struct AtStart {
  string_view name;
  int since = 14;
  int until = 99;
};

constexpr std::array at_start{AtStart{"archive_mode"},
                              AtStart{"autovacuum_freeze_max_age"},
                              AtStart{"autovacuum_max_workers", 14, 17},
                              AtStart{"autovacuum_multixact_freeze_max_age"},
                              AtStart{"autovacuum_worker_slots", 18},
                              AtStart{"bonjour"},
                              AtStart{"bonjour_name"},
                              AtStart{"cluster_name"},
                              AtStart{"commit_timestamp_buffers", 17},
                              AtStart{"config_file"},
                              AtStart{"data_directory"},
                              AtStart{"data_sync_retry"},
                              AtStart{"debug_io_direct", 16},
                              AtStart{"dynamic_shared_memory_type"},
                              AtStart{"event_source"},
                              AtStart{"external_pid_file"},
                              AtStart{"hba_file"},
                              AtStart{"hot_standby"},
                              AtStart{"huge_page_size"},
                              AtStart{"huge_pages"},
                              AtStart{"ident_file"},
                              AtStart{"ignore_invalid_pages"},
                              AtStart{"io_max_combine_limit", 18},
                              AtStart{"io_max_concurrency", 18},
                              AtStart{"io_method", 18},
                              AtStart{"jit_provider"},
                              AtStart{"listen_addresses"},
                              AtStart{"logging_collector"},
                              AtStart{"max_active_replication_origins", 18},
                              AtStart{"max_connections"},
                              AtStart{"max_files_per_process"},
                              AtStart{"max_locks_per_transaction"},
                              AtStart{"max_logical_replication_workers"},
                              AtStart{"max_notify_queue_pages", 17},
                              AtStart{"max_pred_locks_per_transaction"},
                              AtStart{"max_prepared_transactions"},
                              AtStart{"max_replication_slots"},
                              AtStart{"max_wal_senders"},
                              AtStart{"max_worker_processes"},
                              AtStart{"min_dynamic_shared_memory"},
                              AtStart{"multixact_member_buffers", 17},
                              AtStart{"multixact_offset_buffers", 17},
                              AtStart{"notify_buffers", 17},
                              AtStart{"old_snapshot_threshold", 14, 16},
                              AtStart{"port"},
                              AtStart{"recovery_target"},
                              AtStart{"recovery_target_action"},
                              AtStart{"recovery_target_inclusive"},
                              AtStart{"recovery_target_lsn"},
                              AtStart{"recovery_target_name"},
                              AtStart{"recovery_target_time"},
                              AtStart{"recovery_target_timeline"},
                              AtStart{"recovery_target_xid"},
                              AtStart{"reserved_connections", 16},
                              AtStart{"serializable_buffers", 17},
                              AtStart{"shared_buffers"},
                              AtStart{"shared_memory_type"},
                              AtStart{"shared_preload_libraries"},
                              AtStart{"subtransaction_buffers", 17},
                              AtStart{"superuser_reserved_connections"},
                              AtStart{"trace_connection_negotiation", 17},
                              AtStart{"track_activity_query_size"},
                              AtStart{"track_commit_timestamp"},
                              AtStart{"transaction_buffers", 17},
                              AtStart{"unix_socket_directories"},
                              AtStart{"unix_socket_group"},
                              AtStart{"unix_socket_permissions"},
                              AtStart{"wal_buffers"},
                              AtStart{"wal_decode_buffer_size", 15},
                              AtStart{"wal_level"},
                              AtStart{"wal_log_hints"}};

constexpr std::array limits{string_view{"max_connections"}, string_view{"max_worker_processes"},
                            string_view{"max_wal_senders"},
                            string_view{"max_prepared_transactions"},
                            string_view{"max_locks_per_transaction"}};

/// The values that a setting of the operator's may have because of a promise.
struct Allowed {
  string_view name;
  std::array<string_view, 5> values;  ///< with other words for the same
  string_view reason;
  string_view instead;
};
constexpr std::array allowed_values{
    Allowed{"wal_level",
            {"replica", "logical"},
            "Replication needs wal_level replica or logical.",
            "Remove it, or set it to logical."},
    Allowed{"synchronous_commit",
            {"on", "remote_apply", "true", "yes", "1"},
            "With a weaker value commits are acknowledged before they are safe.",
            "Use durability async for all, or SET synchronous_commit in the sessions that may lose "
            "commits."}};

std::string lower(string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

bool is_parameter_name(string_view name) {
  if (name.empty() || name.size() > 127) return false;
  const unsigned char first = static_cast<unsigned char>(name.front());
  if (std::isalpha(first) == 0 && first != '_') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
  });
}

Error refused(const std::string& name, std::string detail, std::string hint) {
  return Error(ErrorCode::config_invalid, "the parameter \"" + name + "\" is refused",
               std::move(detail), std::move(hint));
}

Outcome check_value(const std::string& given, const std::string& name, const std::string& value) {
  if (std::any_of(value.begin(), value.end(), [](char c) { return c >= 0 && c < ' '; })) {
    return refused(given, "Its value has a line break or another control character.",
                   "Write the value on one line.");
  }
  for (const Allowed& rule : allowed_values) {
    if (rule.name != name) continue;
    const bool allowed = !value.empty() && std::find(rule.values.begin(), rule.values.end(),
                                                     lower(value)) != rule.values.end();
    if (allowed) break;
    return refused(given, std::string(rule.reason), std::string(rule.instead));
  }
  return {};
}

}  // namespace

std::span<const OwnedParameter> owned_parameters() {
  return owned;
}

const OwnedParameter* find_owned(string_view name) {
  for (const OwnedParameter& row : owned) {
    const bool many = row.name.ends_with('*');
    if (many ? name.starts_with(row.name.substr(0, row.name.size() - 1)) : name == row.name) {
      return &row;
    }
  }
  return nullptr;
}

bool needs_restart(string_view name, int major) {
  const auto* const row = std::find_if(at_start.begin(), at_start.end(),
                                       [&](const AtStart& one) { return one.name == name; });
  return row != at_start.end() && row->since <= major && major <= row->until;
}

std::span<const string_view> standby_limits() {
  return limits;
}

bool is_standby_limit(string_view name) {
  return std::find(limits.begin(), limits.end(), name) != limits.end();
}

bool must_agree(string_view name) {
  return is_standby_limit(name) || name == "wal_level" || name == "track_commit_timestamp";
}

Outcome check_parameters(const std::map<std::string, std::string>& parameters, int major) {
  const MajorVersion* version = find_major(major);
  for (const auto& [given, value] : parameters) {
    const std::string name = lower(given);
    if (!is_parameter_name(name)) {
      return refused(given, "This cannot be the name of a parameter.", "Correct the name.");
    }
    if (const OwnedParameter* row = find_owned(name)) {
      const char* who =
          row->owner == evergres ? "Evergres sets it itself. " : "Nobody may set it. ";
      return refused(given, who + std::string(row->reason), std::string(row->instead));
    }
    if (auto fits = check_value(given, name, value); !fits) return fits;
    if (version == nullptr) continue;
    if (std::ranges::find(version->removed, name) != version->removed.end()) {
      return refused(given, "PostgreSQL " + std::to_string(major) + " no longer knows it.",
                     "Remove it from parameters.");
    }
    if (const int since = since_major(name); since > major) {
      return refused(given, "Only PostgreSQL " + std::to_string(since) + " and later know it.",
                     "Remove it from parameters.");
    }
  }
  return {};
}

}  // namespace evergres::postgres

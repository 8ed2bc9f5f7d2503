#include "postgres/settings.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/file.hpp"
#include "postgres/versions.hpp"

namespace evergres::postgres {

namespace {

/// What Evergres sets itself. recovery_target_* and include* are refused by their beginning.
constexpr std::array<std::string_view, 29> owned{"archive_cleanup_command",
                                                 "cluster_name",
                                                 "config_file",
                                                 "data_directory",
                                                 "external_pid_file",
                                                 "fsync",
                                                 "full_page_writes",
                                                 "hba_file",
                                                 "hot_standby",
                                                 "ident_file",
                                                 "listen_addresses",
                                                 "password_encryption",
                                                 "port",
                                                 "primary_conninfo",
                                                 "primary_slot_name",
                                                 "promote_trigger_file",
                                                 "recovery_end_command",
                                                 "recovery_init_sync_method",
                                                 "restart_after_crash",
                                                 "restore_command",
                                                 "standby_mode",
                                                 "synchronous_standby_names",
                                                 "unix_socket_directories",
                                                 "unix_socket_group",
                                                 "unix_socket_permissions",
                                                 "wal_log_hints",
                                                 "wal_retrieve_retry_interval",
                                                 "db_user_namespace",
                                                 "ignore_invalid_pages"};

bool is_owned(std::string_view name) {
  return name.starts_with("recovery_target") || name.starts_with("include") ||
         std::find(owned.begin(), owned.end(), name) != owned.end();
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

bool is_parameter_name(std::string_view name) {
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

/// A value in the quoting of postgresql.conf (guc-file.l: doubled quotes and backslashes).
std::string quoted(std::string_view value) {
  std::string text = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') text.push_back(c);
    text.push_back(c);
  }
  return text + "'";
}

void add(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(" = ").append(quoted(value)).push_back('\n');
}

constexpr std::string_view banner =
    "# Written by evergres. Every change here is overwritten; change the parameters of the\n"
    "# node's configuration instead.\n\n";

/// Sensible for a replicated server; the operator's parameters overrule them.
const std::map<std::string, std::string>& defaults() {
  static const std::map<std::string, std::string> values{
      {"wal_level", "replica"},
      {"max_wal_senders", "16"},
      {"max_replication_slots", "16"},
      {"max_slot_wal_keep_size", "1GB"},
      {"wal_keep_size", "64MB"},
      {"wal_receiver_status_interval", "1s"},
      {"wal_receiver_timeout", "60s"},
      {"wal_sender_timeout", "60s"},
      {"synchronous_commit", "on"},
      {"hot_standby_feedback", "off"},
      {"log_destination", "stderr"},
      {"logging_collector", "off"},
      {"log_line_prefix", "%m [%p] %q%u@%d/%a "},
      {"log_checkpoints", "on"},
      {"log_lock_waits", "on"},
      {"log_timezone", "UTC"},
      {"timezone", "UTC"},
      {"lc_messages", "C"},
  };
  return values;
}

std::string listen_addresses(const Server& server) {
  return server.host == "127.0.0.1" || server.host == "localhost" ? "127.0.0.1"
                                                                  : server.host + ",127.0.0.1";
}

}  // namespace

Outcome check_parameters(const std::map<std::string, std::string>& parameters, int major) {
  const MajorVersion* version = find_major(major);
  for (const auto& [given, value] : parameters) {
    const std::string name = lower(given);
    if (!is_parameter_name(name)) {
      return refused(given, "This cannot be the name of a parameter.", "Correct the name.");
    }
    if (is_owned(name)) {
      return refused(given, "Evergres sets it itself.", "Remove it from parameters.");
    }
    if (std::any_of(value.begin(), value.end(), [](char c) { return c >= 0 && c < ' '; })) {
      return refused(given, "Its value has a line break or another control character.",
                     "Write the value on one line.");
    }
    if (name == "wal_level" && lower(value) != "replica" && lower(value) != "logical") {
      return refused(given, "Replication needs wal_level replica or logical.",
                     "Remove it from parameters, or set it to logical.");
    }
    if (version != nullptr && std::find(version->removed.begin(), version->removed.end(), name) !=
                                  version->removed.end()) {
      return refused(given, "PostgreSQL " + std::to_string(major) + " no longer knows it.",
                     "Remove it from parameters.");
    }
  }
  return {};
}

std::string render_settings(const Server& server, const Configuration& configuration) {
  std::map<std::string, std::string> chosen = defaults();
  for (const auto& [name, value] : configuration.parameters) chosen[lower(name)] = value;
  std::string text(banner);
  for (const auto& [name, value] : chosen) add(text, name, value);
  text += "\n# Set by evergres itself.\n";
  add(text, "cluster_name", configuration.cluster_name);
  add(text, "listen_addresses", listen_addresses(server));
  add(text, "port", std::to_string(server.port));
  add(text, "unix_socket_directories", server.run_dir.string());
  add(text, "unix_socket_permissions", "0700");
  add(text, "wal_log_hints", "on");
  add(text, "wal_retrieve_retry_interval", "100ms");
  add(text, "recovery_init_sync_method", "syncfs");
  add(text, "password_encryption", "scram-sha-256");
  return text;
}

std::vector<std::pair<std::string, std::string>> safety_values(const SafetySettings& safety) {
  return {{"synchronous_standby_names", safety.synchronous_standby_names},
          {"primary_conninfo", "service=evergres"},
          {"primary_slot_name", safety.primary_slot_name},
          {"restore_command", ""},
          {"recovery_target_timeline", "latest"},
          {"recovery_target", ""},
          {"recovery_target_lsn", ""},
          {"recovery_target_name", ""},
          {"recovery_target_time", ""},
          {"recovery_target_xid", ""},
          {"hot_standby", "on"},
          {"fsync", "on"},
          {"full_page_writes", "on"},
          {"restart_after_crash", "off"}};
}

std::string render_safety(const SafetySettings& safety) {
  std::string text(banner);
  text += "# These settings decide about safety. They are read back after each reload.\n";
  for (const auto& [name, value] : safety_values(safety)) add(text, name, value);
  return text;
}

Outcome write_configuration(const Server& server, const std::filesystem::path& directory,
                            const Configuration& configuration, Gate gate, int major) {
  if (auto fit = check_parameters(configuration.parameters, major); !fit) return fit;
  if (auto hba = write_gate(server, directory, gate, configuration.member_hosts); !hba) return hba;
  const std::string settings = render_settings(server, configuration);
  if (auto written = write_file_atomically(directory / "postgresql.conf", settings, 0600);
      !written) {
    return written;
  }
  return write_file_atomically(directory / "postgresql.auto.conf",
                               render_safety(configuration.safety), 0600);
}

bool safety_is_written(const Server& server, const SafetySettings& safety) {
  const std::string wanted = render_safety(safety);
  const auto written = read_file(server.data / "postgresql.auto.conf", wanted.size());
  return written && *written == wanted;
}

Outcome write_safety(const Server& server, const SafetySettings& safety) {
  return write_file_atomically(server.data / "postgresql.auto.conf", render_safety(safety), 0600);
}

}  // namespace evergres::postgres

#include "postgres/settings.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/file.hpp"
#include "postgres/parameters.hpp"

namespace evergres::postgres {

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
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

/// "name = 'value'" as ALTER SYSTEM writes it (guc.c: doubled quotes and backslashes).
std::optional<std::pair<std::string, std::string>> parse_setting(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (line.empty() || line.front() == '#' || equals == std::string_view::npos) return std::nullopt;
  std::string name = lower(line.substr(0, equals));
  while (!name.empty() && name.back() == ' ') name.pop_back();
  std::string_view rest = line.substr(equals + 1);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  while (rest.ends_with(' ')) rest.remove_suffix(1);
  if (rest.size() < 2 || rest.front() != '\'' || rest.back() != '\'') {
    return std::pair{name, std::string(rest)};
  }
  rest = rest.substr(1, rest.size() - 2);
  std::string value;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if ((rest[i] == '\'' || rest[i] == '\\') && i + 1 < rest.size()) ++i;
    value.push_back(rest[i]);
  }
  return std::pair{name, value};
}

constexpr std::string_view banner =
    "# Written by evergres. Every change here is overwritten; `evergres edit-config` changes the\n"
    "# parameters of all nodes, node.yaml those of this one.\n\n";

/// Sensible for a replicated server; the operator's parameters overrule them.
const std::map<std::string, std::string>& defaults() {
  static const std::map<std::string, std::string> values{
      {"wal_level", "replica"},        {"max_wal_senders", "16"},
      {"max_replication_slots", "16"}, {"max_slot_wal_keep_size", "1GB"},
      {"wal_keep_size", "64MB"},       {"wal_receiver_status_interval", "1s"},
      {"wal_receiver_timeout", "60s"}, {"wal_sender_timeout", "60s"},
      {"synchronous_commit", "on"},    {"hot_standby_feedback", "off"},
      {"log_destination", "stderr"},   {"log_line_prefix", "%m [%p] %q%u@%d/%a "},
      {"log_checkpoints", "on"},       {"log_lock_waits", "on"},
      {"log_timezone", "UTC"},         {"timezone", "UTC"},
  };
  return values;
}

std::string listen_addresses(const Server& server) {
  return server.host == "127.0.0.1" || server.host == "localhost" ? "127.0.0.1"
                                                                  : server.host + ",127.0.0.1";
}

}  // namespace

std::map<std::string, ChosenParameter> chosen_parameters(const Configuration& configuration) {
  std::map<std::string, ChosenParameter> chosen;
  for (const auto& [name, value] : defaults()) chosen[name] = {value, DecidedBy::standard};
  for (const auto& [name, value] : configuration.cluster_parameters) {
    chosen[lower(name)] = {value, DecidedBy::cluster};
  }
  for (const auto& [given, value] : configuration.parameters) {
    const std::string name = lower(given);
    const auto found = chosen.find(name);
    const bool agreed = found != chosen.end() && found->second.by == DecidedBy::cluster;
    if (!agreed || !must_agree(name)) chosen[name] = {value, DecidedBy::node};
  }
  return chosen;
}

std::string value_at_start(const Configuration& configuration,
                           const std::map<std::string, std::string>& altered,
                           const std::string& name) {
  if (const auto set = altered.find(name); set != altered.end()) return set->second;
  const auto chosen = chosen_parameters(configuration);
  const auto found = chosen.find(name);
  return found == chosen.end() ? "" : found->second.value;
}

bool writes_logical_wal(const Configuration& configuration,
                        const std::map<std::string, std::string>& altered) {
  return lower(value_at_start(configuration, altered, "wal_level")) == "logical";
}

std::string render_settings(const Server& server, const Configuration& configuration) {
  std::string text(banner);
  for (const auto& [name, chosen] : chosen_parameters(configuration)) add(text, name, chosen.value);
  text += "\n# Set by evergres itself.\n";
  add(text, "cluster_name", configuration.cluster_name);
  add(text, "listen_addresses", listen_addresses(server));
  add(text, "port", std::to_string(server.port));
  add(text, "unix_socket_directories", server.run_dir.string());
  add(text, "unix_socket_permissions", "0700");
  add(text, "lc_messages", "C");
  add(text, "logging_collector", "off");
  add(text, "wal_log_hints", "on");
  add(text, "wal_retrieve_retry_interval", "100ms");
  add(text, "recovery_init_sync_method", "syncfs");
  add(text, "password_encryption", "scram-sha-256");
  if (const auto& tls = configuration.certificates) {
    add(text, "ssl", "on");
    add(text, "ssl_cert_file", tls->server.string());
    add(text, "ssl_key_file", tls->server_key.string());
    add(text, "ssl_ca_file", tls->authority.string());
  }
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
  if (auto fit = check_parameters(configuration.cluster_parameters, major); !fit) return fit;
  if (auto hba = write_gate(server, directory, gate, configuration.member_hosts,
                            configuration.admissions, configuration.endpoints);
      !hba) {
    return hba;
  }
  const std::string settings = render_settings(server, configuration);
  if (auto written = write_file_atomically(directory / "postgresql.conf", settings, 0600);
      !written) {
    return written;
  }
  return write_file_atomically(directory / "postgresql.auto.conf",
                               render_safety(configuration.safety), 0600);
}

bool safety_is_written(const Server& server, const SafetySettings& safety) {
  const auto written = read_file(server.data / "postgresql.auto.conf");
  return written && written->ends_with(render_safety(safety));
}

std::map<std::string, std::string> altered_settings(std::string_view text,
                                                    const SafetySettings& safety) {
  std::map<std::string, std::string> altered;
  const auto ours = safety_values(safety);
  const std::string all(text);
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find('\n', at), all.size());
    const auto line = parse_setting(std::string_view(all).substr(at, end - at));
    at = end + 1;
    if (!line) continue;
    const auto is_ours = [&](const auto& setting) { return setting.first == line->first; };
    if (std::none_of(ours.begin(), ours.end(), is_ours)) altered[line->first] = line->second;
  }
  return altered;
}

Result<std::map<std::string, std::string>> read_altered(const Server& server,
                                                        const SafetySettings& safety) {
  const auto text = read_file(server.data / "postgresql.auto.conf");
  if (!text) return text.error();
  return altered_settings(*text, safety);
}

Outcome write_safety(const Server& server, const SafetySettings& safety, Altered altered) {
  const auto path = server.data / "postgresql.auto.conf";
  std::string text;
  const auto found = read_altered(server, safety);
  if (altered == Altered::keep && found) {
    for (const auto& [name, value] : *found) {
      if (check_parameters({{name, value}}, 0)) add(text, name, value);
    }
  }
  // The last line of a name decides: ours come last.
  return write_file_atomically(path, text + render_safety(safety), 0600);
}

}  // namespace evergres::postgres

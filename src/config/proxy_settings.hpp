#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/instant.hpp"

/// What stands below `proxy:` in node.yaml: the endpoint of this node, to which applications
/// connect. Each field's line stands beside it in proxy_settings.cpp; reader, printer and reference
/// are made from that list.
namespace evergres::config {

/// What may be said for one database, user or application; what is absent is as for all.
struct ProxyOverride {
  std::optional<std::string> pool_mode;
  std::optional<std::uint32_t> pool_size;
  std::optional<std::uint32_t> server_limit;
  std::optional<std::uint32_t> client_limit;
  std::optional<Millis> query_timeout;
  std::optional<Millis> idle_transaction_timeout;
  std::optional<Millis> client_idle_timeout;
  std::optional<Millis> server_lifetime;
  auto operator<=>(const ProxyOverride&) const = default;
};
using ProxyOverrides = std::map<std::string, ProxyOverride>;

/// 0 as a time or as a limit means: none.
struct ProxySettings {
  /// On a machine without a node: the agents to ask who leads, "host:port" each.
  std::vector<std::string> agents;
  /// Instead of agents: a connection string of servers that Evergres does not run.
  std::string external;
  std::filesystem::path auth_password_file;  ///< of the role that asks for secrets; mode 0600
  Millis probe_interval{1'000};
  Millis probe_timeout{2'000};
  Millis handover_timeout{600'000};

  bool enabled = false;  ///< true as soon as there is a section, unless it says otherwise
  std::string host = "127.0.0.1";
  int port = 5432;
  int read_only_port = 5433;             ///< 0: none
  std::uint32_t threads = 0;             ///< 0: see thread_count
  std::vector<std::string> other_hosts;  ///< of proxies on machines without a node

  bool tls = true;
  bool tls_required = false;
  std::filesystem::path tls_certificate;  ///< empty: the one that Evergres makes
  std::filesystem::path tls_certificate_key;
  std::filesystem::path tls_client_authority;
  std::vector<std::string> tls_names;  ///< more names and addresses in the certificate

  std::filesystem::path hba_file;   ///< empty: what `allow` of the cluster says
  std::filesystem::path ident_file;  ///< empty: names in certificates are those of users
  std::filesystem::path auth_file;  ///< empty: auth_query alone
  std::vector<std::string> admins;
  std::vector<std::string> observers;
  Millis client_login_timeout{15'000};

  std::string pool_mode = "session";
  std::uint32_t pool_size = 20;
  std::uint32_t server_limit = 0;
  std::uint32_t client_limit = 10'000;
  std::string reset = "smart";
  Millis server_lifetime{3'600'000};
  Millis server_idle_timeout{600'000};
  Millis server_connect_timeout{5'000};
  Millis query_wait_timeout{120'000};
  Millis query_timeout{0};
  Millis idle_transaction_timeout{0};
  Millis client_idle_timeout{0};

  Millis hold_timeout{15'000};
  std::string replay = "aborted";
  std::uint64_t max_replica_lag = 16U << 20U;  ///< bytes
  bool leader_may_read = true;

  ProxyOverrides databases, users, applications;
  /// The file is of an endpoint without a node beside it.
  [[nodiscard]] bool alone() const { return !agents.empty() || !external.empty(); }
  bool operator==(const ProxySettings&) const = default;
};

using ProxyTarget =
    std::variant<bool ProxySettings::*, std::string ProxySettings::*, int ProxySettings::*,
                 std::uint32_t ProxySettings::*, std::uint64_t ProxySettings::*,
                 Millis ProxySettings::*, std::filesystem::path ProxySettings::*,
                 std::vector<std::string> ProxySettings::*, ProxyOverrides ProxySettings::*>;

enum class ProxyKind {
  flag,  ///< yes or no
  host,
  hosts,
  addresses,  ///< HOST or HOST:PORT each
  dsn,        ///< one line, of which libpq makes sense
  port,
  count,
  size,
  duration,
  path,
  role_names,
  word,  ///< one of `choices`
  overrides,
};

struct ProxyOption {
  std::string_view name;
  ProxyTarget field;
  ProxyKind kind;
  std::string_view default_text;  ///< "" if it is what ProxySettings{} says
  std::string_view sample;
  std::string_view help;
  std::string_view choices = "";  ///< of a word: "smart always never"
  std::int64_t least = 0;         ///< for port, count, and in milliseconds for duration
  std::int64_t most = 0;
  bool alone = false;  ///< only for an endpoint on a machine without a node
};

/// In the order of the reference and of the sample.
std::span<const ProxyOption> proxy_options();

/// A key below the name of a database, user or application.
using OverrideTarget = std::variant<std::optional<std::string> ProxyOverride::*,
                                    std::optional<std::uint32_t> ProxyOverride::*,
                                    std::optional<Millis> ProxyOverride::*>;
struct OverrideKey {
  std::string_view name;  ///< of the option that it stands in for, or server_limit
  OverrideTarget field;
};
std::span<const OverrideKey> override_keys();

/// "session or transaction": what a value must look like, for reference and messages.
std::string proxy_value_text(const ProxyOption& option);

/// Whether `text` is among the words of `choices`.
bool is_choice(std::string_view choices, std::string_view text);

/// The certificate of the endpoint and its key: the operator's, or those that Evergres makes.
struct EndpointFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;
};
EndpointFiles endpoint_files(const ProxySettings& proxy,
                             const std::filesystem::path& state_directory);

/// Whether demos and samples have the endpoint on. One place to change.
inline constexpr bool proxy_by_default = true;

}  // namespace evergres::config

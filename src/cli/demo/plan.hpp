#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/names.hpp"
#include "base/result.hpp"
#include "config/node_settings.hpp"

namespace evergres::cli::demo {

/// How many ports each node of a demo has, and each of a new one.
inline constexpr std::size_t ports_without_endpoints = 3;
inline constexpr std::size_t ports_with_endpoints = 5;
inline constexpr std::size_t ports_per_node =
    config::proxy_by_default ? ports_with_endpoints : ports_without_endpoints;

/// Where a demo lives; everything else follows from these values. Kept in <directory>/demo.yaml.
struct Plan {
  std::filesystem::path directory;      ///< absolute; survives a reboot
  std::filesystem::path run_directory;  ///< unix sockets; vanishes with a reboot
  std::size_t nodes = 3;   ///< n1, n2, …; 1 to 9
  /// Those of PostgreSQL, n1 first, then of the agents, then of HTTP; then those of the endpoints
  /// and their read-only ports, in a demo whose applications connect to endpoints.
  std::vector<int> ports;

  [[nodiscard]] int postgres_port(std::size_t index) const { return ports.at(index); }
  [[nodiscard]] int peer_port(std::size_t index) const { return ports.at(nodes + index); }
  [[nodiscard]] int http_port(std::size_t index) const { return ports.at(2 * nodes + index); }
  [[nodiscard]] bool has_endpoints() const { return ports.size() == ports_with_endpoints * nodes; }
  /// Where applications connect on this node.
  [[nodiscard]] int client_port(std::size_t index) const {
    return has_endpoints() ? ports.at(3 * nodes + index) : postgres_port(index);
  }

  [[nodiscard]] std::vector<NodeName> names() const;
  [[nodiscard]] std::filesystem::path node_directory(const NodeName& node) const;
  [[nodiscard]] std::filesystem::path config_file(const NodeName& node) const;
  [[nodiscard]] std::filesystem::path log_file(const NodeName& node) const;
  [[nodiscard]] std::filesystem::path program() const { return directory / "bin" / "evergres"; }
  [[nodiscard]] std::filesystem::path password_file() const { return directory / "app.password"; }
  [[nodiscard]] std::filesystem::path passfile() const { return directory / "app.pgpass"; }
  [[nodiscard]] std::filesystem::path plan_file() const { return directory / "demo.yaml"; }
  /// What node.yaml of this node says. `node` is one of names().
  [[nodiscard]] config::NodeSettings settings(const NodeName& node) const;
  /// One DSN with all nodes: libpq finds an endpoint, or the node that takes writes.
  [[nodiscard]] std::string dsn() const;
};

/// /var/lib/evergres-demo for root, else ${XDG_STATE_HOME:-~/.local/state}/evergres/demo.
std::filesystem::path default_directory();

/// The plan in `directory`; nothing if there is none. data_invalid if demo.yaml makes no sense.
Result<std::optional<Plan>> read_plan(const std::filesystem::path& directory);

/// Makes the files of the plan: secret, password, passfile, demo.yaml and a node.yaml for each
/// node. What is there already stays, so that an interrupted `up` can go on. Modes: 0700 and 0600.
Outcome write_plan(const Plan& plan);

/// The ports from which the kernel takes those of outgoing connections, both included.
struct EphemeralPorts {
  int first = 32768;
  int last = 60999;
};
/// As this machine has them; Linux' usual ones if it does not say.
EphemeralPorts ephemeral_ports();

/// The first `count` ports from 16320 on, in ascending order, that `is_free`: outside of the
/// ephemeral ones, where other programs come and go, or any if there are too few of those.
/// port_taken if there are not so many at all.
Result<std::vector<int>> choose_ports(std::size_t count, EphemeralPorts ephemeral,
                                      const std::function<bool(int)>& is_free);

/// Whether nobody listens on this port of 127.0.0.1.
bool is_free_port(int port);

/// `count` ports from `first` on.
std::vector<int> ports_from(int first, std::size_t count);

}  // namespace evergres::cli::demo

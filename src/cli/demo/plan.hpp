#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/names.hpp"
#include "base/result.hpp"
#include "config/node_settings.hpp"

namespace evergres::cli::demo {

/// Where a demo lives; everything else follows from these values. Kept in <directory>/demo.yaml.
struct Plan {
  std::filesystem::path directory;      ///< absolute; survives a reboot
  std::filesystem::path run_directory;  ///< unix sockets; vanishes with a reboot
  int base_port = 0;      ///< PostgreSQL from here, agents from 10 above, HTTP from 20
  std::size_t nodes = 3;  ///< n1, n2, …; 1 to 9

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
  /// One DSN with all nodes: libpq finds the one that takes writes.
  [[nodiscard]] std::string dsn() const;
};

/// /var/lib/evergres-demo for root, else ${XDG_STATE_HOME:-~/.local/state}/evergres/demo.
std::filesystem::path default_directory();

/// The plan in `directory`; nothing if there is none. data_invalid if demo.yaml makes no sense.
Result<std::optional<Plan>> read_plan(const std::filesystem::path& directory);

/// Makes the files of the plan: secret, password, passfile, demo.yaml and a node.yaml for each
/// node. What is there already stays, so that an interrupted `up` can go on. Modes: 0700 and 0600.
Outcome write_plan(const Plan& plan);

/// The first block of 30 ports from 54320 on 127.0.0.1 in which nobody listens. port_taken if there
/// is none below 55000.
Result<int> free_base_port();

}  // namespace evergres::cli::demo

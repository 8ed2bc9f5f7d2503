#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "postgres/hba.hpp"
#include "postgres/server.hpp"

namespace evergres::postgres {

/// The settings that decide about safety. They live in postgresql.auto.conf, because an included
/// file loses against it; ALTER SYSTEM on them is overwritten by the next write.
struct SafetySettings {
  std::string synchronous_standby_names;
  std::string primary_slot_name;  ///< the slot of this node on its upstream
};

/// Everything that the rendered configuration depends on, besides the Server.
struct Configuration {
  std::string cluster_name;
  std::map<std::string, std::string> parameters;  ///< the operator's; see check_parameters
  SafetySettings safety;
  std::vector<std::string> member_hosts;  ///< addresses or names, this node's included
};

/// Refuses (`config_invalid`, naming the parameter) what Evergres owns, what cannot be a parameter
/// name, values with control characters, and what the major version no longer knows. Whether the
/// name exists and the value fits only PostgreSQL can say.
Outcome check_parameters(const std::map<std::string, std::string>& parameters, int major);

/// The lines of postgresql.auto.conf in their order: name and value.
std::vector<std::pair<std::string, std::string>> safety_values(const SafetySettings& safety);

/// postgresql.conf: defaults, overruled by the operator's parameters, then what is Evergres' own.
std::string render_settings(const Server& server, const Configuration& configuration);
/// postgresql.auto.conf.
std::string render_safety(const SafetySettings& safety);

/// Writes postgresql.conf, postgresql.auto.conf, pg_hba.conf and pg_ident.conf into `directory`
/// (usually server.data), each atomically (every start writes them anew). `major` as in
/// check_parameters. A running
/// server notices only after a reload.
Outcome write_configuration(const Server& server, const std::filesystem::path& directory,
                            const Configuration& configuration, Gate gate, int major);
/// Whether postgresql.auto.conf says exactly this; an unreadable one does not.
bool safety_is_written(const Server& server, const SafetySettings& safety);
/// Writes only postgresql.auto.conf of server.data.
Outcome write_safety(const Server& server, const SafetySettings& safety);

}  // namespace evergres::postgres

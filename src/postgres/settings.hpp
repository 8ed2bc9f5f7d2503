#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "net/certificates.hpp"
#include "postgres/hba.hpp"
#include "postgres/parameters.hpp"
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
  std::map<std::string, std::string> parameters;  ///< of node.yaml; see check_parameters
  SafetySettings safety;
  std::vector<std::string> member_hosts;                  ///< addresses or names, this node's too
  std::map<std::string, std::string> cluster_parameters;  ///< of the cluster's settings
  std::vector<Admission> admissions;                      ///< of the cluster's settings
  std::optional<Endpoints> endpoints;                     ///< nothing: applications come directly
  std::optional<net::CertificateFiles> certificates;      ///< nothing: without TLS
};

/// Whose value a parameter has. What must agree everywhere (must_agree) is the cluster's if it says
/// anything; of the others a node.yaml may say another value for its node.
enum class DecidedBy { standard, cluster, node };
struct ChosenParameter {
  std::string value;
  DecidedBy by = DecidedBy::standard;
};
/// By name in lower case, without what is Evergres' own.
std::map<std::string, ChosenParameter> chosen_parameters(const Configuration& configuration);

/// The value with which a server starts: what ALTER SYSTEM left goes before the chosen one; "" if
/// neither names it.
std::string value_at_start(const Configuration& configuration,
                           const std::map<std::string, std::string>& altered,
                           const std::string& name);
/// Whether that is wal_level = logical, in whatever case.
bool writes_logical_wal(const Configuration& configuration,
                        const std::map<std::string, std::string>& altered);

/// The lines of postgresql.auto.conf in their order: name and value.
std::vector<std::pair<std::string, std::string>> safety_values(const SafetySettings& safety);

/// postgresql.conf: the chosen parameters, then what is Evergres' own.
std::string render_settings(const Server& server, const Configuration& configuration);
/// postgresql.auto.conf.
std::string render_safety(const SafetySettings& safety);

/// Writes postgresql.conf, postgresql.auto.conf, pg_hba.conf and pg_ident.conf into `directory`
/// (usually server.data), each atomically (every start writes them anew). `major` as in
/// check_parameters. A running
/// server notices only after a reload.
Outcome write_configuration(const Server& server, const std::filesystem::path& directory,
                            const Configuration& configuration, Gate gate, int major);
/// Whether postgresql.auto.conf ends with exactly this, so that nothing overrules it; an unreadable
/// one does not.
bool safety_is_written(const Server& server, const SafetySettings& safety);

/// What ALTER SYSTEM left in the text of postgresql.auto.conf besides the safety settings.
std::map<std::string, std::string> altered_settings(std::string_view text,
                                                    const SafetySettings& safety);
/// The same of server.data. Errors: those of reading a file.
Result<std::map<std::string, std::string>> read_altered(const Server& server,
                                                        const SafetySettings& safety);

/// What becomes of settings that somebody altered with ALTER SYSTEM: those that an operator may set
/// are kept as long as the server runs, unless they are to be taken back.
enum class Altered { keep, take_back };
/// Writes only postgresql.auto.conf of server.data.
Outcome write_safety(const Server& server, const SafetySettings& safety,
                     Altered altered = Altered::keep);

}  // namespace evergres::postgres

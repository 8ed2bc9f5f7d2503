#pragma once

#include <filesystem>

#include "base/result.hpp"
#include "config/node_settings.hpp"
#include "net/secret.hpp"
#include "proxy/configuration.hpp"

namespace evergres::proxy {

/// What the data plane is told, from a node.yaml whose endpoint is on: reads the cluster secret for
/// the password of auth_query (an endpoint without a node: a file with it) and looks whether files that the operator named are there. Files of
/// Evergres' own (certificates, rules) may still be missing: a certificate that does not come is an
/// error of whoever loads it. `file` is named in errors. Errors: config_invalid, not_found,
/// permission, data_invalid.
Result<Configuration> configured(const config::NodeSettings& settings,
                                 const std::filesystem::path& file);

/// Configuration::cluster_key, from what every endpoint of a cluster knows: its watch secret.
std::string cluster_key(const net::Secret& watch_secret);

/// Reads node.yaml again, for a process that was `started` with some settings. Refused if it says
/// something else about what only a new process can change: name and place of the node, addresses
/// of the endpoint, threads.
Result<Configuration> read_again(const std::filesystem::path& file,
                                 const config::NodeSettings& started);

}  // namespace evergres::proxy

#pragma once

#include <filesystem>
#include <string>

#include "agent/services.hpp"

namespace evergres::api {

/// The HTTP service of an agent at http_host:http_port. If it cannot listen there it says so in the
/// log and tries again each second: health checks are not worth an agent. Reads the password file
/// before it returns. `config_file`: where `settings` come from.
agent::Service http_service(const config::NodeSettings& settings, std::string version,
                            const std::filesystem::path& config_file);

}  // namespace evergres::api

#pragma once

#include <string>

#include "agent/services.hpp"

namespace evergres::api {

/// The HTTP service of an agent at http_host:http_port. If it cannot listen there it says so in the
/// log and tries again each second: health checks are not worth an agent.
agent::Service http_service(const config::NodeSettings& settings, std::string version);

}  // namespace evergres::api

#pragma once

#include <string>

#include "net/worker.hpp"

namespace evergres::config {
struct NodeSettings;
}

namespace evergres::api {

/// The metrics of this node's endpoint, from its own process, to be appended to the agent's: asked
/// for on `worker`, since that blocks. Nothing where there is no endpoint, or while it does not
/// answer within a quarter of a second: what the agent knows is worth more than what it waits for.
net::awaitable<std::string> endpoint_page(net::Worker& worker,
                                          const config::NodeSettings& settings);

}  // namespace evergres::api

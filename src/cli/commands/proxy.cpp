#include <CLI/CLI.hpp>

#include "cli/commands/all.hpp"
#include "cli/place.hpp"

namespace evergres::cli {

Action add_proxy(CLI::App& /*parser*/, Session& session) {
  return [&session]() -> Result<int> {
    Result<KnownNode> node = find_endpoint(session);
    if (!node) return node.error();
    if (!node->settings.proxy.enabled) {
      return Error(ErrorCode::config_invalid, "this node has no endpoint",
                   node->config_file.string() + " has no section \"proxy\", or turns it off.",
                   "Add \"proxy:\" to it and start the node again.");
    }
    return session.wiring.proxy(node->config_file, node->settings);
  };
}

}  // namespace evergres::cli

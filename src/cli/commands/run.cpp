#include <CLI/CLI.hpp>

#include "cli/commands/all.hpp"
#include "cli/place.hpp"

namespace evergres::cli {

Action add_run(CLI::App& /*parser*/, Session& session) {
  return [&session]() -> Result<int> {
    Result<KnownNode> node = find_node(session);
    if (!node) return node.error();
    return session.wiring.run(node->config_file, node->settings);
  };
}

}  // namespace evergres::cli

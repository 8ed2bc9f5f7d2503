#include <CLI/CLI.hpp>

#include "cli/commands/all.hpp"
#include "cli/place.hpp"

namespace evergres::cli {

Action add_agent(CLI::App& parser, Session& session) {
  parser.allow_extras();
  return [&parser, &session]() -> Result<int> {
    Result<KnownNode> node = find_node(session);
    if (!node) return node.error();
    return session.wiring.agent(node->config_file, node->settings, parser.remaining());
  };
}

}  // namespace evergres::cli

#include <CLI/CLI.hpp>
#include <ostream>

#include "cli/commands/all.hpp"
#include "cli/initialise_cluster.hpp"
#include "cli/place.hpp"

namespace evergres::cli {

Action add_init(CLI::App& /*parser*/, Session& session) {
  return [&session]() -> Result<int> {
    Result<KnownNode> node = find_node(session);
    if (!node) return node.error();
    Result<NewCluster> made = initialise_cluster(node->settings);
    if (!made) return made.error();
    session.out << "cluster " << node->settings.cluster << " created: system " << made->system_id
                << ", first member " << node->settings.node.value << "\n"
                << "start it with: evergres run -c " << node->config_file.string() << "\n";
    return 0;
  };
}

}  // namespace evergres::cli

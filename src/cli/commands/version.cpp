#include <CLI/CLI.hpp>
#include <ostream>

#include "cli/commands/all.hpp"

namespace evergres::cli {

Action add_version(CLI::App& /*parser*/, Session& session) {
  return [&session]() -> Result<int> {
    session.out << "evergres " << session.wiring.version << "\n";
    return 0;
  };
}

}  // namespace evergres::cli

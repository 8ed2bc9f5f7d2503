#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "cli/command_tree.hpp"
#include "cli/commands/all.hpp"
#include "cli/exit_codes.hpp"
#include "config/cluster_printer.hpp"
#include "config/printer.hpp"

namespace evergres::cli {

Action add_print(CLI::App& parser, Session& session) {
  auto what = std::make_shared<std::string>();
  parser.add_option("WHAT", *what, "what to print")
      ->required()
      ->check(CLI::IsMember({"options", "cluster-options", "sample", "commands", "exit-codes"}));
  return [&parser, &session, what]() -> Result<int> {
    if (*what == "options") session.out << config::options_reference();
    if (*what == "cluster-options") session.out << config::cluster_reference();
    if (*what == "sample") session.out << config::sample_file();
    if (*what == "commands") {
      session.out << commands_reference(command_tree(*parser.get_parent()));
    }
    if (*what == "exit-codes") session.out << exit_codes_text();
    return 0;
  };
}

}  // namespace evergres::cli

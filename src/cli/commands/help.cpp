#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>

#include "cli/commands/all.hpp"
#include "cli/exit_codes.hpp"
#include "config/spelling.hpp"

namespace evergres::cli {

Action add_help(CLI::App& parser, Session& session) {
  auto topic = std::make_shared<std::string>();
  parser.add_option("TOPIC", *topic, "a command, or exit-codes");
  return [&parser, &session, topic]() -> Result<int> {
    const CLI::App* const all = parser.get_parent();
    if (topic->empty()) {
      session.out << all->help();
      return 0;
    }
    if (*topic == "exit-codes") {
      session.out << exit_codes_text();
      return 0;
    }
    std::vector<std::string> names{"exit-codes"};
    for (const Command& command : commands()) names.emplace_back(command.name);
    if (std::ranges::find(names, *topic) != names.end()) {
      session.out << all->get_subcommand(*topic)->help();
      return 0;
    }
    const auto near = config::nearest(*topic, names);
    return Error(ErrorCode::usage, "there is no help on \"" + *topic + "\"",
                 near ? "Did you mean \"" + *near + "\"?" : "");
  };
}

}  // namespace evergres::cli

#pragma once

#include <functional>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cli/command_line.hpp"

namespace CLI {
class App;
}

namespace evergres::cli {

/// What every command gets: where to print, whether people look, and the options before the
/// command.
struct Session {
  const Wiring& wiring;
  std::ostream& out;
  std::ostream& err;
  bool out_is_terminal = false;
  bool in_is_terminal = false;
  bool colour = false;
  std::string config_file;                  ///< of -c, "" without it
  std::vector<std::string> psql_arguments;  ///< what stands behind `evergres psql`
};

/// Runs a command whose options have been parsed; the value is the exit status.
using Action = std::function<Result<int>()>;

/// One line of the table in commands.cpp.
struct Command {
  std::string_view name;
  std::string_view summary;
  /// Adds the command's options to its parser and returns what to do once they are filled. Both
  /// arguments outlive the action.
  Action (*add)(CLI::App& parser, Session& session);
  bool hidden = false;
};

/// In the order of the help.
std::span<const Command> commands();

/// Asks "question [y/N] " on `out` and reads a line from stdin. Only for terminals.
bool confirmed(Session& session, std::string_view question);

}  // namespace evergres::cli

#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

/// The parser's commands and options as values. Completion, the man page and the reference are
/// printed from them, so that none of them can disagree with what the program accepts.
namespace evergres::cli {

/// What may stand in the place of a word.
enum class Wanted { nothing, text, choice, node, file };

struct CommandOption {
  std::vector<std::string> names;  ///< "-o", "--output"; empty for a positional
  std::string value_name;          ///< "NODE", "TEXT"; empty for a flag
  std::string help;
  Wanted wanted = Wanted::nothing;
  std::vector<std::string> choices;  ///< for Wanted::choice
  bool required = false;
  bool repeated = false;
  bool optional_value = false;  ///< "--watch" and "--watch 5"
};

struct CommandNode {
  std::string path;  ///< "demo up"; "" for the program
  std::string summary;
  std::string footer;
  std::vector<CommandOption> options;
  std::vector<CommandOption> positionals;
  std::vector<CommandNode> commands;  ///< without the hidden ones
};

/// The tree below `parser`, which is the program's.
CommandNode command_tree(const CLI::App& parser);

/// The tree flattened: parents before their commands.
std::vector<const CommandNode*> all_commands(const CommandNode& tree);

/// "evergres demo kill [OPTIONS] NODE".
std::string usage_line(const CommandNode& node);

/// "-o, --output TEXT".
std::string option_text(const CommandOption& option);

/// " (table, json)": the words that an option takes, "" if its help names them.
std::string choices_text(const CommandOption& option);

/// The commands as Markdown: docs/reference/commands.md is this text.
std::string commands_reference(const CommandNode& tree);

/// A man page in the man(7) macros, section 1.
std::string manual(const CommandNode& tree, const std::string& version);

/// The completion script of "bash", "zsh" or "fish". Names of nodes come from `evergres complete
/// nodes`, which answers within a second.
std::string completion_script(const CommandNode& tree, const std::string& shell);

}  // namespace evergres::cli

#include "cli/command_tree.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <sstream>

namespace evergres::cli {
namespace {

std::vector<std::string> choices_of(const std::string& type) {
  std::vector<std::string> choices;
  const std::size_t open = type.find('{');
  const std::size_t close = type.rfind('}');
  if (open == std::string::npos || close == std::string::npos || close < open) return choices;
  std::istringstream in(type.substr(open + 1, close - open - 1));
  for (std::string word; std::getline(in, word, ',');) choices.push_back(word);
  return choices;
}

CommandOption as_option(const CLI::Option& option) {
  CommandOption is;
  for (const std::string& name : option.get_snames()) is.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) is.names.push_back("--" + name);
  is.help = option.get_description();
  is.required = option.get_required();
  const bool takes_a_value = option.get_items_expected_max() > 0;
  if (!takes_a_value) return is;
  is.repeated = option.get_items_expected_max() > 1;
  is.optional_value = option.get_items_expected_min() == 0;
  is.choices = choices_of(option.get_type_name());
  is.value_name = option.get_positional() ? option.get_name(true) : "VALUE";
  const std::string long_name = option.get_lnames().empty() ? "" : option.get_lnames().front();
  if (is.value_name == "NODE" || long_name == "to") {
    is.wanted = Wanted::node;
    is.value_name = "NODE";
  } else if (is.value_name == "FILE" || long_name == "config") {
    is.wanted = Wanted::file;
    is.value_name = "FILE";
  } else {
    is.wanted = is.choices.empty() ? Wanted::text : Wanted::choice;
  }
  return is;
}

CommandNode as_node(const CLI::App& app, const std::string& path) {
  CommandNode node;
  node.path = path;
  node.summary = app.get_description();
  // A command without a footer of its own inherits its parent's.
  const CLI::App* const parent = app.get_parent();
  if (parent == nullptr || parent->get_footer() != app.get_footer()) node.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    (option->get_positional() ? node.positionals : node.options).push_back(as_option(*option));
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (sub->get_group().empty()) continue;
    node.commands.push_back(
        as_node(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name()));
  }
  return node;
}

void collect(const CommandNode& node, std::vector<const CommandNode*>& all) {
  all.push_back(&node);
  for (const CommandNode& command : node.commands) collect(command, all);
}

}  // namespace

std::string choices_text(const CommandOption& option) {
  std::string text;
  bool said = true;
  for (const std::string& choice : option.choices) {
    text += (text.empty() ? "" : ", ") + choice;
    said = said && option.help.find(choice) != std::string::npos;
  }
  return said ? "" : " (" + text + ")";
}

CommandNode command_tree(const CLI::App& parser) {
  return as_node(parser, "");
}

std::vector<const CommandNode*> all_commands(const CommandNode& tree) {
  std::vector<const CommandNode*> all;
  collect(tree, all);
  return all;
}

std::string option_text(const CommandOption& option) {
  std::string text;
  for (const std::string& name : option.names) text += (text.empty() ? "" : ", ") + name;
  if (option.value_name.empty()) return text;
  const std::string value = option.optional_value && !option.names.empty()
                                ? "[" + option.value_name + "]"
                                : option.value_name;
  return text + (text.empty() ? "" : " ") + value;
}

std::string usage_line(const CommandNode& node) {
  std::string text = "evergres" + (node.path.empty() ? "" : " " + node.path);
  if (!node.options.empty()) text += " [OPTIONS]";
  for (const CommandOption& positional : node.positionals) {
    const std::string name = positional.value_name + (positional.repeated ? "..." : "");
    text += positional.required ? " " + name : " [" + name + "]";
  }
  if (!node.commands.empty()) text += " COMMAND";
  return text;
}

std::string commands_reference(const CommandNode& tree) {
  std::string text =
      "# Commands\n\n"
      "Printed by `evergres print commands`. Every command also knows `-c FILE` and `--help`;\n"
      "verbs that change something say what they will affect, and ask on a terminal unless\n"
      "`--force` is given. [Exit codes](exit-codes.md).\n";
  for (const CommandNode* node : all_commands(tree)) {
    if (node->path.empty()) continue;
    text += fmt::format("\n## {}\n\n{}\n\n    {}\n", node->path, node->summary, usage_line(*node));
    std::string lines;
    for (const auto* list : {&node->positionals, &node->options}) {
      for (const CommandOption& option : *list) {
        if (!option.names.empty() && option.names.back() == "--help") continue;
        lines +=
            fmt::format("- `{}`: {}{}\n", option_text(option), option.help, choices_text(option));
      }
    }
    if (!lines.empty()) text += "\n" + lines;
    if (!node->footer.empty()) text += "\n" + node->footer + "\n";
  }
  return text;
}

}  // namespace evergres::cli

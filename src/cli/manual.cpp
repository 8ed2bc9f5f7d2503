#include <fmt/format.h>

#include "cli/command_tree.hpp"
#include "cli/exit_codes.hpp"

namespace evergres::cli {
namespace {

/// The character at `at` of our own UTF-8 text as groff names it, "\\[u2026]"; moves `at` to its
/// last byte.
std::string named_character(const std::string& text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const std::size_t more = first >= 0xF0U ? 3 : first >= 0xE0U ? 2 : 1;
  unsigned code = first & (0x3FU >> more);
  for (std::size_t i = 0; i < more && at + 1 < text.size(); ++i) {
    code = (code << 6U) | (static_cast<unsigned char>(text[++at]) & 0x3FU);
  }
  return fmt::format("\\[u{:04X}]", code);
}

/// Text as groff reads it: no accidental escapes, hyphens that can be copied, no control lines.
std::string escaped(const std::string& text) {
  std::string result;
  bool begins = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (begins && (c == '.' || c == '\'')) result += "\\&";
    begins = c == '\n';
    if (static_cast<unsigned char>(c) >= 0x80U) {
      result += named_character(text, i);
    } else if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else if (c == '`') {
      result += "\\(ga";
    } else {
      result += c;
    }
  }
  return result;
}

std::string option_lines(const CommandNode& node) {
  std::string text;
  for (const auto* list : {&node.positionals, &node.options}) {
    for (const CommandOption& option : *list) {
      const std::string help = option.help + choices_text(option);
      text += fmt::format(".TP\n.B {}\n{}\n", escaped(option_text(option)), escaped(help));
    }
  }
  return text;
}

}  // namespace

std::string manual(const CommandNode& tree, const std::string& version) {
  std::string text =
      fmt::format(".TH EVERGRES 1 \"\" \"evergres {}\" \"Evergres\"\n", escaped(version));
  text += ".SH NAME\nevergres \\- keeps a PostgreSQL database available\n";
  text += ".SH SYNOPSIS\n.B " + escaped(usage_line(tree)) + "\n";
  text += ".SH DESCRIPTION\n" + escaped(tree.summary) +
          "\nOne program, run beside every PostgreSQL server. It creates the cluster, replicates "
          "it, decides who is primary and fails over without losing an acknowledged commit.\n";
  text += ".SH OPTIONS\n" + option_lines(tree);
  text += ".SH COMMANDS\n";
  for (const CommandNode* node : all_commands(tree)) {
    if (node->path.empty()) continue;
    text += ".SS " + escaped(usage_line(*node)) + "\n" + escaped(node->summary) + "\n";
    text += option_lines(*node);
    if (!node->footer.empty()) text += ".PP\n" + escaped(node->footer) + "\n";
  }
  std::string codes = exit_codes_text();
  codes.erase(0, codes.find("0  "));
  text += ".SH EXIT STATUS\n.nf\n" + escaped(codes) + ".fi\n";
  text += ".SH FILES\n.TP\n.I /etc/evergres/node.yaml\n" +
          escaped("the configuration, unless -c or $EVERGRES_CONFIG names another") + "\n";
  text +=
      ".SH ENVIRONMENT\n.TP\n.B EVERGRES_CONFIG\nthe configuration file\n"
      ".TP\n.B NO_COLOR\nno colours\n";
  return text;
}

}  // namespace evergres::cli

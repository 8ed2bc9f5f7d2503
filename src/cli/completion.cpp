#include <fmt/format.h>

#include "cli/command_tree.hpp"

namespace evergres::cli {
namespace {

std::string joined_words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::vector<std::string> option_names(const CommandNode& node) {
  std::vector<std::string> names;
  for (const CommandOption& option : node.options) {
    names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return names;
}

std::string last_word(const std::string& path) {
  return path.substr(path.rfind(' ') + 1);
}

/// Words that may stand where `option` wants its value, as shell text for bash and zsh.
std::string values_of(const CommandOption& option) {
  switch (option.wanted) {
    case Wanted::choice: return joined_words(option.choices);
    case Wanted::node: return "$(_evergres_nodes)";
    default: return "";
  }
}

std::vector<std::string> words_after(const CommandNode& node) {
  std::vector<std::string> words;
  for (const CommandNode& command : node.commands) words.push_back(last_word(command.path));
  for (const std::string& name : option_names(node)) words.push_back(name);
  return words;
}

/// The case branches that bash and zsh share: the command so far, then what the word before wants,
/// then everything that may follow.
std::string shared_cases(const CommandNode& tree) {
  std::string paths;
  std::string wanted;
  std::string words;
  for (const CommandNode* node : all_commands(tree)) {
    const std::string path = node->path;
    if (!path.empty()) paths += fmt::format("      \" {0}\") path=\" {0}\" ;;\n", path);
    const std::string key = path.empty() ? "" : " " + path;
    for (const CommandOption& option : node->options) {
      if (option.value_name.empty()) continue;
      for (const std::string& name : option.names) {
        const std::string pattern = path.empty() ? "*:" + name : "\"" + key + ":" + name + "\"";
        const bool file = option.wanted == Wanted::file;
        wanted += fmt::format("    {}) values=\"{}\"{} ;;\n", pattern, values_of(option),
                              file ? "; files=1" : "");
      }
    }
    std::string rest = joined_words(words_after(*node));
    bool files = false;
    for (const CommandOption& positional : node->positionals) {
      const std::string values = values_of(positional);
      if (!values.empty()) rest += " " + values;
      files = files || positional.wanted == Wanted::file;
    }
    words += fmt::format("    \"{}\") words=\"{}\"{} ;;\n", key, rest, files ? "; files=1" : "");
  }
  return fmt::format("@PATHS@{}@WANTED@{}@WORDS@{}", paths, wanted, words);
}

std::string part(const std::string& all, const std::string& from, const std::string& to) {
  const std::size_t begin = all.find(from) + from.size();
  const std::size_t end = to.empty() ? all.size() : all.find(to);
  return all.substr(begin, end - begin);
}

constexpr std::string_view bash_frame =
    R"(# bash completion for evergres; made by: evergres completion bash
_evergres_nodes() {
  local i config=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "${COMP_WORDS[i]}" in -c|--config) config=(-c "${COMP_WORDS[i + 1]}") ;; esac
  done
  evergres "${config[@]}" complete nodes 2>/dev/null
}
_evergres() {
  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD - 1]}"
  local path="" values="-" words="" files="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path ${COMP_WORDS[i]}" in
@PATHS@    esac
  done
  case "$path:$prev" in
@WANTED@  esac
  if [[ $values == - ]]; then
    case "$path" in
@WORDS@    esac
  else
    words="$values"
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ -n $files ]]; then COMPREPLY+=($(compgen -f -- "$cur")); fi
}
complete -F _evergres evergres
)";

constexpr std::string_view zsh_frame = R"(#compdef evergres
# zsh completion for evergres; made by: evergres completion zsh
_evergres_nodes() {
  local i
  local -a config
  for ((i = 2; i < CURRENT; i++)); do
    case "${words[i]}" in -c|--config) config=(-c "${words[i + 1]}") ;; esac
  done
  evergres $config complete nodes 2>/dev/null
}
_evergres() {
  local given_path="" values="-" files="" i prev="${words[CURRENT - 1]}"
  local next=""
  for ((i = 2; i < CURRENT; i++)); do
    case "$given_path ${words[i]}" in
@PATHS@    esac
  done
  case "$given_path:$prev" in
@WANTED@  esac
  if [[ $values == - ]]; then
    case "$given_path" in
@WORDS@    esac
  else
    next="$values"
  fi
  compadd -- ${=next}
  if [[ -n $files ]]; then _files; fi
}
if [[ $funcstack[1] == _evergres ]]; then _evergres "$@"; else compdef _evergres evergres; fi
)";

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::string filled(std::string_view frame, const CommandNode& tree) {
  const std::string cases = shared_cases(tree);
  std::string text(frame);
  replace_all(text, "@PATHS@", part(cases, "@PATHS@", "@WANTED@"));
  replace_all(text, "@WANTED@", part(cases, "@WANTED@", "@WORDS@"));
  replace_all(text, "@WORDS@", part(cases, "@WORDS@", ""));
  return text;
}

std::string zsh_script(const CommandNode& tree) {
  std::string text = filled(zsh_frame, tree);
  // In zsh `path` is the search path and `words` the line.
  replace_all(text, ") path=", ") given_path=");
  replace_all(text, ") words=", ") next=");
  return text;
}

std::string fish_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

std::string fish_values(const CommandOption& option) {
  switch (option.wanted) {
    case Wanted::choice: return " -x -a " + fish_quoted(joined_words(option.choices));
    case Wanted::node: return " -x -a '(__evergres_nodes)'";
    case Wanted::file: return " -r -F";
    case Wanted::text: return option.optional_value ? "" : " -x";
    case Wanted::nothing: return "";
  }
  return "";
}

/// When the options and positionals of a command are offered.
std::string fish_condition(const CommandNode& node) {
  if (node.path.empty()) return "not count (__evergres_words) >/dev/null";
  return "__evergres_at " + node.path;
}

/// When its commands are: as long as none of them was typed.
std::string fish_condition_of_commands(const CommandNode& node) {
  std::string condition = fish_condition(node);
  if (node.path.empty()) return condition;
  condition += "; and not __evergres_has";
  for (const CommandNode& command : node.commands) condition += " " + last_word(command.path);
  return condition;
}

constexpr std::string_view fish_frame = R"(# fish completion for evergres; made by: evergres completion fish
function __evergres_words # of the line before the cursor, without options and the file of -c
  set -l is_file no
  set -l line (commandline -opc)
  for word in $line[2..-1]
    if test $is_file = yes
      set is_file no
      continue
    end
    switch $word
      case -c --config
        set is_file yes
      case '-*'
      case '*'
        echo $word
    end
  end
end
function __evergres_at # these words were typed, in this order
  set -l words (__evergres_words)
  for word in $argv
    set -l place (contains -i -- $word $words); or return 1
    set -e words[1..$place]
  end
end
function __evergres_has # one of these words was typed
  set -l words (__evergres_words)
  for word in $argv
    contains -- $word $words; and return 0
  end
  return 1
end
function __evergres_nodes
  set -l line (commandline -opc)
  set -l config
  for i in (seq (count $line))
    contains -- $line[$i] -c --config; and set config -c $line[(math $i + 1)]
  end
  evergres $config complete nodes 2>/dev/null
end
complete -c evergres -f
)";

std::string fish_script(const CommandNode& tree) {
  std::string text(fish_frame);
  for (const CommandNode* node : all_commands(tree)) {
    const std::string start = "complete -c evergres -n " + fish_quoted(fish_condition(*node));
    const std::string begin =
        "complete -c evergres -n " + fish_quoted(fish_condition_of_commands(*node)) + " -a ";
    for (const CommandNode& command : node->commands)
      text += begin + last_word(command.path) + " -d " + fish_quoted(command.summary) + "\n";
    for (const CommandOption& option : node->options) {
      std::string line = start;
      for (const std::string& name : option.names) {
        line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      text += line + fish_values(option) + " -d " + fish_quoted(option.help) + "\n";
    }
    for (const CommandOption& positional : node->positionals) {
      const std::string values = fish_values(positional);
      if (positional.wanted != Wanted::text) text += start + values + "\n";
    }
  }
  return text;
}

}  // namespace

std::string completion_script(const CommandNode& tree, const std::string& shell) {
  if (shell == "fish") return fish_script(tree);
  return shell == "zsh" ? zsh_script(tree) : filled(bash_frame, tree);
}

}  // namespace evergres::cli

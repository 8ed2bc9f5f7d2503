#include "cli/command_line.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>

#include "cli/session.hpp"
#include "config/spelling.hpp"

namespace evergres::cli {
namespace {

std::string meant(std::string_view word, const std::vector<std::string>& candidates) {
  const auto near = config::nearest(word, candidates);
  return near ? fmt::format("Did you mean \"{}\"?", *near) : "";
}

std::vector<std::string> subcommand_names(const CLI::App& parser) {
  std::vector<std::string> names;
  for (const CLI::App* sub : parser.get_subcommands([](const CLI::App*) { return true; })) {
    if (!sub->get_group().empty()) names.push_back(sub->get_name());
  }
  return names;
}

std::vector<std::string> option_names(const CLI::App& parser) {
  std::vector<std::string> names;
  for (const CLI::App* level = &parser; level != nullptr; level = level->get_parent()) {
    for (const CLI::Option* option : level->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

/// The innermost command that was recognised.
const CLI::App& deepest(const CLI::App& parser) {
  const CLI::App* level = &parser;
  while (!level->get_subcommands().empty()) level = level->get_subcommands().back();
  return *level;
}

Error usage_error(const CLI::App& parser, const CLI::ParseError& problem) {
  const CLI::App& level = deepest(parser);
  std::string call = "evergres";
  if (&level != &parser) {
    if (level.get_parent() != &parser) call += " " + level.get_parent()->get_name();
    call += " " + level.get_name();
  }
  const std::string help = fmt::format("`{} --help` shows what is possible.", call);
  std::vector<std::string> strange = parser.remaining(true);
  if (strange.empty()) return Error(ErrorCode::usage, problem.what(), "", help);
  const std::string& word = strange.front();
  if (word.starts_with('-')) {
    const std::string name = word.substr(0, word.find('='));
    return Error(ErrorCode::usage, fmt::format("{} has no option {}", call, name),
                 meant(name, option_names(level)), help);
  }
  const auto names = subcommand_names(level);
  if (names.empty()) {
    return Error(ErrorCode::usage, fmt::format("{} does not expect \"{}\"", call, word), "", help);
  }
  return Error(ErrorCode::usage, fmt::format("{} has no command \"{}\"", call, word),
               meant(word, names), help);
}

bool wants_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool is_dumb = terminal != nullptr && std::string_view(terminal) == "dumb";
  return isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0') && !is_dumb;
}

int fail(Session& session, const Error& error) {
  session.out.flush();
  session.err << error.for_people() << std::flush;
  return error_code_info(error.code()).exit_status;
}

/// How many words of the line are ours. What follows the word psql is psql's own (its -c is a
/// statement, ours a file), but for --superuser and the help, which come first.
int own_words(int argc, char** argv, Session& session) {
  int word = 1;
  while (word < argc && argv[word][0] == '-') {
    const std::string_view option = argv[word];
    word += option == "-c" || option == "--config" ? 2 : 1;
  }
  if (word >= argc || std::string_view(argv[word]) != "psql") return argc;
  ++word;
  while (word < argc) {
    const std::string_view next = argv[word];
    if (next != "--superuser" && next != "--help" && next != "-h") break;
    ++word;
  }
  const int ours = word;
  if (word < argc && std::string_view(argv[word]) == "--") ++word;
  session.psql_arguments.assign(argv + word, argv + argc);
  return ours;
}

/// "run" or "agent" if that is all that is asked: a process that lives for months does not keep the
/// parsers of all other commands.
std::string_view service_command(int argc, char** argv) {
  if (argc != 4) return {};
  const std::string_view words[] = {argv[1], argv[2], argv[3]};
  for (const std::string_view service : {"run", "agent"}) {
    const bool behind = words[0] == "-c" && words[2] == service;
    if (behind || (words[0] == service && words[1] == "-c")) return service;
  }
  return {};
}

int parse_and_run(int argc, char** argv, Session& session) {
  CLI::App parser("Evergres keeps a PostgreSQL database available.", "evergres");
  parser.require_subcommand(1);
  parser.fallthrough();
  parser.add_option(
      "-c,--config", session.config_file,
      "node.yaml; else $EVERGRES_CONFIG, /etc/evergres/node.yaml or this user's demo");
  parser.set_help_flag("-h,--help", "show this help");
  parser.set_version_flag("-V,--version", "evergres " + session.wiring.version,
                          "show the version of this program");
  parser.footer("`evergres help exit-codes` explains the exit status.");
  std::map<const CLI::App*, Action> actions;
  const std::string_view service = service_command(argc, argv);
  for (const Command& command : commands()) {
    if (!service.empty() && command.name != service) continue;
    CLI::App* const sub =
        parser.add_subcommand(std::string(command.name), std::string(command.summary));
    if (command.hidden) sub->group("");
    actions[sub] = command.add(*sub, session);
  }
  if (argc <= 1) {
    session.err << parser.help();
    return 2;
  }
  try {
    parser.parse(own_words(argc, argv, session), argv);
  } catch (const CLI::CallForHelp&) {
    session.out << deepest(parser).help();
    return 0;
  } catch (const CLI::CallForVersion& version) {
    session.out << version.what() << "\n";
    return 0;
  } catch (const CLI::ParseError& problem) {
    return fail(session, usage_error(parser, problem));
  }
  const Result<int> status = actions.at(parser.get_subcommands().front())();
  if (!status) return fail(session, status.error());
  session.out.flush();
  return *status;
}

}  // namespace

int run_command_line(int argc, char** argv, const Wiring& wiring) {
  Session session{
      wiring,         std::cout, std::cerr, isatty(STDOUT_FILENO) == 1, isatty(STDIN_FILENO) == 1,
      wants_colour(), "",        {}};
  try {
    return parse_and_run(argc, argv, session);
  } catch (const std::exception& problem) {
    return fail(session, Error(ErrorCode::internal, "an unforeseen failure", problem.what(),
                               "Please report it."));
  }
}

}  // namespace evergres::cli

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <vector>

#include "cli/commands/all.hpp"
#include "cli/demo/verbs.hpp"

namespace evergres::cli {
namespace {

struct DemoOptions {
  std::string directory = demo::default_directory().string();
  std::string run_directory;
  std::string node = "primary";
  std::size_t nodes = 3;
  int port = 0;
  std::vector<int> ports;
  int seconds = 0;
  std::map<const CLI::App*, std::function<Result<int>()>> verbs;
};

CLI::App* add_verb(CLI::App& parser, DemoOptions& options, const char* name, const char* summary) {
  CLI::App* const verb = parser.add_subcommand(name, summary);
  verb->add_option("--directory", options.directory, "where the demo lives")->capture_default_str();
  return verb;
}

void add_up(CLI::App& parser, Session& session, DemoOptions& options) {
  CLI::App* const up = add_verb(parser, options, "up", "make the demo, or start it again");
  up->add_option("--nodes", options.nodes, "how many nodes")
      ->check(CLI::Range(1, 9))
      ->capture_default_str();
  up->add_option("--port", options.port,
                 "first of three ports per node in a row; else free ones are chosen")
      ->check(CLI::Range(1024, 65505));
  // A root caller prepares it and hands it to the part that runs as postgres.
  up->add_option("--run-directory", options.run_directory, "")->group("");
  up->add_option("--ports", options.ports, "")->delimiter(',')->group("");
  options.verbs[up] = [&session, &options] {
    if (options.port != 0)
      options.ports = demo::ports_from(options.port, demo::ports_per_node * options.nodes);
    return demo::up(session,
                    {options.directory, options.nodes, options.ports, options.run_directory});
  };
}

void add_node_verbs(CLI::App& parser, Session& session, DemoOptions& options) {
  struct Line {
    const char* name;
    const char* summary;
    demo::NodeVerb verb;
  };
  static constexpr Line lines[] = {
      {"kill", "SIGKILL for all processes of a node at once", demo::NodeVerb::kill},
      {"start", "start a node again", demo::NodeVerb::start},
      {"freeze", "SIGSTOP for all processes of a node", demo::NodeVerb::freeze},
      {"thaw", "SIGCONT for all processes of a node", demo::NodeVerb::thaw}};
  for (const Line& line : lines) {
    CLI::App* const verb = add_verb(parser, options, line.name, line.summary);
    verb->add_option("NODE", options.node, "n1, n2, … or primary")->required();
    options.verbs[verb] = [&session, &options, what = line.verb] {
      return demo::do_to_node(session, options.directory, what, options.node);
    };
  }
}

}  // namespace

Action add_demo(CLI::App& parser, Session& session) {
  auto options = std::make_shared<DemoOptions>();
  add_up(parser, session, *options);
  CLI::App* const down = add_verb(parser, *options, "down", "stop the demo and remove all of it");
  options->verbs[down] = [&session, all = options.get()] {
    return demo::down(session, all->directory);
  };
  CLI::App* const status = add_verb(parser, *options, "status", "its processes and its nodes");
  options->verbs[status] = [&session, all = options.get()] {
    return demo::show_status(session, all->directory);
  };
  CLI::App* const watch = add_verb(parser, *options, "watch", "write all the time and count");
  watch->add_option("--seconds", options->seconds, "how long; else until Ctrl-C")
      ->check(CLI::Range(1, 86'400));
  options->verbs[watch] = [&session, all = options.get()] {
    return demo::watch(session, all->directory, all->seconds);
  };
  add_node_verbs(parser, session, *options);
  parser.require_subcommand(1);
  return [&parser, options]() -> Result<int> {
    return options->verbs.at(parser.get_subcommands().front())();
  };
}

}  // namespace evergres::cli

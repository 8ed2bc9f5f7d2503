#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <set>

#include "cli/agents.hpp"
#include "cli/command_tree.hpp"
#include "cli/commands/all.hpp"

namespace evergres::cli {

Action add_completion(CLI::App& parser, Session& session) {
  auto shell = std::make_shared<std::string>();
  parser.add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  parser.footer("For bash: evergres completion bash > /etc/bash_completion.d/evergres");
  return [&parser, &session, shell]() -> Result<int> {
    session.out << completion_script(command_tree(*parser.get_parent()), *shell);
    return 0;
  };
}

Action add_man(CLI::App& parser, Session& session) {
  parser.footer("evergres man | man -l -");
  return [&parser, &session]() -> Result<int> {
    session.out << manual(command_tree(*parser.get_parent()), session.wiring.version);
    return 0;
  };
}

// A shell waits for this while a person types: all agents together get less than a second, then the
// names that the configuration knows have to do.
Action add_complete(CLI::App& parser, Session& session) {
  auto what = std::make_shared<std::string>();
  parser.add_option("WHAT", *what, "nodes")->required()->check(CLI::IsMember({"nodes"}));
  return [&session, what]() -> Result<int> {  // the parser writes into `what`
    Result<Place> place = find_place(session);
    if (!place) return 0;
    std::set<std::string> names;
    for (const KnownNode& node : place->nodes) names.insert(node.settings.node.value);
    const Millis each{800 / std::max<std::size_t>(1, place->nodes.size())};
    const Result<cluster::ClusterStatus> status = ask_status(*place, each);
    if (status) {
      for (const cluster::NodeStatus& node : status->nodes) names.insert(node.name);
    }
    for (const std::string& name : names) {
      // An agent is a peer: what is no node name must not reach a shell.
      const bool plain = std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
      });
      if (plain && !name.empty()) session.out << name << "\n";
    }
    return 0;
  };
}

}  // namespace evergres::cli

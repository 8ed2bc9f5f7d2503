#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>

#include "cli/commands/all.hpp"
#include "cli/place.hpp"

namespace evergres::cli {
namespace {

namespace fs = std::filesystem;

struct LogOptions {
  std::string node;
  std::string only;
  unsigned lines = 20;
  bool follow = false;
};

Result<KnownNode> named_node(const Place& place, const std::string& name) {
  if (name.empty()) return place.nodes.front();
  const auto found = std::ranges::find_if(
      place.nodes, [&](const KnownNode& node) { return node.settings.node.value == name; });
  if (found != place.nodes.end()) return *found;
  return Error(ErrorCode::not_found, "node \"" + name + "\" is not on this machine",
               "Only the logs of the nodes whose configuration is known here can be read.",
               "Run this command on the machine of " + name + ", or name its file with -c.");
}

/// The files that are there. What Evergres says goes to the stderr of `evergres run`: a file in a
/// demo, else whatever the service manager keeps.
std::vector<fs::path> log_files(const Place& place, const KnownNode& node,
                                const LogOptions& options) {
  const fs::path directory = node.settings.state_directory / "log";
  std::vector<fs::path> files;
  if (options.only != "postgres") {
    files.push_back(place.demo ? place.demo->log_file(node.settings.node)
                               : directory / "evergres.log");
  }
  if (options.only != "evergres") files.push_back(directory / "postgres.log");
  return files;
}

/// tail knows rotation, truncation and how to follow several files.
Error exec_tail(const LogOptions& options, const std::vector<fs::path>& files) {
  std::vector<std::string> words{"tail", "-n", std::to_string(options.lines)};
  if (options.follow) words.emplace_back("-F");
  words.emplace_back("--");
  for (const fs::path& file : files) words.push_back(file.string());
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execvp("tail", pointers.data());
  return error_from_errno("could not execute tail", errno);
}

}  // namespace

Action add_logs(CLI::App& parser, Session& session) {
  auto options = std::make_shared<LogOptions>();
  parser.add_option("NODE", options->node, "name of the node; else the configured one");
  parser.add_option("-n,--lines", options->lines, "how many lines of each file")
      ->check(CLI::Range(0U, 1'000'000U))
      ->capture_default_str();
  parser.add_flag("-f,--follow", options->follow, "go on with what is written");
  parser.add_option("--only", options->only, "evergres or postgres")
      ->check(CLI::IsMember({"evergres", "postgres"}));
  return [&session, options]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    Result<KnownNode> node = named_node(*place, options->node);
    if (!node) return node.error();
    std::vector<fs::path> files = log_files(*place, *node, *options);
    std::string missing;
    std::erase_if(files, [&](const fs::path& file) {
      if (access(file.c_str(), R_OK) == 0) return false;
      missing += (missing.empty() ? "" : ", ") + file.string();
      return true;
    });
    if (files.empty()) {
      return Error(ErrorCode::not_found, "no log can be read", "Looked for " + missing + ".",
                   "What `evergres run` says is kept by its service: journalctl -u evergres.");
    }
    if (!missing.empty()) session.err << "(not readable here: " << missing << ")\n";
    session.err.flush();
    session.out.flush();
    return exec_tail(*options, files);
  };
}

}  // namespace evergres::cli

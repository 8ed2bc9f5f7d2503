#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "config/node_settings.hpp"

namespace evergres::cli {

/// What the commands of the daemon side need and the command line may not include. Filled in by
/// app/main.cpp.
struct Wiring {
  std::string version;

  /// `evergres run`: the keeper. Gets the absolute path of the node file and what it says; returns
  /// the exit status when the node has stopped.
  std::function<int(const std::filesystem::path& config_file, const config::NodeSettings& settings)>
      run;

  /// `evergres agent …` (hidden; the supervisor starts it). `arguments` are the words after the
  /// options that the command line itself understands (-c).
  std::function<int(const std::filesystem::path& config_file, const config::NodeSettings& settings,
                    const std::vector<std::string>& arguments)>
      agent;

  /// `evergres proxy`: the endpoint of a node (its supervisor starts it). Returns the exit status.
  std::function<int(const std::filesystem::path& config_file, const config::NodeSettings& settings)>
      proxy;
};

/// Parses the arguments, runs one command and returns the exit status of the process. Errors are
/// printed on stderr. Never throws.
int run_command_line(int argc, char** argv, const Wiring& wiring);

}  // namespace evergres::cli

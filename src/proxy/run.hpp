#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"
#include "config/node_settings.hpp"
#include "proxy/configuration.hpp"
#include "proxy/loudness.hpp"

namespace evergres::proxy {

/// Everything that the endpoint's process starts with.
struct RunPlan {
  config::NodeSettings settings;  ///< for the feed: name, cluster, secret, sockets, peers
  Configuration configuration;
  /// For SIGHUP: node.yaml and what it names, read anew. Blocks for as long as reading files takes;
  /// an error is to be said, and what is in force stays. Certificates, hba_file and auth_file are
  /// replaced by rename at any time, also without a SIGHUP.
  std::function<Result<Configuration>()> read_again;
  std::string version = "?";  ///< of Evergres
  /// Looks after files that nobody else makes (proxy/alone.hpp), each hour; a sentence for the log
  /// or "". Empty: the agent does.
  std::function<Result<std::string>()> keep_files = {};
};

struct RunHooks {
  /// A line of the log; from any thread.
  std::function<void(Loudness, const std::string&)> say;
};

/// The whole life of `evergres proxy`; returns its exit status. A process that serves the same run
/// directory already hands over its listening sockets, goes on for handover_timeout with the clients
/// that it has, and ends (decision 0042). SIGTERM and SIGINT: accept nobody
/// any more, let those who are in a transaction end it, leave within four seconds (the supervisor
/// kills it after five). SIGHUP: read_again(). The console's RELOAD does what SIGHUP does, and
/// SHUTDOWN ends the process in its ways.
int run_proxy(RunPlan plan, RunHooks hooks);

}  // namespace evergres::proxy

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ostream>

#include "cli/agents.hpp"
#include "cli/commands/all.hpp"

namespace evergres::cli {
namespace {

std::string host_text(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

Result<std::string> dsn_of(const Place& place) {
  if (place.demo) return place.demo->dsn();
  const config::NodeSettings& settings = place.nodes.front().settings;
  if (settings.application.empty()) {
    return Error(ErrorCode::not_found, "the configuration names no application",
                 "The DSN needs a role and a database.",
                 "Add \"application:\" to " + place.nodes.front().config_file.string() + ".");
  }
  Result<cluster::ClusterStatus> status = ask_status(place);
  if (!status) return status.error();
  std::string hosts;
  for (const cluster::NodeStatus& node : status->nodes) {
    hosts += fmt::format("{}{}:{}", hosts.empty() ? "" : ",", host_text(node.host), node.port);
  }
  return fmt::format("postgresql://{}@{}/{}?target_session_attrs=read-write",
                     settings.application.at("role"), hosts, settings.application.at("database"));
}

}  // namespace

Action add_dsn(CLI::App& /*parser*/, Session& session) {
  return [&session]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    Result<std::string> dsn = dsn_of(*place);
    if (!dsn) return dsn.error();
    session.out << *dsn << "\n";
    return 0;
  };
}

}  // namespace evergres::cli

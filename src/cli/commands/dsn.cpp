#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "cli/agents.hpp"
#include "cli/commands/all.hpp"
#include "net/certificates.hpp"

namespace evergres::cli {
namespace {

std::string host_text(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

/// Of endpoints that listen to this machine only: this one's. Else those of all nodes, which have
/// one port by agreement.
Result<std::string> endpoint_dsn(const Place& place, bool verify) {
  const config::NodeSettings& settings = place.nodes.front().settings;
  const config::ProxySettings& proxy = settings.proxy;
  std::string hosts;
  if (proxy.host == "127.0.0.1" || proxy.host == "::1" || proxy.host == "localhost") {
    hosts = fmt::format("{}:{}", host_text(proxy.host), proxy.port);
  } else {
    Result<cluster::ClusterStatus> status = ask_status(place);
    if (!status) return status.error();
    for (const cluster::NodeStatus& node : status->nodes) {
      hosts += fmt::format("{}{}:{}", hosts.empty() ? "" : ",", host_text(node.host), proxy.port);
    }
  }
  const bool own = proxy.tls && proxy.tls_certificate.empty();
  if (verify && !own) {
    return Error(ErrorCode::refused, "the certificate of this endpoint is not Evergres' own",
                 "Its authority is not known here, or it has no TLS.",
                 "Give your clients the authority of proxy.tls_certificate.");
  }
  std::string options = proxy.tls ? "?sslmode=require" : "";
  if (verify) {
    options = "?sslmode=verify-full&sslrootcert=" +
              net::certificate_files(settings.state_directory).authority.string();
  }
  return fmt::format("postgresql://{}@{}/{}{}", settings.application.at("role"), hosts,
                     settings.application.at("database"), options);
}

Result<std::string> dsn_of(const Place& place, bool verify) {
  if (place.demo) return place.demo->dsn();
  const config::NodeSettings& settings = place.nodes.front().settings;
  if (settings.application.empty()) {
    return Error(ErrorCode::not_found, "the configuration names no application",
                 "The DSN needs a role and a database.",
                 "Add \"application:\" to " + place.nodes.front().config_file.string() + ".");
  }
  if (settings.proxy.enabled) return endpoint_dsn(place, verify);
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

Action add_dsn(CLI::App& parser, Session& session) {
  auto verify = std::make_shared<bool>(false);
  parser.add_flag("--verify-full", *verify,
                  "have clients verify the endpoint, with the authority of the cluster");
  return [&session, verify]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    Result<std::string> dsn = dsn_of(*place, *verify);
    if (!dsn) return dsn.error();
    session.out << *dsn << "\n";
    return 0;
  };
}

}  // namespace evergres::cli

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <ostream>

#include "cli/agents.hpp"
#include "cli/commands/all.hpp"
#include "cli/demo/caller.hpp"
#include "postgres/versions.hpp"

namespace evergres::cli {
namespace {

struct Target {
  std::string conninfo;
  std::string passfile;  ///< "" to leave it to libpq
};

Result<const cluster::NodeStatus*> leader_of(const cluster::ClusterStatus& status) {
  const auto found = std::ranges::find_if(
      status.nodes, [&](const cluster::NodeStatus& node) { return status.leader == node.name; });
  if (found == status.nodes.end()) {
    return Error(ErrorCode::unreachable, "nobody leads at the moment", "",
                 "`evergres explain election` says why.");
  }
  return &*found;
}

/// A value inside a conninfo string (libpq, "Keyword/Value Connection Strings").
std::string conninfo_value(const std::string& value) {
  std::string result = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

/// Where the applications of this machine connect: all endpoints of a demo, or that of this node.
std::string endpoints_of(const Place& place) {
  std::string hosts;
  std::string ports;
  for (const KnownNode& node : place.nodes) {
    const config::ProxySettings& proxy = node.settings.proxy;
    const bool anywhere = proxy.host == "0.0.0.0" || proxy.host == "::";
    const char* const comma = hosts.empty() ? "" : ",";
    hosts += comma + (anywhere ? std::string("127.0.0.1") : proxy.host);
    ports += comma + std::to_string(proxy.port);
  }
  return fmt::format("host={} port={}", conninfo_value(hosts), conninfo_value(ports));
}

/// Without a leader's address: through the endpoints.
Result<Target> as_application(const Place& place, const cluster::NodeStatus* leader) {
  const auto& application = place.nodes.front().settings.application;
  if (application.empty()) {
    return Error(ErrorCode::not_found, "the configuration names no application", "",
                 "Use --superuser on the machine of the primary.");
  }
  const std::string where =
      leader == nullptr
          ? endpoints_of(place)
          : fmt::format("host={} port={}", conninfo_value(leader->host), leader->port);
  return Target{fmt::format("{} user={} dbname={}", where, conninfo_value(application.at("role")),
                            conninfo_value(application.at("database"))),
                place.demo ? place.demo->passfile().string() : ""};
}

Result<Target> as_superuser(const Place& place, const cluster::NodeStatus& leader) {
  const auto known = std::ranges::find_if(
      place.nodes, [&](const KnownNode& node) { return node.settings.node.value == leader.name; });
  if (known == place.nodes.end()) {
    return Error(ErrorCode::refused, "the primary is on " + leader.name,
                 "The superuser connects over the local socket only.",
                 "Run this command on " + leader.name + ".");
  }
  // Peer authentication wants the user who owns the data directory.
  if (Outcome done = demo::become_owner_of(known->settings.data_directory); !done) {
    return done.error();
  }
  return Target{fmt::format("host={} port={} user=postgres dbname=postgres",
                            conninfo_value(known->settings.run_directory.string()), leader.port),
                ""};
}

/// An endpoint knows by itself who leads, and waits while nobody does.
Result<Target> target_of(const Place& place, bool superuser) {
  if (!superuser && place.nodes.front().settings.proxy.enabled) {
    return as_application(place, nullptr);
  }
  Result<cluster::ClusterStatus> status = ask_status(place);
  if (!status) return status.error();
  Result<const cluster::NodeStatus*> leader = leader_of(*status);
  if (!leader) return leader.error();
  return superuser ? as_superuser(place, **leader) : as_application(place, *leader);
}

Error exec_psql(const Place& place, const Target& target, std::vector<std::string> arguments) {
  std::filesystem::path bin = place.nodes.front().settings.bin_directory;
  if (bin.empty()) {
    Result<std::filesystem::path> found = postgres::find_bin_directory();
    if (!found) return found.error();
    bin = *found;
  }
  std::string program = (bin / "psql").string();
  // The path of the passfile is no secret; its content stays in the file.
  if (!target.passfile.empty()) setenv("PGPASSFILE", target.passfile.c_str(), 1);
  std::string dbname = "--dbname=" + target.conninfo;
  std::vector<char*> words{program.data(), dbname.data()};
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  execv(program.c_str(), words.data());
  return error_from_errno("could not execute " + program, errno);
}

}  // namespace

Action add_psql(CLI::App& parser, Session& session) {
  auto superuser = std::make_shared<bool>(false);
  parser.add_flag("--superuser", *superuser, "as postgres over the local socket");
  parser.footer("Everything behind these options is psql's: evergres psql -c 'select 1'");
  return [&session, superuser]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    Result<Target> target = target_of(*place, *superuser);
    if (!target) return target.error();
    session.out.flush();
    return exec_psql(*place, *target, session.psql_arguments);
  };
}

}  // namespace evergres::cli

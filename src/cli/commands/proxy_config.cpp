#include <fmt/format.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <memory>
#include <ostream>
#include <set>

#include "base/file.hpp"
#include "cli/commands/all.hpp"
#include "cli/watching.hpp"
#include "config/values.hpp"
#include "net/certificates.hpp"
#include "net/secret.hpp"

namespace evergres::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* written_rules = "hba.conf";

/// All agents that an agent knows; those of this place if none answers.
std::set<std::string> agents_of(const Place& place, Session& session) {
  std::set<std::string> agents;
  const auto add = [&agents](const std::string& host, int port) {
    agents.insert(config::host_port_text({host, port}));
  };
  const Outcome heard = watch_an_agent(place, [&add](const cluster::RouteWord& word) {
    for (const cluster::RouteNode& node : word.nodes) add(node.agent_host, node.agent_port);
    return false;
  });
  if (heard && !agents.empty()) return agents;
  session.err << "(no agent answers: only those that this file knows are named)\n";
  for (const KnownNode& node : place.nodes) add(node.settings.peer_host, node.settings.peer_port);
  return agents;
}

Outcome make_directory(const fs::path& directory) {
  std::error_code error;
  const bool is_new = fs::create_directories(directory, error);
  if (error) return error_from_errno("could not make " + directory.string(), error.value());
  if (!is_new && !fs::is_empty(directory, error)) {
    return Error(ErrorCode::already_exists, directory.string() + " is not empty",
                 "Secrets are not written over something else.", "Name a new directory.");
  }
  if (::chmod(directory.c_str(), 0700) != 0) {
    return error_from_errno("could not set the mode of " + directory.string(), errno);
  }
  return {};
}

/// The rules of the endpoint beside this node, as they are now. Nothing if there are none yet.
Result<std::optional<std::string>> rules_of(const config::NodeSettings& node) {
  return read_file_if_present(node.proxy.hba_file.empty()
                                  ? node.state_directory / "proxy_hba.conf"
                                  : node.proxy.hba_file);
}

std::string file_text(const config::NodeSettings& node, const std::set<std::string>& agents) {
  std::string list;
  for (const std::string& agent : agents) {
    list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", agent);
  }
  return fmt::format(
      "# An endpoint on a machine without a node: evergres -c <this file> proxy\n"
      "cluster: {}\n"
      "secret_file: watch.secret\n"
      "state_directory: state\n"
      "run_directory: run\n"
      "proxy:\n"
      "  agents: [{}]\n"
      "  auth_password_file: auth.password\n"
      "  host: 127.0.0.1\n"
      "  port: {}\n"
      "  read_only_port: {}\n"
      "  # Who may log in from where: as the nodes had it when this file was made.\n"
      "  hba_file: {}\n",
      node.cluster, list, node.proxy.port, node.proxy.read_only_port, written_rules);
}

Outcome write_files(const config::NodeSettings& node, const std::vector<std::string>& hosts,
                    const std::set<std::string>& agents, const fs::path& directory) {
  const auto secret = net::load_secret(node.secret_file);
  if (!secret) return secret.error();
  const auto rules = rules_of(node);
  if (!rules) return rules.error();
  if (!*rules) {
    return Error(ErrorCode::not_found, "this node has no rules for applications yet",
                 "Its agent writes them when it has begun.", "Start the node first.");
  }
  if (auto made = make_directory(directory); !made) return made;
  net::CertificateRequest request;
  request.cluster = node.cluster;
  request.node = "endpoint";
  request.names = hosts;
  if (auto issued =
          net::issue_certificates(*secret, request, directory / "state", ::time(nullptr));
      !issued) {
    return issued;
  }
  for (const auto& [name, text] :
       {std::pair{"watch.secret", net::watch_secret(*secret).value + "\n"},
        std::pair{"auth.password", net::derived_password(*secret, net::auth_purpose) + "\n"},
        std::pair{written_rules, **rules}, std::pair{"proxy.yaml", file_text(node, agents)}}) {
    if (auto written = write_file_durably(directory / name, text, 0600); !written) return written;
  }
  return {};
}

}  // namespace

Action add_proxy_config(CLI::App& parser, Session& session) {
  auto directory = std::make_shared<std::string>();
  auto hosts = std::make_shared<std::vector<std::string>>();
  parser.add_option("DIRECTORY", *directory, "where the files are written; new or empty")
      ->required();
  parser.add_option("--host", *hosts,
                    "a name or an address under which clients reach that endpoint, for its "
                    "certificate");
  return [&session, directory, hosts]() -> Result<int> {
    Result<Place> place = find_place(session);
    if (!place) return place.error();
    const config::NodeSettings& node = place->nodes.front().settings;
    if (!node.proxy.enabled) {
      return Error(ErrorCode::refused, "the nodes of this cluster have no endpoint",
                   "Their PostgreSQL admits endpoints of other machines only if they have one "
                   "themselves.",
                   "Add \"proxy:\" to each node.yaml and start the nodes again.");
    }
    for (const std::string& host : *hosts) {
      if (!config::is_host(host)) {
        return Error(ErrorCode::usage, "\"" + host + "\" is no host name and no address");
      }
    }
    const fs::path to = fs::absolute(*directory).lexically_normal();
    if (auto written = write_files(node, *hosts, agents_of(*place, session), to); !written) {
      return written.error();
    }
    session.out << "written: " << to.string() << ", with secrets in it\n"
                << "1. name the other machine's address in proxy.other_hosts of each node, and "
                   "`evergres reload` them\n"
                << "2. copy the directory there, readable for one user only\n"
                << "3. start it there: evergres -c " << (to / "proxy.yaml").string() << " proxy\n"
                << "Its certificates last a year: write a new directory before that.\n";
    return 0;
  };
}

}  // namespace evergres::cli

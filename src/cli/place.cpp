#include "cli/place.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ostream>

#include "config/reader.hpp"

namespace evergres::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* installed_file = "/etc/evergres/node.yaml";

/// The file that -c, the environment or the installation names; nothing if none does.
std::optional<fs::path> named_file(const Session& session) {
  if (!session.config_file.empty()) return fs::absolute(session.config_file).lexically_normal();
  const char* named = std::getenv("EVERGRES_CONFIG");
  if (named != nullptr && named[0] != '\0') return fs::absolute(named).lexically_normal();
  std::error_code ignored;
  if (fs::exists(installed_file, ignored)) return installed_file;
  return std::nullopt;
}

Result<demo::Plan> own_demo(Session& session) {
  Result<std::optional<demo::Plan>> plan = demo::read_plan(demo::default_directory());
  if (!plan) return plan.error();
  if (!*plan) {
    return Error(ErrorCode::not_found, "no configuration file was found",
                 "Looked at -c, $EVERGRES_CONFIG, /etc/evergres/node.yaml and for a demo of this "
                 "user.",
                 "Name a file with -c FILE, or try Evergres with `evergres demo up`.");
  }
  session.err << "(using the demo in " << (*plan)->directory.string() << ")\n";
  return **plan;
}

}  // namespace

Place demo_place(const demo::Plan& plan) {
  Place place;
  for (const NodeName& node : plan.names()) {
    place.nodes.push_back({plan.config_file(node), plan.settings(node)});
  }
  place.demo = plan;
  return place;
}

fs::path agent_socket(const config::NodeSettings& settings) {
  return settings.run_directory / "agent.sock";
}

Result<KnownNode> find_node(Session& session) {
  Result<KnownNode> node = find_endpoint(session);
  if (node && node->settings.proxy.alone()) {
    return Error(ErrorCode::config_invalid, "this file describes an endpoint and no node",
                 node->config_file.string() + " names proxy.agents or proxy.external.",
                 "Name the file of a node with -c FILE.");
  }
  return node;
}

Result<KnownNode> find_endpoint(Session& session) {
  if (const auto file = named_file(session)) {
    Result<config::NodeSettings> settings = config::read_node_file(*file);
    if (!settings) return settings.error();
    return KnownNode{*file, *settings};
  }
  Result<demo::Plan> plan = own_demo(session);
  if (!plan) return plan.error();
  return demo_place(*plan).nodes.front();
}

Result<Place> find_place(Session& session) {
  const auto file = named_file(session);
  if (!file) {
    Result<demo::Plan> plan = own_demo(session);
    if (!plan) return plan.error();
    return demo_place(*plan);
  }
  Result<KnownNode> node = find_node(session);
  if (!node) return node.error();
  // <demo>/n1/node.yaml: the other nodes of that demo are known as well.
  Result<std::optional<demo::Plan>> plan = demo::read_plan(file->parent_path().parent_path());
  if (plan && *plan) {
    Place place = demo_place(**plan);
    const auto named = std::ranges::find(place.nodes, *file, &KnownNode::config_file);
    if (named != place.nodes.end()) {
      std::rotate(place.nodes.begin(), named, named + 1);
      return place;
    }
  }
  Place place;
  place.nodes.push_back(std::move(*node));
  return place;
}

}  // namespace evergres::cli

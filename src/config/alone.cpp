#include "config/alone.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace evergres::config {
namespace {

constexpr std::array<std::string_view, 6> of_both{"cluster",     "state_directory", "run_directory",
                                                  "secret_file", "tags",            "proxy"};

class Looking {
 public:
  Looking(const NodeSettings& settings, const std::map<std::string_view, int>& seen)
      : is_(settings), seen_(seen) {}

  std::vector<AloneProblem> look() {
    for (const auto& [name, line] : seen_) {
      if (belongs_to_alone(name)) continue;
      say(line, fmt::format("option \"{}\" belongs to a node, and this is an endpoint alone", name),
          fmt::format("take it away, or proxy.{}", way()));
    }
    const ProxySettings& proxy = is_.proxy;
    if (!proxy.agents.empty()) look_at_agents();
    if (!proxy.external.empty() && seen_.contains("secret_file")) {
      say(seen_.at("secret_file"), "secret_file belongs to a cluster of Evergres",
          "take it away: the password for external servers is in proxy.auth_password_file");
    }
    if (proxy.auth_password_file.empty()) {
      say(proxy_line(), "option \"proxy.auth_password_file\" is missing",
          fmt::format("with proxy.{} it has the password of the role that asks for secrets",
                      way()));
    }
    if (!proxy.other_hosts.empty()) {
      say(proxy_line(), "proxy.other_hosts belongs to a node, and this is an endpoint alone",
          "say it in the node.yaml of the nodes");
    }
    return std::move(problems_);
  }

 private:
  void look_at_agents() {
    for (const auto& [name, hint] :
         {std::pair{"cluster", "add the name of the cluster that the agents belong to"},
          std::pair{"secret_file", "it has the secret for those who watch agents; `evergres "
                                   "proxy-config` on a node writes one"}}) {
      if (!seen_.contains(name)) {
        say(proxy_line(), fmt::format("option \"{}\" is missing beside proxy.agents", name), hint);
      }
    }
    if (!is_.proxy.tls_names.empty()) {
      say(proxy_line(), "proxy.tls_names has no effect beside proxy.agents",
          "name them to `evergres proxy-config`, which makes the certificate");
    }
  }

  [[nodiscard]] const char* way() const { return is_.proxy.agents.empty() ? "external" : "agents"; }
  [[nodiscard]] int proxy_line() const { return seen_.contains("proxy") ? seen_.at("proxy") : 0; }
  void say(int line, std::string message, std::string hint) {
    problems_.push_back({line, std::move(message), std::move(hint)});
  }

  const NodeSettings& is_;
  const std::map<std::string_view, int>& seen_;
  std::vector<AloneProblem> problems_;
};

}  // namespace

std::vector<AloneProblem> alone_problems(const NodeSettings& settings,
                                         const std::map<std::string_view, int>& seen) {
  return Looking(settings, seen).look();
}

bool belongs_to_alone(std::string_view option) {
  return std::ranges::find(of_both, option) != of_both.end();
}

bool is_half_alone(const std::map<std::string_view, int>& seen) {
  return seen.contains("proxy") && !seen.contains("node") && !seen.contains("data_directory") &&
         !seen.contains("store");
}

}  // namespace evergres::config

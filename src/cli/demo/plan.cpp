#include "cli/demo/plan.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <numeric>

#include "base/file.hpp"
#include "config/printer.hpp"
#include "net/certificates.hpp"

namespace evergres::cli::demo {
namespace {

namespace fs = std::filesystem;

constexpr int first_port = 16320;
constexpr int last_port = 65535;

std::string percent_encoded(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '/' || c == '.' || c == '-' || c == '_';
    if (plain) {
      result += c;
    } else {
      result += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return result;
}

Outcome make_private_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return error_from_errno("could not make " + directory.string(), error.value());
  if (chmod(directory.c_str(), 0700) != 0) {
    return error_from_errno("could not set the mode of " + directory.string(), errno);
  }
  return {};
}

Outcome write_if_absent(const fs::path& path, const std::string& content) {
  std::error_code ignored;
  if (fs::exists(path, ignored)) return {};
  return write_file_durably(path, content, 0600);
}

bool is_usable_port(int port) {
  return port >= 1024 && port <= last_port;
}

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("''") : std::string(1, c);
  return result + "'";
}

}  // namespace

std::vector<NodeName> Plan::names() const {
  std::vector<NodeName> all;
  for (std::size_t i = 1; i <= nodes; ++i) all.emplace_back(fmt::format("n{}", i));
  return all;
}

fs::path Plan::node_directory(const NodeName& node) const {
  return directory / node.value;
}
fs::path Plan::config_file(const NodeName& node) const {
  return node_directory(node) / "node.yaml";
}
fs::path Plan::log_file(const NodeName& node) const {
  return node_directory(node) / "log" / "evergres.log";
}

config::NodeSettings Plan::settings(const NodeName& node) const {
  const auto index = static_cast<std::size_t>(std::atoi(node.value.c_str() + 1) - 1);
  CHECK(index < nodes);
  config::NodeSettings is;
  is.cluster = "demo";
  is.node = node;
  is.data_directory = node_directory(node) / "data";
  is.state_directory = node_directory(node) / "state";
  is.run_directory = run_directory / node.value;
  is.store = "sqlite:" + (directory / "store" / "store.db").string();
  is.secret_file = directory / "secret";
  is.postgres_port = postgres_port(index);
  is.peer_port = peer_port(index);
  is.http_port = http_port(index);
  if (has_endpoints()) {
    is.proxy.enabled = true;
    is.proxy.port = client_port(index);
    is.proxy.read_only_port = ports.at(4 * nodes + index);
  }
  is.synchronous_nodes = nodes > 1 ? 1 : 0;
  is.parameters = {{"shared_buffers", "32MB"}, {"max_connections", "50"}};
  is.application = {
      {"role", "app"}, {"database", "app"}, {"password_file", password_file().string()}};
  return is;
}

std::string Plan::dsn() const {
  std::string hosts;
  for (std::size_t i = 0; i < nodes; ++i) {
    hosts += fmt::format("{}127.0.0.1:{}", i == 0 ? "" : ",", client_port(i));
  }
  if (has_endpoints()) {
    const auto tls = net::certificate_files(node_directory(NodeName("n1")) / "state");
    return fmt::format("postgresql://app@{}/app?sslmode=verify-full&sslrootcert={}&passfile={}",
                       hosts, percent_encoded(tls.authority.string()),
                       percent_encoded(passfile().string()));
  }
  return fmt::format("postgresql://app@{}/app?target_session_attrs=read-write&passfile={}", hosts,
                     percent_encoded(passfile().string()));
}

fs::path default_directory() {
  if (geteuid() == 0) return "/var/lib/evergres-demo";
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && state[0] == '/') return fs::path(state) / "evergres" / "demo";
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') {
    const passwd* const user = getpwuid(geteuid());
    home = user != nullptr ? user->pw_dir : "/tmp";
  }
  return fs::path(home) / ".local" / "state" / "evergres" / "demo";
}

Result<std::optional<Plan>> read_plan(const fs::path& directory) {
  Plan plan;
  plan.directory = fs::absolute(directory).lexically_normal();
  Result<std::optional<std::string>> text = read_file_if_present(plan.plan_file());
  if (!text) return text.error();
  if (!*text) return std::optional<Plan>();
  try {
    const YAML::Node root = YAML::Load(**text);
    plan.run_directory = root["run_directory"].as<std::string>();
    plan.nodes = root["nodes"].as<std::size_t>();
    plan.ports = root["ports"].as<std::vector<int>>();
  } catch (const YAML::Exception& problem) {
    return Error(ErrorCode::data_invalid, plan.plan_file().string() + " makes no sense",
                 "It says: " + problem.msg + ".", "`evergres demo down` removes this demo.");
  }
  const bool sane = plan.run_directory.is_absolute() && plan.nodes >= 1 && plan.nodes <= 9 &&
                    (plan.has_endpoints() || plan.ports.size() == ports_without_endpoints * plan.nodes) &&
                    std::ranges::all_of(plan.ports, is_usable_port);
  if (!sane) {
    return Error(ErrorCode::data_invalid, plan.plan_file().string() + " makes no sense",
                 "A value in it is out of range.");
  }
  return std::optional<Plan>(plan);
}

Outcome write_plan(const Plan& plan) {
  for (const fs::path& made : {plan.directory, plan.directory / "store"}) {
    if (Outcome done = make_private_directory(made); !done) return done;
  }
  const std::string header =
      "# Made by `evergres demo up`; `evergres demo down` removes this directory.\n";
  // The plan comes first: with it `down` knows the directory as a demo, however far `up` came.
  if (Outcome done = write_if_absent(
          plan.plan_file(),
          header + fmt::format("run_directory: {}\nnodes: {}\nports: [{}]\n",
                               quoted(plan.run_directory.string()), plan.nodes,
                               fmt::join(plan.ports, ", ")));
      !done) {
    return done;
  }
  Outcome done = write_if_absent(plan.directory / "secret", random_hex(32) + "\n");
  if (done) done = write_if_absent(plan.password_file(), random_hex(16) + "\n");
  if (!done) return done;
  Result<std::string> password = read_file(plan.password_file(), 4096);
  if (!password) return password.error();
  done = write_if_absent(plan.passfile(), "127.0.0.1:*:app:app:" + *password);
  for (const NodeName& node : plan.names()) {
    if (done) done = make_private_directory(plan.node_directory(node));
    if (done) done = make_private_directory(plan.log_file(node).parent_path());
    const config::NodeSettings settings = plan.settings(node);
    if (done) {
      done = write_if_absent(plan.config_file(node), header + config::node_file_text(settings));
    }
  }
  return done;
}

EphemeralPorts ephemeral_ports() {
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  EphemeralPorts said;
  const bool sane = file >> said.first >> said.last && said.first <= said.last;
  return sane ? said : EphemeralPorts();
}

Result<std::vector<int>> choose_ports(std::size_t count, EphemeralPorts ephemeral,
                                      const std::function<bool(int)>& is_free) {
  for (const bool any : {false, true}) {
    std::vector<int> chosen;
    for (int port = first_port; port <= last_port && chosen.size() < count; ++port) {
      const bool passes = port >= ephemeral.first && port <= ephemeral.last;
      if ((any || !passes) && is_free(port)) chosen.push_back(port);
    }
    if (chosen.size() == count) return chosen;
  }
  return Error(ErrorCode::port_taken,
               fmt::format("there are no {} free ports on 127.0.0.1", count),
               fmt::format("Looked from {} to {}.", first_port, last_port));
}

bool is_free_port(int port) {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  const int on = 1;
  setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound = bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(probe);
  return bound;
}

std::vector<int> ports_from(int first, std::size_t count) {
  std::vector<int> ports(count);
  std::iota(ports.begin(), ports.end(), first);
  return ports;
}

}  // namespace evergres::cli::demo

#include "agent/setup.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <thread>

#include "agent/agent.hpp"
#include "agent/endpoint_files.hpp"
#include "agent/promise_file.hpp"
#include "net/secret.hpp"
#include "postgres/control_file.hpp"
#include "postgres/credentials.hpp"
#include "postgres/data_directory.hpp"
#include "postgres/versions.hpp"
#include "store/backends.hpp"
#include "store/frozen_holder.hpp"

namespace evergres::agent {
namespace {

/// A connection that is just ending may hold a port for a moment.
constexpr Millis port_patience{5000};

Outcome try_port(const std::string& host, int port, const char* what) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1)
    return {};  // names are checked when listening
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return error_from_errno("could not make a socket", errno);
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int failure = errno;
  ::close(fd);
  if (bound == 0) return {};
  return Error(failure == EADDRINUSE ? ErrorCode::port_taken : ErrorCode::permission,
               "port " + std::to_string(port) + " on " + host + " cannot be used for " + what,
               std::string("The system says: ") + std::strerror(failure) + ".",
               "Choose another port in the node's configuration, or stop who listens there.");
}

Outcome check_port(const std::string& host, int port, const char* what) {
  const Instant until = boot_now() + port_patience;
  for (;;) {
    Outcome tried = try_port(host, port, what);
    if (tried || tried.error().code() != ErrorCode::port_taken || boot_now() >= until) return tried;
    std::this_thread::sleep_for(Millis{100});
  }
}

/// Asks the store again and again while somebody else holds its lock: that ends by itself, or by
/// ending a frozen process of ours, and nothing of this node runs meanwhile. Other errors are
/// passed on at once.
template <typename Ask>
auto when_unlocked(const config::NodeSettings& settings, const Progress& progress, Ask ask)
    -> decltype(ask()) {
  const Instant began = boot_now();
  std::int64_t said = -1;
  for (;;) {
    auto answer = ask();
    if (answer || answer.error().code() != ErrorCode::store_locked) return answer;
    const auto seconds = (boot_now() - began).count() / 1'000'000'000;
    if (seconds != said)
      progress("the store is locked by another process since " + std::to_string(seconds) +
               " s; waiting");
    said = seconds;
    auto ended = store::end_frozen_holder(settings.store);
    if (ended && *ended) progress("a frozen agent held the store's write lock and was killed");
    std::this_thread::sleep_for(Millis{200});
  }
}

Error name_is_taken(const cluster::NodeCard& other, const std::string& own_id) {
  const bool copied = other.node_id == own_id;
  return Error(
      ErrorCode::refused, "another node is called \"" + other.name + "\" and runs",
      "It announces itself in the store from " + other.peer_host + ":" +
          std::to_string(other.peer_port) +
          (copied ? ", with the same node id: the state directory of one is a copy." : "."),
      copied ? "Stop one of them. Another node needs a state directory and a name of its own."
             : "Give this node a name of its own (option \"node\").");
}

/// Another node of the same name is one whose beat still moves. Under our own id and address it is
/// what this node said before: its ports were just found free.
Outcome check_name(const config::NodeSettings& settings, cluster::ClusterStore& store,
                   const Progress& progress) {
  auto own = node_id(settings.state_directory);
  if (!own) return own.error();
  const auto read_card = [&]() -> Result<std::optional<cluster::NodeCard>> {
    auto cards = when_unlocked(settings, progress, [&] { return store.list_cards(Millis{3000}); });
    if (!cards) return cards.error();
    for (const auto& entry : cards->cards) {
      if (entry.value.name == settings.node.value) return std::optional(entry.value);
    }
    return std::optional<cluster::NodeCard>();
  };
  auto first = read_card();
  if (!first) return first.error();
  if (!*first) return {};
  const bool same_place =
      (*first)->peer_host == settings.peer_host && (*first)->peer_port == settings.peer_port;
  if ((*first)->node_id == *own && same_place) return {};
  const Instant until = boot_now() + Millis{3500};
  while (boot_now() < until) {
    std::this_thread::sleep_for(Millis{200});
    auto again = read_card();
    if (!again) return again.error();
    if (!*again || (*again)->beat == (*first)->beat) continue;
    return name_is_taken(**again, *own);
  }
  return {};
}

/// Directories of our own may be made; everything in them is for this user alone.
Outcome make_directory(const std::filesystem::path& path) {
  std::error_code failure;
  const bool made = std::filesystem::create_directories(path, failure);
  if (failure)
    return error_from_errno("could not create the directory \"" + path.string() + "\"",
                            failure.value());
  if (made) std::filesystem::permissions(path, std::filesystem::perms::owner_all, failure);
  return {};
}

Outcome check_system(const Setup& setup, const core::Record& record) {
  auto data = postgres::inspect(setup.server, setup.major);
  if (!data) return data.error();
  if (data->kind != postgres::DataKind::ours) return {};
  auto control =
      postgres::read_control_file(setup.server, setup.server.data, boot_now() + Millis{5000});
  if (!control) return control.error();
  if (record.system_id.value == 0 || control->system_id == record.system_id) {
    auto incarnation = postgres::read_incarnation(setup.server.data, setup.settings.node);
    if (!incarnation) return incarnation.error();
    if (*incarnation) return {};
    return Error(
        ErrorCode::wrong_data_directory,
        "the data directory \"" + setup.server.data.string() + "\" was not made for node \"" +
            setup.settings.node.value + "\"",
        "Its file evergres.incarnation is missing or names another node; it looks like a copy.",
        "Move the directory away; an absent directory is cloned from the leader.");
  }
  return Error(
      ErrorCode::wrong_data_directory,
      "the data directory \"" + setup.server.data.string() + "\" belongs to another cluster",
      "Its system identifier is " + std::to_string(control->system_id.value) +
          ", the cluster's is " + std::to_string(record.system_id.value) + ".",
      "Point \"data_directory\" elsewhere; an absent directory is cloned from the leader.");
}

/// Later, when an agent finds it unusable, it only says so: health checks go on.
Outcome check_http_password(const config::NodeSettings& settings) {
  if (settings.http_user.empty()) return {};
  const auto password = net::load_secret(settings.http_password_file);
  if (password) return {};
  return Error(password.error().code(),
               "the file of http_password_file cannot be used: " + password.error().message(),
               password.error().detail(),
               "It is for the user that runs evergres alone (mode 0600) and holds 16 to 4096 "
               "bytes.");
}

/// PostgreSQL cannot even begin without room for a few WAL segments.
Outcome check_space(const std::filesystem::path& path) {
  constexpr std::uint64_t least = 64U << 20U;
  auto free = postgres::free_bytes(path);
  if (!free) return free.error();
  if (*free >= least) return {};
  return Error(ErrorCode::no_space, "there is not enough space at \"" + path.string() + "\"",
               std::to_string(*free >> 20U) + " MB are free; at least 64 MB are needed.",
               "Free some space, or give it a larger file system.");
}

Outcome check_endpoint(const config::NodeSettings& settings) {
  const config::ProxySettings& proxy = settings.proxy;
  if (!proxy.enabled) return {};
  if (auto port = check_port(proxy.host, proxy.port, "the endpoint"); !port) return port;
  if (proxy.read_only_port == 0) return {};
  return check_port(proxy.host, proxy.read_only_port, "the read-only endpoint");
}

}  // namespace

Result<Setup> make_setup(const config::NodeSettings& settings) {
  Setup setup;
  setup.settings = settings;
  auto secret = net::load_secret(settings.secret_file);
  if (!secret) return secret.error();
  setup.secret = secret->value;
  auto& server = setup.server;
  server.node = settings.node;
  server.data = settings.data_directory;
  server.state_dir = settings.state_directory;
  server.run_dir = settings.run_directory;
  server.host = settings.postgres_host;
  server.port = settings.postgres_port;
  server.replication_password = postgres::replication_password(setup.secret);
  server.auth_password = net::derived_password(*secret, net::auth_purpose);
  server.bin_dir = settings.bin_directory;
  if (server.bin_dir.empty()) {
    auto found = postgres::find_bin_directory();
    if (!found) return found.error();
    server.bin_dir = *found;
  }
  auto major = postgres::program_major(server.bin_dir, boot_now() + Millis{10'000});
  if (!major) return major.error();
  setup.major = *major;
  return setup;
}

void say_on_stderr(const std::string& text) {
  std::fputs((text + "\n").c_str(), stderr);
}

Outcome check_store(const Setup& setup, const Progress& progress) {
  const auto& settings = setup.settings;
  auto opened = when_unlocked(settings, progress, [&] {
    return store::open_store(settings.store, settings.cluster, store::Create::no);
  });
  if (!opened) return opened.error();
  cluster::ClusterStore store(std::move(opened).value(), settings.cluster);
  auto record = when_unlocked(settings, progress, [&] { return store.read_record(Millis{5000}); });
  if (!record) return record.error();
  if (!*record) {
    return Error(
        ErrorCode::not_found, "the store has no record of cluster \"" + settings.cluster + "\"",
        "Only init creates a cluster.", "Run \"evergres init -c FILE\" on its first node.");
  }
  if (auto system = check_system(setup, (*record)->value); !system) return system;
  if (auto name = check_name(settings, store, progress); !name) return name;
  return bind_to_cluster(settings.state_directory, (*record)->value.cluster_id);
}

Outcome preflight(const config::NodeSettings& settings, const Progress& progress) {
  if (::geteuid() == 0) {
    return Error(ErrorCode::refused, "evergres does not run as root",
                 "PostgreSQL would refuse it as well.",
                 "Start it as the user that owns the data directory, for example \"runuser -u "
                 "postgres -- evergres run …\".");
  }
  for (const auto& directory : {settings.state_directory, settings.run_directory}) {
    if (auto made = make_directory(directory); !made) return made;
  }
  auto setup = make_setup(settings);
  if (!setup) return setup.error();
  auto data = postgres::inspect(setup->server, setup->major);
  if (!data) return data.error();
  for (const auto& path : {settings.data_directory, settings.state_directory}) {
    if (auto space = check_space(path); !space) return space;
  }
  if (auto parameters = postgres::check_parameters(settings.parameters, setup->major); !parameters)
    return parameters;
  if (auto usable = check_http_password(settings); !usable) return usable;
  if (auto port = check_port(settings.postgres_host, settings.postgres_port, "PostgreSQL"); !port)
    return port;
  if (auto port = check_port(settings.peer_host, settings.peer_port, "peers"); !port) return port;
  if (auto port = check_port(settings.http_host, settings.http_port, "HTTP"); !port) return port;
  if (auto ports = check_endpoint(settings); !ports) return ports;
  // Before PostgreSQL starts for the first time: a server without them would be without TLS.
  if (auto issued = issue_certificates(settings); !issued) return issued;
  if (auto stored = check_store(*setup, progress); !stored) return stored;
  // Until the agent knows the settings of the cluster: this machine's applications.
  std::error_code unknown;
  if (std::filesystem::exists(settings.state_directory / "proxy_hba.conf", unknown)) return {};
  const auto rules = write_endpoint_rules(settings, {});
  if (!rules) return rules.error();
  return {};
}

}  // namespace evergres::agent

#include "cli/initialise_cluster.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "base/file.hpp"
#include "cluster/cluster_store.hpp"
#include "core/transition.hpp"
#include "net/secret.hpp"
#include "postgres/control_file.hpp"
#include "postgres/credentials.hpp"
#include "postgres/data_directory.hpp"
#include "postgres/initialise.hpp"
#include "postgres/versions.hpp"
#include "store/backends.hpp"

namespace evergres::cli {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using cluster::ClusterStore;
using VersionedRecord = cluster::Versioned<core::Record>;

constexpr Millis store_patience = 10s;

struct Ground {
  postgres::Server server;
  int major = 0;
};

Error exists(std::string message, std::string detail) {
  return Error(ErrorCode::already_exists, std::move(message), std::move(detail),
               "A cluster is created once. Other nodes are started with `evergres run` and copy "
               "the data by themselves.");
}

Result<Ground> look_at_ground(const config::NodeSettings& settings) {
  if (geteuid() == 0) {
    return Error(ErrorCode::permission, "init does not run as root",
                 "PostgreSQL refuses to run as root.",
                 "Try `runuser -u postgres -- evergres init`.");
  }
  Ground ground;
  postgres::Server& server = ground.server;
  server.node = settings.node;
  server.data = settings.data_directory;
  server.state_dir = settings.state_directory;
  server.run_dir = settings.run_directory;
  server.host = settings.postgres_host;
  server.port = settings.postgres_port;
  server.bin_dir = settings.bin_directory;
  if (server.bin_dir.empty()) {
    Result<fs::path> found = postgres::find_bin_directory();
    if (!found) return found.error();
    server.bin_dir = *found;
  }
  Result<int> major = postgres::program_major(server.bin_dir, boot_now() + 10s);
  if (!major) return major.error();
  ground.major = *major;
  Result<net::Secret> secret = net::load_secret(settings.secret_file);
  if (!secret) return secret.error();
  server.replication_password = postgres::replication_password(secret->value);
  server.auth_password = net::derived_password(*secret, net::auth_purpose);
  return ground;
}

Outcome make_directories(const config::NodeSettings& settings) {
  for (const fs::path& wanted :
       {settings.data_directory.parent_path(), settings.state_directory, settings.run_directory}) {
    std::error_code error;
    const bool is_new = fs::create_directories(wanted, error);
    if (!error && is_new) fs::permissions(wanted, fs::perms::owner_all, error);
    if (error) return error_from_errno("could not make " + wanted.string(), error.value());
  }
  return {};
}

/// The end of file of a password; the reader of the file is us, so that it never is an argument.
Result<std::optional<postgres::Application>> application_of(const config::NodeSettings& settings) {
  if (settings.application.empty()) return std::optional<postgres::Application>();
  Result<std::string> password = read_file(settings.application.at("password_file"), 4096);
  if (!password) return password.error();
  password->erase(password->find_last_not_of(" \t\r\n") + 1);
  return std::optional(postgres::Application{settings.application.at("role"),
                                             settings.application.at("database"), *password});
}

/// Compare-and-set by us; a conflict means that somebody else was faster.
Result<Revision> write(ClusterStore& store, const core::Record& record,
                       std::optional<Revision> expected) {
  Result<cluster::WriteOutcome> outcome = store.write_record(record, expected, store_patience);
  if (!outcome) return outcome.error();
  if (const auto* applied = std::get_if<cluster::RecordApplied>(&*outcome)) {
    return applied->revision;
  }
  return Error(ErrorCode::refused, "another init was faster",
               "The record of the cluster changed meanwhile. Nothing was left behind here.",
               "Start this node with `evergres run`: it joins.");
}

/// A run of this node got as far as the identity and was interrupted before the rename: the
/// directory with that identity is beside the data directory.
Result<fs::path> interrupted_directory(const Ground& ground, const core::Record& record) {
  const std::string prefix = ground.server.beside("init-").filename().string();
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(ground.server.data.parent_path(), ignored)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    const auto control = postgres::read_control_file(ground.server, entry.path(), boot_now() + 10s);
    if (control && control->system_id == record.system_id) return entry.path();
  }
  return Error(ErrorCode::not_found, "no interrupted init");
}

/// What to do about a record that is there. A value: continue with this claim's revision; an error:
/// refuse. An empty optional: the cluster was completed just now.
Result<std::optional<Revision>> judge(const Ground& ground, const std::string& cluster,
                                      const VersionedRecord& found) {
  const core::Record& record = found.value;
  const NodeName& node = ground.server.node;
  if (record.system_id.value == 0) {
    if (record.claimant == node) return std::optional(found.revision);
    return Error(ErrorCode::refused, "node " + record.claimant.value + " is creating this cluster",
                 "It has claimed the record and has not finished.",
                 "Finish it there with `evergres init`, then start this node with `evergres run`.");
  }
  const bool is_ours = record.members == std::vector{node} && record.term.value == 0;
  if (is_ours) {
    if (Result<fs::path> left = interrupted_directory(ground, record)) {
      if (Outcome done = postgres::put_in_place(ground.server, *left, "init"); !done) {
        return done.error();
      }
      return std::optional<Revision>();
    }
  }
  return exists("the cluster \"" + cluster + "\" exists already",
                fmt::format("Its system identifier is {}.", record.system_id.value));
}

struct Bootstrap {
  const config::NodeSettings& settings;
  const Ground& ground;
  ClusterStore& store;
  core::Record claimed;
  Revision revision;
};

/// initdb, the identity, the rename. A loser removes only its own directory.
Result<core::Record> build(const Bootstrap& boot) {
  auto application = application_of(boot.settings);
  if (!application) return application.error();
  postgres::InitialiseRequest request;
  request.claim = boot.claimed.claim;
  request.incarnation = Incarnation(random_hex(4));
  request.configuration.cluster_name = boot.settings.cluster;
  request.configuration.parameters = boot.settings.parameters;
  request.configuration.safety = {core::names_nobody, core::slot_name(boot.settings.node)};
  request.configuration.member_hosts = {boot.settings.postgres_host};
  request.application = *application;
  request.major = boot.ground.major;
  auto made = postgres::initialise(boot.ground.server, request, boot_now() + 150s);
  if (!made) return made.error();
  const core::Seat seat{boot.settings.node, request.incarnation};
  // Strict from the first commit on; async needs a leader that records its lease.
  const auto durability =
      boot.settings.durability == "strict" ? core::Durability::strict : core::Durability::quorum;
  auto record =
      core::finish_bootstrap(boot.claimed, boot.claimed.claim, made->system_id, seat, durability);
  if (!record) return record.error();
  Result<Revision> written = write(boot.store, *record, boot.revision);
  if (!written) {
    // Only a lost compare-and-set proves that nobody needs the directory; after an error of the
    // store the record may name it, and the next init finds it.
    std::error_code ignored;
    if (written.error().code() == ErrorCode::refused) fs::remove_all(made->directory, ignored);
    return written.error();
  }
  Outcome placed =
      postgres::put_in_place(boot.ground.server, made->directory, boot.claimed.claim.value);
  if (!placed) return placed.error();
  return *record;
}

NewCluster result_of(const core::Record& record) {
  return {record.cluster_id.value, std::to_string(record.system_id.value)};
}

}  // namespace

Result<NewCluster> initialise_cluster(const config::NodeSettings& settings) {
  Result<Ground> ground = look_at_ground(settings);
  if (!ground) return ground.error();
  Outcome fits = postgres::check_parameters(settings.parameters, ground->major);
  if (fits) fits = make_directories(settings);
  if (!fits) return fits.error();
  const auto data = postgres::inspect(ground->server, ground->major);
  if (!data) return data.error();
  const bool is_free =
      data->kind == postgres::DataKind::absent || data->kind == postgres::DataKind::empty;
  if (!is_free) {
    return exists("there is data already", settings.data_directory.string() + " is not empty.");
  }
  auto opened = store::open_store(settings.store, settings.cluster, store::Create::yes);
  if (!opened) return opened.error();
  ClusterStore store(std::move(*opened), settings.cluster);
  auto found = store.read_record(store_patience);
  if (!found) return found.error();
  std::optional<Revision> expected;
  ClusterId cluster_id(random_hex(8));
  if (*found) {
    Result<std::optional<Revision>> judged = judge(*ground, settings.cluster, **found);
    if (!judged) return judged.error();
    if (!*judged) return result_of((*found)->value);
    expected = **judged;
    cluster_id = (*found)->value.cluster_id;
  }
  const core::Record claimed =
      core::claim_bootstrap(cluster_id, settings.node, Claim(random_hex(8)));
  Result<Revision> revision = write(store, claimed, expected);
  if (!revision) return revision.error();
  const Bootstrap boot{settings, *ground, store, claimed, *revision};
  Result<core::Record> record = build(boot);
  if (!record) return record.error();
  return result_of(*record);
}

}  // namespace evergres::cli

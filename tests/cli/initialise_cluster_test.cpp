#include "cli/initialise_cluster.hpp"

#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cluster/cluster_store.hpp"
#include "core/transition.hpp"
#include "net/secret.hpp"
#include "store/backends.hpp"

namespace evergres::cli {
namespace {

namespace fs = std::filesystem;

bool become_postgres() {
  if (geteuid() != 0) return true;
  const passwd* const user = getpwnam("postgres");
  return user != nullptr && setgroups(0, nullptr) == 0 && setgid(user->pw_gid) == 0 &&
         setuid(user->pw_uid) == 0;
}

config::NodeSettings settings_in(const fs::path& directory) {
  config::NodeSettings is;
  is.cluster = "test";
  is.node = NodeName("n1");
  is.data_directory = directory / "data";
  is.state_directory = directory / "state";
  is.run_directory = directory / "run";
  is.store = "sqlite:" + (directory / "store.db").string();
  is.secret_file = directory / "secret";
  is.postgres_port = 54890;
  return is;
}

std::string expect_code(const Result<NewCluster>& made, ErrorCode code) {
  if (made) return "it succeeded";
  return made.error().code() == code ? "" : made.error().for_people();
}

/// The first claims, builds and names the cluster; the second finds it and changes nothing.
std::string twice(const fs::path& directory) {
  const config::NodeSettings settings = settings_in(directory);
  if (!net::create_secret(settings.secret_file)) return "no secret";
  const Result<NewCluster> made = initialise_cluster(settings);
  if (!made) return made.error().for_people();
  auto opened = store::open_store(settings.store, settings.cluster, store::Create::no);
  if (!opened) return opened.error().for_people();
  cluster::ClusterStore store(std::move(*opened), settings.cluster);
  const auto record = store.read_record(Millis{5000});
  if (!record || !*record) return "no record";
  const core::Record& is = (**record).value;
  const bool sound = std::to_string(is.system_id.value) == made->system_id &&
                     is.phase == core::Phase::vacant && is.members.size() == 1 &&
                     is.lineage.size() == 1 && is.policy.current.leader.node.value == "n1" &&
                     fs::exists(settings.data_directory / "global" / "pg_control");
  if (!sound) return "the record or the data is wrong";
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with("data.")) return "a directory was left";
  }
  std::string wrong = expect_code(initialise_cluster(settings), ErrorCode::already_exists);
  // Without the data it must not be made again either: the record says that it existed.
  fs::remove_all(settings.data_directory);
  if (wrong.empty()) wrong = expect_code(initialise_cluster(settings), ErrorCode::already_exists);
  if (wrong.empty() && fs::exists(settings.data_directory)) wrong = "it was made again";
  return wrong;
}

/// Another node has claimed the record: refused, and nothing of this node is left.
std::string after_another_claim(const fs::path& directory) {
  const config::NodeSettings settings = settings_in(directory);
  if (!net::create_secret(settings.secret_file)) return "no secret";
  auto opened = store::open_store(settings.store, settings.cluster, store::Create::yes);
  if (!opened) return opened.error().for_people();
  cluster::ClusterStore store(std::move(*opened), settings.cluster);
  const core::Record other =
      core::claim_bootstrap(ClusterId("c"), NodeName("n2"), Claim(random_hex(8)));
  if (!store.write_record(other, std::nullopt, Millis{5000})) return "no claim";
  const std::string wrong = expect_code(initialise_cluster(settings), ErrorCode::refused);
  return fs::exists(settings.data_directory) ? "data was made" : wrong;
}

/// Runs the story in a child that is not root; its words, "" if all is well.
std::string as_postgres(std::string (*story)(const fs::path&)) {
  int channel[2] = {-1, -1};
  if (pipe(channel) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    char name[] = "/tmp/evergres_init_XXXXXX";
    std::string words = become_postgres() && mkdtemp(name) != nullptr ? story(name) : "no user";
    std::error_code ignored;
    fs::remove_all(name, ignored);
    const bool told = write(channel[1], words.data(), words.size()) >= 0;
    _exit(told ? 0 : 1);
  }
  close(channel[1]);
  std::string words;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(channel[0], buffer, sizeof buffer)) > 0;) {
    words.append(buffer, static_cast<std::size_t>(got));
  }
  close(channel[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? words : words + " (the child failed)";
}

TEST(InitialiseCluster, MakesTheClusterOnce) {
  EXPECT_EQ(as_postgres(twice), "");
}

TEST(InitialiseCluster, YieldsToAnotherClaim) {
  EXPECT_EQ(as_postgres(after_another_claim), "");
}

}  // namespace
}  // namespace evergres::cli

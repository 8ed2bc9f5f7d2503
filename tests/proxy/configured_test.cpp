#include "proxy/configured.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>

#include "base/file.hpp"
#include "config/reader.hpp"
#include "net/certificates.hpp"
#include "proxy/auth/hba.hpp"

namespace evergres::proxy {
namespace {

namespace fs = std::filesystem;

class ConfiguredTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "evergres-proxy-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    ASSERT_TRUE(write_file_atomically(directory_ / "secret", "0123456789abcdef0123", 0600));
  }
  void TearDown() override { fs::remove_all(directory_); }

  config::NodeSettings settings(const std::string& proxy) {
    write(proxy);
    auto read = config::read_node_file(file());
    EXPECT_TRUE(read) << read.error().for_people();
    return *read;
  }
  void write(const std::string& proxy) {
    const std::string text =
        "cluster: demo\nnode: n1\ndata_directory: data\nstore: sqlite:store.db\n"
        "secret_file: secret\nrun_directory: /run/x\ntags: {zone: east}\nproxy:\n" +
        proxy;
    ASSERT_TRUE(write_file_atomically(file(), text, 0600));
  }
  [[nodiscard]] fs::path file() const { return directory_ / "node.yaml"; }

  fs::path directory_;
};

TEST_F(ConfiguredTest, ASectionThatSaysNothingIsTheDefaultsAndOurOwnFiles) {
  const auto is = configured(settings(""), file());
  ASSERT_TRUE(is) << is.error().for_people();
  ASSERT_EQ(is->listen.size(), 2U);
  EXPECT_EQ(is->listen[0].port, 5432);
  EXPECT_EQ(is->listen[0].kind, Port::read_write);
  EXPECT_EQ(is->listen[1].port, 5433);
  EXPECT_EQ(is->listen[1].kind, Port::read_only);
  EXPECT_EQ(is->threads, 1U);
  EXPECT_EQ(is->zone, "east");
  EXPECT_EQ(is->certificate, directory_ / "state/tls/server.crt");
  EXPECT_EQ(is->hba_file, directory_ / "state/proxy_hba.conf");
  EXPECT_EQ(is->server_authority, directory_ / "state/tls/ca.crt");
  EXPECT_EQ(is->node, "n1");
  EXPECT_FALSE(is->cluster_key.empty());
  EXPECT_NE(is->cluster_key, is->auth_password);
  EXPECT_TRUE(is->ident_file.empty());
  EXPECT_EQ(is->auth_user, "evergres_auth");
  EXPECT_EQ(is->auth_password.size(), 43U);
  EXPECT_EQ(is->mode, PoolMode::session);
  const Configuration untouched;
  EXPECT_EQ(is->server_lifetime, untouched.server_lifetime);
  EXPECT_EQ(is->server_idle_timeout, untouched.server_idle_timeout);
  EXPECT_EQ(is->server_connect_timeout, untouched.server_connect_timeout);
  EXPECT_EQ(is->query_wait_timeout, untouched.query_wait_timeout);
  EXPECT_EQ(is->hold_timeout, untouched.hold_timeout);
  EXPECT_EQ(is->client_limit, untouched.client_limit);
  EXPECT_EQ(is->max_replica_lag, untouched.max_replica_lag);
  EXPECT_EQ(is->replay, untouched.replay);
  EXPECT_EQ(is->reset, untouched.reset);
}

TEST_F(ConfiguredTest, WhatIsSaidIsMeant) {
  const auto is = configured(
      settings("  port: 6000\n  read_only_port: 0\n  threads: 3\n  tls: no\n"
               "  pool_mode: transaction\n  reset: never\n  replay: read_only\n"
               "  query_timeout: 9s\n  applications:\n    a: {pool_mode: session, pool_size: 7}\n"),
      file());
  ASSERT_TRUE(is) << is.error().for_people();
  ASSERT_EQ(is->listen.size(), 1U);
  EXPECT_EQ(is->listen[0].port, 6000);
  EXPECT_EQ(is->threads, 3U);
  EXPECT_TRUE(is->certificate.empty());
  EXPECT_EQ(is->mode, PoolMode::transaction);
  EXPECT_EQ(is->reset, ResetMode::never);
  EXPECT_EQ(is->replay, Replay::read_only);
  EXPECT_EQ(is->query_timeout, Millis{9000});
  EXPECT_EQ(is->applications.at("a").mode, PoolMode::session);
  EXPECT_EQ(is->applications.at("a").pool_size, 7U);
  EXPECT_FALSE(is->applications.at("a").client_limit);
}

TEST_F(ConfiguredTest, AFileThatAPersonNamedHasToBeThere) {
  const auto is = configured(settings("  hba_file: rules.conf\n"), file());
  ASSERT_FALSE(is);
  EXPECT_EQ(is.error().code(), ErrorCode::not_found);
  EXPECT_EQ(is.error().detail(), "It is proxy.hba_file of " + file().string() + ".");
  const auto map = configured(settings("  ident_file: map.conf\n"), file());
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().detail(), "It is proxy.ident_file of " + file().string() + ".");
}

TEST_F(ConfiguredTest, AReloadChangesWhatARunningProcessCanChange) {
  const config::NodeSettings started = settings("  pool_size: 5\n");
  write("  pool_size: 6\n");
  const auto again = read_again(file(), started);
  ASSERT_TRUE(again) << again.error().for_people();
  EXPECT_EQ(again->pool_size, 6U);
  write("  port: 6000\n");
  const auto moved = read_again(file(), started);
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().code(), ErrorCode::refused);
  write("  pool_size: many\n");
  EXPECT_EQ(read_again(file(), started).error().code(), ErrorCode::config_invalid);
}

/// The same text is in Files.TheRulesOfTheEndpointAreThoseOfAllowWithoutOurOwnRoles, where the
/// agent's side is tested.
TEST(RulesOfTheAgent, AreUnderstood) {
  const HbaFile file = read_hba(
      "# Written by evergres; every change here is overwritten.\n\n"
      "host  all,replication  \"postgres\"  all  reject\n"
      "host  all,replication  evergres_replication  all  reject\n"
      "host  all,replication  evergres_auth  all  reject\n"
      "\n# Applications.\n"
      "host  all  all  127.0.0.1/32  scram-sha-256\n"
      "host  all  all  ::1/128  scram-sha-256\n"
      "\n# Applications of other machines (allow).\n"
      "host  \"app\"  all  10.0.0.0/8  scram-sha-256\n");
  for (const FileProblem& problem : file.problems) ADD_FAILURE() << problem.text("rules");
  const auto method = [&](const char* address, const char* user, const char* database) {
    const HbaQuestion question{IpAddress::parse(address), true, user, database, false};
    const HbaRule* const rule = match(file.rules, question);
    return rule == nullptr ? HbaMethod::reject : rule->method;
  };
  EXPECT_EQ(method("127.0.0.1", "app", "app"), HbaMethod::scram);
  EXPECT_EQ(method("10.1.2.3", "app", "app"), HbaMethod::scram);
  EXPECT_EQ(method("10.1.2.3", "app", "other"), HbaMethod::reject);
  EXPECT_EQ(method("192.0.2.1", "app", "app"), HbaMethod::reject);
  for (const char* user : {"postgres", "evergres_replication", "evergres_auth"}) {
    EXPECT_EQ(method("127.0.0.1", user, "postgres"), HbaMethod::reject) << user;
  }
}

TEST_F(ConfiguredTest, AnEndpointWithoutANodeHasItsOwnFiles) {
  ASSERT_TRUE(write_file_atomically(file(),
                                    "cluster: demo\nsecret_file: secret\nproxy:\n"
                                    "  agents: [10.0.0.1]\n  auth_password_file: secret\n",
                                    0600));
  const auto read = config::read_node_file(file());
  ASSERT_TRUE(read) << read.error().for_people();
  const auto lacks = configured(*read, file());
  ASSERT_FALSE(lacks);
  EXPECT_EQ(lacks.error().code(), ErrorCode::not_found);
  EXPECT_NE(lacks.error().message().find("state/tls/ca.crt"), std::string::npos);
  EXPECT_NE(lacks.error().hint().find("evergres proxy-config"), std::string::npos);

  ASSERT_TRUE(net::issue_certificates(net::Secret("fedcba9876543210fedcba"), {"demo", "ep", {}},
                                      directory_ / "state", ::time(nullptr)));
  const auto is = configured(*read, file());
  ASSERT_TRUE(is) << is.error().for_people();
  EXPECT_EQ(is->server_authority, directory_ / "state/tls/ca.crt");
  EXPECT_EQ(is->server_certificate, directory_ / "state/tls/client.crt");
  EXPECT_EQ(is->certificate, directory_ / "state/tls/server.crt");
  EXPECT_EQ(is->auth_user, "evergres_auth");
  EXPECT_EQ(is->auth_password, "0123456789abcdef0123") << "what the file says, nothing derived";
  EXPECT_TRUE(is->hba_file.empty());
}

TEST_F(ConfiguredTest, BeforeExternalServersTheUserOfTheirAddressAsks) {
  const auto write_external = [this](const std::string& more) {
    const std::string text = "proxy:\n  tls: no\n  auth_password_file: secret\n  external: host=db "
                             "user=asker dbname=app " +
                             more + "\n";
    ASSERT_TRUE(write_file_atomically(file(), text, 0600));
  };
  write_external("sslmode=disable");
  auto is = configured(*config::read_node_file(file()), file());
  ASSERT_TRUE(is) << is.error().for_people();
  EXPECT_EQ(is->auth_user, "asker");
  EXPECT_EQ(is->auth_database, "app");
  EXPECT_TRUE(is->server_authority.empty());
  write_external("sslmode=prefer");
  is = configured(*config::read_node_file(file()), file());
  ASSERT_FALSE(is);
  EXPECT_EQ(is.error().code(), ErrorCode::config_invalid);
  EXPECT_NE(is.error().detail().find("sslmode is prefer"), std::string::npos)
      << is.error().for_people();
}

}  // namespace
}  // namespace evergres::proxy

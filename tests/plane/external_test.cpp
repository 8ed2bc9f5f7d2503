#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

#include "net/certificates.hpp"
#include "plane/world.hpp"
#include "proxy/feed/prober.hpp"

/// Servers that Evergres does not run: decision 0041, on real ones.
namespace evergres::proxy::test {
namespace {

/// Certificates of an authority of this test, which `postgres` may read.
net::CertificateFiles certificates() {
  const auto directory = scratch_directory() / "external";
  const net::Secret secret("0123456789abcdef0123456789abcdef");
  EXPECT_TRUE(net::issue_certificates(secret, {"external", "db", {}}, directory, ::time(nullptr)));
  const net::CertificateFiles files = net::certificate_files(directory);
  if (const passwd* user = getpwnam("postgres"); user != nullptr && geteuid() == 0) {
    for (const auto& path : {directory, files.authority.parent_path(), files.server,
                             files.server_key, files.authority}) {
      EXPECT_EQ(0, chown(path.c_str(), user->pw_uid, user->pw_gid));
    }
  }
  return files;
}

class PlaneExternal : public ::testing::Test {
 protected:
  void SetUp() override {
    files = certificates();
    use_tls(primary());
    std::filesystem::remove(scratch_directory() / "external.known");
  }
  void TearDown() override {
    primary().ask("ALTER SYSTEM RESET ALL; SELECT pg_reload_conf()");
  }

  void use_tls(Node& node) const {
    node.ask("ALTER SYSTEM SET ssl_cert_file = '" + files.server.string() + "'");
    node.ask("ALTER SYSTEM SET ssl_key_file = '" + files.server_key.string() + "'");
    node.ask("ALTER SYSTEM SET ssl = on");
    node.ask("SELECT pg_reload_conf()");
    EXPECT_TRUE(eventually([&] { return node.value("SHOW ssl") == "on"; }));
  }

  /// An endpoint that has no file of users: it asks `asker`'s way.
  Configuration configuration() const {
    Configuration is = usual(PoolMode::session);
    is.auth_file.clear();
    is.auth_user = "asker";
    is.auth_password = "asker";
    is.auth_database = "app";
    is.server_authority = files.authority;
    return is;
  }

  /// To be destroyed before the endpoint.
  [[nodiscard]] std::unique_ptr<Prober> probe(Endpoint& endpoint, const std::vector<int>& ports) {
    std::string hosts, numbers;
    for (const int port : ports) {
      hosts += hosts.empty() ? "localhost" : ",localhost";
      numbers += (numbers.empty() ? "" : ",") + std::to_string(port);
    }
    auto servers = read_external_servers("host=" + hosts + " port=" + numbers +
                                         " user=asker dbname=app sslmode=verify-full sslrootcert=" +
                                         files.authority.string());
    if (!servers) ADD_FAILURE() << servers.error().for_people();
    Prober::Options options{*servers, "asker", Millis{100}, Millis{2'000},
                            scratch_directory() / "external.known",
                            [this](Loudness, const std::string& text) {
                              const std::lock_guard lock(mutex);
                              said += text + "\n";
                            }};
    auto begun = Prober::start(std::move(options), [&endpoint](std::shared_ptr<const World> world) {
      endpoint.proxy().set_world(std::move(world));
    });
    if (!begun) ADD_FAILURE() << begun.error().for_people();
    return std::move(*begun);
  }
  bool was_said(const std::string& text) {
    const std::lock_guard lock(mutex);
    return said.find(text) != std::string::npos;
  }

  net::CertificateFiles files;
  std::mutex mutex;
  std::string said;
};

std::string port_of(Node& node) {
  return std::to_string(node.port());
}

TEST_F(PlaneExternal, AFailoverIsFollowedAndTheOldPrimaryNeverUsedAgain) {
  Node& first = primary();
  const auto second = standby();
  use_tls(*second);
  Endpoint endpoint(configuration());
  std::unique_ptr<Prober> prober = probe(endpoint, {first.port(), second->port()});
  Client client(endpoint.dsn());
  ASSERT_TRUE(client.connected()) << client.problem();
  EXPECT_EQ(client.value("SELECT inet_server_port()"), port_of(first));
  EXPECT_EQ(client.value("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), "t");
  Client reader("host=127.0.0.1 port=" + std::to_string(endpoint.port(1)) +
                " user=alice password=alice dbname=app sslmode=disable");
  ASSERT_TRUE(reader.connected()) << reader.problem();
  EXPECT_EQ(reader.value("SELECT inet_server_port()"), port_of(*second)) << said;

  first.kill_all(SIGKILL);
  ASSERT_TRUE(eventually([&] { return was_said("is not the primary any more"); }));
  client.begin("INSERT INTO journal VALUES ('external')");  // waits
  second->promote();
  const Told told = client.end();
  EXPECT_TRUE(told.fine) << told;
  EXPECT_EQ(client.value("SELECT inet_server_port()"), port_of(*second));
  EXPECT_EQ(second->value("SELECT count(*) FROM journal WHERE token = 'external'"), "1");

  first.start();  // as if nothing had happened: it takes writes
  ASSERT_TRUE(eventually([&] { return was_said("it is an old primary that nobody stopped"); }));
  EXPECT_EQ(client.value("SELECT inet_server_port()"), port_of(*second));
  second->stop("immediate");
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    const std::string words = "localhost:" + port_of(*second) + " is not the primary any more";
    return said.find(words) != std::string::npos;
  }));

  // A new process has not forgotten it either.
  prober.reset();
  said.clear();
  Configuration impatient = configuration();
  impatient.hold_timeout = Millis{500};
  Endpoint later(impatient);
  const auto later_prober = probe(later, {first.port(), second->port()});
  ASSERT_TRUE(eventually([&] { return was_said("it is an old primary that nobody stopped"); }));
  const Client waits(later.dsn());
  EXPECT_FALSE(waits.connected()) << "rather nobody than the old one";
}

TEST_F(PlaneExternal, TheStatementTimeoutOfARoleEndsTheWaitForAPrimary) {
  EXPECT_TRUE(primary().ask("ALTER ROLE alice SET statement_timeout = '300ms'").fine);
  Endpoint endpoint(configuration());
  const auto prober = probe(endpoint, {primary().port()});
  Client client(endpoint.dsn());
  ASSERT_TRUE(client.connected()) << client.problem();
  EXPECT_EQ(client.value("SHOW statement_timeout"), "300ms");
  primary().kill_all(SIGKILL);
  EXPECT_TRUE(eventually([&] { return was_said("is not the primary any more"); }));
  const Told told = client.ask("SELECT 1");
  EXPECT_EQ(told.sqlstate, "57014") << told;
  EXPECT_NE(told.message.find("due to statement timeout"), std::string::npos) << told;
  primary().start();
  EXPECT_TRUE(primary().ask("ALTER ROLE alice RESET statement_timeout").fine);
  EXPECT_EQ(client.value("SELECT 1"), "1");
}

TEST_F(PlaneExternal, WhatBecameOfACommitIsNeverGuessed) {
  Relay relay(primary().port());
  Endpoint endpoint(configuration());
  const auto prober = probe(endpoint, {relay.port()});
  Client client(endpoint.dsn());
  ASSERT_TRUE(client.connected()) << client.problem();
  EXPECT_TRUE(client.ask("BEGIN").fine);
  EXPECT_TRUE(client.ask("INSERT INTO journal VALUES ('external commit')").fine);
  relay.mute();
  client.begin("COMMIT");
  ASSERT_TRUE(eventually([] {
    return primary().value("SELECT count(*) FROM journal WHERE token = 'external commit'") == "1";
  }));
  relay.cut();
  const Told told = client.end();
  EXPECT_EQ(told.sqlstate, "08007") << told;
}

TEST_F(PlaneExternal, AServerThatCannotProveWhoItIsIsNotUsed) {
  Endpoint endpoint(configuration());
  // Another authority than that of the server.
  const auto other = scratch_directory() / "other";
  ASSERT_TRUE(net::issue_certificates(net::Secret("fedcba9876543210fedcba9876543210"),
                                      {"external", "db", {}}, other, ::time(nullptr)));
  files.authority = net::certificate_files(other).authority;
  const auto prober = probe(endpoint, {primary().port()});
  EXPECT_TRUE(eventually([&] { return was_said("does not answer"); }));
  EXPECT_TRUE(was_said("certificate verify failed")) << said;
}

}  // namespace
}  // namespace evergres::proxy::test

#include <fstream>

#include "plane/world.hpp"

/// Clients that show a certificate, with real ones.
namespace evergres::proxy::test {
namespace {

class PlaneCertificates : public ::testing::Test {
 protected:
  PlaneCertificates() {
    const auto directory = certificates();
    configuration.certificate = directory / "server.crt";
    configuration.certificate_key = directory / "server.key";
    configuration.client_authority = directory / "ca.crt";
    configuration.hba_file = directory / "hba.conf";
    configuration.ident_file = directory / "ident.conf";
    configuration.auth_file = directory / "users.txt";
    std::ofstream(configuration.hba_file)
        << "hostssl app alice 127.0.0.1/32 cert\n"
           "hostssl app bob 127.0.0.1/32 cert map=staff\n"
           "hostssl app asker 127.0.0.1/32 scram-sha-256 clientcert=verify-full map=staff\n"
           "hostssl replication repl 127.0.0.1/32 cert map=staff\n"
           "hostssl app carol 127.0.0.1/32 cert map=nobody_wrote_it\n"
           "host all all 127.0.0.1/32 reject\n";
    write_map("staff ops-laptop bob\nstaff ops-laptop asker\nstaff ops-laptop repl\n");
    std::ofstream users(configuration.auth_file);
    for (const std::string name : {"alice", "bob", "repl", "carol"}) {
      users << '"' << name << "\" \"" << name << "\"\n";
    }
    users << "\"asker\" \""
          << primary().value("SELECT rolpassword FROM pg_authid WHERE rolname = 'asker'") << "\"\n";
  }
  void write_map(const std::string& text) const { std::ofstream(configuration.ident_file) << text; }
  static std::string with(const Endpoint& endpoint, const std::string& user,
                          const std::string& certificate, const std::string& password = "") {
    const std::string file = (certificates() / certificate).string();
    return "host=127.0.0.1 sslmode=require dbname=app port=" + std::to_string(endpoint.port()) +
           " user=" + user + (password.empty() ? "" : " password=" + password) +
           (certificate.empty() ? " sslcert=none"
                                : " sslcert=" + file + ".crt sslkey=" + file + ".key");
  }
  static std::string refusal(const std::string& conninfo) {
    const Client client(conninfo);
    return client.connected() ? "let in" : client.problem();
  }
  static bool names(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  Configuration configuration = usual(PoolMode::session);
};

TEST_F(PlaneCertificates, LetInWhomTheyNameAndNobodyElse) {
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client alice(with(endpoint, "alice", "alice"));
  ASSERT_TRUE(alice.connected()) << alice.problem();
  EXPECT_EQ("alice", alice.value("SELECT session_user"));
  Client bob(with(endpoint, "bob", "ops-laptop"));
  ASSERT_TRUE(bob.connected()) << bob.problem();
  EXPECT_EQ("bob", bob.value("SELECT session_user"));
  const std::string wrong = "certificate authentication failed";
  EXPECT_PRED2(names, refusal(with(endpoint, "alice", "ops-laptop")), wrong);
  EXPECT_PRED2(names, refusal(with(endpoint, "bob", "alice")), wrong);
  EXPECT_PRED2(names, refusal(with(endpoint, "carol", "ops-laptop")), wrong);
  EXPECT_PRED2(names, refusal(with(endpoint, "alice", "")), "requires a valid client certificate");
  // Of another authority: the handshake ends.
  EXPECT_NE("let in", refusal(with(endpoint, "alice", "stranger")));
  EXPECT_PRED2(names, refusal(endpoint.dsn()), "rejects user");
}

TEST_F(PlaneCertificates, BesideAPasswordBothAreWanted) {
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client both(with(endpoint, "asker", "ops-laptop", "asker"));
  ASSERT_TRUE(both.connected()) << both.problem();
  EXPECT_EQ("asker", both.value("SELECT session_user"));
  EXPECT_PRED2(names, refusal(with(endpoint, "asker", "ops-laptop", "wrong")),
               "password authentication failed");
  EXPECT_PRED2(names, refusal(with(endpoint, "asker", "alice", "asker")),
               "certificate authentication failed");
}

TEST_F(PlaneCertificates, ReplicationToo) {
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client receiver(with(endpoint, "repl", "ops-laptop") + " replication=true");
  ASSERT_TRUE(receiver.connected()) << receiver.problem();
  EXPECT_EQ(1U, receiver.ask("IDENTIFY_SYSTEM").rows.size());
  EXPECT_NE("let in", refusal(with(endpoint, "repl", "alice") + " replication=true"));
}

TEST_F(PlaneCertificates, AChangedMapCountsAtOnceAndDisturbsNobody) {
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client bob(with(endpoint, "bob", "ops-laptop"));
  ASSERT_TRUE(bob.connected()) << bob.problem();
  write_map("staff alice bob\n");
  ASSERT_TRUE(endpoint.proxy().reload(configuration));
  EXPECT_NE("let in", refusal(with(endpoint, "bob", "ops-laptop")));
  EXPECT_EQ("let in", refusal(with(endpoint, "bob", "alice")));
  EXPECT_EQ("bob", bob.value("SELECT session_user"));
  // A file with a problem: everything stays as it was.
  write_map("staff alice bob\nstaff /.* bob\n");
  const Outcome reloaded = endpoint.proxy().reload(configuration);
  ASSERT_FALSE(reloaded);
  EXPECT_PRED2(names, reloaded.error().message(), "ident.conf:2: regular expressions");
  EXPECT_EQ("let in", refusal(with(endpoint, "bob", "alice")));
}

TEST_F(PlaneCertificates, AReloadReadsEveryFileAndDropsNobody) {
  const auto directory = certificates();
  const auto take = [&](const std::string& name) {
    const auto overwrite = std::filesystem::copy_options::overwrite_existing;
    std::filesystem::copy_file(directory / (name + ".crt"), directory / "now.crt", overwrite);
    std::filesystem::copy_file(directory / (name + ".key"), directory / "now.key", overwrite);
  };
  take("server");
  configuration.certificate = directory / "now.crt";
  configuration.certificate_key = directory / "now.key";
  std::ofstream(configuration.hba_file) << "host all all 127.0.0.1/32 scram-sha-256\n";
  std::ofstream(configuration.auth_file) << "\"alice\" \"alice\"\n\"bob\" \"bob\"\n";
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  const auto verifies = [&](const std::string& authority) {
    return endpoint.dsn("alice",
                        "sslmode=verify-ca sslrootcert=" + (directory / authority).string());
  };
  Client alice(verifies("ca.crt")), bob(endpoint.dsn("bob"));
  ASSERT_TRUE(alice.connected()) << alice.problem();
  ASSERT_TRUE(bob.connected()) << bob.problem();
  EXPECT_NE("let in", refusal(verifies("ca2.crt")));
  take("stranger");
  std::ofstream(configuration.hba_file) << "host all bob 127.0.0.1/32 reject\n"
                                           "host all all 127.0.0.1/32 scram-sha-256\n";
  std::ofstream(configuration.auth_file) << "\"alice\" \"other\"\n\"bob\" \"bob\"\n";
  ASSERT_TRUE(endpoint.proxy().reload(configuration));
  EXPECT_EQ("let in", refusal(verifies("ca2.crt") + " password=other"));
  EXPECT_NE("let in", refusal(verifies("ca.crt") + " password=other"));
  EXPECT_NE("let in", refusal(verifies("ca2.crt"))) << "with the password of before";
  EXPECT_PRED2(names, refusal(endpoint.dsn("bob")), "rejects user");
  EXPECT_EQ("alice", alice.value("SELECT session_user"));
  EXPECT_EQ("bob", bob.value("SELECT session_user"));
}

}  // namespace
}  // namespace evergres::proxy::test

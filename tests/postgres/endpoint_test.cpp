#include <libpq-fe.h>

#include <ctime>
#include <memory>

#include "net/certificates.hpp"
#include "net/secret.hpp"
#include "postgres/auth_role.hpp"
#include "postgres/promotion.hpp"
#include "postgres/world.hpp"

/// The gate and the role for endpoints, on real PostgreSQL.
namespace evergres::postgres::test {
namespace {

class EndpointGate : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::time_t now = ::time(nullptr);
    ASSERT_TRUE(net::issue_certificates(secret_, {"test", "a", {}}, a_.server.state_dir, now).ok());
    ASSERT_TRUE(net::issue_certificates(net::Secret("the secret of somebody else"),
                                        {"test", "a", {}}, root_.path() / "stranger", now)
                    .ok());
    a_.configuration.certificates = net::certificate_files(a_.server.state_dir);
    a_.server.auth_password = net::derived_password(secret_, net::auth_purpose);
  }

  void open_gate(const std::vector<Admission>& admissions = {}) {
    ASSERT_TRUE(
        write_gate(a_.server, a_.server.data, Gate::open, {"127.0.0.1"}, admissions, Endpoints{})
            .ok());
    auto session = a_.session();
    ASSERT_TRUE(reload(session, soon()).ok());
    ASSERT_TRUE(eventually([&] { return try_login(over_socket()).empty(); }));
  }

  [[nodiscard]] std::string over_socket() const {
    return "host=" + a_.server.run_dir.string() + " user=shop password=secret dbname=shop";
  }
  [[nodiscard]] std::string over_tls(const net::CertificateFiles& whose,
                                     const std::string& rest) const {
    const auto ours = net::certificate_files(a_.server.state_dir);
    return "host=127.0.0.1 sslmode=verify-full sslrootcert=" + ours.authority.string() +
           " sslcert=" + whose.client.string() + " sslkey=" + whose.client_key.string() + rest;
  }
  [[nodiscard]] std::string auth(const std::string& database) const {
    return " user=evergres_auth password=" + a_.server.auth_password + " dbname=" + database;
  }

  /// "" if the connection works, else libpq's words.
  [[nodiscard]] std::string try_login(const std::string& conninfo,
                                      const std::string& sql = "select 1") const {
    const std::string text =
        conninfo + " connect_timeout=10 port=" + std::to_string(a_.server.port);
    const std::unique_ptr<PGconn, void (*)(PGconn*)> connection(PQconnectdb(text.c_str()),
                                                                PQfinish);
    if (PQstatus(connection.get()) != CONNECTION_OK) return PQerrorMessage(connection.get());
    const std::unique_ptr<PGresult, void (*)(PGresult*)> result(
        PQexec(connection.get(), sql.c_str()), PQclear);
    return PQresultErrorMessage(result.get());
  }

  const net::Secret secret_{"0123456789abcdef0123456789abcdef"};
  TemporaryDirectory root_;
  Node a_{root_.path(), "a"};
};

TEST_F(EndpointGate, LetsApplicationsInThroughEndpointsOnly) {
  ASSERT_NO_FATAL_FAILURE(a_.create(Application{"shop", "shop", "secret"}));
  ASSERT_NO_FATAL_FAILURE(a_.start());
  ASSERT_NO_FATAL_FAILURE(a_.promote());
  EXPECT_NE(try_login(over_socket()).find("reject"), std::string::npos) << "the gate is closed";
  ASSERT_NO_FATAL_FAILURE(open_gate());
  const auto ours = net::certificate_files(a_.server.state_dir);
  const auto strangers = net::certificate_files(root_.path() / "stranger");
  const std::string shop = " user=shop password=secret dbname=shop";
  EXPECT_EQ(try_login(over_tls(ours, shop)), "");
  EXPECT_NE(try_login(over_tls(ours, " user=shop password=wrong dbname=shop")), "");
  EXPECT_NE(try_login(over_tls(strangers, shop)), "") << "the authority of another cluster";
  EXPECT_NE(try_login("host=127.0.0.1 sslmode=require sslcert=none" + shop), "");
  EXPECT_NE(try_login("host=127.0.0.1 sslmode=disable" + shop).find("reject"), std::string::npos);
  EXPECT_NE(try_login(over_tls(ours, " user=postgres password=x dbname=shop")).find("reject"),
            std::string::npos);
}

TEST_F(EndpointGate, TheRoleForSecretsReadsFourColumnsInOneDatabase) {
  ASSERT_NO_FATAL_FAILURE(a_.create(Application{"shop", "shop", "secret"}));
  ASSERT_NO_FATAL_FAILURE(a_.start());
  ASSERT_NO_FATAL_FAILURE(a_.promote());
  ASSERT_NO_FATAL_FAILURE(open_gate());
  const auto ours = net::certificate_files(a_.server.state_dir);
  const std::string four =
      "select rolname, rolpassword, rolvaliduntil, rolcanlogin from pg_catalog.pg_authid";
  EXPECT_EQ(try_login(over_tls(ours, auth("postgres")), four), "");
  EXPECT_EQ(try_login("host=" + a_.server.run_dir.string() + auth("postgres"), four), "");
  EXPECT_NE(try_login(over_tls(ours, auth("postgres")), "select * from pg_catalog.pg_authid")
                .find("permission denied"),
            std::string::npos);
  EXPECT_NE(try_login(over_tls(ours, auth("shop"))).find("reject"), std::string::npos);
  EXPECT_NE(try_login("host=" + a_.server.run_dir.string() + auth("shop")).find("reject"),
            std::string::npos);
  EXPECT_NE(try_login("host=127.0.0.1 sslmode=require sslcert=none" + auth("postgres")), "");
}

TEST_F(EndpointGate, LetsReplicationInForUsersOfAllowOnly) {
  ASSERT_NO_FATAL_FAILURE(a_.create(Application{"shop", "shop", "secret"}));
  ASSERT_NO_FATAL_FAILURE(a_.start());
  ASSERT_NO_FATAL_FAILURE(a_.promote());
  a_.ask("alter role shop replication");
  ASSERT_NO_FATAL_FAILURE(open_gate());
  const auto ours = net::certificate_files(a_.server.state_dir);
  const auto strangers = net::certificate_files(root_.path() / "stranger");
  const std::string receiver = " user=shop password=secret replication=true";
  const std::string command = "IDENTIFY_SYSTEM";
  EXPECT_NE(try_login(over_tls(ours, receiver), command).find("reject"), std::string::npos);
  const std::string logical = " user=shop password=secret dbname=shop replication=database";
  EXPECT_EQ(try_login(over_tls(ours, logical), command), "") << "it belongs to a database";
  ASSERT_NO_FATAL_FAILURE(open_gate({{"10.0.0.0/8", "replication", "shop"}}));
  EXPECT_TRUE(eventually([&] { return try_login(over_tls(ours, receiver), command).empty(); }));
  EXPECT_EQ(try_login(over_socket() + " replication=true", command), "");
  EXPECT_NE(try_login(over_tls(strangers, receiver), command), "");
  EXPECT_NE(try_login("host=127.0.0.1 sslmode=disable" + receiver, command).find("reject"),
            std::string::npos)
      << "past the endpoint";
}

TEST_F(EndpointGate, AnOlderClusterGetsTheRole) {
  const std::string password = a_.server.auth_password;
  a_.server.auth_password.clear();
  ASSERT_NO_FATAL_FAILURE(a_.create(Application{"shop", "shop", "secret"}));
  ASSERT_NO_FATAL_FAILURE(a_.start());
  ASSERT_NO_FATAL_FAILURE(a_.promote());
  ASSERT_NO_FATAL_FAILURE(open_gate());
  a_.server.auth_password = password;
  const std::string there = "host=" + a_.server.run_dir.string() + auth("postgres");
  EXPECT_NE(try_login(there), "");
  for (int times = 0; times < 2; ++times) {
    auto session = a_.session();
    const auto made = make_auth_role(session, password, soon());
    ASSERT_TRUE(made.ok()) << made.error().for_people();
  }
  EXPECT_EQ(try_login(there, "select rolpassword from pg_catalog.pg_authid"), "");
  a_.ask("revoke select (rolpassword) on pg_catalog.pg_authid from evergres_auth");
  auto session = a_.session();
  ASSERT_TRUE(make_auth_role(session, password, soon()).ok());
  EXPECT_EQ(try_login(there, "select rolpassword from pg_catalog.pg_authid"), "");
}

/// It would be read by whoever made it.
TEST_F(EndpointGate, ARoleOfSomebodyElseIsNotGivenTheRight) {
  const std::string password = a_.server.auth_password;
  a_.server.auth_password.clear();
  ASSERT_NO_FATAL_FAILURE(a_.create(Application{"shop", "shop", "secret"}));
  ASSERT_NO_FATAL_FAILURE(a_.start());
  ASSERT_NO_FATAL_FAILURE(a_.promote());
  for (const char* theirs :
       {"create role evergres_auth", "alter role evergres_auth login password 'theirs'"}) {
    a_.ask(theirs);
    auto session = a_.session();
    const auto made = make_auth_role(session, password, soon());
    ASSERT_FALSE(made.ok());
    EXPECT_NE(made.error().message().find("made by somebody else"), std::string::npos);
    EXPECT_EQ(a_.ask("select has_column_privilege('evergres_auth', 'pg_authid', 'rolpassword', "
                     "'SELECT')"),
              "f");
  }
  a_.ask("drop role evergres_auth");
  auto session = a_.session();
  ASSERT_TRUE(make_auth_role(session, password, soon()).ok());
}

}  // namespace
}  // namespace evergres::postgres::test

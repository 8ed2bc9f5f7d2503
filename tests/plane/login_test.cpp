#include <poll.h>

#include <fstream>

#include "plane/world.hpp"

namespace evergres::proxy::test {
namespace {

TEST(PlaneLogin, TheRightPasswordAndNothingElse) {
  Endpoint endpoint(usual(PoolMode::session));
  endpoint.lead(primary());
  Client right(endpoint.dsn());
  ASSERT_TRUE(right.connected()) << right.problem();
  EXPECT_EQ("alice", right.value("SELECT session_user"));
  EXPECT_EQ("7", right.ask_with("SELECT $1::int + 4", {"3"}).first());
  Client wrong(endpoint.dsn("alice", "password=other"));
  EXPECT_NE(std::string::npos, wrong.problem().find("password authentication failed"));
  Client nobody(endpoint.dsn("mallory"));
  EXPECT_NE(std::string::npos, nobody.problem().find("password authentication failed"));
  Client nowhere(endpoint.dsn("alice", "dbname=nowhere"));
  EXPECT_NE(std::string::npos, nowhere.problem().find("\"nowhere\" does not exist"))
      << nowhere.problem();
  EXPECT_TRUE(right.ask("SELECT 1").fine);
}

TEST(PlaneLogin, SecretsAreAskedForAndOutliveTheirServer) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.auth_file.clear();
  configuration.auth_user = "asker";
  configuration.auth_password = "asker";
  configuration.auth_database = "app";
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  {
    Client carol(endpoint.dsn("carol"));
    ASSERT_TRUE(carol.connected()) << carol.problem() << endpoint.log();
    EXPECT_EQ("carol", carol.value("SELECT current_user"));
    Client nobody(endpoint.dsn("mallory"));
    EXPECT_NE(std::string::npos, nobody.problem().find("password authentication failed"));
  }
  endpoint.vacant();
  Client again(endpoint.dsn("carol"));
  ASSERT_TRUE(again.connected()) << again.problem() << endpoint.log();
  again.begin("SELECT 42");
  endpoint.lead(primary());
  EXPECT_EQ("42", again.end().first());
}

TEST(PlaneLogin, AChangedPasswordIsNoticed) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.auth_file.clear();
  configuration.auth_user = "asker";
  configuration.auth_password = "asker";
  configuration.auth_database = "app";
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  {
    Client carol(endpoint.dsn("carol"));
    ASSERT_TRUE(carol.connected()) << carol.problem();
  }
  primary().ask("ALTER ROLE carol PASSWORD 'new'");
  // So long an answer is believed whatever password comes (SecretCache::Limits::again).
  poll(nullptr, 0, 5'000);
  EXPECT_TRUE(eventually([&] {
    Client carol(endpoint.dsn("carol", "password=new"));
    return carol.connected() && carol.ask("SELECT 1").fine;
  }));
  primary().ask("ALTER ROLE carol PASSWORD 'carol'");
}

TEST(PlaneLogin, IsHeldUntilSomebodyLeads) {
  Endpoint endpoint(usual(PoolMode::session));
  std::optional<Client> client;
  std::thread logging_in([&] { client.emplace(endpoint.dsn()); });
  PGconn* dropped = PQconnectStart(endpoint.dsn("bob").c_str());
  EXPECT_TRUE(eventually([&] {
    PQconnectPoll(dropped);
    return endpoint.log().find("login of \"bob\"") != std::string::npos &&
           endpoint.log().find("login of \"alice\"") != std::string::npos;
  }));
  PQfinish(dropped);
  endpoint.lead(primary());
  logging_in.join();
  ASSERT_TRUE(client->connected()) << client->problem();
  EXPECT_EQ("1", client->value("SELECT 1"));
}

TEST(PlaneLogin, IsRefusedWithAHintWhenNobodyLeadsForTooLong) {
  Configuration configuration = usual(PoolMode::session);
  configuration.hold_timeout = Millis{300};
  Endpoint endpoint(configuration);
  Client client(endpoint.dsn());
  EXPECT_FALSE(client.connected());
  EXPECT_NE(std::string::npos, client.problem().find("no primary")) << client.problem();
}

// The gate of a server that was promoted opens a moment after its leadership is known.
TEST(PlaneLogin, AGateThatOpensLateTurnsNobodyAway) {
  const auto hba = primary().directory() / "pg_hba.conf";
  const std::string open = text_of(hba);
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Client>(endpoint.dsn()));
    EXPECT_EQ("1", clients.back()->value("SELECT 1"));
  }
  endpoint.vacant();
  for (int i = 0; i < 8; ++i) {
    clients[static_cast<std::size_t>(i)]->begin("SELECT " + std::to_string(i));
  }
  std::ofstream(hba) << "local all all trust\nhost all alice 127.0.0.1/32 reject\n" << open;
  primary().ask("SELECT pg_reload_conf()");
  EXPECT_TRUE(eventually([&] {
    Client direct("host=127.0.0.1 user=alice password=alice dbname=app port=" +
                  std::to_string(primary().port()));
    return !direct.connected();
  }));
  endpoint.lead(primary());
  EXPECT_TRUE(eventually([&] { return endpoint.log().find("rejects") != std::string::npos; }));
  std::ofstream(hba) << open;
  primary().ask("SELECT pg_reload_conf()");
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(std::to_string(i), clients[static_cast<std::size_t>(i)]->end().first());
  }
}

TEST(PlaneLogin, TellsTheTruthAboutParameters) {
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary());
  Client writer(endpoint.dsn("alice",
                             "target_session_attrs=read-write application_name=shop "
                             "options='-c work_mem=7MB -c search_path=pg_catalog'"));
  ASSERT_TRUE(writer.connected()) << writer.problem();
  EXPECT_EQ("shop", writer.value("SHOW application_name"));
  EXPECT_EQ("7MB", writer.value("SHOW work_mem"));
  EXPECT_EQ("pg_catalog", writer.value("SHOW search_path"));
  EXPECT_STREQ("shop", PQparameterStatus(writer.connection(), "application_name"));
  EXPECT_EQ(writer.value("SHOW server_version_num"),
            std::to_string(PQserverVersion(writer.connection())));
  Client plain(endpoint.dsn());
  EXPECT_EQ("4MB", plain.value("SHOW work_mem"));
  EXPECT_EQ("", plain.value("SHOW application_name"));
}

TEST(PlaneLogin, TooManyClientsHearOfIt) {
  Configuration configuration = usual(PoolMode::session);
  configuration.client_limit = 2;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client one(endpoint.dsn()), two(endpoint.dsn());
  ASSERT_TRUE(two.connected());
  Client three(endpoint.dsn());
  EXPECT_NE(std::string::npos, three.problem().find("too many clients")) << three.problem();
}

}  // namespace
}  // namespace evergres::proxy::test

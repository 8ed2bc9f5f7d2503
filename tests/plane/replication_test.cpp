#include <poll.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "core/record.hpp"
#include "plane/world.hpp"
#include "proxy/session/voter_name.hpp"

/// Replication goes through to the leader, as one connection for each client.
namespace evergres::proxy::test {
namespace {

std::string receiver(const Endpoint& endpoint, const std::string& more = "") {
  return endpoint.dsn("repl", more);
}

std::string senders(const std::string& condition = "true") {
  return primary().value(
      "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender' AND "
      "usename = 'repl' AND " +
      condition);
}

/// A program that runs until it is told to end, or ends.
class Program {
 public:
  explicit Program(const std::vector<std::string>& words) { run(words, false, &pid_); }
  ~Program() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  bool ended() {
    if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    return pid_ <= 0;
  }

 private:
  pid_t pid_ = -1;
};

class PlaneReplication : public ::testing::Test {
 protected:
  PlaneReplication() { endpoint.lead(primary()); }
  std::filesystem::path directory(const std::string& name) {
    const auto made = scratch_directory() / name;
    std::filesystem::create_directory(made);
    std::filesystem::permissions(made, std::filesystem::perms::all);
    return made;
  }
  Endpoint endpoint{usual(PoolMode::transaction)};
};

TEST_F(PlaneReplication, BaseBackup) {
  const std::string to = (directory("backup") / "data").string();
  EXPECT_EQ(0, run({programs() + "pg_basebackup", "-D", to, "-c", "fast", "-X", "stream",
                    "--no-sync", "-d", receiver(endpoint)}))
      << text_of(scratch_directory() / "programs.log");
  EXPECT_EQ(0, run({programs() + "pg_verifybackup", "-q", to}))
      << text_of(scratch_directory() / "programs.log");
  EXPECT_TRUE(eventually([] { return senders() == "0"; })) << "a connection was kept";
}

TEST_F(PlaneReplication, ReceivesWalUntilTheTermEnds) {
  const auto to = directory("wal");
  // At the very end of a segment it would be the one that is complete already.
  primary().ask("SELECT pg_logical_emit_message(true, 'test', 'x')");
  const std::string segment = primary().value("SELECT pg_walfile_name(pg_current_wal_lsn())");
  Program program({programs() + "pg_receivewal", "-D", to.string(), "-n", "--no-sync", "-d",
                   receiver(endpoint)});
  ASSERT_TRUE(eventually([] {
    return primary().value(
               "SELECT count(*) FROM pg_stat_replication WHERE usename = 'repl' AND "
               "state = 'streaming' AND application_name = 'pg_receivewal'") == "1";
  }));
  primary().ask("CREATE TABLE received AS SELECT generate_series(1, 200000) AS n");
  primary().ask("DROP TABLE received");
  primary().ask("SELECT pg_switch_wal()");
  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(to / segment); }));
  endpoint.vacant();
  EXPECT_TRUE(eventually([&] { return program.ended(); })) << "it goes on with an older term";
  EXPECT_TRUE(eventually([] { return senders() == "0"; }));
}

TEST_F(PlaneReplication, LogicalDecoding) {
  primary().ask("SELECT pg_create_logical_replication_slot('changes', 'test_decoding')");
  const auto to = directory("changes") / "file";
  {
    Program program({programs() + "pg_recvlogical", "-d", receiver(endpoint), "-S", "changes", "-f",
                     to.string(), "--start", "-n", "-F", "0", "-s", "1"});
    ASSERT_TRUE(eventually([] { return senders("datname = 'app'") == "1"; }));
    Client writer(endpoint.dsn());
    EXPECT_TRUE(writer.ask("INSERT INTO journal VALUES ('decoded')").fine);
    EXPECT_TRUE(eventually([&] { return text_of(to).find("decoded") != std::string::npos; }));
    writer.ask("DELETE FROM journal");
  }
  // The program was killed: its server notices.
  EXPECT_TRUE(eventually([] { return senders() == "0"; }));
  EXPECT_TRUE(
      eventually([] { return primary().ask("SELECT pg_drop_replication_slot('changes')").fine; }));
}

TEST_F(PlaneReplication, WaitsForALeader) {
  endpoint.vacant();
  std::optional<Client> client;
  std::thread connecting([&] { client.emplace(receiver(endpoint, "replication=true")); });
  EXPECT_TRUE(
      eventually([&] { return endpoint.log().find("login of \"repl\"") != std::string::npos; }));
  endpoint.lead(primary());
  connecting.join();
  ASSERT_TRUE(client->connected()) << client->problem();
  EXPECT_EQ(4U, client->ask("IDENTIFY_SYSTEM").rows.at(0).size());
}

TEST_F(PlaneReplication, CanBeCancelled) {
  Client client(receiver(endpoint, "replication=database"));
  client.begin("SELECT pg_sleep(60)");
  EXPECT_TRUE(eventually([] { return senders("wait_event = 'PgSleep'") == "1"; }));
  EXPECT_TRUE(client.cancel());
  EXPECT_EQ("57014", client.end().sqlstate);
  EXPECT_EQ("1", client.value("SELECT 1"));
}

TEST_F(PlaneReplication, ServersRefusalsAreTold) {
  Client nobody(endpoint.dsn("alice", "replication=database"));
  // "must be superuser or replication role …" up to 15, "… with the REPLICATION attribute …" later.
  EXPECT_NE(std::string::npos, nobody.problem().find("start")) << nobody.problem();
  EXPECT_NE(std::string::npos, nobody.problem().find("sender")) << nobody.problem();
  Client nowhere(receiver(endpoint, "replication=database dbname=nowhere"));
  EXPECT_NE(std::string::npos, nowhere.problem().find("does not exist")) << nowhere.problem();
  EXPECT_TRUE(eventually([] { return senders() == "0"; }));
}

/// A client that is counted as a standby would acknowledge commits that no standby has.
TEST_F(PlaneReplication, NobodyCallsHimselfLikeAVoter) {
  const core::Seat seat{NodeName("n2"), Incarnation("7f3a91c2")};
  EXPECT_TRUE(is_voter_name(core::application_name(seat, Term{12})));
  EXPECT_NE(std::string(core::names_nobody).find("~nobody"), std::string::npos);
  for (const std::string name : {"evg_n2_7f3a91c2_t12", "EVG_N2_7F3A91C2_T12", "~Nobody", "evg_"}) {
    EXPECT_TRUE(is_voter_name(name));
    for (const std::string kind : {"true", "database"}) {
      Client client(receiver(endpoint, "replication=" + kind + " application_name=" + name));
      EXPECT_NE(std::string::npos, client.problem().find("belongs to the cluster")) << name;
    }
  }
  EXPECT_FALSE(is_voter_name("evg"));
  EXPECT_FALSE(is_voter_name("myevg_n2"));
  // Not by options, nor by the role's own settings.
  Client options(receiver(endpoint, "replication=database options='-c application_name=evg_n2'"));
  ASSERT_TRUE(options.connected()) << options.problem();
  EXPECT_EQ("", options.value("SHOW application_name"));
  primary().ask("ALTER ROLE repl SET application_name = 'evg_n2'");
  Client role(receiver(endpoint, "replication=database"));
  ASSERT_TRUE(role.connected()) << role.problem();
  EXPECT_EQ("", role.value("SHOW application_name"));
  primary().ask("ALTER ROLE repl RESET application_name");
}

/// Whatever sets the name: nothing that was sent behind it is executed.
TEST_F(PlaneReplication, WhoTakesAVotersNameIsCutOff) {
  primary().ask("SELECT pg_create_logical_replication_slot('grabbed', 'test_decoding')");
  const std::string start =
      message('Q', std::string("START_REPLICATION SLOT grabbed LOGICAL 0/0") + '\0');
  for (const std::string sql :
       {"SET application_name = 'evg_n2'", "SELECT set_config('application_name', 'EvG_n2', false)",
        "DO $$BEGIN EXECUTE 'SET application_name = evg_n2'; END$$"}) {
    Client client(receiver(endpoint, "replication=database application_name=honest"));
    ASSERT_TRUE(client.connected()) << client.problem();
    EXPECT_TRUE(client.ask("SET application_name = 'still honest'").fine);
    client.raw_send(message('Q', sql + '\0') + start);
    const std::string told = client.raw_read('W', 1);
    EXPECT_NE(std::string::npos, told.find("42501")) << told;
    EXPECT_EQ(std::string::npos, told.find("stuck"));
    EXPECT_EQ(std::string::npos, told.find(std::string("W\0\0\0", 4))) << "it has begun";
    EXPECT_TRUE(eventually([] { return senders() == "0"; }));
  }
  EXPECT_TRUE(
      eventually([] { return primary().ask("SELECT pg_drop_replication_slot('grabbed')").fine; }));
}

/// As in PgBouncer, where those who replicate stand in the pool of their user and database.
TEST(PlaneReplicationInTheConsole, IsCountedOnBothSides) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.admins = {"alice"};
  Endpoint endpoint(configuration);
  Client console(endpoint.dsn("alice", "dbname=pgbouncer"));
  const auto of_repl = [&](const std::string& show) {
    for (Row& row : table(console, show)) {
      if (row["user"] == "repl") return row;
    }
    return Row();
  };
  std::optional<Client> receiver;
  std::thread connecting([&] {
    receiver.emplace(endpoint.dsn("repl", "replication=database application_name=decodes"));
  });
  EXPECT_TRUE(eventually([&] { return of_repl("SHOW POOLS")["cl_waiting"] == "1"; }));
  endpoint.lead(primary());
  connecting.join();
  ASSERT_TRUE(receiver->connected()) << receiver->problem();
  Row pool = of_repl("SHOW POOLS"), client = of_repl("SHOW CLIENTS"),
      server = of_repl("SHOW SERVERS");
  EXPECT_EQ("app", pool["database"]);
  EXPECT_EQ("session", pool["pool_mode"]);
  for (const char* column : {"cl_active", "sv_active"}) EXPECT_EQ("1", pool[column]) << column;
  for (const char* column : {"cl_waiting", "sv_login", "maxwait"}) EXPECT_EQ("0", pool[column]);
  EXPECT_EQ("logical", server["replication"]);
  EXPECT_EQ("active", server["state"]);
  EXPECT_EQ("decodes", server["application_name"]);
  EXPECT_EQ(std::to_string(primary().port()), server["port"]);
  EXPECT_EQ(primary().value("SELECT pid FROM pg_stat_activity WHERE usename = 'repl'"),
            server["remote_pid"]);
  EXPECT_EQ(client["id"], server["link"]);
  EXPECT_EQ(server["id"], client["link"]);
  Row database = table(console, "SHOW DATABASES").at(0);
  EXPECT_EQ("app", database["name"]);
  EXPECT_EQ("1", database["current_connections"]);
  EXPECT_EQ("1", database["current_client_connections"]);
  receiver.reset();
  EXPECT_TRUE(eventually([&] { return of_repl("SHOW POOLS").empty(); }));
  EXPECT_TRUE(of_repl("SHOW SERVERS").empty());
}

}  // namespace
}  // namespace evergres::proxy::test

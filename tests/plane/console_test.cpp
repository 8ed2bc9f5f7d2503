#include <poll.h>

#include <array>
#include <cstdio>
#include <map>
#include <set>

#include "plane/world.hpp"

/// The admin console of a running endpoint: alice is an admin, bob may look.
namespace evergres::proxy::test {
namespace {

Configuration with_console(PoolMode mode) {
  Configuration configuration = usual(mode);
  configuration.admins = {"alice"};
  configuration.observers = {"bob"};
  return configuration;
}

std::string console_of(const Endpoint& endpoint, const std::string& user = "alice") {
  return endpoint.dsn(user, "dbname=evergres");
}

std::string backends(const std::string& user = "alice") {
  return primary().value(
      "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename = "
      "'" +
      user + "'");
}

/// Clients that write rows as fast as they can.
class Load {
 public:
  Load(const Endpoint& endpoint, int clients) {
    for (int i = 0; i < clients; ++i) {
      threads_.emplace_back([this, dsn = endpoint.dsn()] { run(dsn); });
    }
  }
  ~Load() { stop(); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  [[nodiscard]] unsigned done() const { return done_; }
  std::string problem() {
    const std::lock_guard lock(mutex_);
    return problem_;
  }
  bool goes_on() {
    const unsigned before = done_;
    return static_cast<bool>(eventually([&] { return done_ > before + 50; }));
  }
  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void run(const std::string& dsn) {
    Client client(dsn);
    while (!stop_) {
      for (const char* sql : {"BEGIN", "SELECT txid_current()", "COMMIT"}) {
        const Told told = client.ask(sql);
        if (told.fine) continue;
        const std::lock_guard lock(mutex_);
        problem_ += told.sqlstate + " " + told.message;
        return;
      }
      ++done_;
    }
  }
  std::atomic<bool> stop_{false};
  std::atomic<unsigned> done_{0};
  std::mutex mutex_;
  std::string problem_;
  std::vector<std::thread> threads_;
};

/// What a program prints, and its exit status.
std::pair<std::string, int> output_of(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string text;
  std::array<char, 4096> part{};
  while (const std::size_t got = std::fread(part.data(), 1, part.size(), pipe)) {
    text.append(part.data(), got);
  }
  return {text, ::pclose(pipe)};
}

TEST(PlaneConsole, IsForThoseWhoAreNamed) {
  Configuration configuration = with_console(PoolMode::session);
  configuration.admins = {};
  Endpoint endpoint(configuration);
  for (const char* database : {"evergres", "pgbouncer"}) {
    Client stranger(endpoint.dsn("alice", std::string("dbname=") + database));
    EXPECT_FALSE(stranger.connected());
    EXPECT_NE(std::string::npos,
              stranger.problem().find("user \"alice\" may not connect to the console"))
        << stranger.problem();
    Client wrong(endpoint.dsn("bob", std::string("password=guess dbname=") + database));
    EXPECT_NE(std::string::npos, wrong.problem().find("password authentication failed"));
    Client observer(endpoint.dsn("bob", std::string("dbname=") + database));
    ASSERT_TRUE(observer.connected()) << observer.problem();
    EXPECT_TRUE(observer.ask("SHOW POOLS").fine);
    for (const char* change :
         {"PAUSE", "RESUME", "RECONNECT", "KILL", "KILL_CLIENT 1", "DISABLE app", "ENABLE app",
          "RELOAD", "SHUTDOWN", "SET query_timeout = 1", "WAIT_CLOSE"}) {
      EXPECT_EQ("42501", observer.ask(change).sqlstate) << change;
    }
  }
}

TEST(PlaneConsole, ShowsEverything) {
  Configuration configuration = with_console(PoolMode::transaction);
  configuration.threads = 2;
  Endpoint endpoint(configuration, [](Proxy::Hooks& hooks) { hooks.version = "7.7"; });
  endpoint.lead(primary());
  Client busy(endpoint.dsn("alice", "application_name=works"));
  Client idle(endpoint.dsn("bob"));
  EXPECT_TRUE(idle.ask("SELECT 1").fine);
  EXPECT_TRUE(busy.ask("SELECT pg_sleep(0.02)").fine);
  EXPECT_TRUE(busy.ask_with("SELECT $1::int", {"1"}).fine);
  EXPECT_TRUE(busy.prepare("one", "SELECT 1").fine);
  busy.ask("BEGIN");
  Client console(console_of(endpoint));
  ASSERT_TRUE(console.connected()) << console.problem();
  for (const char* show :
       {"ACTIVE_SOCKETS", "CLIENTS", "CONFIG",         "DATABASES",   "DNS_HOSTS",
        "DNS_ZONES",      "FDS",     "HELP",           "LISTS",       "MEM",
        "PEER_POOLS",     "PEERS",   "POOLS",          "SERVERS",     "SOCKETS",
        "STATE",          "STATS",   "STATS_AVERAGES", "STATS_TIMES", "STATS_TOTALS",
        "TOTALS",         "USERS",   "VERSION"}) {
    EXPECT_TRUE(console.ask(std::string("SHOW ") + show).fine) << show;
    EXPECT_TRUE(console.ask_with(std::string("SHOW ") + show, {}).fine) << show;
  }
  EXPECT_EQ("PgBouncer 1.25.0 (Evergres 7.7)", console.value("SHOW VERSION"));

  std::map<std::string, std::map<std::string, std::string>> clients, servers;
  std::set<std::string> ids;
  for (auto& row : table(console, "SHOW CLIENTS")) {
    EXPECT_TRUE(ids.insert(row["id"]).second) << row["id"];
    EXPECT_LT(std::stoull(row["id"]), std::uint64_t{1} << 31U);
    EXPECT_EQ("127.0.0.1", row["addr"]);
    EXPECT_EQ(std::to_string(endpoint.port()), row["local_port"]);
    clients[row["user"] + "@" + row["database"]] = row;
  }
  EXPECT_EQ(3U, clients.size());
  for (auto& row : table(console, "SHOW SERVERS")) {
    EXPECT_TRUE(ids.insert(row["id"]).second) << row["id"];
    EXPECT_EQ(std::to_string(primary().port()), row["port"]);
    EXPECT_NE("0", row["remote_pid"]);
    servers[row["user"]] = row;
  }
  EXPECT_EQ("active", clients["alice@app"]["state"]);
  EXPECT_EQ("works", clients["alice@app"]["application_name"]);
  EXPECT_EQ("1", clients["alice@app"]["prepared_statements"]);
  EXPECT_EQ("idle", clients["bob@app"]["state"]);
  EXPECT_EQ("active", clients["alice@evergres"]["state"]);
  EXPECT_EQ("active", servers["alice"]["state"]);
  EXPECT_EQ(clients["alice@app"]["id"], servers["alice"]["link"]);
  EXPECT_EQ(servers["alice"]["id"], clients["alice@app"]["link"]);
  EXPECT_EQ("idle", servers["bob"]["state"]);

  auto stats = table(console, "SHOW STATS");
  ASSERT_EQ(1U, stats.size());
  EXPECT_EQ("app", stats[0]["database"]);
  EXPECT_EQ("4", stats[0]["total_xact_count"]);
  EXPECT_EQ("5", stats[0]["total_query_count"]);
  // Two of them for the first logins, which were told what a server is like.
  EXPECT_EQ("7", stats[0]["total_server_assignment_count"]);
  EXPECT_GE(std::stoull(stats[0]["total_query_time"]), 20'000U);
  EXPECT_GE(std::stoull(stats[0]["total_xact_time"]), 20'000U);
  std::map<std::string, std::map<std::string, std::string>> times;
  for (auto& row : table(console, "SHOW STATS_TIMES")) {
    EXPECT_EQ("app", row["database"]);
    times[row["time"]] = row;
  }
  EXPECT_EQ("5", times["query"]["count"]);
  EXPECT_EQ("4", times["transaction"]["count"]);
  EXPECT_EQ("7", times["wait"]["count"]);
  auto databases = table(console, "SHOW DATABASES");
  ASSERT_EQ(1U, databases.size());
  EXPECT_EQ("2", databases[0]["current_client_connections"]);
  EXPECT_EQ("2", databases[0]["current_connections"]);
  auto pools = table(console, "SHOW POOLS");
  ASSERT_EQ(2U, pools.size());
  EXPECT_EQ("1", pools[0]["sv_active"]);
  EXPECT_EQ("1", pools[1]["sv_idle"]);

  // Whoever waits is seen waiting, and for how long.
  endpoint.vacant();
  idle.begin("SELECT 2");
  EXPECT_TRUE(eventually([&] {
    auto rows = table(console, "SHOW POOLS");
    return rows.size() == 2 && rows[1]["cl_waiting"] == "1" && rows[1]["maxwait_us"] != "0";
  }));
  endpoint.lead(primary());
  EXPECT_EQ("2", idle.end().first());
}

TEST(PlaneConsole, TalksToPsqlAndToPsycopg2) {
  Endpoint endpoint(with_console(PoolMode::session));
  const std::string dsn = console_of(endpoint);
  const auto [text, status] =
      output_of("psql '" + dsn + "' -X -c 'SHOW STATE' -c 'SHOW VERSION' -c PAUSE -c RESUME");
  EXPECT_EQ(0, status) << text;
  EXPECT_NE(std::string::npos, text.find("PgBouncer 1.25.0"));
  EXPECT_NE(std::string::npos, text.find("RESUME"));
  if (output_of("/usr/bin/python3 -c 'import psycopg2'").second != 0) {
    GTEST_SKIP() << "python3-psycopg2 is not installed";
  }
  const auto [said, exit] = output_of(
      "/usr/bin/python3 -c \"import psycopg2; c = psycopg2.connect('" + dsn +
      "'); c.autocommit = True; k = c.cursor(); k.execute('SHOW LISTS'); print(k.fetchall())\"");
  EXPECT_EQ(0, exit) << said;
  EXPECT_NE(std::string::npos, said.find("('used_clients', 1)")) << said;
}

class PlaneConsolePause : public ::testing::TestWithParam<PoolMode> {};

TEST_P(PlaneConsolePause, HoldsTheLoadWithoutAnError) {
  Configuration configuration = with_console(GetParam());
  configuration.threads = 2;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Load load(endpoint, 5);
  ASSERT_TRUE(load.goes_on()) << load.problem();
  Client console(console_of(endpoint));
  for (const char* which : {"", " app"}) {
    const Told paused = console.ask(std::string("PAUSE") + which);
    EXPECT_TRUE(paused.fine) << paused;
    const unsigned done = load.done();
    EXPECT_EQ("0", backends());
    EXPECT_EQ("55000", console.ask(std::string("PAUSE") + which).sqlstate);
    EXPECT_EQ("1", table(console, "SHOW DATABASES")[0]["paused"]);
    EXPECT_TRUE(
        eventually([&] { return table(console, "SHOW LISTS").size() > 0 && load.done() == done; }));
    EXPECT_TRUE(console.ask(std::string("RESUME") + which).fine);
    EXPECT_EQ("55000", console.ask(std::string("RESUME") + which).sqlstate);
    EXPECT_TRUE(load.goes_on()) << load.problem();
  }
  load.stop();
  EXPECT_EQ("", load.problem());
}

INSTANTIATE_TEST_SUITE_P(Modes, PlaneConsolePause,
                         ::testing::Values(PoolMode::session, PoolMode::transaction),
                         [](const auto& mode) { return std::string(word_of(mode.param)); });

TEST(PlaneConsole, APauseWaitsForTransactionsAndCanBeTakenBack) {
  Endpoint endpoint(with_console(PoolMode::transaction));
  endpoint.lead(primary());
  Client works(endpoint.dsn());
  Client other(endpoint.dsn());
  works.ask("BEGIN");
  {
    Client console(console_of(endpoint));
    Client observer(console_of(endpoint, "bob"));
    const auto is_paused = [&] { return table(observer, "SHOW DATABASES")[0]["paused"] == "1"; };
    console.begin("PAUSE app");
    EXPECT_TRUE(eventually(is_paused));
    other.begin("SELECT 1");
    EXPECT_TRUE(console.cancel());
    EXPECT_EQ("57014", console.end().sqlstate);
    EXPECT_EQ("1", other.end().first()) << "a pause that was cancelled goes on";
    EXPECT_FALSE(is_paused());

    console.begin("PAUSE");
    EXPECT_TRUE(eventually(is_paused));
    EXPECT_TRUE(works.ask("COMMIT").fine);
    EXPECT_TRUE(console.end().fine);
    EXPECT_TRUE(console.ask("RESUME").fine);

    works.ask("BEGIN");
    console.begin("PAUSE");
    EXPECT_TRUE(eventually(is_paused));
    Client another(console_of(endpoint));
    EXPECT_TRUE(another.ask("RESUME").fine);
    EXPECT_EQ("57014", console.end().sqlstate);

    console.begin("PAUSE");
    EXPECT_TRUE(eventually(is_paused));
    console.drop();
    EXPECT_TRUE(eventually([&] { return !is_paused(); })) << "whose asker has gone";
  }
  EXPECT_TRUE(works.ask("COMMIT").fine);
  EXPECT_EQ("3", works.value("SELECT 3"));
}

TEST(PlaneConsole, KillsDatabasesAndClients) {
  Endpoint endpoint(with_console(PoolMode::session));
  endpoint.lead(primary());
  Client busy(endpoint.dsn());
  Client idle(endpoint.dsn("bob"));
  Client console(console_of(endpoint));
  idle.ask("SELECT 1");
  std::string id;
  for (auto& row : table(console, "SHOW CLIENTS")) {
    if (row["user"] == "bob") id = row["id"];
  }
  EXPECT_EQ("22023", console.ask("KILL_CLIENT 2147483647").sqlstate);
  EXPECT_TRUE(console.ask("KILL_CLIENT " + id).fine);
  EXPECT_EQ("57P01", idle.ask("SELECT 1").sqlstate);

  EXPECT_EQ("3D000", console.ask("KILL nowhere").sqlstate);
  busy.ask("BEGIN");
  busy.begin("SELECT pg_sleep(60)");
  EXPECT_TRUE(eventually([&] { return backends() == "1"; }));
  EXPECT_TRUE(console.ask("KILL app").fine);
  const Told told = busy.end();
  EXPECT_EQ("57P01", told.sqlstate) << told;
  EXPECT_TRUE(eventually([&] { return table(console, "SHOW SERVERS").empty(); }));
  Client next(endpoint.dsn());
  ASSERT_TRUE(next.connected()) << next.problem();
  next.begin("SELECT 5");
  EXPECT_TRUE(eventually([&] { return table(console, "SHOW POOLS")[0]["cl_waiting"] == "1"; }));
  EXPECT_TRUE(console.ask("RESUME app").fine);
  EXPECT_EQ("5", next.end().first());
}

TEST(PlaneConsole, KnowsThoseWhoReplicate) {
  Endpoint endpoint(with_console(PoolMode::transaction));
  endpoint.lead(primary());
  Client console(console_of(endpoint));
  const auto shown = [&](const std::string& user) {
    for (auto& row : table(console, "SHOW CLIENTS")) {
      if (row["user"] == user) return row;
    }
    return std::map<std::string, std::string>();
  };
  {
    const Client logical(endpoint.dsn("repl", "replication=database application_name=decodes"));
    ASSERT_TRUE(logical.connected()) << logical.problem();
    auto row = shown("repl");
    EXPECT_EQ("logical", row["replication"]);
    EXPECT_EQ("app", row["database"]);
    EXPECT_EQ("active", row["state"]);
    EXPECT_EQ("decodes", row["application_name"]);
  }
  EXPECT_TRUE(eventually([&] { return shown("repl").empty(); }));
  Client physical(endpoint.dsn("repl", "replication=true"));
  ASSERT_TRUE(physical.connected()) << physical.problem();
  auto row = shown("repl");
  EXPECT_EQ("physical", row["replication"]);
  EXPECT_TRUE(console.ask("KILL_CLIENT " + row["id"]).fine);
  EXPECT_EQ("57P01", physical.ask("IDENTIFY_SYSTEM").sqlstate);

  Client of_app(endpoint.dsn("repl", "replication=database"));
  ASSERT_TRUE(of_app.connected()) << of_app.problem();
  EXPECT_TRUE(console.ask("KILL app").fine) << "a database that only replication names is known";
  EXPECT_EQ("57P01", of_app.ask("IDENTIFY_SYSTEM").sqlstate);
  EXPECT_TRUE(console.ask("RESUME app").fine);
}

TEST(PlaneConsole, AKilledCommitIsNotToldAsCancelled) {
  Endpoint endpoint(with_console(PoolMode::transaction));
  endpoint.lead(primary());
  primary().ask(
      "CREATE OR REPLACE FUNCTION slow_end() RETURNS trigger LANGUAGE plpgsql AS "
      "'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'");
  primary().ask("CREATE TABLE slow (a int); GRANT ALL ON slow TO alice");
  primary().ask(
      "CREATE CONSTRAINT TRIGGER at_the_end AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED "
      "FOR EACH ROW EXECUTE FUNCTION slow_end()");
  Client commits(endpoint.dsn());
  Client console(console_of(endpoint));
  commits.ask("BEGIN");
  EXPECT_TRUE(commits.ask("INSERT INTO slow VALUES (1)").fine);
  commits.begin("COMMIT");
  EXPECT_TRUE(eventually([&] {
    return primary().value("SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT'") != "0";
  }));
  EXPECT_TRUE(console.ask("KILL app").fine);
  EXPECT_EQ("08007", commits.end().sqlstate);
  primary().ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'COMMIT'");
  primary().ask("DROP TABLE slow");
}

TEST(PlaneConsole, DisablesAndReconnects) {
  Endpoint endpoint(with_console(PoolMode::session));
  endpoint.lead(primary());
  Client there(endpoint.dsn());
  Client console(console_of(endpoint));
  EXPECT_EQ("3D000", console.ask("DISABLE nowhere").sqlstate);
  EXPECT_TRUE(console.ask("DISABLE app").fine);
  Client refused(endpoint.dsn());
  EXPECT_NE(std::string::npos, refused.problem().find("database \"app\" is disabled"))
      << refused.problem();
  EXPECT_TRUE(there.ask("SELECT 1").fine);
  EXPECT_TRUE(console.ask("ENABLE app").fine);
  EXPECT_TRUE(Client(endpoint.dsn()).connected());

  const std::string pid = there.value("SELECT pg_backend_pid()");
  there.ask("CREATE TEMPORARY TABLE mine (a int)");
  EXPECT_TRUE(console.ask("RECONNECT").fine);
  console.begin("WAIT_CLOSE");
  EXPECT_EQ(pid, there.value("SELECT pg_backend_pid()")) << "its table was taken away";
  EXPECT_TRUE(there.ask("DISCARD ALL").fine);
  EXPECT_TRUE(console.end().fine);
  EXPECT_NE(pid, there.value("SELECT pg_backend_pid()"));
  EXPECT_TRUE(console.ask("WAIT_CLOSE app").fine);
}

TEST(PlaneConsole, ReloadsAndShutsDownTheProcessAroundIt) {
  Outcome reload;
  std::vector<Shutdown> asked;
  std::mutex mutex;
  Endpoint endpoint(with_console(PoolMode::session), [&](Proxy::Hooks& hooks) {
    hooks.reload = [&](const std::function<void(const Outcome&)>& then) {
      const std::lock_guard lock(mutex);
      then(reload);
    };
    hooks.shut_down = [&](Shutdown how) {
      const std::lock_guard lock(mutex);
      asked.push_back(how);
    };
  });
  endpoint.lead(primary());
  Client console(console_of(endpoint));
  EXPECT_TRUE(console.ask("RELOAD").fine);
  {
    const std::lock_guard lock(mutex);
    reload = Error(ErrorCode::config_invalid, "pool_size is no number");
  }
  const Told told = console.ask("RELOAD");
  EXPECT_EQ("F0000", told.sqlstate);
  EXPECT_NE(std::string::npos, told.message.find("pool_size is no number"));
  const Told set = console.ask("SET query_timeout = 5");
  EXPECT_EQ("0A000", set.sqlstate);
  EXPECT_NE(std::string::npos, set.message.find("node.yaml")) << set;
  EXPECT_TRUE(console.ask("SHUTDOWN WAIT_FOR_CLIENTS").fine);
  EXPECT_TRUE(console.ask("SHUTDOWN WAIT_FOR_SERVERS").fine);
  EXPECT_TRUE(console.ask("SHUTDOWN").fine);
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return asked ==
           std::vector{Shutdown::wait_for_clients, Shutdown::wait_for_servers, Shutdown::at_once};
  }));

  // As WAIT_FOR_CLIENTS does it: nobody comes, whoever is there works on.
  auto client = std::make_unique<Client>(endpoint.dsn());
  EXPECT_TRUE(client->ask("SELECT 1").fine);
  endpoint.proxy().shut_doors();
  EXPECT_FALSE(Client(endpoint.dsn()).connected());
  EXPECT_TRUE(client->ask("SELECT 1").fine);
  EXPECT_EQ(1U, endpoint.proxy().clients()) << "a console is none";
  client.reset();
  EXPECT_TRUE(eventually([&] { return endpoint.proxy().clients() == 0; }));
  EXPECT_TRUE(console.ask("SHOW CLIENTS").fine);
}

TEST(PlaneConsole, IsReachedWhenThereAreTooManyClients) {
  Configuration configuration = with_console(PoolMode::session);
  configuration.client_limit = 1;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client only(endpoint.dsn());
  Client one_more(endpoint.dsn());
  EXPECT_NE(std::string::npos, one_more.problem().find("too many clients"));
  Client console(console_of(endpoint));
  ASSERT_TRUE(console.connected()) << console.problem();
  EXPECT_TRUE(console.ask("SHOW CLIENTS").fine);
}

TEST(PlaneConsole, WhoGoesWhileItIsAnsweredIsNotTouched) {
  Configuration configuration = with_console(PoolMode::session);
  configuration.threads = 3;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  for (int turn = 0; turn < 100; ++turn) {
    Client console(console_of(endpoint));
    console.begin(turn % 2 == 0 ? "SHOW CLIENTS" : "RECONNECT");
    if (turn % 4 < 2) console.begin("SHOW SERVERS");
    console.drop();
  }
  Client last(console_of(endpoint));
  EXPECT_TRUE(eventually([&] { return table(last, "SHOW CLIENTS").size() == 1; }));
}

}  // namespace
}  // namespace evergres::proxy::test

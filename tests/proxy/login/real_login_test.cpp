#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/names.hpp"
#include "proxy/login/auth_query.hpp"
#include "proxy/login/client_login.hpp"
#include "proxy/login/server_login.hpp"
#include "proxy/wire/walker.hpp"
#include "proxy/wire/writer.hpp"

/// Logins to a real PostgreSQL, over sockets that block.
namespace evergres::proxy {
namespace {

namespace fs = std::filesystem;

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof at;
  EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&at), length), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &length), 0);
  ::close(fd);
  return ntohs(at.sin_port);
}

fs::path programs() {
  fs::path newest;
  int major = 0;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql")) {
    const int found = std::atoi(entry.path().filename().c_str());
    if (found > major && fs::exists(entry.path() / "bin/initdb")) {
      major = found;
      newest = entry.path() / "bin";
    }
  }
  return newest;
}

/// One server with roles app (password pencil), asker (may read what auth_query reads) and others.
class PostgreSql {
 public:
  PostgreSql() {
    std::string name = "/tmp/evergres_login_XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) return;
    root = name;
    if (::geteuid() == 0) as_user = "runuser -u postgres -- ";
    if (!as_user.empty() && run("chown postgres " + root.string(), "") != 0) return;
    port = free_port();
    const std::string data = (root / "data").string();
    if (run(bin("initdb") + " -N -U postgres --auth-local=peer --auth-host=scram-sha-256 -D " +
            data) != 0) {
      return;
    }
    std::ofstream(root / "data/pg_hba.conf")
        << "local all postgres trust\nhost all app,asker,late all scram-sha-256\n"
           "host all nopassword all scram-sha-256\nhost all old all md5\n"
           "host all trusted all trust\n";
    if (run(bin("pg_ctl") + " -w -t 60 -D " + data + " -l " + (root / "log").string() +
            " -o \"-c listen_addresses=127.0.0.1 -c fsync=off -c unix_socket_directories=" +
            root.string() + " -p " + std::to_string(port) + "\" start") != 0) {
      return;
    }
    std::ofstream(root / "roles.sql")
        << "CREATE ROLE app LOGIN PASSWORD 'pencil';"
           "CREATE ROLE asker LOGIN PASSWORD 'eraser';"
           "CREATE ROLE late LOGIN PASSWORD 'x' VALID UNTIL '2001-01-01';"
           "CREATE ROLE nologin PASSWORD 'x';"
           "CREATE ROLE nopassword LOGIN;"
           "CREATE ROLE trusted LOGIN;"
           "SET password_encryption = md5; CREATE ROLE old LOGIN PASSWORD 'x';"
           "GRANT SELECT (rolname, rolpassword, rolcanlogin, rolvaliduntil)"
           " ON pg_catalog.pg_authid TO asker;"
           "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;"
           "CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS"
           " 'SELECT ''-infinity''::timestamptz';"
           "CREATE TABLE evil.pg_authid AS SELECT 'app'::name AS rolname,"
           " NULL::text AS rolpassword, true AS rolcanlogin, NULL::timestamptz AS rolvaliduntil;"
           "ALTER ROLE asker SET search_path = evil, pg_catalog;";
    if (run("chmod a+r " + (root / "roles.sql").string(), "") != 0) return;
    running = sql("-f " + (root / "roles.sql").string());
  }
  ~PostgreSql() {
    if (root.empty()) return;
    run(bin("pg_ctl") + " -m immediate -D " + (root / "data").string() + " stop");
    fs::remove_all(root);
  }
  PostgreSql(const PostgreSql&) = delete;
  PostgreSql& operator=(const PostgreSql&) = delete;

  bool sql(const std::string& what) const {
    return run(bin("psql") + " -X -q -v ON_ERROR_STOP=1 -U postgres -d postgres -h " +
               root.string() + " -p " + std::to_string(port) + " " + what) == 0;
  }

  fs::path root;
  int port = 0;
  bool running = false;

 private:
  static std::string bin(const std::string& name) { return (programs() / name).string(); }
  int run(const std::string& command, std::optional<std::string> user = std::nullopt) const {
    return std::system(("cd / && " + user.value_or(as_user) + command + " >>" +
                        (root / "test.log").string() + " 2>&1")
                           .c_str());
  }
  std::string as_user;
};

/// A blocking socket with a server login on it.
class Connection {
 public:
  explicit Connection(const PostgreSql& server, bool local = false) {
    if (local) {
      fd_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
      sockaddr_un at{};
      at.sun_family = AF_UNIX;
      const std::string path =
          (server.root / (".s.PGSQL." + std::to_string(server.port))).string();
      path.copy(at.sun_path, sizeof at.sun_path - 1);
      connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
    } else {
      fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in at{};
      at.sin_family = AF_INET;
      at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      at.sin_port = htons(static_cast<std::uint16_t>(server.port));
      connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
    }
    const timeval patience{30, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  ServerStep log_in(ServerLoginPlan plan) {
    EXPECT_TRUE(connected_);
    ServerLogin login(std::move(plan));
    std::string sent;
    ServerStep step = login.start(sent);
    send(sent);
    while (std::holds_alternative<ServerLacks>(step) && receive()) {
      std::string_view rest = kept_;
      sent.clear();
      step = login.feed(rest, sent);
      kept_ = std::string(rest);
      send(sent);
    }
    return step;
  }

  AuthStep ask(const std::string& user) {
    AuthQuery query(user);
    std::string sent;
    query.ask(sent);
    send(sent);
    AuthStep step;
    while (std::holds_alternative<AuthLacks>(step) && receive()) {
      std::string_view rest = kept_;
      step = query.feed(rest);
      kept_ = std::string(rest);
    }
    return step;
  }

  /// The first column of the first row.
  std::string value(const std::string& sql) {
    std::string sent;
    write_query(sent, sql);
    send(sent);
    Walker walker(Side::backend, Phase::session);
    std::string found;
    while (receive()) {
      std::string_view rest = kept_;
      for (Frame frame = walker.next(rest); frame.kind != FrameKind::more;
           frame = walker.next(rest)) {
        if (frame.kind == FrameKind::violation) return "violation";
        if (frame.type == 'D' && frame.first) found = frame.payload().substr(6);
        if (frame.type == 'Z') return found;
      }
      kept_ = std::string(rest);
    }
    return "closed";
  }

 private:
  void send(const std::string& bytes) {
    if (!bytes.empty()) {
      EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(bytes.size()));
    }
  }
  bool receive() {
    char bytes[4096];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    kept_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  int fd_ = -1;
  bool connected_ = false;
  std::string kept_;
};

class RealLogin : public testing::Test {
 protected:
  static void SetUpTestSuite() { server = std::make_unique<PostgreSql>(); }
  static void TearDownTestSuite() { server.reset(); }
  void SetUp() override { ASSERT_TRUE(server->running) << "PostgreSQL could not be started"; }

  static ServerLoginPlan plan(std::string user,
                              std::variant<std::monostate, ScramPassword, ScramKeys> credential) {
    ServerLoginPlan made;
    made.user = std::move(user);
    made.database = "postgres";
    made.credential = std::move(credential);
    made.nonce = random_hex(18);
    return made;
  }
  static ServerLoginPlan asker() {
    ServerLoginPlan made = plan("asker", ScramPassword{"eraser"});
    made.settings = auth_query_settings();
    return made;
  }
  static std::unique_ptr<PostgreSql> server;
};
std::unique_ptr<PostgreSql> RealLogin::server;

TEST_F(RealLogin, WithAPasswordInTheClearOnARequestForTlsThatIsDenied) {
  for (const ServerTls tls : {ServerTls::disable, ServerTls::prefer}) {
    ServerLoginPlan how = plan("app", ScramPassword{"pencil"});
    how.tls = tls;
    how.settings = {{"application_name", "till"}};
    Connection connection(*server);
    const ServerStep step = connection.log_in(std::move(how));
    ASSERT_TRUE(std::holds_alternative<ServerReady>(step));
    const auto& ready = std::get<ServerReady>(step);
    EXPECT_EQ(*ready.parameters.find("in_hot_standby"), "off");
    EXPECT_EQ(*ready.parameters.find("application_name"), "till");
    EXPECT_GT(ready.pid, 0);
    EXPECT_EQ(connection.value("SELECT current_user"), "app");
  }
}

TEST_F(RealLogin, WhoRequiresTlsDoesNotGoOnInTheClear) {
  ServerLoginPlan how = plan("app", ScramPassword{"pencil"});
  how.tls = ServerTls::require;
  const ServerStep step = Connection(*server).log_in(std::move(how));
  EXPECT_EQ(std::get<ServerRefused>(step).error.message(), "the server has no TLS");
}

TEST_F(RealLogin, ANewerProtocolIsNegotiatedDown) {
  ServerLoginPlan how = plan("app", ScramPassword{"pencil"});
  how.newest = true;
  const ServerStep step = Connection(*server).log_in(std::move(how));
  ASSERT_TRUE(std::holds_alternative<ServerReady>(step));
  const auto& ready = std::get<ServerReady>(step);
  EXPECT_EQ(ready.key.size(), ready.spoken.minor >= 2 ? 32U : 4U);
}

TEST_F(RealLogin, RefusalsAreSorted) {
  const auto problem = [&](ServerLoginPlan how) {
    const ServerStep step = Connection(*server).log_in(std::move(how));
    const auto* refused = std::get_if<ServerRefused>(&step);
    return refused == nullptr ? std::string("let in") : refused->sqlstate;
  };
  EXPECT_EQ(problem(plan("app", ScramPassword{"crayon"})), "28P01");
  EXPECT_EQ(problem(plan("stranger", ScramPassword{"pencil"})), "28000");
  EXPECT_EQ(problem(plan("nopassword", ScramPassword{"pencil"})), "28P01");
  EXPECT_EQ(problem(plan("old", ScramPassword{"x"})), "28000");
  EXPECT_EQ(problem(plan("trusted", std::monostate{})), "28000");
  ServerLoginPlan nowhere = plan("app", ScramPassword{"pencil"});
  nowhere.database = "nowhere";
  EXPECT_EQ(problem(nowhere), "3D000");
  ServerLoginPlan nonsense = plan("app", ScramPassword{"pencil"});
  nonsense.settings = {{"work_mem", "nonsense"}};
  EXPECT_EQ(problem(nonsense), "22023");
}

TEST_F(RealLogin, TheUnixSocketOfOurOwnNodeNeedsNoPassword) {
  ServerLoginPlan how = plan("postgres", std::monostate{});
  how.tls = ServerTls::disable;
  how.without_proof = true;
  EXPECT_TRUE(
      std::holds_alternative<ServerReady>(Connection(*server, true).log_in(std::move(how))));
}

TEST_F(RealLogin, FromAuthQueryToClientLoginToTheServerWithLearnedKeys) {
  Connection connection(*server);
  ASSERT_TRUE(std::holds_alternative<ServerReady>(connection.log_in(asker())));
  const AuthStep asked = connection.ask("app");
  ASSERT_TRUE(std::holds_alternative<AuthAnswer>(asked));
  ASSERT_TRUE(std::get<AuthAnswer>(asked).secret) << std::get<AuthAnswer>(asked).why;

  StartupMessage startup;
  startup.user = "app";
  startup.database = "postgres";
  ClientLogin login(startup, ClientFacts{}, random_hex(18));
  std::string sent;
  login.begin({}, sent);
  login.give_secret(std::get<AuthAnswer>(asked).secret, sent);
  ScramClient client(ScramPassword{"pencil"}, "SCRAM-SHA-256", std::nullopt, random_hex(18));
  std::string bytes;
  write_sasl_initial(bytes, "SCRAM-SHA-256", client.first());
  std::string_view rest = bytes;
  sent.clear();
  login.feed(rest, sent);
  const auto answer = client.answer(std::string_view(sent).substr(9));
  ASSERT_TRUE(answer);
  bytes.clear();
  write_sasl_response(bytes, answer.value());
  rest = bytes;
  ClientStep step = login.feed(rest, sent);
  ASSERT_TRUE(std::holds_alternative<Admitted>(step));

  Connection behind(*server);
  ASSERT_TRUE(std::holds_alternative<ServerReady>(
      behind.log_in(plan("app", *std::get<Admitted>(step).keys))));
  EXPECT_EQ(behind.value("SELECT session_user"), "app");
}

TEST_F(RealLogin, AuthQueryTellsWhoMayNotLogIn) {
  Connection connection(*server);
  ASSERT_TRUE(std::holds_alternative<ServerReady>(connection.log_in(asker())));
  const auto why = [&](const std::string& user) {
    const AuthStep step = connection.ask(user);
    const auto* answer = std::get_if<AuthAnswer>(&step);
    if (answer == nullptr) return std::string("failed");
    return answer->secret ? "has a secret" : answer->why;
  };
  EXPECT_EQ(why("app"), "has a secret");
  EXPECT_EQ(why("stranger"), "the role does not exist");
  EXPECT_EQ(why("late"), "the password has expired (VALID UNTIL)");
  EXPECT_EQ(why("nologin"), "the role has no LOGIN attribute");
  EXPECT_EQ(why("nopassword"), "the role has no password");
  EXPECT_EQ(why("old"), "the role has an MD5 password");
  EXPECT_EQ(why("app' OR 'x'='x"), "the role does not exist");
  EXPECT_EQ(why("\xff\xfe"), "the role does not exist");
  EXPECT_EQ(why("app"), "has a secret") << "the connection is of use after an error";
}

TEST_F(RealLogin, AuthQueryIsNotMisledByTheSearchPathOfItsSession) {
  // Without auth_query_settings() the role's own search_path is in force, and somebody else's too.
  ServerLoginPlan how = asker();
  how.settings = {{"search_path", "evil, pg_catalog"}, {"options", "-c search_path=evil"}};
  Connection connection(*server);
  ASSERT_TRUE(std::holds_alternative<ServerReady>(connection.log_in(std::move(how))));
  const AuthStep step = connection.ask("app");
  ASSERT_TRUE(std::holds_alternative<AuthAnswer>(step));
  EXPECT_TRUE(std::get<AuthAnswer>(step).secret);
}

TEST_F(RealLogin, AuthQueryWithoutTheRightIsAnErrorAndNotAnAbsence) {
  Connection connection(*server);
  ASSERT_TRUE(std::holds_alternative<ServerReady>(
      connection.log_in(plan("app", ScramPassword{"pencil"}))));
  const AuthStep step = connection.ask("app");
  ASSERT_TRUE(std::holds_alternative<AuthFailed>(step));
  EXPECT_FALSE(std::get<AuthFailed>(step).close);
  EXPECT_EQ(std::get<AuthFailed>(step).error.code(), ErrorCode::permission);
}

}  // namespace
}  // namespace evergres::proxy

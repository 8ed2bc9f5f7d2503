#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>

#include "plane/world.hpp"

/// Clients that go away, send half of something or garbage; cancel requests; TLS.
namespace evergres::proxy::test {
namespace {

int connect_to(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  EXPECT_EQ(0, ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address));
  return socket;
}

std::string startup_of(const std::string& user) {
  std::string body("\0\3\0\0", 4);
  for (const std::string& word :
       {std::string("user"), user, std::string("database"), std::string("app")}) {
    body.append(word).append(1, '\0');
  }
  body.append(1, '\0');
  return message('x', body).substr(1);
}

std::string query(const std::string& sql) {
  return message('Q', sql + '\0');
}

class PlaneHostile : public ::testing::TestWithParam<PoolMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, PlaneHostile,
                         ::testing::Values(PoolMode::session, PoolMode::transaction));

/// A client goes away wherever it may stand; the next one finds a clean server, soon.
TEST_P(PlaneHostile, GoingAwayLeavesNothingBehind) {
  Configuration configuration = usual(GetParam());
  configuration.pool_size = 1;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  primary().ask("TRUNCATE journal");
  const std::string parse = message('P', std::string("s\0SELECT 1\0\0\0", 13));
  const std::string insert = "INSERT INTO journal VALUES ('left')";
  std::string half = query("SELECT '" + std::string(2'000'000, 'x') + "'");
  half.resize(1'500'000);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"in a transaction", query("BEGIN") + query(insert)},
      {"in a failed transaction", query("BEGIN") + query("SELECT 1/0")},
      {"in the middle of a statement", query("BEGIN;" + insert + "; SELECT pg_sleep(0.2)")},
      {"in a COPY among others", query("SELECT 1; COPY journal FROM STDIN")},
      {"with a segment that has no end", parse + message('B', std::string("\0s\0\0\0\0\0\0\0", 9))},
      {"with a transaction without an end",
       message('P', std::string("\0", 1) + insert + std::string(3, '\0')) +
           message('B', std::string(8, '\0')) + message('E', std::string(5, '\0')) +
           message('H', "")},
      {"with a request that its server skips",
       message('P', std::string("\0SELEC\0\0\0", 9)) + query("SELECT 1")},
      {"while its server skips a DISCARD ALL",
       message('B', std::string("\0s\0\0\0\0\0\0\0", 9)) + query("DISCARD ALL") +
           query("SELECT 1")},
      {"in half a message", query("SELECT 1") + std::string("Q\0\0", 3)},
      {"in half a statement", half},
      {"in half a CopyData", query("SELECT 1") + std::string("d\0\1\0\0", 5) + "some"},
      {"in a COPY", query("COPY journal FROM STDIN") + message('d', "left\n")},
      {"in half a row of a COPY",
       query("COPY journal FROM STDIN") + std::string("d\0\0\1\0", 5) + "left"},
      {"reading", query("SELECT repeat('x', 100000) FROM generate_series(1, 1000)")},
      {"after a stray Sync", message('S', "") + message('H', "")},
      {"with a listener", query("LISTEN news")},
      {"with a lock", query("SELECT pg_advisory_lock(9)")},
  };
  for (const auto& [where, bytes] : cases) {
    {
      Client client(endpoint.dsn());
      ASSERT_TRUE(client.connected()) << where << client.problem();
      client.raw_send(bytes);
      poll(nullptr, 0, 20);
      client.drop();
    }
    Client next(endpoint.dsn());
    ASSERT_TRUE(next.connected()) << where << next.problem();
    EXPECT_EQ("5", next.value("SELECT 5")) << where;
    EXPECT_EQ("0", next.value("SELECT count(*) FROM journal")) << where;
    EXPECT_EQ("t", next.value("SELECT pg_try_advisory_lock(9)")) << where;
    next.ask("SELECT pg_advisory_unlock_all()");
    EXPECT_TRUE(next.ask("INSERT INTO journal VALUES ('mine')").fine) << where;
    EXPECT_TRUE(next.ask("DELETE FROM journal").fine) << where;
  }
  EXPECT_TRUE(eventually([] {
    return primary().value(
               "SELECT count(*) FROM pg_stat_activity WHERE usename = 'alice' AND "
               "state <> 'idle'") == "0";
  }));
}

TEST_P(PlaneHostile, OneByteAtATime) {
  Endpoint endpoint(usual(GetParam()));
  endpoint.lead(primary());
  Client client(endpoint.dsn());
  const std::string all = message('P', std::string("s\0SELECT $1::text\0\0\0", 20)) +
                          message('B', std::string("\0s\0\0\0\0\1\0\0\0\4slow\0\0", 17)) +
                          message('E', std::string(5, '\0')) + message('S', "") +
                          query("SELECT 'simple'");
  std::thread sending([&] {
    for (const char byte : all) {
      client.raw_send(std::string_view(&byte, 1));
      poll(nullptr, 0, 1);
    }
  });
  const std::string told = client.raw_read('Z', 2);
  sending.join();
  EXPECT_NE(std::string::npos, told.find("slow")) << told;
  EXPECT_NE(std::string::npos, told.find("simple"));
}

/// What is no protocol ends its sender and nobody else. The bytes are always the same.
TEST_P(PlaneHostile, GarbageEndsItsSenderOnly) {
  Configuration configuration = usual(GetParam());
  configuration.pool_size = 2;
  configuration.query_wait_timeout = Millis{5'000};
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client good(endpoint.dsn());
  std::mt19937 chance(7);
  const std::vector<std::string> parts = {query("SELECT 1"),
                                          query("BEGIN"),
                                          query("COPY journal FROM STDIN"),
                                          message('S', ""),
                                          message('H', ""),
                                          message('d', "x\n"),
                                          message('c', ""),
                                          message('f', std::string("x\0", 2)),
                                          message('P', std::string("s\0SELECT 1\0\0\0", 13)),
                                          message('B', std::string("\0s\0\0\0\0\0\0\0", 9)),
                                          message('B', std::string(8, '\0')),
                                          message('E', std::string(5, '\0')),
                                          message('D', std::string("Ss\0", 3)),
                                          message('D', std::string("P\0", 2)),
                                          message('C', std::string("Ss\0", 3)),
                                          message('F', std::string("\0\0\4\xd2\0\0\0\0\0\0", 10)),
                                          query("COPY (SELECT 1) TO STDOUT"),
                                          query("SELECT 1/0"),
                                          query(""),
                                          query("DEALLOCATE ALL"),
                                          query("SET work_mem = '9MB'"),
                                          query("SELECT 1; SELECT 2; COMMIT"),
                                          query("DISCARD ALL"),
                                          std::string("Z\0\0\0\5I", 6),
                                          std::string("Q\0\0\0\1", 5),
                                          std::string(7, '\xff')};
  for (int round = 0; round < 150; ++round) {
    Client bad(endpoint.dsn());
    ASSERT_TRUE(bad.connected()) << round << bad.problem();
    std::string bytes;
    const std::size_t count = 1 + chance() % 12;
    // Real garbage is rare, so that what is merely odd gets far.
    for (std::size_t i = 0; i < count; ++i) {
      bytes += parts[chance() % (parts.size() - (chance() % 8 == 0 ? 0 : 3))];
    }
    if (chance() % 3 == 0) bytes.resize(bytes.size() - chance() % bytes.size());
    bad.raw_send(bytes);
    if (chance() % 2 == 0) bad.raw_read('Z', 1, 20);
    if (round % 10 == 0) {
      EXPECT_EQ("1", good.value("SELECT 1")) << round;
      EXPECT_EQ("4MB", good.value("SHOW work_mem")) << round;
    }
  }
  EXPECT_TRUE(eventually([] {
    return primary().value(
               "SELECT count(*) FROM pg_stat_activity WHERE usename = 'alice' AND "
               "state <> 'idle'") == "0";
  }));
}

TEST(PlaneOpening, GarbageBeforeTheLogin) {
  Configuration configuration = usual(PoolMode::session);
  configuration.client_login_timeout = Millis{500};
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  const std::vector<std::string> openings = {
      "GET / HTTP/1.0\r\n\r\n",
      std::string("\0\0\0\4", 4),
      std::string("\xff\xff\xff\xff", 4),
      std::string("\0\0\0\x8\x4\xd2\x16\x2f", 8) + startup_of("alice"),
      startup_of("alice") + std::string("p\xff\xff\xff\xff", 5),
      startup_of("alice") + query("SELECT 1"),
      startup_of(std::string(70, 'a')),
      std::string("\x16\3\1\0\5hello", 10),
      startup_of("alice"),
      std::string("\0", 1),
      std::string("\0\0\0\x10\x4\xd2\x16\x2e\0\0\0\1\0\0\0\2", 16)};
  for (const std::string& opening : openings) {
    const int socket = connect_to(endpoint.port());
    ::send(socket, opening.data(), opening.size(), MSG_NOSIGNAL);
    // Whoever says nothing useful is sent away.
    const Instant deadline = boot_now() + Millis{10'000};
    char some[4096];
    ssize_t got = 1;
    while (got > 0 && boot_now() < deadline) {
      pollfd waiting{socket, POLLIN, 0};
      if (poll(&waiting, 1, 100) == 1) got = ::recv(socket, some, sizeof some, 0);
    }
    EXPECT_LE(got, 0) << opening;
    ::close(socket);
  }
  Client good(endpoint.dsn());
  EXPECT_EQ("1", good.value("SELECT 1"));
}

TEST(PlaneCancel, FindsWhateverTheClientDoes) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.pool_size = 1;
  configuration.threads = 2;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client running(endpoint.dsn());
  running.begin("SELECT pg_sleep(60)");
  EXPECT_TRUE(eventually([] {
    return primary().value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") ==
           "1";
  }));
  EXPECT_TRUE(running.cancel());
  EXPECT_EQ("57014", running.end().sqlstate);
  EXPECT_TRUE(running.cancel());  // idle: nothing
  EXPECT_EQ("1", running.value("SELECT 1"));
  PGcancel* mine = PQgetCancel(running.connection());
  // The key of another client, guessed: the process id alone is not enough.
  const int socket = connect_to(endpoint.port());
  std::string request = std::string("\0\0\0\x10\x4\xd2\x16\x2e", 8);
  const auto pid = static_cast<std::uint32_t>(PQbackendPID(running.connection()));
  for (int shift = 24; shift >= 0; shift -= 8) request += static_cast<char>(pid >> shift);
  request += "abcd";
  running.begin("SELECT pg_sleep(0.3), 7");
  ::send(socket, request.data(), request.size(), MSG_NOSIGNAL);
  EXPECT_TRUE(running.end().fine);
  ::close(socket);
  PQfreeCancel(mine);
}

TEST(PlaneCancel, OfSomebodyWhoWaitsForAServer) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.pool_size = 1;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client busy(endpoint.dsn()), queued(endpoint.dsn());
  EXPECT_EQ("1", queued.value("SELECT 1"));
  EXPECT_TRUE(busy.ask("BEGIN").fine);
  queued.begin("SELECT 1");
  poll(nullptr, 0, 50);
  EXPECT_TRUE(queued.cancel());
  EXPECT_EQ("57014", queued.end().sqlstate);
  EXPECT_EQ("1", busy.value("SELECT 1"));
  EXPECT_TRUE(busy.ask("COMMIT").fine);
  EXPECT_EQ("1", queued.value("SELECT 1"));
}

/// A cancel request that comes late hits nothing that its client asks afterwards.
TEST(PlaneCancel, NeverHitsTheNextStatement) {
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary());
  for (const bool inside : {false, true}) {
    Client client(endpoint.dsn());
    if (inside) client.ask("BEGIN");
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ("1", client.value("SELECT 1"));
      client.begin("SELECT 2");
      EXPECT_TRUE(client.cancel());
      const Told told = client.end();
      EXPECT_TRUE(told.fine || told.sqlstate == "57014") << told;
      if (!told.fine && inside) {
        client.ask("ROLLBACK");
        client.ask("BEGIN");
      }
    }
  }
}

/// A cancel request that comes late does not hit the next client of the server.
TEST(PlaneCancel, NeverHitsTheNextClient) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.pool_size = 1;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  std::atomic<bool> stop{false};
  std::thread victim([&] {
    Client client(endpoint.dsn());
    while (!stop) {
      const Told told = client.ask("SELECT pg_sleep(0.001), 1");
      EXPECT_TRUE(told.fine) << told;
    }
  });
  Client canceller(endpoint.dsn());
  for (int i = 0; i < 150; ++i) {
    canceller.begin("SELECT pg_sleep(0.001)");
    poll(nullptr, 0, i % 4);
    EXPECT_TRUE(canceller.cancel());
    const Told told = canceller.end();
    EXPECT_TRUE(told.fine || told.sqlstate == "57014") << told;
  }
  stop = true;
  victim.join();
}

class PlaneTls : public ::testing::Test {
 protected:
  static Configuration configuration() {
    Configuration configuration = usual(PoolMode::transaction);
    configuration.certificate = certificates() / "server.crt";
    configuration.certificate_key = certificates() / "server.key";
    return configuration;
  }
};

TEST_F(PlaneTls, RequireVerifyFullAndChannelBinding) {
  Endpoint endpoint(configuration());
  endpoint.lead(primary());
  Client require(endpoint.dsn("alice", "sslmode=require channel_binding=require"));
  ASSERT_TRUE(require.connected()) << require.problem();
  EXPECT_NE(nullptr, PQgetssl(require.connection()));
  EXPECT_EQ(20'000'000U, require.value("SELECT repeat('y', 20000000)").size());
  EXPECT_EQ("5000000",
            require.ask_with("SELECT length($1)", {std::string(5'000'000, 'x')}).first());
  const std::string authority = (certificates() / "ca.crt").string();
  Client full(endpoint.dsn("alice", "host=localhost sslmode=verify-full sslrootcert=" + authority));
  ASSERT_TRUE(full.connected()) << full.problem();
  EXPECT_TRUE(full.cancel());
  EXPECT_EQ("1", full.value("SELECT 1"));
  Client plain(endpoint.dsn());
  EXPECT_TRUE(plain.connected()) << plain.problem();
}

TEST_F(PlaneTls, DirectlyWithThePostgresqlProtocolOnly) {
  Endpoint endpoint(configuration());
  endpoint.lead(primary());
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  for (const bool names_protocol : {true, false}) {
    const int socket = connect_to(endpoint.port());
    SSL* ssl = SSL_new(context);
    const unsigned char protocol[] = "\012postgresql";
    if (names_protocol) SSL_set_alpn_protos(ssl, protocol, 11);
    SSL_set_fd(ssl, socket);
    const bool done = SSL_connect(ssl) == 1;
    char answer[64] = {};
    int got = 0;
    if (done) {
      const std::string startup = startup_of("alice");
      SSL_write(ssl, startup.data(), static_cast<int>(startup.size()));
      got = SSL_read(ssl, answer, sizeof answer);
    }
    if (names_protocol) {
      EXPECT_TRUE(done);
      EXPECT_EQ('R', answer[0]);
    } else {
      EXPECT_LE(got, 0);
    }
    SSL_free(ssl);
    ::close(socket);
  }
  SSL_CTX_free(context);
}

}  // namespace
}  // namespace evergres::proxy::test

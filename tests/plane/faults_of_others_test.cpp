#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plane/world.hpp"

/// Faults that other poolers had, tried on this one as a whole. docs/guide/faults-of-others.md
/// lists them, with the tests of single parts.
namespace evergres::proxy::test {
namespace {

/// What a stranger is answered who sends these bytes, up to the end of the connection.
std::string answer_to(int port, std::string_view bytes) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  EXPECT_EQ(0, ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address));
  ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  std::string all;
  const Instant deadline = boot_now() + Millis{20'000};
  for (;;) {
    pollfd waiting{socket, POLLIN, 0};
    char some[4096];
    if (boot_now() > deadline) {
      all += "stuck";
      break;
    }
    if (poll(&waiting, 1, 100) != 1) continue;
    const ssize_t got = ::recv(socket, some, sizeof some, 0);
    if (got <= 0) break;
    all.append(some, static_cast<std::size_t>(got));
  }
  ::close(socket);
  return all;
}

std::string startup(const std::vector<std::string>& words) {
  std::string body("\0\3\0\0", 4);
  for (const std::string& word : words) body.append(word).append(1, '\0');
  body.append(1, '\0');
  return message('x', body).substr(1);
}

Configuration asking() {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.auth_file.clear();
  configuration.auth_user = "asker";
  configuration.auth_password = "asker";
  configuration.auth_database = "app";
  configuration.query_wait_timeout = Millis{1'000};
  configuration.client_login_timeout = Millis{5'000};
  return configuration;
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// PgBouncer CVE-2012-4575: a long name of a database ended the process.
TEST(FaultsOfOthers, LongNamesEndTheirSenderOnly) {
  Endpoint endpoint(usual(PoolMode::session));
  endpoint.lead(primary());
  for (const std::size_t length : {64U, 255U, 1024U, 9'900U, 9'970U}) {
    const std::string name(length, 'n');
    for (const auto& words : {std::vector<std::string>{"user", "alice", "database", name},
                              std::vector<std::string>{"user", name, "database", "app"}}) {
      EXPECT_PRED2(says, answer_to(endpoint.port(), startup(words)), "too long") << length;
    }
  }
  EXPECT_PRED2(says, answer_to(endpoint.port(), startup({"user", std::string(20'000, 'n')})),
               "invalid startup packet");
  Client good(endpoint.dsn());
  EXPECT_EQ("1", good.value("SELECT 1"));
}

/// PgBouncer CVE-2015-6817: a user that auth_query did not find was logged in as auth_user.
TEST(FaultsOfOthers, NobodyIsSomebodyElse) {
  Endpoint endpoint(asking());
  endpoint.lead(primary());
  for (const std::string password : {"asker", "mallory", ""}) {
    const Client stranger(endpoint.dsn("mallory", "password='" + password + "'"));
    EXPECT_FALSE(stranger.connected());
  }
  for (const std::string user : {"alice", "bob", "carol", "asker"}) {
    Client client(endpoint.dsn(user));
    ASSERT_TRUE(client.connected()) << client.problem();
    EXPECT_EQ(user + " " + user, client.value("SELECT session_user || ' ' || current_user"));
  }
}

/// CVE-2021-3935 (PgBouncer), -43766 (Odyssey), -23214 (PostgreSQL): what came in the clear behind
/// the request for TLS counted inside it.
TEST(FaultsOfOthers, NothingFromBeforeTlsCounts) {
  Configuration configuration = usual(PoolMode::session);
  configuration.certificate = certificates() / "server.crt";
  configuration.certificate_key = certificates() / "server.key";
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  const std::string request("\0\0\0\x8\x4\xd2\x16\x2f", 8);
  const std::string told =
      answer_to(endpoint.port(), request + startup({"user", "alice", "database", "app"}));
  EXPECT_PRED2(says, told, "received unencrypted data after SSL request");
  EXPECT_EQ(std::string::npos, told.find("SCRAM")) << "the startup message was read";
}

/// PgBouncer CVE-2025-2291: who may not log in to PostgreSQL got in through the pooler. Each case
/// is tried at both.
TEST(FaultsOfOthers, WhoPostgresqlRefusesIsRefused) {
  Endpoint endpoint(asking());
  endpoint.lead(primary());
  struct Case {
    std::string role, attributes;
    bool may = false;
  };
  const std::vector<Case> cases = {{"f_fine", "LOGIN PASSWORD 'x'", true},
                                   {"f_until", "LOGIN PASSWORD 'x' VALID UNTIL 'infinity'", true},
                                   {"f_expired", "LOGIN PASSWORD 'x' VALID UNTIL '2001-01-01'"},
                                   {"f_nologin", "NOLOGIN PASSWORD 'x'"},
                                   {"f_none", "LOGIN PASSWORD NULL"},
                                   {"f_full", "LOGIN PASSWORD 'x' CONNECTION LIMIT 0"},
                                   {"f_other", "LOGIN PASSWORD 'y'"}};
  for (const Case& one : cases) {
    primary().ask("CREATE ROLE " + one.role + " " + one.attributes);
    const std::string who = " user=" + one.role + " password=x dbname=app sslmode=disable port=";
    Client direct("host=127.0.0.1" + who + std::to_string(primary().port()));
    EXPECT_EQ(direct.connected(), one.may) << one.role << direct.problem();
    Client pooled("host=127.0.0.1" + who + std::to_string(endpoint.port()));
    EXPECT_EQ(pooled.connected() && pooled.ask("SELECT 1").fine, one.may)
        << one.role << pooled.problem();
  }
  for (const Case& one : cases) {
    EXPECT_TRUE(eventually([&] { return primary().ask("DROP ROLE " + one.role).fine; }));
  }
}

/// PgBouncer CVE-2025-12819: the search_path of a stranger's startup message was in force where the
/// pooler asked for his secret.
TEST(FaultsOfOthers, TheSearchPathOfAStrangerMisleadsNobody) {
  primary().ask(
      "CREATE SCHEMA trap; GRANT USAGE ON SCHEMA trap TO PUBLIC; "
      "CREATE TABLE trap.sprung (n int); GRANT ALL ON trap.sprung TO PUBLIC; "
      "CREATE VIEW trap.pg_authid AS SELECT * FROM pg_catalog.pg_authid; "
      "GRANT SELECT ON trap.pg_authid TO PUBLIC; "
      "CREATE FUNCTION trap.equal(name, text) RETURNS bool LANGUAGE plpgsql AS "
      "$$BEGIN INSERT INTO trap.sprung VALUES (1); RETURN true; END$$; "
      "CREATE OPERATOR trap.= (LEFTARG = name, RIGHTARG = text, FUNCTION = trap.equal)");
  {
    Endpoint endpoint(asking());
    endpoint.lead(primary());
    const std::string path = "options='-c search_path=trap,pg_catalog'";
    const Client stranger(endpoint.dsn("mallory", path));
    EXPECT_FALSE(stranger.connected());
    Client carol(endpoint.dsn("carol", path));
    EXPECT_TRUE(carol.connected()) << carol.problem();
  }
  EXPECT_EQ("0", primary().value("SELECT count(*) FROM trap.sprung"));
  primary().ask("DROP SCHEMA trap CASCADE");
}

/// PgBouncer CVE-2026-6664, pgx CVE-2024-27304, pgproto3: lengths that overflow or are negative. A
/// message that is cut in two by its length would let a value be read as a message.
TEST(FaultsOfOthers, LengthsThatCannotBeEndTheirSenderOnly) {
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary());
  primary().ask("TRUNCATE journal");
  const std::string hidden =
      message('Q', std::string("INSERT INTO journal VALUES ('hidden')") + '\0');
  const std::vector<std::string> lengths = {
      std::string("\xff\xff\xff\xff", 4), std::string("\x80\0\0\4", 4),
      std::string("\0\0\0\0", 4), std::string("\0\0\0\3", 4),
      std::string("\x7f\xff\xff\xff", 4)};
  for (const char type : {'Q', 'P', 'B', 'd', 'E', 'F'}) {
    for (const std::string& length : lengths) {
      Client client(endpoint.dsn());
      ASSERT_TRUE(client.connected()) << client.problem();
      client.raw_send(std::string(1, type) + length + hidden);
      EXPECT_PRED2(says, client.raw_read('Z'), "08P01") << type;
    }
  }
  // The length of a parameter: below -1, and of more than there is.
  const std::string parse = message('P', std::string("\0SELECT $1::text\0\0\0", 19));
  const std::vector<std::string> values = {std::string("\xff\xff\xff\xfe", 4),
                                           std::string("\x80\0\0\0", 4),
                                           std::string("\x3f\xff\xff\xff", 4)};
  for (const std::string& length : values) {
    Client client(endpoint.dsn());
    client.raw_send(parse + message('B', std::string("\0\0\0\0\0\1", 6) + length + hidden) +
                    message('S', ""));
    client.raw_read('Z');
  }
  Client good(endpoint.dsn());
  EXPECT_EQ("0", good.value("SELECT count(*) FROM journal"));
}

/// pggat #11: memory was taken for what a header announced.
TEST(FaultsOfOthers, WhatIsAnnouncedTakesNoMemory) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.pool_size = 2;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 60; ++i) clients.push_back(std::make_unique<Client>(endpoint.dsn()));
  const std::size_t before = resident();
  std::string name(100, 'x');
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const char type = "QPBd"[i % 4];
    clients[i]->raw_send(std::string(1, type) + std::string("\x3f\xff\xff\xfd", 4) + name);
  }
  Client good(endpoint.dsn());
  EXPECT_TRUE(good.connected()) << good.problem();
  EXPECT_LT(resident(), before + 8'000'000);
}

}  // namespace
}  // namespace evergres::proxy::test

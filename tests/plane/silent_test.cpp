#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "plane/world.hpp"

/// Peers that say nothing any more, or nothing at all.
namespace evergres::proxy::test {
namespace {

int option(int socket, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(0, ::getsockopt(socket, level, name, &value, &size));
  return value;
}

int port_of(int socket, bool peer) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  auto* to = reinterpret_cast<sockaddr*>(&address);
  const int done = peer ? ::getpeername(socket, to, &size) : ::getsockname(socket, to, &size);
  return done == 0 && address.sin_family == AF_INET ? ntohs(address.sin_port) : -1;
}

/// Sockets of this process that are connected, from or to this port.
std::vector<int> sockets_at(int port, bool peer) {
  std::vector<int> found;
  for (int socket = 0; socket < 1024; ++socket) {
    if (port_of(socket, peer) == port && port_of(socket, !peer) > 0) found.push_back(socket);
  }
  return found;
}

/// A machine that lost its power says no more: the kernel has to find out, on both sides of us.
TEST(PlaneSilence, HalfOpenConnectionsAreLookedFor) {
  Configuration configuration = usual(PoolMode::session);
  configuration.certificate = certificates() / "server.crt";
  configuration.certificate_key = certificates() / "server.key";
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Client plain(endpoint.dsn());
  Client inside_tls(endpoint.dsn("alice", "sslmode=require"));
  Client receiver(endpoint.dsn("repl", "replication=true"));
  EXPECT_EQ("1", plain.value("SELECT 1"));
  EXPECT_EQ("1", inside_tls.value("SELECT 1"));
  EXPECT_TRUE(receiver.ask("IDENTIFY_SYSTEM").fine) << receiver.problem();
  const auto clients = sockets_at(endpoint.port(), false);
  const auto servers = sockets_at(primary().port(), true);
  EXPECT_EQ(3U, clients.size());
  EXPECT_EQ(3U, servers.size());
  for (const auto* side : {&clients, &servers}) {
    for (const int socket : *side) {
      EXPECT_EQ(1, option(socket, SOL_SOCKET, SO_KEEPALIVE));
      EXPECT_EQ(30, option(socket, IPPROTO_TCP, TCP_KEEPIDLE));
      EXPECT_EQ(10, option(socket, IPPROTO_TCP, TCP_KEEPINTVL));
      EXPECT_EQ(3, option(socket, IPPROTO_TCP, TCP_KEEPCNT));
      EXPECT_EQ(15'000, option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT));
      EXPECT_EQ(1, option(socket, IPPROTO_TCP, TCP_NODELAY));
    }
  }
}

/// Whoever does not log in costs a little memory for a little while.
TEST(PlaneSilence, StrangersWhoSayNothingAreSentAwayAndCostLittle) {
  Configuration configuration = usual(PoolMode::session);
  configuration.client_login_timeout = Millis{1'500};
  configuration.certificate = certificates() / "server.crt";
  configuration.certificate_key = certificates() / "server.key";
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  const std::vector<std::string> sayings = {
      "", std::string(1, '\0'), std::string("\0\0\x27\x10\0\3\0\0user", 12),  // of 10,000 bytes
      std::string("\0\0\0\x8\x4\xd2\x16\x2f", 8), std::string("\x16\3\1\2\0\1\0", 7)};
  constexpr std::size_t many = 400;
  const std::size_t before = resident();
  std::vector<int> strangers;
  for (std::size_t i = 0; i < many; ++i) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(endpoint.port()));
    ASSERT_EQ(0, ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address));
    const std::string& saying = sayings[i % sayings.size()];
    if (!saying.empty()) ::send(socket, saying.data(), saying.size(), MSG_NOSIGNAL);
    strangers.push_back(socket);
  }
  Client good(endpoint.dsn());
  EXPECT_EQ("1", good.value("SELECT 1"));
  // TLS that has begun costs most: OpenSSL's buffers of a handshake.
  EXPECT_LT(resident(), before + many * 50'000);
  EXPECT_TRUE(eventually([&] {
    std::size_t ended = 0;
    for (const int socket : strangers) {
      char some[4096];
      ssize_t got = 1;
      while (got > 0) got = ::recv(socket, some, sizeof some, MSG_DONTWAIT);
      if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) ++ended;
    }
    return ended == many;
  }));
  EXPECT_EQ("1", good.value("SELECT 1"));
  for (const int socket : strangers) ::close(socket);
}

/// A receiver of WAL that does not read.
TEST(PlaneSilence, ASlowReceiverCostsBoundedMemory) {
  Endpoint endpoint(usual(PoolMode::session));
  endpoint.lead(primary());
  Client receiver(endpoint.dsn("repl", "replication=true"));
  ASSERT_TRUE(receiver.connected()) << receiver.problem();
  const std::string from = primary().value("SELECT pg_current_wal_lsn()");
  primary().ask(
      "CREATE TABLE much AS SELECT repeat(n::text, 100) FROM generate_series(1, 60000) n");
  primary().ask("DROP TABLE much");
  const std::size_t before = resident();
  receiver.raw_send(message('Q', "START_REPLICATION " + from + '\0'));
  std::string last;
  EXPECT_TRUE(eventually([&] {
    poll(nullptr, 0, 200);
    const std::string before_that = std::exchange(
        last, primary().value("SELECT sent_lsn FROM pg_stat_replication WHERE usename = 'repl' "
                              "AND sent_lsn < pg_current_wal_lsn() - 1000000"));
    return !last.empty() && last == before_that;
  })) << "nothing waits to be read";
  EXPECT_LT(resident(), before + 12'000'000);
}

}  // namespace
}  // namespace evergres::proxy::test

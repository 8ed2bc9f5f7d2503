#include "proxy/io/sockets.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace evergres::proxy {
namespace {

bool wait_until(const Descriptor& socket, short events) {
  pollfd wanted{.fd = socket.number(), .events = events, .revents = 0};
  return ::poll(&wanted, 1, 30'000) == 1;
}

Resolved local(int port, const std::string& host = "127.0.0.1") {
  return resolve({.host = host, .port = port}).value().front();
}

bool non_blocking(const Descriptor& socket) {
  return (::fcntl(socket.number(), F_GETFL) & O_NONBLOCK) != 0 &&
         (::fcntl(socket.number(), F_GETFD) & FD_CLOEXEC) != 0;
}

TEST(Sockets, AConnectionIsAcceptedWithItsAddress) {
  auto listening = listen_on("127.0.0.1", 0, false);
  ASSERT_TRUE(listening);
  ASSERT_GT(listening->port, 0);
  Acceptor acceptor(std::move(listening->socket));
  EXPECT_EQ(acceptor.next().kind, Acceptor::Step::Kind::none);
  const auto client = begin_connect(local(listening->port));
  ASSERT_TRUE(client);
  ASSERT_TRUE(wait_until(client.value(), POLLOUT));
  const auto connected = connect_result(client.value());
  ASSERT_TRUE(connected.has_value());
  EXPECT_TRUE(connected->ok());
  const auto step = acceptor.next();
  ASSERT_EQ(step.kind, Acceptor::Step::Kind::client);
  EXPECT_EQ(step.client.address, "127.0.0.1");
  EXPECT_GT(step.client.port, 0);
  EXPECT_TRUE(non_blocking(step.client.socket) && non_blocking(client.value()));
  EXPECT_EQ(acceptor.next().kind, Acceptor::Step::Kind::none);
}

TEST(Sockets, AClientOfIpv4IsOneAlsoWhereAllFamiliesAreListenedOn) {
  auto listening = listen_on("*", 0, false);
  ASSERT_TRUE(listening) << listening.error().one_line();
  Acceptor acceptor(std::move(listening->socket));
  const auto client = begin_connect(local(listening->port));
  ASSERT_TRUE(client);
  ASSERT_TRUE(wait_until(client.value(), POLLOUT));
  EXPECT_EQ(acceptor.next().client.address, "127.0.0.1");
}

TEST(Sockets, APortThatNobodyListensOnIsUnreachable) {
  auto listening = listen_on("127.0.0.1", 0, false);
  ASSERT_TRUE(listening);
  const Resolved to = local(listening->port);
  listening->socket.reset();
  const auto client = begin_connect(to);
  if (client) {
    ASSERT_TRUE(wait_until(client.value(), POLLOUT));
    const auto result = connect_result(client.value());
    ASSERT_TRUE(result.has_value());
    ASSERT_FALSE(result->ok());
    EXPECT_EQ(result->error().code(), ErrorCode::unreachable);
    EXPECT_EQ(result->error().message(), "could not connect to the server: Connection refused");
  } else {
    EXPECT_EQ(client.error().code(), ErrorCode::unreachable);
  }
}

TEST(Sockets, NothingYetWhileItConnects) {
  // A listener whose queue is full does not answer: the connection stays in the making.
  const Descriptor full(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage name{};
  const std::string bytes = local(0).bytes();
  std::memcpy(&name, bytes.data(), bytes.size());
  ASSERT_EQ(::bind(full.number(), reinterpret_cast<sockaddr*>(&name), 16), 0);
  ASSERT_EQ(::listen(full.number(), 0), 0);
  socklen_t size = sizeof name;
  ASSERT_EQ(::getsockname(full.number(), reinterpret_cast<sockaddr*>(&name), &size), 0);
  const Resolved to(std::string(reinterpret_cast<char*>(&name), size));
  std::vector<Descriptor> clients;
  bool waits = false;
  for (int number = 0; number < 8 && !waits; ++number) {
    auto client = begin_connect(to);
    ASSERT_TRUE(client);
    pollfd wanted{.fd = client->number(), .events = POLLOUT, .revents = 0};
    waits = ::poll(&wanted, 1, 300) == 0 && !connect_result(client.value()).has_value();
    clients.push_back(std::move(client).value());
  }
  EXPECT_TRUE(waits);
}

TEST(Sockets, ErrorsOfListeningTellWhatToDo) {
  auto first = listen_on("127.0.0.1", 0, false);
  ASSERT_TRUE(first);
  const auto taken = listen_on("127.0.0.1", first->port, false);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), ErrorCode::port_taken);
  EXPECT_EQ(taken.error().message(), "could not listen on 127.0.0.1 port " +
                                         std::to_string(first->port) + ": Address already in use");
  EXPECT_EQ(taken.error().hint(), "ss -ltnp shows who listens there.");
  const auto foreign = listen_on("203.0.113.7", 0, false);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code(), ErrorCode::config_invalid);
  const auto unknown = listen_on("no such host", 0, false);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), ErrorCode::config_invalid);
}

TEST(Sockets, ASharedPortIsListenedOnTwice) {
  const auto first = listen_on("127.0.0.1", 0, true);
  ASSERT_TRUE(first);
  EXPECT_TRUE(listen_on("127.0.0.1", first.value().port, true));
}

TEST(Sockets, AddressesHaveTheirUsualText) {
  EXPECT_EQ(local(5432).text(), "127.0.0.1:5432");
  EXPECT_EQ(local(5432, "::1").text(), "[::1]:5432");
  EXPECT_EQ(local(5432, "/run/x").text(), "/run/x/.s.PGSQL.5432");
  const auto unknown = resolve({.host = "no such host", .port = 1});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), ErrorCode::unreachable);
  const auto too_long = resolve({.host = "/" + std::string(100, 'x'), .port = 1});
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().code(), ErrorCode::unreachable);
}

TEST(Sockets, AUnixSocketIsConnectedToByItsDirectory) {
  std::string directory = "/tmp/evergres-io-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const Resolved to = local(7, directory);
  const auto absent = begin_connect(to);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code(), ErrorCode::unreachable);
  const Descriptor listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  std::memcpy(&name, to.bytes().data(), to.bytes().size());
  ASSERT_EQ(::bind(listening.number(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(::listen(listening.number(), 1), 0);
  const auto client = begin_connect(to);
  ASSERT_TRUE(client);
  const auto connected = connect_result(client.value());
  EXPECT_TRUE(connected.has_value() && connected->ok());
  std::filesystem::remove_all(directory);
}

// In a child of its own: the limit is the process's.
int refuse_without_descriptors() {
  auto listening = listen_on("127.0.0.1", 0, false);
  if (!listening) return 1;
  Acceptor acceptor(std::move(listening->socket));
  const Resolved to = local(listening->port);
  std::array<Descriptor, 3> clients;
  for (Descriptor& client : clients) client = std::move(begin_connect(to)).value();
  for (const Descriptor& client : clients) {
    if (!wait_until(client, POLLOUT)) return 2;
  }
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit before = limit;
  limit.rlim_cur = static_cast<rlim_t>(clients[2].number() + 1);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 3;
  std::array<Acceptor::Step::Kind, 4> kinds{};
  for (auto& kind : kinds) kind = acceptor.next().kind;
  using enum Acceptor::Step::Kind;
  if (kinds != std::array{refused, refused, refused, none}) return 4;
  for (const Descriptor& client : clients) {  // they are told, and do not wait for ever
    char byte = 0;
    if (!wait_until(client, POLLIN) || ::recv(client.number(), &byte, 1, 0) != 0) return 5;
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
  const auto later = begin_connect(to);
  if (!later || !wait_until(later.value(), POLLOUT)) return 6;
  return acceptor.next().kind == client ? 0 : 7;
}

TEST(Sockets, WithoutDescriptorsClientsAreRefusedAndLaterAccepted) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(refuse_without_descriptors());
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace evergres::proxy

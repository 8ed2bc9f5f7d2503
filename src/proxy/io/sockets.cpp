#include "proxy/io/sockets.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

namespace evergres::proxy {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

constexpr int backlog = 1024;

std::string bytes_of(const void* address, std::size_t size) {
  return {static_cast<const char*>(address), size};
}

sockaddr_storage storage_of(const std::string& bytes) {
  sockaddr_storage storage{};
  std::memcpy(&storage, bytes.data(), std::min(bytes.size(), sizeof storage));
  return storage;
}

// A copy and no cast: the bytes of a string need not be aligned for it.
template <typename Kind>
Kind as(const sockaddr_storage& storage) {
  Kind kind{};
  std::memcpy(&kind, &storage, sizeof kind);
  return kind;
}

struct Name {
  std::string address;
  int port = 0;
  bool bracketed = false;
};

// A client of IPv4 that came over a socket of both families is one of IPv4: rules are written so.
Name name_of(const sockaddr_storage& storage) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage.ss_family == AF_INET) {
    const auto four = as<sockaddr_in>(storage);
    ::inet_ntop(AF_INET, &four.sin_addr, text.data(), text.size());
    return {text.data(), ntohs(four.sin_port), false};
  }
  if (storage.ss_family == AF_INET6) {
    const auto six = as<sockaddr_in6>(storage);
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&six.sin6_addr);
    const void* from = mapped ? &six.sin6_addr.s6_addr[12] : &six.sin6_addr.s6_addr[0];
    ::inet_ntop(mapped ? AF_INET : AF_INET6, from, text.data(), text.size());
    return {text.data(), ntohs(six.sin6_port), !mapped};
  }
  return {};
}

Result<std::vector<Resolved>> unix_address(const Address& address) {
  const std::string path = address.host + "/.s.PGSQL." + std::to_string(address.port);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) {
    return Error(ErrorCode::unreachable, "the path of the unix socket " + path + " is too long",
                 "The system allows 107 bytes.");
  }
  std::memcpy(name.sun_path, path.data(), path.size());
  return std::vector{Resolved(bytes_of(&name, offsetof(sockaddr_un, sun_path) + path.size() + 1))};
}

Error not_connected(const std::string& to, int errno_value) {
  const Error raw = error_from_errno("could not connect to " + to, errno_value);
  if (raw.code() == ErrorCode::permission) return raw;
  return Error(ErrorCode::unreachable, raw.message());
}

Error not_listening(const std::string& host, int port, int errno_value) {
  const std::string what = "could not listen on " + host + " port " + std::to_string(port);
  if (errno_value == EADDRNOTAVAIL || errno_value == EAFNOSUPPORT) {
    return Error(ErrorCode::config_invalid, what + ": " + std::strerror(errno_value), "",
                 "Name an address of this machine, or * for all.");
  }
  const Error raw = error_from_errno(what, errno_value);
  if (raw.code() == ErrorCode::port_taken) {
    return Error(raw.code(), raw.message(), "", "ss -ltnp shows who listens there.");
  }
  return raw;
}

void switch_on(const Descriptor& socket, int level, int option, int value) {
  ::setsockopt(socket.number(), level, option, &value, sizeof value);
}

Result<Listening> listen_at(const addrinfo& at, const std::string& host, int port, bool shared,
                            bool both_families) {
  Descriptor socket(::socket(at.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.open()) return not_listening(host, port, errno);
  switch_on(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  if (shared) switch_on(socket, SOL_SOCKET, SO_REUSEPORT, 1);
  if (at.ai_family == AF_INET6) {
    switch_on(socket, IPPROTO_IPV6, IPV6_V6ONLY, both_families ? 0 : 1);
  }
  if (::bind(socket.number(), at.ai_addr, at.ai_addrlen) != 0 ||
      ::listen(socket.number(), backlog) != 0) {
    return not_listening(host, port, errno);
  }
  const int given = port_of(socket);
  return Listening{.socket = std::move(socket), .port = given};
}

Result<Addresses> look_up(const char* host, int port, int flags, ErrorCode code) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  const int problem = ::getaddrinfo(host, std::to_string(port).c_str(), &wanted, &found);
  if (problem == 0) return Addresses(found, &::freeaddrinfo);
  return Error(code, "could not look up the address of " + std::string(host),
               std::string("The system says: ") +
                   (problem == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(problem)) + ".");
}

// accept(2): errors of the connection that waits, and not of the socket that listens.
bool of_that_connection(int errno_value) {
  switch (errno_value) {
    case EINTR:
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH: return true;
    default: return false;
  }
}

}  // namespace

std::string Resolved::text() const {
  const sockaddr_storage storage = storage_of(bytes_);
  if (storage.ss_family == AF_UNIX) return as<sockaddr_un>(storage).sun_path;
  const Name name = name_of(storage);
  const std::string port = ":" + std::to_string(name.port);
  return name.bracketed ? "[" + name.address + "]" + port : name.address + port;
}

Result<std::vector<Resolved>> resolve(const Address& address) {
  if (address.host.starts_with('/')) return unix_address(address);
  auto found = look_up(address.host.c_str(), address.port, 0, ErrorCode::unreachable);
  if (!found) return found.error();
  std::vector<Resolved> all;
  for (const addrinfo* at = found->get(); at != nullptr; at = at->ai_next) {
    all.emplace_back(bytes_of(at->ai_addr, at->ai_addrlen));
  }
  return all;
}

Result<Descriptor> begin_connect(const Resolved& to) {
  const sockaddr_storage storage = storage_of(to.bytes());
  Descriptor socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.open()) return error_from_errno("could not make a socket", errno);
  const auto* address = reinterpret_cast<const sockaddr*>(&storage);
  const auto size = static_cast<socklen_t>(to.bytes().size());
  if (::connect(socket.number(), address, size) != 0 && errno != EINPROGRESS && errno != EINTR) {
    return not_connected(to.text(), errno);
  }
  return socket;
}

std::optional<Outcome> connect_result(const Descriptor& socket) {
  pollfd wanted{.fd = socket.number(), .events = POLLOUT, .revents = 0};
  int ready = 0;
  do {
    ready = ::poll(&wanted, 1, 0);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return std::nullopt;
  int problem = 0;
  socklen_t size = sizeof problem;
  if (::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &problem, &size) != 0) problem = errno;
  if (problem != 0) return Outcome(not_connected("the server", problem));
  return Outcome();
}

Result<Listening> listen_on(const std::string& host, int port, bool shared) {
  const bool everywhere = host.empty() || host == "*";
  if (everywhere) {
    const auto both = look_up("::", port, AI_NUMERICHOST, ErrorCode::config_invalid);
    if (!both) return both.error();
    auto made = listen_at(*both.value(), "*", port, shared, true);
    // A kernel without IPv6 says config_invalid here.
    if (made || made.error().code() != ErrorCode::config_invalid) return made;
  }
  const char* name = everywhere ? "0.0.0.0" : host.c_str();
  const auto found = look_up(name, port, AI_PASSIVE, ErrorCode::config_invalid);
  if (!found) return found.error();
  return listen_at(*found.value(), name, port, shared, false);
}

int port_of(const Descriptor& socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  return name_of(storage).port;
}

Acceptor::Acceptor(Descriptor listening)
    : listening_(std::move(listening)), spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

Acceptor::Step Acceptor::next() {
  if (!spare_.open()) spare_ = Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  bool refuse = false;
  for (;;) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    Descriptor client(::accept4(listening_.number(), reinterpret_cast<sockaddr*>(&storage), &size,
                                SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (refuse) {
      const bool refused = client.open();
      client.reset();
      spare_ = Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      return {.kind = refused ? Step::Kind::refused : Step::Kind::none, .client = {}};
    }
    if (client.open()) {
      Name name = name_of(storage);
      return {
          .kind = Step::Kind::client,
          .client = {
              .socket = std::move(client), .address = std::move(name.address), .port = name.port}};
    }
    if (of_that_connection(errno)) continue;
    if ((errno != EMFILE && errno != ENFILE) || !spare_.open()) return {};
    spare_.reset();
    refuse = true;
  }
}

}  // namespace evergres::proxy

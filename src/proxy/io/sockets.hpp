#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "proxy/io/descriptor.hpp"

/// Making sockets. All are non-blocking and close on exec.
namespace evergres::proxy {

/// Where a server is: a host name or an address, or the directory of a unix socket ("/run/…").
struct Address {
  std::string host;
  int port = 0;
  auto operator<=>(const Address&) const = default;
};

/// An address that needs no look-up any more: bytes of a sockaddr.
class Resolved {
 public:
  explicit Resolved(std::string bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  /// "127.0.0.1:5432", "[::1]:5432", "/run/x/.s.PGSQL.5432".
  [[nodiscard]] std::string text() const;

 private:
  std::string bytes_;
};

/// All addresses of `address`, in the system's order. Blocks for as long as the resolver does
/// unless the host is a number or a path: not on a thread that serves clients. Errors: unreachable.
Result<std::vector<Resolved>> resolve(const Address& address);

/// Begins to connect; the socket becomes writable when that is decided: ask connect_result().
/// Errors: unreachable, permission (also at once: a unix socket that nobody listens on).
Result<Descriptor> begin_connect(const Resolved& to);
/// Nothing yet if it is still connecting. Errors: unreachable, permission.
std::optional<Outcome> connect_result(const Descriptor& socket);

struct Listening {
  Descriptor socket;
  int port = 0;  ///< the kernel's choice if 0 was asked for
};
/// `host`: a name (its first address counts), an address, or "*" for all of both families.
/// SO_REUSEADDR; `shared`: also SO_REUSEPORT, for a second process that takes over. Errors:
/// port_taken, permission, config_invalid (no such address here).
Result<Listening> listen_on(const std::string& host, int port, bool shared);

/// Of a socket that has a name, 0 if it has none.
int port_of(const Descriptor& socket);

/// The next client, nothing if there is none now: an edge is one for all, so ask until then. When
/// the process has no descriptors left, the oldest waiting connection is accepted and closed at
/// once, so that epoll does not spin.
struct Accepted {
  Descriptor socket;
  std::string address;  ///< without port, as HBA wants it: "10.0.0.7"
  int port = 0;
};
class Acceptor {
 public:
  explicit Acceptor(Descriptor listening);
  struct Step {
    enum class Kind { client, none, refused } kind = Kind::none;
    Accepted client;
  };
  Step next();
  [[nodiscard]] int descriptor() const { return listening_.number(); }

 private:
  Descriptor listening_;
  Descriptor spare_;
};

}  // namespace evergres::proxy

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.hpp"

/// The first bytes of a client, before messages have types: protocol documentation, "Message
/// Formats"; PostgreSQL's side is ProcessStartupPacket (backend_startup.c, before 17 postmaster.c).
namespace evergres::proxy {

/// PostgreSQL's MAX_STARTUP_PACKET_LENGTH. Nothing longer is waited for.
inline constexpr std::uint32_t startup_most = 10'000;
/// Longer names are cut by PostgreSQL; here they are refused, so that the name that was judged is
/// the name that is used.
inline constexpr std::size_t name_most = 63;
/// A cancel key is 4 bytes in protocol 3.0 and 4 to 256 in 3.2.
inline constexpr std::size_t cancel_key_least = 4;
inline constexpr std::size_t cancel_key_most = 256;

struct ProtocolVersion {
  std::uint16_t major = 3;
  std::uint16_t minor = 0;
  auto operator<=>(const ProtocolVersion&) const = default;
};
/// The newest that we speak; a client that asks for a newer 3.x is offered this one.
inline constexpr ProtocolVersion newest_protocol{3, 2};

struct SslRequest {};
struct GssRequest {};
/// The first byte of a TLS handshake: TLS without SSLRequest (libpq's sslnegotiation=direct).
struct DirectTls {};

struct CancelRequest {
  std::int32_t pid = 0;
  std::string key;  ///< 4 to 256 bytes. Compare it in constant time
};

enum class Replication { none, physical, logical };

struct StartupMessage {
  ProtocolVersion asked;
  /// What is spoken: `asked`, or newest_protocol if that is older.
  ProtocolVersion spoken;
  std::string user;
  std::string database;  ///< the user's name if the client named none
  Replication replication = Replication::none;
  /// Settings of the session as the client wrote them, "options" among them, in its order. They
  /// are untrusted: nothing privileged may run under them.
  std::vector<std::pair<std::string, std::string>> settings;
  /// Names that begin with "_pq_.": we know none, and say so in NegotiateProtocolVersion.
  std::vector<std::string> unknown_options;

  /// Whether the client must be told what is spoken, once, before authentication.
  [[nodiscard]] bool must_negotiate() const { return spoken != asked || !unknown_options.empty(); }
};

/// The packet has not arrived yet.
struct StartupLacks {};
/// Nothing that can be gone on with: say it, close.
struct StartupRefused {
  std::string sqlstate;
  Error error;
};

/// `consumed` bytes of the input belong to `packet`; 0 while it is incomplete, refused, or TLS.
struct StartupRead {
  std::variant<StartupLacks, StartupRefused, DirectTls, SslRequest, GssRequest, CancelRequest,
               StartupMessage>
      packet;
  std::size_t consumed = 0;
};

/// Reads the packet at the front of what has arrived.
StartupRead read_startup(std::string_view arrived);

}  // namespace evergres::proxy

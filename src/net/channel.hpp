#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/instant.hpp"
#include "base/names.hpp"
#include "base/result.hpp"
#include "net/handshake.hpp"
#include "net/secret.hpp"

/// The peers' port: authenticated and tamper-proof messages over TCP, not encrypted.
///
/// Both sides prove with HMAC-SHA256 that they know the cluster secret, over both nonces and both
/// names; each direction then has its own key, and every message carries a MAC over its number, its
/// length and its bytes, so that altered, replayed, reordered and reflected messages are refused.
/// Watchers do the same with the secret that is derived for them. Everything here belongs to the
/// thread of its executor.
namespace evergres::net {

using boost::asio::awaitable;

inline constexpr std::size_t max_message_bytes = std::size_t{1} << 20U;
inline constexpr std::size_t max_pending_handshakes = 32;
inline constexpr std::size_t max_open_channels = 256;
inline constexpr std::size_t max_open_watchers = 256;  ///< beside the members
inline constexpr Millis handshake_deadline{2000};
inline constexpr Millis send_deadline{2000};

/// Who we are. Both sides must name the same cluster.
struct ChannelIdentity {
  std::string cluster;
  NodeName self;
  Secret secret;  ///< the cluster's; of a watcher watch_secret() of it
  CallerKind kind = CallerKind::member;  ///< whom connect_channel() says that we are
};

class Channel {
 public:
  struct Impl;
  explicit Channel(std::unique_ptr<Impl> impl);
  Channel(Channel&&) noexcept;
  Channel& operator=(Channel&&) noexcept;
  ~Channel();

  /// The proven name of the other side.
  [[nodiscard]] const NodeName& peer() const;
  [[nodiscard]] std::string peer_address() const;
  /// What the other side said that it is, and proved.
  [[nodiscard]] CallerKind kind() const;
  [[nodiscard]] bool open() const;

  /// Sends one message of at most 1 MB. Several tasks may send at once; messages stay whole.
  /// Errors: timed_out after `send_deadline`, unreachable, data_invalid (too large). After
  /// timed_out, unreachable or a cancellation the channel is closed.
  awaitable<Outcome> send(std::string message);
  /// The next message; one task at a time. With `at_most` it fails with timed_out when none is
  /// complete by then and closes the channel. Errors: unreachable (closed by the other side),
  /// authentication (altered, replayed or reordered), timed_out, data_invalid (it announces more
  /// than `longest` bytes, of which none is read).
  awaitable<Result<std::string>> receive(std::optional<Nanos> at_most = std::nullopt,
                                         std::size_t longest = max_message_bytes);
  /// Running sends and receives end with unreachable. May be called again.
  void close();

 private:
  std::unique_ptr<Impl> impl_;
};

/// Connects and authenticates within `at_most`. `expected` is the node that must answer. Errors:
/// unreachable, timed_out, authentication (wrong secret, cluster or node), config_invalid (host is
/// no address and no resolvable name).
awaitable<Result<Channel>> connect_channel(std::string host, int port, ChannelIdentity identity,
                                           std::optional<NodeName> expected,
                                           Nanos at_most = handshake_deadline);

/// Accepts peers.
class Listener {
 public:
  /// Listens. Port 0 lets the kernel choose. Errors: port_taken, permission, config_invalid.
  static Result<Listener> open(const boost::asio::any_io_executor& executor,
                               const std::string& host, int port, ChannelIdentity identity);
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();

  [[nodiscard]] int port() const;

  using OnChannel = std::function<awaitable<void>(Channel)>;
  using OnRefused = std::function<void(const std::string& address, const Error& why)>;
  /// Serves until it is cancelled: each connection is authenticated within 2 s and then given to
  /// `on_channel`, which runs as a task of this call. At most 32 handshakes are pending: the oldest
  /// gives way to the newest. `on_refused` hears of those that failed (log it with a limit).
  /// Members go to `on_channel`, watchers to `on_watcher` and nowhere else; without it they are
  /// refused.
  awaitable<void> serve(OnChannel on_channel, OnRefused on_refused = {}, OnChannel on_watcher = {});

 private:
  struct Impl;
  explicit Listener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace evergres::net

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "proxy/io/descriptor.hpp"
#include "proxy/io/tls.hpp"

namespace evergres::proxy {

struct SocketTuning {
  unsigned keepalive_idle_s = 30;
  unsigned keepalive_interval_s = 10;
  unsigned keepalive_count = 3;
  unsigned user_timeout_ms = 15'000;
};

/// One connected socket, in the clear or inside TLS: non-blocking, never throws, knows no reactor.
/// What the kernel does not take at once is kept here, so that a write is always complete for its
/// caller, who looks at unsent() and stops producing. An idle stream holds no buffer. One thread.
class Stream {
 public:
  explicit Stream(Descriptor socket);
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;

  struct Got {
    std::size_t bytes = 0;
    bool more = false;    ///< there may be more: the caller reads on, or asks to be told again
    bool closed = false;  ///< nothing follows these bytes: the other side ended it or it broke
  };
  /// Reads what is there, at most `into`. Never waits. A read that the kernel could not fill has
  /// emptied the socket (epoll(7)) and says so without another system call. Nothing before the
  /// handshake that was begun is done; once it is, read: bytes may have come with its end.
  Got read(std::span<char> into);
  /// To be called when the Watcher is told so: the end may have come together with the last bytes,
  /// and no other edge follows. From now on `more` is true until `closed`.
  void hung_up() { hung_up_ = true; }

  /// Sends the parts in their order, in one system call if nothing is unsent; what cannot be sent
  /// now is copied. False once the connection is broken: what was not sent is lost. Also false, and
  /// nothing is sent, before the handshake that was begun is done.
  bool write(std::span<const std::string_view> parts);
  bool write(std::string_view bytes);
  /// The socket is writable: send what is kept. False once broken.
  bool flush();
  /// Bytes that are kept.
  [[nodiscard]] std::size_t unsent() const { return kept_.size() - kept_from_; }

  enum class Handshake { going_on, done, failed };
  /// Begins TLS on what was in the clear; nothing may be unsent. Records toward the other side are
  /// at most 8 KB long (libpq's asynchronous functions hang on longer ones).
  void accept_tls(const TlsContext& context);
  /// `host` is sent as SNI unless it is an address, and checked against the certificate if the
  /// context verifies names; an empty one then fails the handshake.
  void connect_tls(const TlsContext& context, const std::string& host);
  /// One step; again whenever the socket is ready.
  Handshake handshake();
  /// Why the handshake failed: a sentence without secrets, for the log.
  [[nodiscard]] std::string handshake_problem() const;

  /// Since accept_tls() or connect_tls().
  [[nodiscard]] bool inside_tls() const { return tls_ != nullptr; }
  /// Inside TLS, after the handshake: "TLSv1.3" and so on; whether "postgresql" was agreed by ALPN;
  /// the other side's certificate in DER, if it showed one, verified if the context has an
  /// authority.
  [[nodiscard]] std::string_view tls_version() const;
  [[nodiscard]] bool agreed_on_postgresql() const;
  [[nodiscard]] std::optional<std::string> peer_certificate() const;

  /// Looks at the first bytes without taking them (direct TLS). Only in the clear.
  Got peek(std::span<char> into);

  /// Keepalive, no delay, and that unacknowledged bytes break it after a while.
  void tune(const SocketTuning& tuning);
  [[nodiscard]] int descriptor() const { return socket_.number(); }
  /// Sends what is kept as far as it goes without waiting, says goodbye inside TLS, closes.
  void close();

 private:
  struct Tls;
  Got read_socket(std::span<char> into);
  std::size_t send_parts(std::span<const std::string_view> parts);
  bool send_sealed();
  void keep(std::string_view bytes);
  bool break_off();
  bool write_sealed(std::span<const std::string_view> parts);
  Got read_sealed(std::span<char> into);
  void say_goodbye();

  Descriptor socket_;
  std::unique_ptr<Tls> tls_;
  std::string kept_;
  std::size_t kept_from_ = 0;
  bool broken_ = false;
  bool hung_up_ = false;
};

}  // namespace evergres::proxy

#pragma once

#include <openssl/types.h>

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
  /// Reads what is there, at most `into`. Never waits.
  Got read(std::span<char> into);

  /// Sends the parts in their order, in one system call if nothing is unsent; what cannot be sent
  /// now is copied. False once the connection is broken: what was not sent is lost.
  bool write(std::span<const std::string_view> parts);
  bool write(std::string_view bytes);
  /// The socket is writable (or, inside TLS, readable): send what is kept. False once broken.
  bool flush();
  /// Bytes that are kept.
  [[nodiscard]] std::size_t unsent() const;

  enum class Handshake { going_on, done, failed };
  /// Begins TLS on what was in the clear; nothing may be unsent. Records toward the other side are
  /// at most 8 KB long (libpq's asynchronous functions hang on longer ones).
  void accept_tls(const TlsContext& context);
  /// `host` is sent as SNI and checked against the certificate if the context verifies names.
  void connect_tls(const TlsContext& context, const std::string& host);
  /// One step; again whenever the socket is ready.
  Handshake handshake();
  /// Why the handshake failed: a sentence without secrets, for the log.
  [[nodiscard]] std::string handshake_problem() const;

  [[nodiscard]] bool inside_tls() const;
  /// Inside TLS, after the handshake: "TLSv1.3" and so on; whether "postgresql" was agreed by ALPN;
  /// the other side's certificate in DER, verified against the context's authority, if it has one.
  [[nodiscard]] std::string_view tls_version() const;
  [[nodiscard]] bool agreed_on_postgresql() const;
  [[nodiscard]] std::optional<std::string> peer_certificate() const;

  /// Looks at the first bytes without taking them (direct TLS). Only in the clear.
  Got peek(std::span<char> into);

  /// Keepalive, no delay, and that unacknowledged bytes break it after a while.
  void tune(const SocketTuning& tuning);
  [[nodiscard]] int descriptor() const;
  /// Sends what is kept as far as it goes without waiting, says goodbye inside TLS, closes.
  void close();

 private:
  struct Tls;
  Descriptor socket_;
  std::unique_ptr<Tls> tls_;
  std::string kept_;
  std::size_t kept_from_ = 0;
  bool broken_ = false;
};

}  // namespace evergres::proxy

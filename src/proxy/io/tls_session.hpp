#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "proxy/io/stream.hpp"

namespace evergres::proxy {

/// The TLS of one Stream. OpenSSL reads from the socket itself; what it writes is collected for the
/// thread and sent by the Stream in one system call, however many records it is, without SIGPIPE
/// and without OpenSSL ever waiting for the socket.
struct Stream::Tls {
  explicit Tls(const TlsContext& with, int socket);

  /// What OpenSSL has written on this thread and nobody has sent or kept yet.
  static std::string& sealed();
  /// Before each call that reads: OpenSSL's errors are those of the call, the socket may have more.
  void start(bool ends);
  Handshake fail(std::string why);
  /// Only the problem is left: who closes first may ask for it afterwards.
  void end();
  struct Bio;

  /// Files that are read anew make another context; this one lives as long as the connection.
  TlsContext context;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl;
  int descriptor;
  bool drained = false;  ///< the socket was emptied in this call
  bool hung_up = false;  ///< its end will be read, so that a short read tells nothing
  bool ended = false;    ///< the socket's end was read
  bool done = false;     ///< the handshake
  std::string problem;
};

}  // namespace evergres::proxy

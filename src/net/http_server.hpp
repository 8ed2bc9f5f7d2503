#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "net/http.hpp"

namespace evergres::net {

using boost::asio::awaitable;

struct HttpLimits {
  std::size_t header_bytes = 8U << 10U;  ///< of a request line with its headers; more is 431
  std::size_t body_bytes = 16U << 10U;   ///< more is 413
  std::size_t connections = 64;          ///< the idle one that was quiet for longest gives way to a
                                         ///< new one; while all are at work the new one is closed
  Millis request_deadline{10'000};  ///< from the end of the last answer to the end of the request
  Millis answer_deadline{5'000};    ///< a client that does not take its answer is cut off
};

/// A small HTTP/1.1 server without TLS: keep-alive, pipelining, one answer after the other on each
/// connection. It belongs to the thread of the executor that it was opened on.
class HttpServer {
 public:
  /// Listens; names are resolved in the background. Port 0 lets the kernel choose. Errors:
  /// port_taken, permission, config_invalid (the host cannot be resolved).
  static awaitable<Result<HttpServer>> open(std::string host, int port, HttpLimits limits);
  HttpServer(HttpServer&&) noexcept;
  HttpServer& operator=(HttpServer&&) noexcept;
  ~HttpServer();

  [[nodiscard]] int port() const;

  /// Must not block: it runs on the executor's thread. What it throws is answered with 500. It may
  /// take its time: it is not cancelled when its client goes away.
  using Handler = std::function<awaitable<HttpAnswer>(HttpRequest)>;
  /// Serves until it is cancelled; then all connections are closed. Requests that are no HTTP are
  /// answered here (400, 413, 431) and end their connection.
  awaitable<void> serve(Handler handler);

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace evergres::net

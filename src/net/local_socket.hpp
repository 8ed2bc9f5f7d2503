#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace evergres::net {

using boost::asio::awaitable;

inline constexpr std::size_t max_local_line_bytes = std::size_t{1} << 20U;
inline constexpr std::size_t max_local_connections = 64;

/// One request that is being answered; lets the answering task say what it is doing.
class LocalConversation {
 public:
  virtual ~LocalConversation() = default;
  /// Sends {"progress": text}. A client that has gone away is not an error of the work.
  virtual awaitable<void> progress(std::string text) = 0;
};

/// The answering side of the control socket (the other is LocalClient). Belongs to the thread of
/// its executor.
class LocalServer {
 public:
  /// Listens at `socket` with mode 0600. A stale socket file is replaced; one that somebody answers
  /// at is already_exists. Errors also: config_invalid (path over 107 bytes), permission, not_found
  /// (no directory).
  static Result<LocalServer> open(boost::asio::any_io_executor executor,
                                  const std::filesystem::path& socket);
  LocalServer(LocalServer&&) noexcept;
  LocalServer& operator=(LocalServer&&) noexcept;
  ~LocalServer();  ///< removes the socket file if it is still ours

  using Handler = std::function<awaitable<Result<boost::json::value>>(boost::json::value request,
                                                                      LocalConversation& talk)>;
  /// Serves until it is cancelled. Callers must be this user or root (SO_PEERCRED). Each connection
  /// is a task of this call and may ask several questions, one after the other. Running handlers
  /// are cancelled with it, but not when their client goes away.
  awaitable<void> serve(Handler handler);

 private:
  struct Impl;
  explicit LocalServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace evergres::net

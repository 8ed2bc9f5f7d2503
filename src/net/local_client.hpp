#pragma once

#include <boost/json.hpp>
#include <filesystem>
#include <functional>
#include <string>

#include "base/instant.hpp"
#include "base/result.hpp"

namespace evergres::net {

/// The asking side of the control socket, for the command line. Blocking, plain POSIX.
/// One line of JSON goes out; back come any number of {"progress": text}, then {"result": value} or
/// {"error": {code, message, detail, hint}}. Lines have at most 1 MB.
class LocalClient {
 public:
  using OnProgress = std::function<void(const std::string&)>;

  /// Asks once over a new connection and waits for the answer until `deadline` (a span from the
  /// call) has passed. Errors: whatever the server answered; unreachable (no socket, nobody
  /// listens, connection lost), timed_out, permission, data_invalid (the answer makes no sense),
  /// config_invalid (the path is longer than the 107 bytes that a socket address holds).
  static Result<boost::json::value> ask(const std::filesystem::path& socket,
                                        const boost::json::value& request, Millis deadline,
                                        const OnProgress& on_progress = {});
};

/// Error config_invalid if the path does not fit into a socket address.
Outcome check_socket_path(const std::filesystem::path& socket);

}  // namespace evergres::net

#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "supervisor/protocol.hpp"

namespace evergres::supervisor {

/// A blocking connection to the supervisor, for the command line, tests and small programs. Not for
/// use by two threads at once. After an error of the transport (timed_out, unreachable,
/// data_invalid) the connection is of no further use; a refusal by the supervisor leaves it usable.
class Client {
 public:
  /// `deadline`: how long connecting may take; a socket that does not exist yet is waited for.
  static Result<Client> connect(const std::filesystem::path& socket, Millis deadline);

  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;
  ~Client();

  /// Sends one request (its "id" is set here) and waits for its reply; events that arrive meanwhile
  /// are kept for next_event(). Errors: what the supervisor answered, timed_out (the outcome is
  /// unknown), unreachable, data_invalid.
  Result<boost::json::object> ask(boost::json::object request, Millis deadline);
  Result<boost::json::object> ask(const Request& request, Millis deadline);

  /// The verb "status".
  Result<Status> status(Millis deadline);

  /// The next {"event":…} line; only after the verb "subscribe".
  Result<boost::json::object> next_event(Millis deadline);

 private:
  explicit Client(int fd) : fd_(fd) {}
  Outcome send_all(const std::string& text, Instant until);
  Result<boost::json::object> next_object(Instant until);

  int fd_ = -1;
  std::uint64_t last_id_ = 0;
  std::string received_;
  std::deque<boost::json::object> events_;
};

}  // namespace evergres::supervisor

#pragma once

#include <string>
#include <string_view>

namespace evergres {

/// What kind of failure this is. One table (`error_code_info`) gives every code its word and its
/// exit status; the word is stable and may be matched by scripts.
enum class ErrorCode {
  internal,              ///< a bug, or a library failure that nobody foresaw
  usage,                 ///< the command line is wrong
  config_invalid,        ///< the configuration file is wrong
  refused,               ///< a safety rule says no
  timed_out,             ///< the deadline passed; the outcome may be unknown
  cancelled,             ///< somebody asked to stop
  unreachable,           ///< a peer, an agent or a server does not answer
  store_unavailable,     ///< the store cannot be read or written
  store_locked,          ///< the store is held by somebody else
  conflict,              ///< a compare-and-set lost
  not_found,             ///< no such node, record or file
  already_exists,        ///< it is there already and must not be replaced
  data_invalid,          ///< bytes from disk, network or store cannot be what they claim to be
  wrong_data_directory,  ///< the data directory is not ours to use
  port_taken,            ///< somebody else listens there
  missing_program,       ///< a program of the distribution is not installed
  no_space,              ///< the disk is full
  permission,            ///< the operating system says no
  postgres_failed,       ///< PostgreSQL or one of its tools reported an error
  authentication,        ///< the other side does not know the secret
};

struct ErrorCodeInfo {
  std::string_view word;  ///< stable, e.g. "store_locked"
  int exit_status;        ///< of the command line: 1 failed, 2 usage, 3 refused, 4 timed out, 5
                          ///< unreachable
  std::string_view meaning;
};

const ErrorCodeInfo& error_code_info(ErrorCode code);

/// The one error of the house; the same four fields serve the command line, REST, the log and the
/// PostgreSQL wire. `message` is a short fact without a full stop, `detail` is whole sentences,
/// `hint` is what to do next. A class with a constructor and not an aggregate, because GCC 12
/// destroys braced aggregates twice inside `co_await` expressions.
class Error {
 public:
  Error(ErrorCode code, std::string message, std::string detail = {}, std::string hint = {});

  [[nodiscard]] ErrorCode code() const { return code_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  [[nodiscard]] const std::string& detail() const { return detail_; }
  [[nodiscard]] const std::string& hint() const { return hint_; }

  /// "message (detail)" on one line, for logs.
  [[nodiscard]] std::string one_line() const;
  /// "error: …\ndetail: …\nhint: …\n", for people.
  [[nodiscard]] std::string for_people() const;
  /// The same error seen from one step further away: `what` becomes the message, the old message
  /// opens the detail, the hint stays.
  [[nodiscard]] Error while_doing(std::string what) const;

 private:
  ErrorCode code_;
  std::string message_;
  std::string detail_;
  std::string hint_;
};

/// From errno: "could not open FILE: No such file or directory", with the code that fits.
Error error_from_errno(std::string what, int errno_value);

}  // namespace evergres

#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"

/// Child processes that do one job and end. Not for servers: those belong to the supervisor.
namespace evergres::net {

struct Command {
  std::filesystem::path program;  ///< absolute; PATH is not searched
  /// Without argv[0]; never a secret, everybody can read them
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  ///< added to ours; LC_ALL=C always
  std::filesystem::path working_directory;                       ///< empty: ours
  std::string input;  ///< what the child reads on stdin; then end of file
};

struct ProcessExit {
  int status = 0;                        ///< exit status; -1 if a signal ended it
  int signal = 0;                        ///< 0 if it exited
  std::vector<std::string> last_errors;  ///< the last 20 lines of stderr
  [[nodiscard]] bool success() const { return status == 0 && signal == 0; }
  /// The kept lines of stderr, one per line, for the detail of an Error.
  [[nodiscard]] std::string error_text() const;
};

enum class Stream { output, errors };
/// Called on the calling thread for each complete line (ended by \n or \r; at most 8 KiB, the rest
/// of a longer line is dropped) without its end.
using OnLine = std::function<void(Stream, std::string_view line)>;
/// Asked on the calling thread between two looks at the child (at least each 50 ms while it is
/// silent, each time after its lines were handed out): why it must not go on, or nothing.
using Objection = std::function<std::optional<Error>()>;

/// Runs the command to its end and blocks the calling thread meanwhile. Any number of threads may
/// do so at once. The child is its own process group and dies with the calling thread (SIGKILL); at
/// `deadline` or when `stop` is requested the whole group is killed and the answer is `timed_out`
/// or `cancelled`, given only after the child was reaped; so is the Error of an `objection`. A
/// non-zero exit status is not an Error here. A program that does not exist is `missing_program`.
Result<ProcessExit> run(const Command& command, Instant deadline, const std::stop_token& stop = {},
                        const OnLine& on_line = {}, const Objection& objection = {});

}  // namespace evergres::net

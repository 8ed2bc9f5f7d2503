#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "proxy/configuration.hpp"
#include "proxy/io/descriptor.hpp"

/// How a process of the endpoint gives its listening sockets to the one that replaces it, so that
/// no connection is refused meanwhile: decision 0042. They meet at a unix socket in the run
/// directory. Both make sure that the other one runs as the same user.
namespace evergres::proxy {

/// Where the process that serves a configuration is found.
std::filesystem::path handover_path(const std::filesystem::path& run_directory);

/// A listening socket, with the words of the configuration that it was opened for.
struct HandedSocket {
  Configuration::Listen listen;
  Descriptor socket;
};

/// The side of the new process.
class Takeover {
 public:
  /// Asks the process that serves at `path` for its sockets; it goes on serving until serving() is
  /// called, and for good if this object goes before. Nothing: nobody serves there. Blocks until
  /// `deadline`. Errors: permission (another user listens there), data_invalid, timed_out, conflict
  /// (it gives them to nobody, or to another). Whoever calls it holds the StartLock.
  static Result<std::optional<Takeover>> begin(const std::filesystem::path& path, Instant deadline);

  /// The sockets, once.
  std::vector<HandedSocket> take() { return std::move(sockets_); }
  /// The new process accepts clients: the old one stops to. Returns when it has, or with an error
  /// at `deadline`: then nobody knows, and the sockets are served by both.
  Outcome serving(Instant deadline);

 private:
  static Result<Takeover> ask(const std::filesystem::path& path, Instant deadline);
  Descriptor connection_;
  std::vector<HandedSocket> sockets_;
};

/// The side of the process that serves. One thread; nothing blocks.
class HandoverDoor {
 public:
  /// What is handed over.
  struct Listening {
    Configuration::Listen listen;
    int socket = -1;
  };
  /// Takes the place of whoever listened at `path` before. Errors: those of sockets and files.
  static Result<HandoverDoor> open(const std::filesystem::path& path,
                                   std::vector<Listening> listening);

  /// What step() waits for, to be polled for reading: one or two descriptors.
  [[nodiscard]] std::vector<int> descriptors() const;
  /// Looks what has come. True: a successor accepts clients now. Stop accepting, then call done().
  bool step();
  /// Tells the successor that this process accepts nobody any more.
  void done();
  /// Why somebody who came got nothing, once; "" if nothing happened.
  std::string trouble() { return std::exchange(trouble_, {}); }

 private:
  void greet();
  bool hear();
  Descriptor listening_;
  Descriptor successor_;
  Instant successor_until_;
  bool handed_ = false;
  std::vector<Listening> sockets_;
  std::string trouble_;
};

}  // namespace evergres::proxy

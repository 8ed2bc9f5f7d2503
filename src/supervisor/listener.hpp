#pragma once

#include <poll.h>

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace evergres::supervisor {

/// The supervisor's socket: mode 0600 in a directory of 0700, callers of the same user or root
/// only. Lines in, objects out. Never blocks: a caller that does not read what is sent to it, or
/// sends a line that is too long, is disconnected.
class Listener {
 public:
  using ConnectionId = std::uint64_t;  ///< never used again
  struct Line {
    ConnectionId from;
    std::string text;
  };

  /// Replaces a socket that a dead supervisor left; waits some seconds for a living one to end.
  static Result<Listener> open(const std::filesystem::path& run_directory);
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  /// Adds what is to be polled for.
  void add_to(std::vector<pollfd>& polled) const;
  /// Accepts, reads and writes what is ready; returns the complete lines.
  std::vector<Line> serve();
  /// Nothing happens if the connection has gone.
  void send(ConnectionId to, const boost::json::object& object);
  void subscribe(ConnectionId connection);
  void send_to_subscribers(const boost::json::object& object);
  void disconnect(ConnectionId connection);

 private:
  struct Connection {
    int fd = -1;
    std::string received;
    std::string unsent;
    bool subscribed = false;
    bool finished = false;
  };

  explicit Listener(std::filesystem::path file) : file_(std::move(file)) {}
  void accept_all();
  static void read_from(Connection& connection);
  static void write_to(Connection& connection);
  static void queue(Connection& connection, const std::string& line);
  void drop_finished();

  std::filesystem::path file_;
  int fd_ = -1;
  ConnectionId last_id_ = 0;
  std::map<ConnectionId, Connection> connections_;
};

}  // namespace evergres::supervisor

#include "supervisor/listener.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/instant.hpp"
#include "supervisor/protocol.hpp"
#include "supervisor/settings.hpp"

namespace evergres::supervisor {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t most_connections = 64;
constexpr std::size_t most_unsent = 1024 * 1024;
constexpr Millis predecessor_patience{3'000};

bool somebody_answers(const sockaddr_un& address) {
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return false;
  const bool answered =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const bool busy = !answered && errno == EAGAIN;  // its queue of callers is full
  close(probe);
  return answered || busy;
}

bool is_allowed(int fd) {
  ucred caller{};
  socklen_t size = sizeof caller;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &caller, &size) != 0) return false;
  return caller.uid == geteuid() || caller.uid == 0;
}

Outcome make_private_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory.parent_path(), error);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return error_from_errno("could not create " + directory.string(), errno);
  }
  if (chmod(directory.c_str(), 0700) != 0) {
    return error_from_errno("could not protect " + directory.string(), errno);
  }
  return {};
}

}  // namespace

Result<Listener> Listener::open(const fs::path& run_directory) {
  if (auto made = make_private_directory(run_directory); !made) return made.error();
  Listener listener(socket_path(run_directory));
  const fs::path& file = listener.file_;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (file.native().size() >= sizeof address.sun_path) {
    return Error(ErrorCode::config_invalid, "the socket path is too long",
                 file.string() + " has more than 107 bytes.", "Choose a shorter run_directory.");
  }
  std::memcpy(address.sun_path, file.c_str(), file.native().size() + 1);
  const std::string what = "could not listen on " + file.string();
  const auto* target = reinterpret_cast<const sockaddr*>(&address);
  // The socket of a living supervisor must not be taken away from it. One that has just lost its
  // keeper ends soon.
  const Instant until = boot_now() + predecessor_patience;
  while (somebody_answers(address) && boot_now() < until) poll(nullptr, 0, 50);
  if (somebody_answers(address)) {
    return Error(ErrorCode::already_exists, what, "Another supervisor answers there.",
                 "Stop it first; one node has one evergres run.");
  }
  unlink(file.c_str());
  listener.fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const mode_t before = umask(0177);
  const bool bound = listener.fd_ >= 0 && bind(listener.fd_, target, sizeof address) == 0 &&
                     listen(listener.fd_, 16) == 0;
  const int failure = errno;
  umask(before);
  if (!bound) return error_from_errno(what, failure);
  return listener;
}

Listener::Listener(Listener&& other) noexcept
    : file_(std::move(other.file_)),
      fd_(std::exchange(other.fd_, -1)),
      last_id_(other.last_id_),
      connections_(std::move(other.connections_)) {
  other.connections_.clear();
}

Listener::~Listener() {
  for (auto& [id, connection] : connections_) close(connection.fd);
  if (fd_ < 0) return;
  close(fd_);
  unlink(file_.c_str());
}

void Listener::add_to(std::vector<pollfd>& polled) const {
  if (connections_.size() < most_connections) polled.push_back(pollfd{fd_, POLLIN, 0});
  for (const auto& [id, connection] : connections_) {
    const int events = POLLIN | (connection.unsent.empty() ? 0 : POLLOUT);
    polled.push_back(pollfd{connection.fd, static_cast<short>(events), 0});
  }
}

void Listener::accept_all() {
  while (connections_.size() < most_connections) {
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    if (is_allowed(fd)) {
      connections_[++last_id_].fd = fd;
    } else {
      close(fd);
    }
  }
}

void Listener::read_from(Connection& connection) {
  char buffer[8192];
  // Bounded, so that a caller that never stops sending cannot keep the loop here.
  while (connection.received.size() <= longest_line) {
    const auto count = recv(connection.fd, buffer, sizeof buffer, 0);
    if (count > 0) {
      connection.received.append(buffer, static_cast<std::size_t>(count));
    } else {
      if (count == 0 || (errno != EAGAIN && errno != EINTR)) connection.finished = true;
      return;
    }
  }
}

void Listener::write_to(Connection& connection) {
  while (!connection.unsent.empty()) {
    const auto count =
        ::send(connection.fd, connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
    if (count > 0) {
      connection.unsent.erase(0, static_cast<std::size_t>(count));
    } else {
      if (errno != EAGAIN && errno != EINTR) connection.finished = true;
      return;
    }
  }
}

void Listener::queue(Connection& connection, const std::string& line) {
  connection.unsent += line;
  write_to(connection);
  if (connection.unsent.size() > most_unsent) connection.finished = true;
}

std::vector<Listener::Line> Listener::serve() {
  accept_all();
  std::vector<Line> lines;
  for (auto& [id, connection] : connections_) {
    read_from(connection);
    write_to(connection);
    std::size_t begin = 0;
    for (auto end = connection.received.find('\n'); end != std::string::npos;
         end = connection.received.find('\n', begin)) {
      lines.push_back(Line{id, connection.received.substr(begin, end - begin)});
      begin = end + 1;
    }
    connection.received.erase(0, begin);
    if (connection.received.size() > longest_line) connection.finished = true;
  }
  drop_finished();
  return lines;
}

void Listener::send(ConnectionId to, const boost::json::object& object) {
  const auto found = connections_.find(to);
  if (found != connections_.end()) queue(found->second, boost::json::serialize(object) + "\n");
}

void Listener::subscribe(ConnectionId connection) {
  const auto found = connections_.find(connection);
  if (found != connections_.end()) found->second.subscribed = true;
}

void Listener::send_to_subscribers(const boost::json::object& object) {
  const std::string line = boost::json::serialize(object) + "\n";
  for (auto& [id, connection] : connections_) {
    if (connection.subscribed) queue(connection, line);
  }
}

void Listener::disconnect(ConnectionId connection) {
  const auto found = connections_.find(connection);
  if (found != connections_.end()) found->second.finished = true;
}

void Listener::drop_finished() {
  std::erase_if(connections_, [](const auto& entry) {
    if (entry.second.finished) close(entry.second.fd);
    return entry.second.finished;
  });
}

}  // namespace evergres::supervisor

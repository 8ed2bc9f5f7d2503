#include "net/local_client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "net/error_wire.hpp"

namespace evergres::net {
namespace {

constexpr std::size_t max_line_bytes = 1024 * 1024;
constexpr std::size_t max_path_bytes = sizeof(sockaddr_un::sun_path) - 1;  // 107
constexpr Millis retry_interval{10};

Error no_agent(const std::filesystem::path& socket, const std::string& reason) {
  return Error(ErrorCode::unreachable, "no agent answers at " + socket.native(), reason,
               "Start the node with evergres run, or check the run directory.");
}

Error too_slow(const std::filesystem::path& socket) {
  return Error(ErrorCode::timed_out, "the agent at " + socket.native() + " did not answer in time",
               "What was asked for may still happen.", "Look at evergres status.");
}

/// One connection; every wait ends at the deadline.
class Conversation {
 public:
  Conversation(const std::filesystem::path& path, Instant deadline)
      : path_(path), deadline_(deadline) {}
  ~Conversation() {
    if (socket_ >= 0) ::close(socket_);
  }
  Conversation(Conversation&&) = delete;

  Outcome connect();
  Outcome send(std::string_view bytes);
  Result<std::string> read_line();

 private:
  Outcome wait_for(short events);

  const std::filesystem::path& path_;
  Instant deadline_;
  int socket_ = -1;
  std::string received_;
};

Outcome Conversation::connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.c_str(), path_.native().size());
  socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_ < 0) return error_from_errno("could not make a socket", errno);
  while (true) {
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(socket_, generic, sizeof address) == 0) return {};
    if (errno == EINTR) continue;
    if (errno == ENOENT || errno == ENOTDIR) return no_agent(path_, "There is no such socket.");
    if (errno == ECONNREFUSED) return no_agent(path_, "Nobody listens there.");
    if (errno != EAGAIN) return error_from_errno("could not connect to " + path_.native(), errno);
    // The queue of the listening socket is full. There is no event for that on unix sockets.
    if (boot_now() >= deadline_) return too_slow(path_);
    std::this_thread::sleep_for(retry_interval);
  }
}

Outcome Conversation::wait_for(short events) {
  while (true) {
    const Nanos left = deadline_ - boot_now();
    if (left <= Nanos::zero()) return too_slow(path_);
    const auto millis = std::chrono::ceil<Millis>(left).count();
    pollfd entry{socket_, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(millis, 60'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return error_from_errno("could not wait for the agent", errno);
  }
}

Outcome Conversation::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    // The agent may have refused us and said why: its words are read next.
    if (errno == EPIPE || errno == ECONNRESET) return {};
    if (errno != EAGAIN) return error_from_errno("could not ask the agent", errno);
    if (auto ready = wait_for(POLLOUT); !ready) return ready;
  }
  return {};
}

Result<std::string> Conversation::read_line() {
  std::size_t searched = 0;
  while (true) {
    const auto end = received_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    searched = received_.size();
    if (received_.size() > max_line_bytes) {
      return Error(ErrorCode::data_invalid, "the answer of the agent is too long");
    }
    if (auto ready = wait_for(POLLIN); !ready) return ready.error();
    char chunk[16384];
    const ssize_t got = ::recv(socket_, chunk, sizeof chunk, 0);
    if (got > 0) {
      received_.append(chunk, static_cast<std::size_t>(got));
    } else if (got == 0 || errno == ECONNRESET) {
      return Error(ErrorCode::unreachable, "the agent closed the connection before it answered",
                   "It may have been restarted. What was asked for may still happen.",
                   "Look at evergres status.");
    } else if (errno != EINTR && errno != EAGAIN) {
      return error_from_errno("could not read the answer of the agent", errno);
    }
  }
}

Error nonsense(const std::string& line) {
  return Error(ErrorCode::data_invalid, "the answer of the agent makes no sense",
               "It begins with: " + line.substr(0, 100), "The agent may be of another version.");
}

}  // namespace

Outcome check_socket_path(const std::filesystem::path& socket) {
  if (socket.native().size() <= max_path_bytes && !socket.empty()) return {};
  return Error(ErrorCode::config_invalid, "the path of the socket is too long or empty",
               socket.native() + " has " + std::to_string(socket.native().size()) +
                   " bytes, but a socket address holds " + std::to_string(max_path_bytes) + ".",
               "Choose a shorter run directory, for example /run/evergres.");
}

Result<boost::json::value> LocalClient::ask(const std::filesystem::path& socket,
                                            const boost::json::value& request, Millis deadline,
                                            const OnProgress& on_progress) {
  if (auto fits = check_socket_path(socket); !fits) return fits.error();
  Conversation conversation(socket, boot_now() + deadline);
  if (auto connected = conversation.connect(); !connected) return connected.error();
  const std::string line = boost::json::serialize(request) + "\n";
  if (auto sent = conversation.send(line); !sent) return sent.error();
  while (true) {
    auto answer = conversation.read_line();
    if (!answer) return answer.error();
    boost::json::error_code failure;
    const auto value = boost::json::parse(answer.value(), failure);
    const boost::json::object* object = failure ? nullptr : value.if_object();
    if (object == nullptr) return nonsense(answer.value());
    if (const auto* result = object->if_contains("result")) return *result;
    if (const auto* error = object->if_contains("error")) return error_from_json(*error);
    const auto* progress = object->if_contains("progress");
    if (progress == nullptr || !progress->is_string()) return nonsense(answer.value());
    if (on_progress) {
      const auto& text = progress->get_string();
      on_progress(std::string(text.data(), text.size()));
    }
  }
}

}  // namespace evergres::net

#include "supervisor/client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

namespace evergres::supervisor {

namespace json = boost::json;

namespace {

Error late() {
  return Error(ErrorCode::timed_out, "the supervisor did not answer in time",
               "The outcome of the request is unknown.");
}

Error lost(int errno_value) {
  return Error(ErrorCode::unreachable, "the connection to the supervisor was lost",
               errno_value == 0 ? std::string() : std::string(std::strerror(errno_value)) + ".");
}

/// Waits until `fd` can be read or written; false when `until` has passed.
bool wait_for(int fd, short events, Instant until) {
  while (true) {
    const Nanos left = until - boot_now();
    if (left.count() <= 0) return false;
    const auto millis = std::min<std::int64_t>(left.count() / 1'000'000 + 1, 3'600'000);
    pollfd entry{fd, events, 0};
    if (poll(&entry, 1, static_cast<int>(millis)) > 0) return true;
  }
}

}  // namespace

Result<Client> Client::connect(const std::filesystem::path& socket_file, Millis deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_file.native().size() >= sizeof address.sun_path) {
    return Error(ErrorCode::config_invalid, "the socket path is too long",
                 socket_file.string() + " has more than 107 bytes.",
                 "Choose a shorter run_directory.");
  }
  std::memcpy(address.sun_path, socket_file.c_str(), socket_file.native().size() + 1);
  const Instant until = boot_now() + deadline;
  while (true) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return error_from_errno("could not make a socket", errno);
    Client client(fd);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      return client;
    }
    const int failure = errno;
    const bool may_come = failure == ENOENT || failure == ECONNREFUSED || failure == EAGAIN;
    if (!may_come || boot_now() >= until) {
      const std::string place = socket_file.string();
      return Error(ErrorCode::unreachable, "the supervisor does not answer",
                   "Connecting to " + place + " failed: " + std::strerror(failure) + ".",
                   "Is evergres run at work on this node?");
    }
    poll(nullptr, 0, 20);
  }
}

Client::Client(Client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      last_id_(other.last_id_),
      received_(std::move(other.received_)),
      events_(std::move(other.events_)) {}

Client& Client::operator=(Client&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(last_id_, other.last_id_);
  std::swap(received_, other.received_);
  std::swap(events_, other.events_);
  return *this;
}

Client::~Client() {
  if (fd_ >= 0) close(fd_);
}

Outcome Client::send_all(const std::string& text, Instant until) {
  for (std::size_t sent = 0; sent < text.size();) {
    const auto count = send(fd_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      if (!wait_for(fd_, POLLOUT, until)) return late();
    } else if (errno != EINTR) {
      return lost(errno);
    }
  }
  return {};
}

Result<json::object> Client::next_object(Instant until) {
  while (true) {
    const auto end = received_.find('\n');
    if (end != std::string::npos) {
      auto object = parse_line(std::string_view(received_).substr(0, end));
      received_.erase(0, end + 1);
      return object;
    }
    if (received_.size() > longest_line) {
      return Error(ErrorCode::data_invalid, "the supervisor's line is too long");
    }
    char buffer[4096];
    const auto count = recv(fd_, buffer, sizeof buffer, 0);
    if (count > 0) {
      received_.append(buffer, static_cast<std::size_t>(count));
    } else if (count == 0) {
      return lost(0);
    } else if (errno == EAGAIN) {
      if (!wait_for(fd_, POLLIN, until)) return late();
    } else if (errno != EINTR) {
      return lost(errno);
    }
  }
}

Result<json::object> Client::ask(json::object request, Millis deadline) {
  const Instant until = boot_now() + deadline;
  const std::uint64_t id = ++last_id_;
  request["id"] = id;
  const auto sent = send_all(json::serialize(request) + "\n", until);
  if (!sent) return sent.error();
  while (true) {
    auto object = next_object(until);
    if (!object) return object;
    const auto* reply_id = object->if_contains("id");
    if (object->contains("event")) {
      events_.push_back(std::move(*object));
    } else if (reply_id != nullptr && (reply_id->is_null() || *reply_id == json::value(id))) {
      return outcome_of_reply(std::move(*object));
    }
  }
}

Result<json::object> Client::ask(const Request& request, Millis deadline) {
  return ask(to_json(request), deadline);
}

Result<Status> Client::status(Millis deadline) {
  const auto reply = ask(Request(AskStatus{}), deadline);
  if (!reply) return reply.error();
  return status_from_json(*reply);
}

Result<json::object> Client::next_event(Millis deadline) {
  const Instant until = boot_now() + deadline;
  while (events_.empty()) {
    auto object = next_object(until);
    if (!object || object->contains("event")) return object;
  }
  json::object event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace evergres::supervisor

#include "proxy/worker/handover.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sstream>
#include <string_view>

#include "proxy/io/sockets.hpp"

namespace evergres::proxy {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_sockets = 16;
constexpr std::size_t longest_message = 8192;
constexpr Millis successor_patience{60'000};
constexpr Millis between_attempts{200};
constexpr std::string_view asking = "evergres handover 1: sockets";
constexpr std::string_view now_serving = "evergres handover 1: serving";
constexpr std::string_view now_gone = "evergres handover 1: gone";

/// Room for a control message with all descriptors.
union Control {
  std::array<char, CMSG_SPACE(sizeof(int) * most_sockets)> bytes;
  cmsghdr aligned;
};

Result<sockaddr_un> address_of(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.size() >= sizeof address.sun_path) {
    return Error(ErrorCode::config_invalid, "the path of the unix socket " + text + " is too long",
                 "The system allows 107 bytes.", "Name a shorter run_directory.");
  }
  std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
  return address;
}

Result<Descriptor> local_socket() {
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.open()) return error_from_errno("could not make a socket", errno);
  return socket;
}

bool same_user(const Descriptor& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket.number(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         peer.uid == ::geteuid();
}

bool send_text(const Descriptor& socket, std::string_view text) {
  return ::send(socket.number(), text.data(), text.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(text.size());
}

/// False at the deadline.
bool wait_readable(const Descriptor& socket, Instant deadline) {
  for (;;) {
    const std::int64_t left = (deadline - boot_now()).count();
    if (left <= 0) return false;
    pollfd polled{socket.number(), POLLIN, 0};
    const auto wait = static_cast<int>(std::min<std::int64_t>(left / 1'000'000 + 1, 60'000));
    if (::poll(&polled, 1, wait) > 0) return true;
  }
}

std::string describe(const std::vector<HandoverDoor::Listening>& sockets) {
  std::string text;
  for (const auto& [listen, socket] : sockets) {
    text += listen.kind == Port::read_write ? "rw " : "ro ";
    text += std::to_string(listen.port) + " " + listen.host + "\n";
  }
  return text;
}

bool send_sockets(const Descriptor& to, const std::vector<HandoverDoor::Listening>& sockets) {
  std::string text = describe(sockets);
  iovec bytes{text.data(), text.size()};
  Control control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = CMSG_SPACE(sizeof(int) * sockets.size());
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * sockets.size());
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    std::memcpy(CMSG_DATA(header) + i * sizeof(int), &sockets[i].socket, sizeof(int));
  }
  return ::sendmsg(to.number(), &message, MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

struct Received {
  std::string text;
  std::vector<Descriptor> descriptors;
};

/// Every descriptor that came is owned, also of a message that is refused.
Received receive(const Descriptor& from) {
  Received received;
  received.text.resize(longest_message);
  iovec bytes{received.text.data(), received.text.size()};
  Control control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = sizeof control.bytes;
  const ssize_t got = ::recvmsg(from.number(), &message, MSG_CMSG_CLOEXEC);
  for (cmsghdr* header = got < 0 ? nullptr : CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof number);
      received.descriptors.emplace_back(number);
    }
  }
  const bool whole = got >= 0 && (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
  received.text.resize(whole ? static_cast<std::size_t>(got) : 0);
  return received;
}

bool listens_on(const Descriptor& socket, int port) {
  int is_listening = 0;
  socklen_t size = sizeof is_listening;
  const int asked = ::getsockopt(socket.number(), SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size);
  const int is_port = port_of(socket);
  return asked == 0 && is_listening != 0 && is_port != 0 && (port == 0 || is_port == port);
}

/// Nothing if they do not belong together.
std::optional<std::vector<HandedSocket>> sockets_in(Received received) {
  std::vector<HandedSocket> sockets;
  std::istringstream lines(received.text);
  for (std::string line; std::getline(lines, line);) {
    if (sockets.size() >= received.descriptors.size()) return std::nullopt;
    std::istringstream words(line);
    std::string kind;
    HandedSocket one;
    if (!(words >> kind >> one.listen.port) || words.get() != ' ') return std::nullopt;
    if ((kind != "rw" && kind != "ro") || !std::getline(words, one.listen.host)) {
      return std::nullopt;
    }
    one.listen.kind = kind == "rw" ? Port::read_write : Port::read_only;
    one.socket = std::move(received.descriptors[sockets.size()]);
    if (!listens_on(one.socket, one.listen.port)) return std::nullopt;
    const int flags = ::fcntl(one.socket.number(), F_GETFL);
    if (flags < 0 || ::fcntl(one.socket.number(), F_SETFL, flags | O_NONBLOCK) != 0) {
      return std::nullopt;
    }
    sockets.push_back(std::move(one));
  }
  if (sockets.size() != received.descriptors.size()) return std::nullopt;
  return sockets;
}

}  // namespace

fs::path handover_path(const fs::path& run_directory) {
  return run_directory / "handover.sock";
}

/// Errors beside those of begin(): not_found (nobody listens there), conflict (whoever does closed
/// the connection).
Result<Takeover> Takeover::ask(const fs::path& path, Instant deadline) {
  const auto address = address_of(path);
  if (!address) return address.error();
  auto socket = local_socket();
  if (!socket) return socket.error();
  if (::connect(socket->number(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) !=
      0) {
    if (errno == ENOENT || errno == ECONNREFUSED) {
      return Error(ErrorCode::not_found, "nobody serves at " + path.string());
    }
    return error_from_errno("could not connect to " + path.string(), errno);
  }
  if (!same_user(*socket)) {
    return Error(ErrorCode::permission, "the endpoint at " + path.string() + " is of another user",
                 "Its sockets are not taken over.", "Run both as the same user.");
  }
  const Error closed(ErrorCode::conflict, "the running endpoint did not hand over its sockets",
                     "It was asked at " + path.string() +
                         " and closed the connection: it is "
                         "ending, or another process is about to take its place.",
                     "Start this process again when that is done.");
  Takeover taking;
  taking.connection_ = std::move(*socket);
  if (!send_text(taking.connection_, asking)) return closed;
  if (!wait_readable(taking.connection_, deadline)) {
    return Error(ErrorCode::timed_out, "the running endpoint did not hand over its sockets",
                 "It was asked at " + path.string() + ".");
  }
  Received received = receive(taking.connection_);
  if (received.text.empty() && received.descriptors.empty()) return closed;
  auto sockets = sockets_in(std::move(received));
  if (!sockets) {
    return Error(ErrorCode::data_invalid, "the running endpoint handed over something strange");
  }
  taking.sockets_ = std::move(*sockets);
  return taking;
}

Result<std::optional<Takeover>> Takeover::begin(const fs::path& path, Instant deadline) {
  for (;;) {
    auto asked = ask(path, deadline);
    if (asked) return std::optional<Takeover>(std::move(*asked));
    const ErrorCode why = asked.error().code();
    if (why == ErrorCode::not_found) return std::optional<Takeover>();
    // One that is ending is gone in a moment.
    if (why != ErrorCode::conflict || boot_now() + between_attempts > deadline) {
      return asked.error();
    }
    ::poll(nullptr, 0, static_cast<int>(between_attempts.count()));
  }
}

Outcome Takeover::serving(Instant deadline) {
  const bool told = send_text(connection_, now_serving);
  // An old process that is gone accepts nobody either.
  if (!told) return {};
  if (!wait_readable(connection_, deadline)) {
    return Error(ErrorCode::timed_out,
                 "the old process of the endpoint does not say that it has "
                 "stopped to accept clients");
  }
  return {};
}

Result<HandoverDoor> HandoverDoor::open(const fs::path& path, std::vector<Listening> listening) {
  CHECK(listening.size() <= most_sockets);
  const fs::path made = path.parent_path() / ("ho." + std::to_string(::getpid()));
  const auto address = address_of(made);
  if (!address) return address.error();
  auto socket = local_socket();
  if (!socket) return socket.error();
  ::unlink(made.c_str());
  if (::bind(socket->number(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) !=
          0 ||
      ::listen(socket->number(), 4) != 0 || ::rename(made.c_str(), path.c_str()) != 0) {
    return error_from_errno("could not listen on " + path.string(), errno);
  }
  HandoverDoor door;
  door.listening_ = std::move(*socket);
  door.sockets_ = std::move(listening);
  return door;
}

std::vector<int> HandoverDoor::descriptors() const {
  std::vector<int> polled;
  if (listening_.open()) polled.push_back(listening_.number());
  if (successor_.open()) polled.push_back(successor_.number());
  return polled;
}

void HandoverDoor::greet() {
  Descriptor came(::accept4(listening_.number(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!came.open()) return;
  if (!same_user(came)) {
    trouble_ = "somebody else asked for the listening sockets, and got nothing";
    return;
  }
  if (successor_.open() && boot_now() < successor_until_) {
    trouble_ = "a second process wants to replace this one while the first is about to";
    return;
  }
  successor_ = std::move(came);
  successor_until_ = boot_now() + successor_patience;
  handed_ = false;
}

bool HandoverDoor::step() {
  // What the successor said counts before anybody who came after it.
  if (successor_.open() && hear()) {
    listening_.reset();
    return true;
  }
  if (listening_.open()) greet();
  return false;
}

/// True: the successor serves.
bool HandoverDoor::hear() {
  std::array<char, 256> bytes{};
  const ssize_t got = ::recv(successor_.number(), bytes.data(), bytes.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  const std::string_view text(bytes.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  if (!handed_ && text == asking && send_sockets(successor_, sockets_)) {
    handed_ = true;
    return false;
  }
  if (handed_ && text == now_serving) return true;
  trouble_ = "a new process took the listening sockets and ended: this one goes on";
  successor_.reset();
  return false;
}

void HandoverDoor::done() {
  send_text(successor_, now_gone);
  successor_.reset();
}

}  // namespace evergres::proxy

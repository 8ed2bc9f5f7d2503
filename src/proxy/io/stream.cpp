#include "proxy/io/stream.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "proxy/io/tls_session.hpp"

namespace evergres::proxy {
namespace {

constexpr std::size_t parts_at_once = 64;
constexpr std::size_t compact_from = 64U << 10U;

bool would_wait(int errno_value) {
  return errno_value == EAGAIN || errno_value == EWOULDBLOCK;
}

struct Sent {
  std::size_t bytes = 0;
  bool broken = false;
};

Sent send_vector(int descriptor, std::span<iovec> vector) {
  msghdr message{};
  message.msg_iov = vector.data();
  message.msg_iovlen = vector.size();
  for (;;) {
    const ssize_t sent = ::sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return {.bytes = static_cast<std::size_t>(sent)};
    if (errno != EINTR) return {.broken = !would_wait(errno)};
  }
}

Stream::Got receive(int descriptor, std::span<char> into, int flags) {
  for (;;) {
    const ssize_t got = ::recv(descriptor, into.data(), into.size(), flags | MSG_DONTWAIT);
    if (got > 0) {
      const auto bytes = static_cast<std::size_t>(got);
      return {.bytes = bytes, .more = bytes == into.size()};
    }
    if (got == 0) return {.closed = true};
    if (errno != EINTR) return {.closed = !would_wait(errno)};
  }
}

}  // namespace

Stream::Stream(Descriptor socket) : socket_(std::move(socket)) {}
Stream::~Stream() = default;

Stream::Stream(Stream&& other) noexcept
    : socket_(std::move(other.socket_)),
      tls_(std::move(other.tls_)),
      kept_(std::exchange(other.kept_, {})),
      kept_from_(std::exchange(other.kept_from_, 0)),
      broken_(other.broken_),
      hung_up_(other.hung_up_) {}

Stream& Stream::operator=(Stream&& other) noexcept {
  socket_ = std::move(other.socket_);
  tls_ = std::move(other.tls_);
  kept_ = std::exchange(other.kept_, {});
  kept_from_ = std::exchange(other.kept_from_, 0);
  broken_ = other.broken_;
  hung_up_ = other.hung_up_;
  return *this;
}

Stream::Got Stream::read(std::span<char> into) {
  CHECK(!into.empty());
  if (!socket_.open()) return {.closed = true};
  Got got = tls_ ? read_sealed(into) : read_socket(into);
  if (hung_up_ && !got.closed && (!tls_ || tls_->done)) got.more = true;
  return got;
}

Stream::Got Stream::read_socket(std::span<char> into) {
  return receive(socket_.number(), into, 0);
}

Stream::Got Stream::peek(std::span<char> into) {
  CHECK(tls_ == nullptr && !into.empty());
  return receive(socket_.number(), into, MSG_PEEK);
}

bool Stream::write(std::string_view bytes) {
  return write(std::span(&bytes, 1));
}

bool Stream::write(std::span<const std::string_view> parts) {
  if (broken_ || !socket_.open()) return false;
  if (tls_) return write_sealed(parts);
  std::size_t sent = unsent() > 0 ? 0 : send_parts(parts);
  if (broken_) return false;
  for (const std::string_view part : parts) {
    const std::size_t skipped = std::min(sent, part.size());
    sent -= skipped;
    keep(part.substr(skipped));
  }
  return true;
}

/// How many bytes of the parts were sent.
std::size_t Stream::send_parts(std::span<const std::string_view> parts) {
  std::size_t all = 0;
  std::array<iovec, parts_at_once> vector;
  while (!parts.empty()) {
    const std::size_t count = std::min(parts.size(), parts_at_once);
    std::size_t wanted = 0;
    for (std::size_t index = 0; index < count; ++index) {
      vector[index] = {.iov_base = const_cast<char*>(parts[index].data()),
                       .iov_len = parts[index].size()};
      wanted += parts[index].size();
    }
    parts = parts.subspan(count);
    if (wanted == 0) continue;
    const Sent sent = send_vector(socket_.number(), std::span(vector).first(count));
    if (sent.broken) break_off();
    all += sent.bytes;
    if (sent.bytes < wanted) break;
  }
  return all;
}

void Stream::keep(std::string_view bytes) {
  if (bytes.empty()) return;
  if (kept_from_ >= compact_from && kept_from_ >= kept_.size() / 2) {
    kept_.erase(0, kept_from_);
    kept_from_ = 0;
  }
  kept_.append(bytes);
}

bool Stream::flush() {
  if (broken_ || !socket_.open()) return false;
  if (unsent() == 0) return true;
  const std::string_view rest = std::string_view(kept_).substr(kept_from_);
  const std::size_t sent = send_parts(std::span(&rest, 1));
  if (broken_) return false;
  kept_from_ += sent;
  if (unsent() == 0) {
    std::string().swap(kept_);  // and not clear(), which keeps the memory
    kept_from_ = 0;
  }
  return true;
}

bool Stream::break_off() {
  broken_ = true;
  std::string().swap(kept_);
  kept_from_ = 0;
  return false;
}

void Stream::tune(const SocketTuning& tuning) {
  const auto set = [this](int level, int option, unsigned value) {
    // What a unix socket does not have it does not need.
    ::setsockopt(socket_.number(), level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, tuning.keepalive_idle_s);
  set(IPPROTO_TCP, TCP_KEEPINTVL, tuning.keepalive_interval_s);
  set(IPPROTO_TCP, TCP_KEEPCNT, tuning.keepalive_count);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, tuning.user_timeout_ms);
}

void Stream::close() {
  if (!socket_.open()) return;
  if (!broken_) {
    flush();
    if (tls_) say_goodbye();
    // Closing with bytes unread sends a reset, which takes away from the other side what it has not
    // read yet: the sentence that says why. Bounded: nobody can keep us here.
    std::array<char, 4096> unread;
    for (int round = 0; round < 16; ++round) {
      if (!receive(socket_.number(), unread, 0).more) break;
    }
  }
  break_off();
  if (tls_) tls_->end();
  socket_.reset();
}

}  // namespace evergres::proxy

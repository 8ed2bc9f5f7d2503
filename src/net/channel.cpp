#include "net/channel.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include "net/channel_impl.hpp"

namespace evergres::net {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

Error lost(const boost::system::error_code& failure) {
  const bool ended = failure == asio::error::eof;
  return Error(ErrorCode::unreachable, "the connection to the peer was lost",
               ended ? "The other side closed it." : "The system says: " + failure.message() + ".");
}

awaitable<void> throw_if_cancelled() {
  const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
}

/// Closes the channel unless the operation came to a good end: after half a frame no other can
/// follow.
class CloseUnlessDone {
 public:
  explicit CloseUnlessDone(Channel::Impl& impl) : impl_(impl) {}
  ~CloseUnlessDone() {
    boost::system::error_code ignored;
    if (!done) impl_.socket.close(ignored);
    impl_.turn.set();
  }
  CloseUnlessDone(CloseUnlessDone&&) = delete;
  bool done = false;

 private:
  Channel::Impl& impl_;
};

class SendTurn {
 public:
  explicit SendTurn(Channel::Impl& impl) : impl_(impl) { impl_.sending = true; }
  ~SendTurn() {
    impl_.sending = false;
    impl_.turn.set();
  }
  SendTurn(SendTurn&&) = delete;

 private:
  Channel::Impl& impl_;
};

Error too_slow(const NodeName& peer, std::string_view what) {
  return Error(ErrorCode::timed_out,
               "the peer " + peer.value + " did not " + std::string(what) + " in time");
}

Error closed(const NodeName& peer) {
  return Error(ErrorCode::unreachable, "the channel to " + peer.value + " is closed");
}

awaitable<Result<std::string>> receive_frame(Channel::Impl& impl, std::size_t longest) {
  auto reading_head = read_bytes(impl.socket, frame_head_bytes);
  auto head = co_await std::move(reading_head);
  if (!head) co_return head.error();
  const std::size_t size = FrameKey::length_in(head.value());
  if (size > longest) {
    co_return Error(ErrorCode::data_invalid, "a message from " + impl.peer.value + " is too large",
                    "It announces " + std::to_string(size) + " bytes.");
  }
  auto reading_rest = read_bytes(impl.socket, size + proof_bytes);
  auto rest = co_await std::move(reading_rest);
  if (!rest) co_return rest.error();
  const std::string_view whole = rest.value();
  if (!impl.in.accept(whole.substr(0, size), whole.substr(size))) {
    co_return Error(ErrorCode::authentication, "a message from " + impl.peer.value + " was refused",
                    "It was altered, repeated or is out of order.");
  }
  rest->resize(size);
  co_return std::move(rest).value();
}

}  // namespace

awaitable<Result<std::string>> read_bytes(tcp::socket& socket, std::size_t size) {
  std::string bytes(size, '\0');
  boost::system::error_code failure;
  auto token = asio::redirect_error(asio::use_awaitable, failure);
  auto buffer = asio::buffer(bytes);
  co_await asio::async_read(socket, buffer, token);
  auto check = throw_if_cancelled();
  co_await std::move(check);
  if (failure) co_return lost(failure);
  co_return bytes;
}

awaitable<Outcome> write_bytes(tcp::socket& socket, std::string bytes) {
  boost::system::error_code failure;
  auto token = asio::redirect_error(asio::use_awaitable, failure);
  auto buffer = asio::buffer(bytes);
  co_await asio::async_write(socket, buffer, token);
  auto check = throw_if_cancelled();
  co_await std::move(check);
  if (failure) co_return lost(failure);
  co_return Outcome();
}

Channel::Channel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Channel::Channel(Channel&&) noexcept = default;
Channel& Channel::operator=(Channel&&) noexcept = default;
Channel::~Channel() = default;

const NodeName& Channel::peer() const {
  return impl_->peer;
}
std::string Channel::peer_address() const {
  return impl_->peer_address;
}
CallerKind Channel::kind() const {
  return impl_->kind;
}
bool Channel::open() const {
  return impl_->socket.is_open();
}

void Channel::close() {
  boost::system::error_code ignored;
  impl_->socket.close(ignored);
  impl_->turn.set();
}

awaitable<Outcome> Channel::send(std::string message) {
  Impl& impl = *impl_;
  if (message.size() > max_message_bytes) {
    co_return Error(ErrorCode::data_invalid, "a message for " + impl.peer.value + " is too large",
                    "It has " + std::to_string(message.size()) + " bytes.");
  }
  const Instant until = boot_now() + send_deadline;
  while (impl.sending && impl.socket.is_open()) {
    auto waiting = impl.turn.wait(std::max(until - boot_now(), Nanos::zero()));
    if (!co_await std::move(waiting)) co_return too_slow(impl.peer, "take a message");
  }
  if (!impl.socket.is_open()) {
    impl.turn.set();  // one signal wakes one waiter; the next one must learn it too
    co_return closed(impl.peer);
  }
  const SendTurn turn(impl);
  CloseUnlessDone closer(impl);
  auto writing = write_bytes(impl.socket, impl.out.seal(message));
  auto limited = within(std::max(until - boot_now(), Nanos(1)), std::move(writing));
  std::optional<Outcome> outcome = co_await std::move(limited);
  if (!outcome) co_return too_slow(impl.peer, "take a message");
  closer.done = outcome->ok();
  co_return std::move(*outcome);
}

awaitable<Result<std::string>> Channel::receive(std::optional<Nanos> at_most,
                                                std::size_t longest) {
  Impl& impl = *impl_;
  if (!impl.socket.is_open()) co_return closed(impl.peer);
  CloseUnlessDone closer(impl);
  std::optional<Result<std::string>> message;
  auto receiving = receive_frame(impl, longest);
  if (at_most) {
    auto limited = within(*at_most, std::move(receiving));
    message = co_await std::move(limited);
  } else {
    message = co_await std::move(receiving);
  }
  if (!message) co_return too_slow(impl.peer, "send a message");
  closer.done = message->ok();
  co_return std::move(*message);
}

}  // namespace evergres::net

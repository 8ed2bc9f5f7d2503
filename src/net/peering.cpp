// How channels come about: connecting, listening and the handshake of both sides.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <list>

#include "net/accept.hpp"
#include "net/channel.hpp"
#include "net/channel_impl.hpp"

namespace evergres::net {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

using Made = Result<std::unique_ptr<Channel::Impl>>;

/// After this long without an acknowledgement of sent bytes the kernel drops the connection.
/// Messages are sent several times a second, so a silent peer is noticed without keepalive.
constexpr unsigned tcp_user_timeout_ms = 3000;

void tune(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  const unsigned value = tcp_user_timeout_ms;
  // Only a comfort: deadlines above work without it.
  static_cast<void>(
      ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value));
}

std::string address_of(const tcp::socket& socket) {
  boost::system::error_code failure;
  const auto endpoint = socket.remote_endpoint(failure);
  if (failure) return "unknown";
  return endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
}

Error wrong_secret() {
  return Error(ErrorCode::authentication, "the peer does not know the secret of this cluster",
               "Its proof does not match.",
               "Put the same secret file on all nodes of the cluster.");
}

Error wrong_cluster(const std::string& theirs, const std::string& ours) {
  std::string readable;
  for (const char c : theirs) readable += (c >= ' ' && c <= '~') ? c : '?';
  return Error(ErrorCode::authentication, "the peer belongs to another cluster",
               "It names \"" + readable + "\", this is \"" + ours + "\".",
               "Check the peer addresses: two clusters need different ports.");
}

Error no_member() {
  return Error(ErrorCode::authentication, "who answers is no agent of the cluster",
               "It says that it is a watcher itself.", "Check the address of the agent.");
}

Error no_watchers(const std::string& why) {
  return Error(ErrorCode::refused, "a watcher was refused", why);
}

struct ReceivedHello {
  Hello hello;
  std::string bytes;
};

awaitable<Result<ReceivedHello>> read_hello(tcp::socket& socket) {
  auto reading_head = read_bytes(socket, hello_head_bytes);
  auto head = co_await std::move(reading_head);
  if (!head) co_return head.error();
  auto size = hello_body_size(head.value());
  if (!size) co_return size.error();
  auto reading_body = read_bytes(socket, size.value());
  auto body = co_await std::move(reading_body);
  if (!body) co_return body.error();
  auto hello = parse_hello_body(body.value());
  if (!hello) co_return hello.error();
  ReceivedHello received;
  received.hello = std::move(hello).value();
  received.bytes = head.value() + body.value();
  co_return received;
}

awaitable<Made> greet_as_client(tcp::socket& socket, const ChannelIdentity& identity) {
  const std::string ours = encode_hello(make_hello(identity.cluster, identity.self, identity.kind));
  auto greeting = write_bytes(socket, ours);
  if (auto sent = co_await std::move(greeting); !sent) co_return sent.error();
  auto reading = read_hello(socket);
  auto theirs = co_await std::move(reading);
  if (!theirs) co_return theirs.error();
  if (theirs->hello.cluster != identity.cluster) {
    co_return wrong_cluster(theirs->hello.cluster, identity.cluster);
  }
  if (theirs->hello.kind != CallerKind::member) co_return no_member();
  const HandshakeKeys keys(identity.secret, ours, theirs->bytes);
  auto reading_proof = read_bytes(socket, proof_bytes);
  auto proof = co_await std::move(reading_proof);
  if (!proof) co_return proof.error();
  if (!same_bytes(proof.value(), keys.proof_of(Side::server))) co_return wrong_secret();
  auto proving = write_bytes(socket, keys.proof_of(Side::client));
  if (auto sent = co_await std::move(proving); !sent) co_return sent.error();
  std::string address = address_of(socket);
  co_return std::make_unique<Channel::Impl>(std::move(socket), theirs->hello,
                                            std::move(address), keys, Side::client);
}

/// The kind that the other side names chooses the secret that it has to prove.
awaitable<Made> greet_as_server(tcp::socket& socket, const ChannelIdentity& identity,
                                const Secret& of_watchers) {
  auto reading = read_hello(socket);
  auto theirs = co_await std::move(reading);
  if (!theirs) co_return theirs.error();
  const std::string ours = encode_hello(make_hello(identity.cluster, identity.self));
  const bool watches = theirs->hello.kind == CallerKind::watcher;
  const HandshakeKeys keys(watches ? of_watchers : identity.secret, theirs->bytes, ours);
  auto greeting = write_bytes(socket, ours + keys.proof_of(Side::server));
  if (auto sent = co_await std::move(greeting); !sent) co_return sent.error();
  // After our hello, so that the other side can tell its operator what is wrong.
  if (theirs->hello.cluster != identity.cluster) {
    co_return wrong_cluster(theirs->hello.cluster, identity.cluster);
  }
  auto reading_proof = read_bytes(socket, proof_bytes);
  auto proof = co_await std::move(reading_proof);
  if (!proof) co_return proof.error();
  if (!same_bytes(proof.value(), keys.proof_of(Side::client))) co_return wrong_secret();
  std::string address = address_of(socket);
  co_return std::make_unique<Channel::Impl>(std::move(socket), theirs->hello,
                                            std::move(address), keys, Side::server);
}

Error cannot_connect(const std::string& where, const std::string& reason) {
  return Error(ErrorCode::unreachable, "could not connect to " + where,
               "The system says: " + reason + ".");
}

/// Numeric addresses never touch the resolver; a name is looked up on Asio's resolver thread.
awaitable<Result<std::vector<tcp::endpoint>>> endpoints_of(std::string host, std::uint16_t port) {
  boost::system::error_code failure;
  const auto address = asio::ip::make_address(host, failure);
  std::vector<tcp::endpoint> endpoints;
  if (!failure) {
    endpoints.emplace_back(address, port);
    co_return endpoints;
  }
  auto executor = co_await asio::this_coro::executor;
  tcp::resolver resolver(executor);
  failure.clear();
  auto token = asio::redirect_error(asio::use_awaitable, failure);
  const std::string service = std::to_string(port);
  auto found = co_await resolver.async_resolve(host, service, token);
  if (failure) {
    co_return Error(ErrorCode::config_invalid, "the host \"" + host + "\" cannot be resolved",
                    "The resolver says: " + failure.message() + ".");
  }
  for (const auto& one : found) endpoints.push_back(one.endpoint());
  co_return endpoints;
}

awaitable<Made> connect_and_greet(std::string host, std::uint16_t port,
                                  const ChannelIdentity& identity) {
  auto resolving = endpoints_of(host, port);
  auto endpoints = co_await std::move(resolving);
  if (!endpoints) co_return endpoints.error();
  auto executor = co_await asio::this_coro::executor;
  tcp::socket socket(executor);
  boost::system::error_code failure;
  auto token = asio::redirect_error(asio::use_awaitable, failure);
  const std::vector<tcp::endpoint>& targets = endpoints.value();
  co_await asio::async_connect(socket, targets, token);
  const std::string where = host + ":" + std::to_string(port);
  if (failure) co_return cannot_connect(where, failure.message());
  tune(socket);
  auto greeting = greet_as_client(socket, identity);
  auto made = co_await std::move(greeting);
  if (!made) co_return made.error().while_doing("no channel to the peer at " + where);
  co_return std::move(made).value();
}

}  // namespace

awaitable<Result<Channel>> connect_channel(std::string host, int port, ChannelIdentity identity,
                                           std::optional<NodeName> expected, Nanos at_most) {
  CHECK(port > 0 && port <= 65535);
  auto making = connect_and_greet(host, static_cast<std::uint16_t>(port), identity);
  auto limited = within(at_most, std::move(making));
  auto made = co_await std::move(limited);
  const std::string where = host + ":" + std::to_string(port);
  if (!made) {
    co_return Error(ErrorCode::timed_out, "the peer at " + where + " did not answer in time");
  }
  if (!made->ok()) co_return made->error();
  auto impl = std::move(*made).value();
  if (expected && impl->peer != *expected) {
    co_return Error(ErrorCode::authentication, "another node answers at " + where,
                    "It is " + impl->peer.value + ", not " + expected->value + ".",
                    "Check the peer addresses of both nodes.");
  }
  co_return Channel(std::move(impl));
}

struct Listener::Impl {
  Impl(const asio::any_io_executor& executor, ChannelIdentity who)
      : identity(std::move(who)), of_watchers(watch_secret(identity.secret)), acceptor(executor) {}

  struct Pending {
    explicit Pending(tcp::socket accepted) : socket(std::move(accepted)) {}
    tcp::socket socket;
  };

  awaitable<void> accept_loop(TaskGroup& group);
  awaitable<void> serve_one(std::shared_ptr<Pending> one);
  void refuse(const std::string& address, const Error& why) const {
    if (on_refused) on_refused(address, why);
  }

  awaitable<void> give_away(Channel channel, const std::string& address);

  ChannelIdentity identity;
  Secret of_watchers;
  tcp::acceptor acceptor;
  OnChannel on_channel;
  OnChannel on_watcher;
  OnRefused on_refused;
  std::list<std::shared_ptr<Pending>> pending;  ///< oldest first
  std::size_t open_channels = 0;  ///< of members
  std::size_t open_watchers = 0;
};

awaitable<void> Listener::Impl::accept_loop(TaskGroup& group) {
  while (true) {
    auto accepting = next_connection(acceptor);
    auto accepted = co_await std::move(accepting);
    if (!accepted) co_return;
    tcp::socket& socket = *accepted;
    tune(socket);
    if (open_channels >= max_open_channels) {
      refuse(address_of(socket), Error(ErrorCode::refused, "too many peers are connected"));
      continue;
    }
    if (pending.size() >= max_pending_handshakes) {
      boost::system::error_code ignored;
      pending.front()->socket.close(ignored);
      pending.pop_front();
    }
    pending.push_back(std::make_shared<Pending>(std::move(socket)));
    group.spawn(serve_one(pending.back()));
  }
}

awaitable<void> Listener::Impl::serve_one(std::shared_ptr<Pending> one) {
  const std::string address = address_of(one->socket);
  auto greeting = greet_as_server(one->socket, identity, of_watchers);
  auto limited = within(handshake_deadline, std::move(greeting));
  auto made = co_await std::move(limited);
  pending.remove(one);
  if (!made) {
    refuse(address, Error(ErrorCode::timed_out, "a peer did not finish its handshake in time"));
    co_return;
  }
  if (!made->ok()) {
    refuse(address, made->error());
    co_return;
  }
  one.reset();
  Channel channel(std::move(*made).value());
  auto serving = give_away(std::move(channel), address);
  co_await std::move(serving);
}

awaitable<void> Listener::Impl::give_away(Channel channel, const std::string& address) {
  const bool watches = channel.kind() == CallerKind::watcher;
  if (watches && (!on_watcher || open_watchers >= max_open_watchers)) {
    refuse(address, no_watchers(on_watcher ? "There are too many." : "Nobody serves them here."));
    co_return;
  }
  struct Counted {
    std::size_t& count;
    explicit Counted(std::size_t& counter) : count(counter) { ++count; }
    ~Counted() { --count; }
  } const counted(watches ? open_watchers : open_channels);
  const OnChannel& serve_it = watches ? on_watcher : on_channel;
  auto serving = serve_it(std::move(channel));
  co_await std::move(serving);
}

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

int Listener::port() const {
  return impl_->acceptor.local_endpoint().port();
}

Result<Listener> Listener::open(const asio::any_io_executor& executor, const std::string& host,
                                int port, ChannelIdentity identity) {
  CHECK(port >= 0 && port <= 65535);
  const std::string where = host + ":" + std::to_string(port);
  boost::system::error_code failure;
  auto address = asio::ip::make_address(host, failure);
  if (failure) {
    failure.clear();
    tcp::resolver resolver(executor);
    const auto found = resolver.resolve(host, std::to_string(port), failure);
    if (failure || found.empty()) {
      return Error(ErrorCode::config_invalid, "the host \"" + host + "\" cannot be resolved",
                   "The resolver says: " + failure.message() + ".");
    }
    address = found.begin()->endpoint().address();
  }
  auto impl = std::make_unique<Impl>(executor, std::move(identity));
  const tcp::endpoint endpoint(address, static_cast<std::uint16_t>(port));
  tcp::acceptor& acceptor = impl->acceptor;
  acceptor.open(endpoint.protocol(), failure);
  if (!failure) acceptor.set_option(tcp::acceptor::reuse_address(true), failure);
  if (!failure) acceptor.bind(endpoint, failure);
  if (!failure) acceptor.listen(asio::socket_base::max_listen_connections, failure);
  if (failure) return error_from_errno("could not listen for peers on " + where, failure.value());
  return Listener(std::move(impl));
}

awaitable<void> Listener::serve(OnChannel on_channel, OnRefused on_refused, OnChannel on_watcher) {
  Impl& impl = *impl_;
  impl.on_watcher = std::move(on_watcher);
  impl.on_channel = std::move(on_channel);
  impl.on_refused = std::move(on_refused);
  TaskGroup group(impl.acceptor.get_executor());
  group.spawn(impl.accept_loop(group));
  auto joining = group.join();
  co_await std::move(joining);
}

}  // namespace evergres::net

#include "net/http_server.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/system/system_error.hpp>
#include <list>
#include <optional>

#include "net/accept.hpp"
#include "net/task_group.hpp"

namespace evergres::net {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

namespace {

/// After an answer that ends the connection the client's last bytes are read and thrown away for
/// this long: closing earlier would reset the connection and lose the answer.
constexpr Millis linger{500};

using Parser = http::request_parser<http::string_body>;
using Reply = http::response<http::string_body>;

HttpAnswer plain(unsigned status, std::string text) {
  return HttpAnswer{status, "text/plain; charset=utf-8", std::move(text)};
}

/// What a request that could not be read deserves; nothing if its sender is gone or too slow.
std::optional<HttpAnswer> answer_to_garbage(const boost::system::error_code& failure,
                                            const HttpLimits& limits) {
  if (failure == http::error::body_limit) {
    return plain(413, "The body has more than " + std::to_string(limits.body_bytes) + " bytes.\n");
  }
  if (failure == http::error::header_limit || failure == http::error::buffer_overflow) {
    return plain(431,
                 "The headers have more than " + std::to_string(limits.header_bytes) + " bytes.\n");
  }
  const bool no_http = failure.category() == make_error_code(http::error::bad_method).category();
  const bool cut_off =
      failure == http::error::end_of_stream || failure == http::error::partial_message;
  if (!no_http || cut_off) return std::nullopt;
  return plain(400, "This is no HTTP request.\n");
}

std::string text_of(beast::string_view text) {
  return std::string(text.data(), text.size());
}

bool is_loopback(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
  }
  return address.is_loopback();
}

HttpRequest request_of(http::request<http::string_body> message, const tcp::socket& socket) {
  HttpRequest request;
  request.method = text_of(message.method_string());
  request.target = text_of(message.target());
  request.authorization = text_of(message[http::field::authorization]);
  request.origin = text_of(message[http::field::origin]);
  request.host = text_of(message[http::field::host]);
  request.body = std::move(message.body());
  boost::system::error_code failure;
  const auto peer = socket.remote_endpoint(failure);
  request.from_loopback = !failure && is_loopback(peer.address());
  return request;
}

}  // namespace

struct HttpServer::Impl {
  Impl(const asio::any_io_executor& executor, HttpLimits bounds) : limits(bounds), acceptor(executor) {}

  struct Connection {
    explicit Connection(tcp::socket accepted) : stream(std::move(accepted)) {}
    beast::tcp_stream stream;
    beast::flat_buffer received;
    bool busy = false;  ///< its request is being answered
  };
  using Connections = std::list<std::shared_ptr<Connection>>;

  awaitable<void> accept_loop(TaskGroup& group);
  awaitable<void> converse(std::shared_ptr<Connection> one);
  awaitable<bool> send(Connection& to, HttpAnswer answer, bool head, unsigned version,
                       bool keep_alive);
  awaitable<void> part(Connection& from) const;
  awaitable<HttpAnswer> ask_handler(HttpRequest request) const;
  bool make_room();

  HttpLimits limits;
  tcp::acceptor acceptor;
  Handler handler;
  Connections connections;  ///< the one that was quiet for longest comes first
};

awaitable<void> HttpServer::Impl::accept_loop(TaskGroup& group) {
  // Beast does not pass cancellations on to all of its steps; closed sockets end them at once.
  struct CloseAll {
    Connections& all;
    ~CloseAll() {
      for (const auto& one : all) one->stream.close();
    }
  } const close_all{connections};
  while (true) {
    auto accepting = next_connection(acceptor);
    auto accepted = co_await std::move(accepting);
    if (!accepted) co_return;
    tcp::socket& socket = *accepted;
    if (!make_room()) continue;
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    connections.push_back(std::make_shared<Connection>(std::move(socket)));
    group.spawn(converse(connections.back()));
  }
}

/// Whether there is room for one more connection.
bool HttpServer::Impl::make_room() {
  if (connections.size() < limits.connections) return true;
  const auto idle = std::find_if(connections.begin(), connections.end(),
                                 [](const auto& one) { return !one->busy; });
  if (idle == connections.end()) return false;
  (*idle)->stream.close();
  connections.erase(idle);
  return true;
}

awaitable<HttpAnswer> HttpServer::Impl::ask_handler(HttpRequest request) const {
  try {
    auto answering = handler(std::move(request));
    co_return co_await std::move(answering);
  } catch (const boost::system::system_error& failure) {
    if (failure.code() == asio::error::operation_aborted) throw;
  } catch (const std::exception&) {
    // answered below: nothing may be awaited here
  }
  co_return plain(500, "The request could not be answered.\n");
}

awaitable<void> HttpServer::Impl::converse(std::shared_ptr<Connection> one) {
  struct Registered {
    Connections& all;
    const std::shared_ptr<Connection>& one;
    ~Registered() { all.remove(one); }
  } const registered{connections, one};
  one->received.max_size(limits.header_bytes + limits.body_bytes);
  for (bool keep_alive = true; keep_alive;) {
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    parser.body_limit(limits.body_bytes);
    one->stream.expires_after(limits.request_deadline);
    boost::system::error_code failure;
    auto token = asio::redirect_error(asio::use_awaitable, failure);
    co_await http::async_read(one->stream, one->received, parser, token);
    if (failure) {
      auto garbage = answer_to_garbage(failure, limits);
      if (!garbage) co_return;
      auto refusing = send(*one, std::move(*garbage), false, 11, false);
      co_await std::move(refusing);
      break;
    }
    connections.remove(one);
    connections.push_back(one);
    auto message = parser.release();
    keep_alive = message.keep_alive();
    const bool head = message.method() == http::verb::head;
    const unsigned version = message.version();
    one->busy = true;
    auto asking = ask_handler(request_of(std::move(message), one->stream.socket()));
    HttpAnswer answer = co_await std::move(asking);
    auto sending = send(*one, std::move(answer), head, version, keep_alive);
    const bool sent = co_await std::move(sending);
    one->busy = false;
    if (!sent) co_return;
  }
  auto parting = part(*one);
  co_await std::move(parting);
}

awaitable<bool> HttpServer::Impl::send(Connection& to, HttpAnswer answer, bool head,
                                       unsigned version, bool keep_alive) {
  Reply reply;
  reply.version(version);
  reply.result(answer.status);
  reply.keep_alive(keep_alive);
  reply.set(http::field::cache_control, "no-store");
  if (!answer.content_type.empty()) reply.set(http::field::content_type, answer.content_type);
  for (const auto& [name, value] : answer.headers) reply.set(name, value);
  reply.content_length(answer.body.size());
  if (!head) reply.body() = std::move(answer.body);
  to.stream.expires_after(limits.answer_deadline);
  boost::system::error_code failure;
  auto token = asio::redirect_error(asio::use_awaitable, failure);
  co_await http::async_write(to.stream, reply, token);
  co_return !failure;
}

awaitable<void> HttpServer::Impl::part(Connection& from) const {
  boost::system::error_code failure;
  from.stream.socket().shutdown(tcp::socket::shutdown_send, failure);
  from.stream.expires_after(linger);
  std::array<char, 4096> dropped{};
  while (!failure) {
    auto token = asio::redirect_error(asio::use_awaitable, failure);
    auto space = asio::buffer(dropped);
    co_await from.stream.async_read_some(space, token);
  }
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::HttpServer(HttpServer&&) noexcept = default;
HttpServer& HttpServer::operator=(HttpServer&&) noexcept = default;
HttpServer::~HttpServer() = default;

int HttpServer::port() const {
  return impl_->acceptor.local_endpoint().port();
}

awaitable<Result<HttpServer>> HttpServer::open(std::string host, int port, HttpLimits limits) {
  CHECK(port >= 0 && port <= 65535);
  auto executor = co_await asio::this_coro::executor;
  boost::system::error_code failure;
  auto address = asio::ip::make_address(host, failure);
  if (failure) {
    failure.clear();
    tcp::resolver resolver(executor);
    auto token = asio::redirect_error(asio::use_awaitable, failure);
    const std::string service = std::to_string(port);
    const auto found = co_await resolver.async_resolve(host, service, token);
    if (failure || found.empty()) {
      co_return Error(ErrorCode::config_invalid, "the host \"" + host + "\" cannot be resolved",
                      "The resolver says: " + failure.message() + ".");
    }
    address = found.begin()->endpoint().address();
  }
  auto impl = std::make_unique<Impl>(executor, limits);
  const tcp::endpoint endpoint(address, static_cast<std::uint16_t>(port));
  tcp::acceptor& acceptor = impl->acceptor;
  acceptor.open(endpoint.protocol(), failure);
  if (!failure) acceptor.set_option(tcp::acceptor::reuse_address(true), failure);
  if (!failure) acceptor.bind(endpoint, failure);
  if (!failure) acceptor.listen(asio::socket_base::max_listen_connections, failure);
  if (failure) {
    co_return error_from_errno("could not listen for HTTP on " + host + ":" + std::to_string(port),
                               failure.value());
  }
  co_return HttpServer(std::move(impl));
}

awaitable<void> HttpServer::serve(Handler handler) {
  Impl& impl = *impl_;
  impl.handler = std::move(handler);
  TaskGroup group(impl.acceptor.get_executor());
  group.spawn(impl.accept_loop(group));
  auto joining = group.join();
  co_await std::move(joining);
}

}  // namespace evergres::net

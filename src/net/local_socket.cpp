#include "net/local_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <optional>

#include "net/error_wire.hpp"
#include "net/local_client.hpp"
#include "net/task_group.hpp"

namespace evergres::net {
namespace asio = boost::asio;
using asio::local::stream_protocol;

namespace {

/// A client that does not take its lines for this long is left alone.
constexpr Millis write_deadline{2000};
constexpr Millis accept_rest{50};

std::string line_of(boost::json::string_view key, boost::json::value value) {
  boost::json::object object;
  object[key] = std::move(value);
  return boost::json::serialize(object) + "\n";
}

Outcome check_caller(stream_protocol::socket& socket) {
  ucred caller{};
  socklen_t size = sizeof caller;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &caller, &size) != 0) {
    return error_from_errno("could not learn who is asking", errno);
  }
  if (caller.uid == ::geteuid() || caller.uid == 0) return {};
  return Error(ErrorCode::permission, "this agent answers only its own user and root",
               "You are user id " + std::to_string(caller.uid) + ", the agent runs as " +
                   std::to_string(::geteuid()) + ".",
               "Run the command as that user, for example with sudo -u.");
}

awaitable<bool> write_text(stream_protocol::socket& socket, std::string text) {
  boost::system::error_code failure;
  auto token = asio::redirect_error(asio::use_awaitable, failure);
  auto buffer = asio::buffer(text);
  co_await asio::async_write(socket, buffer, token);
  co_return !failure;
}

class Talk final : public LocalConversation {
 public:
  explicit Talk(stream_protocol::socket connected) : socket(std::move(connected)) {}

  awaitable<void> progress(std::string text) override {
    auto writing = write_line(line_of("progress", boost::json::value(text)));
    co_await std::move(writing);
  }

  /// After one line that was not taken nothing is written any more: half a line may be out.
  awaitable<void> write_line(std::string line) {
    if (!socket.is_open()) co_return;
    auto writing = write_text(socket, std::move(line));
    auto limited = within(write_deadline, std::move(writing));
    const std::optional<bool> written = co_await std::move(limited);
    boost::system::error_code ignored;
    if (!written.value_or(false)) socket.close(ignored);
  }

  stream_protocol::socket socket;
};

/// Whether somebody answers at a socket file that is already there.
bool is_alive(const stream_protocol::endpoint& endpoint) {
  asio::io_context context;
  stream_protocol::socket probe(context);
  boost::system::error_code failure;
  probe.connect(endpoint, failure);
  return !failure;
}

Result<boost::json::value> parse_request(std::string_view line) {
  boost::json::error_code failure;
  auto request = boost::json::parse(boost::json::string_view(line.data(), line.size()), failure);
  if (failure) {
    return Error(ErrorCode::data_invalid, "the request is not JSON",
                 "The parser says: " + failure.message() + ".");
  }
  return request;
}

}  // namespace

struct LocalServer::Impl {
  Impl(asio::any_io_executor executor, std::filesystem::path path)
      : acceptor(executor), socket_path(std::move(path)) {}
  ~Impl() {
    struct stat now {};
    const bool ours = identified && ::lstat(socket_path.c_str(), &now) == 0 &&
                      now.st_ino == inode && now.st_dev == device;
    if (ours) ::unlink(socket_path.c_str());
  }

  Outcome listen();
  awaitable<void> accept_loop(TaskGroup& group);
  awaitable<void> converse(std::shared_ptr<Talk> talk);
  awaitable<void> answer(std::shared_ptr<Talk> talk, std::string line);

  stream_protocol::acceptor acceptor;
  std::filesystem::path socket_path;
  bool identified = false;
  ino_t inode = 0;
  dev_t device = 0;
  Handler handler;
  std::size_t connections = 0;
};

Outcome LocalServer::Impl::listen() {
  const stream_protocol::endpoint endpoint(socket_path.native());
  struct stat found {};
  if (::lstat(socket_path.c_str(), &found) == 0) {
    if (!S_ISSOCK(found.st_mode) || is_alive(endpoint)) {
      return Error(ErrorCode::already_exists, socket_path.native() + " is in use",
                   S_ISSOCK(found.st_mode) ? "Another agent answers there."
                                           : "There is a file that is no socket.",
                   "Only one agent can run for one node.");
    }
    ::unlink(socket_path.c_str());
  }
  boost::system::error_code failure;
  acceptor.open(endpoint.protocol(), failure);
  if (!failure) acceptor.bind(endpoint, failure);
  if (!failure && ::lstat(socket_path.c_str(), &found) == 0) {
    inode = found.st_ino;
    device = found.st_dev;
    identified = true;
  }
  // Before listen(), so that nobody else is ever let in.
  if (!failure && ::chmod(socket_path.c_str(), 0600) != 0) {
    return error_from_errno("could not protect the socket " + socket_path.native(), errno);
  }
  if (!failure) acceptor.listen(asio::socket_base::max_listen_connections, failure);
  if (failure) {
    return error_from_errno("could not listen at " + socket_path.native(), failure.value());
  }
  return {};
}

awaitable<void> LocalServer::Impl::accept_loop(TaskGroup& group) {
  while (true) {
    stream_protocol::socket socket(acceptor.get_executor());
    boost::system::error_code failure;
    auto token = asio::redirect_error(asio::use_awaitable, failure);
    co_await acceptor.async_accept(socket, token);
    if (failure || connections >= max_local_connections) {
      if (!acceptor.is_open()) co_return;
      auto resting = pause_for(accept_rest);  // throws if the failure was our cancellation
      co_await std::move(resting);
      continue;
    }
    group.spawn(converse(std::make_shared<Talk>(std::move(socket))));
  }
}

awaitable<void> LocalServer::Impl::converse(std::shared_ptr<Talk> talk) {
  struct Counted {
    std::size_t& count;
    explicit Counted(std::size_t& counter) : count(counter) { ++count; }
    ~Counted() { --count; }
  } const counted(connections);
  if (auto allowed = check_caller(talk->socket); !allowed) {
    auto refusing = talk->write_line(line_of("error", error_to_json(allowed.error())));
    co_await std::move(refusing);
    co_return;
  }
  std::string received;
  while (talk->socket.is_open()) {
    boost::system::error_code failure;
    auto token = asio::redirect_error(asio::use_awaitable, failure);
    auto buffer = asio::dynamic_buffer(received, max_local_line_bytes);
    const std::size_t size = co_await asio::async_read_until(talk->socket, buffer, '\n', token);
    if (failure == asio::error::not_found) {
      const Error too_long(ErrorCode::data_invalid, "the request is too long",
                           "A line has at most 1 MB.");
      auto refusing = talk->write_line(line_of("error", error_to_json(too_long)));
      co_await std::move(refusing);
      co_return;
    }
    if (failure) co_return;
    std::string line = received.substr(0, size - 1);
    received.erase(0, size);
    auto answering = answer(talk, std::move(line));
    co_await std::move(answering);
  }
}

awaitable<void> LocalServer::Impl::answer(std::shared_ptr<Talk> talk, std::string line) {
  Result<boost::json::value> outcome = parse_request(line);
  if (outcome) {
    boost::json::value request = std::move(outcome).value();
    auto handling = handler(std::move(request), *talk);
    outcome = co_await std::move(handling);
  }
  std::string reply = outcome ? line_of("result", std::move(outcome).value())
                              : line_of("error", error_to_json(outcome.error()));
  if (reply.size() > max_local_line_bytes) {
    const Error too_long(ErrorCode::internal, "the answer is too long for the control socket");
    reply = line_of("error", error_to_json(too_long));
  }
  auto replying = talk->write_line(std::move(reply));
  co_await std::move(replying);
}

LocalServer::LocalServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalServer::LocalServer(LocalServer&&) noexcept = default;
LocalServer& LocalServer::operator=(LocalServer&&) noexcept = default;
LocalServer::~LocalServer() = default;

Result<LocalServer> LocalServer::open(asio::any_io_executor executor,
                                      const std::filesystem::path& socket) {
  if (auto fits = check_socket_path(socket); !fits) return fits.error();
  auto impl = std::make_unique<Impl>(std::move(executor), socket);
  if (auto listening = impl->listen(); !listening) return listening.error();
  return LocalServer(std::move(impl));
}

awaitable<void> LocalServer::serve(Handler handler) {
  Impl& impl = *impl_;
  impl.handler = std::move(handler);
  TaskGroup group(impl.acceptor.get_executor());
  group.spawn(impl.accept_loop(group));
  auto joining = group.join();
  co_await std::move(joining);
}

}  // namespace evergres::net

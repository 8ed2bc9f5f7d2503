#include "net/http_server.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <thread>

#include "net/loop.hpp"

namespace evergres::net {
namespace {

/// Answers with what it was asked: "GET /x body". On a thread of its own until the end of the
/// scope.
class Server {
 public:
  explicit Server(HttpLimits limits = {}) : limits_(limits), stop_(context_.get_executor()) {
    boost::asio::co_spawn(context_, run(), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
    thread_ = std::thread([this] { context_.run(); });
    port_ = opened_.get_future().get();
  }
  ~Server() {
    stop_.post();
    thread_.join();
  }
  Server(Server&&) = delete;
  [[nodiscard]] int port() const { return port_; }

 private:
  awaitable<void> run() {
    auto opening = HttpServer::open("127.0.0.1", 0, limits_);
    auto server = co_await std::move(opening);
    opened_.set_value(server ? server->port() : 0);
    EXPECT_TRUE(server) << server.error().one_line();
    if (!server) co_return;
    TaskGroup group(context_.get_executor());
    const HttpServer::Handler handler = [this](HttpRequest request) {
      return answer(std::move(request));
    };
    group.spawn(server->serve(handler));
    auto stopping = stop_.wait();
    co_await std::move(stopping);
    group.cancel();
    auto joining = group.join();
    co_await std::move(joining);
  }

  /// "/slow" is answered when another client asks for "/go", "/who" with what the headers said.
  awaitable<HttpAnswer> answer(HttpRequest request) {
    if (request.target == "/bug") throw std::runtime_error("a bug");
    if (request.target == "/go") go_.set();
    if (request.target == "/slow") {
      auto waiting = go_.wait();
      co_await std::move(waiting);
    }
    HttpAnswer answer;
    answer.status = request.target == "/503" ? 503 : 200;
    answer.content_type = "text/plain";
    answer.body = request.method + " " + request.target + " " + request.body;
    if (request.target == "/who") {
      answer.body = request.authorization + "|" + request.origin + "|" + request.host + "|" +
                    (request.from_loopback ? "here" : "elsewhere");
      answer.headers.emplace_back("WWW-Authenticate", "Basic realm=\"x\"");
    }
    co_return answer;
  }

  HttpLimits limits_;
  boost::asio::io_context context_;
  Wakeup go_{context_.get_executor()};
  Wakeup stop_;
  std::promise<int> opened_;
  int port_ = 0;
  std::thread thread_;
};

/// A client that sends bytes, not requests.
class Client {
 public:
  explicit Client(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval generous{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &generous, sizeof generous);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Client() { ::close(fd_); }
  Client(Client&&) = delete;

  /// False if the server has closed the connection.
  bool send(const std::string& bytes) const {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  /// Everything up to the end of the stream.
  std::string read_all() {
    while (read_some()) {
    }
    return std::exchange(received_, {});
  }
  /// One answer with a Content-Length; `head`: without its body.
  std::string read_answer(bool head = false) {
    std::size_t end = std::string::npos;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_some()) return "closed: " + received_;
    }
    const std::string name = "Content-Length: ";
    const auto at = received_.find(name);
    std::size_t size = end + 4;
    if (!head && at < end) size += std::stoul(received_.substr(at + name.size()));
    while (received_.size() < size) {
      if (!read_some()) return "closed: " + received_;
    }
    const std::string answer = received_.substr(0, size);
    received_.erase(0, size);
    return answer;
  }

 private:
  bool read_some() {
    std::array<char, 4096> bytes{};
    const ssize_t count = ::recv(fd_, bytes.data(), bytes.size(), 0);
    EXPECT_FALSE(count < 0 && errno == EAGAIN) << "the server is silent";
    if (count > 0) received_.append(bytes.data(), static_cast<std::size_t>(count));
    return count > 0;
  }

  int fd_;
  std::string received_;
};

std::string exchange(int port, const std::string& bytes) {
  Client client(port);
  EXPECT_TRUE(client.send(bytes));
  return client.read_all();
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(HttpServer, AnswersAndKeepsTheConnection) {
  const Server server;
  Client client(server.port());
  for (const char* path : {"/one", "/two?lag=1"}) {
    ASSERT_TRUE(client.send("GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n"));
    const std::string answer = client.read_answer();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
    EXPECT_TRUE(has(answer, "Content-Type: text/plain\r\n")) << answer;
    EXPECT_TRUE(has(answer, "Cache-Control: no-store\r\n")) << answer;
    EXPECT_TRUE(answer.ends_with("\r\n\r\nGET " + std::string(path) + " ")) << answer;
  }
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  EXPECT_TRUE(has(client.read_all(), "Connection: close\r\n"));
}

TEST(HttpServer, ShowsWhoAsks) {
  const Server server;
  const std::string answer =
      exchange(server.port(),
               "POST /who HTTP/1.1\r\nHost: db:8008\r\nAuthorization: Basic eA==\r\nOrigin: "
               "http://evil\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(answer.ends_with("\r\n\r\nBasic eA==|http://evil|db:8008|here")) << answer;
  EXPECT_TRUE(has(answer, "WWW-Authenticate: Basic realm=\"x\"\r\n")) << answer;
}

TEST(HttpServer, AnAnswerThatTakesItsTimeHoldsUpNobodyAndIsNotPushedOut) {
  HttpLimits limits;
  limits.connections = 2;
  const Server server(limits);
  Client slow(server.port());
  ASSERT_TRUE(slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
  for (int i = 0; i < 4; ++i) {
    Client other(server.port());
    ASSERT_TRUE(other.send("GET /one HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT_TRUE(has(other.read_answer(), "200 OK"));
  }
  exchange(server.port(), "GET /go HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(has(slow.read_answer(), "GET /slow"));
}

TEST(HttpServer, SpeaksAsHaproxyChecks) {
  const Server server;
  const std::string answer = exchange(server.port(), "OPTIONS /503 HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.0 503 Service Unavailable\r\n")) << answer;
}

TEST(HttpServer, AnswersHeadWithTheLengthAndWithoutTheBody) {
  const Server server;
  Client client(server.port());
  ASSERT_TRUE(client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n"));
  const std::string head = client.read_answer(true);
  EXPECT_TRUE(has(head, "Content-Length: 8\r\n")) << head;
  EXPECT_TRUE(client.read_answer().ends_with("\r\n\r\nGET /b "));
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  const Server server;
  std::string bytes;
  for (int i = 0; i < 200; ++i) {
    bytes += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  Client client(server.port());
  ASSERT_TRUE(client.send(bytes));
  for (int i = 0; i < 200; ++i) {
    const std::string answer = client.read_answer();
    ASSERT_TRUE(answer.ends_with("GET /" + std::to_string(i) + " ")) << answer;
  }
}

TEST(HttpServer, ReadsBodiesWithALengthAndInChunks) {
  const Server server;
  EXPECT_TRUE(exchange(server.port(),
                       "POST /p HTTP/1.1\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
                  .ends_with("POST /p hello"));
  EXPECT_TRUE(exchange(server.port(),
                       "POST /p HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")
                  .ends_with("POST /p hello"));
}

TEST(HttpServer, RefusesWhatIsNoHttp) {
  const Server server;
  const std::vector<std::string> garbage{
      "\r\n\r\n\x01\x02\x03\r\n\r\n",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "GET / HTTP/1.1\r\nno colon\r\n\r\n",
      "GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
      "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + "a TLS greeting",
      std::string("GET /\0/ HTTP/1.1\r\n\r\n", 20),
  };
  for (const std::string& bytes : garbage) {
    const std::string answer = exchange(server.port(), bytes);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << bytes << "\n" << answer;
    EXPECT_TRUE(has(answer, "Connection: close\r\n")) << answer;
  }
  EXPECT_TRUE(has(exchange(server.port(), "GET / HTTP/1.0\r\n\r\n"), "200 OK"));
}

TEST(HttpServer, RefusesWhatIsTooLarge) {
  const Server server;
  const HttpLimits limits;
  const std::string long_target(limits.header_bytes, 'x');
  EXPECT_TRUE(has(exchange(server.port(), "GET /" + long_target + " HTTP/1.1\r\n\r\n"), " 431 "));
  std::string many = "GET / HTTP/1.1\r\n";
  while (many.size() < 2 * limits.header_bytes) many += "X-Header: value\r\n";
  EXPECT_TRUE(has(exchange(server.port(), many + "\r\n"), " 431 "));
  const std::string huge = "Content-Length: 99999999999\r\n\r\n";
  EXPECT_TRUE(has(exchange(server.port(), "POST / HTTP/1.1\r\n" + huge), " 413 "));
  std::string chunks = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  while (chunks.size() < 2 * limits.body_bytes) chunks += "10\r\n0123456789abcdef\r\n";
  EXPECT_TRUE(has(exchange(server.port(), chunks), " 413 "));
}

TEST(HttpServer, CutsOffWhoIsTooSlow) {
  HttpLimits limits;
  limits.request_deadline = Millis{300};
  const Server server(limits);
  const Instant began = boot_now();
  Client silent(server.port());
  EXPECT_EQ(silent.read_all(), "");
  Client dripping(server.port());
  ASSERT_TRUE(dripping.send("GET / HTTP/1.1\r\n"));
  // One header after the other, each well in time: the whole request has the deadline.
  while (dripping.send("X: y\r\n") && boot_now() - began < Millis{20'000}) {
    std::this_thread::sleep_for(Millis{20});
  }
  EXPECT_EQ(dripping.read_all().find("200"), std::string::npos);
  EXPECT_LT(boot_now() - began, Nanos(Millis{20'000}));
  EXPECT_TRUE(has(exchange(server.port(), "GET / HTTP/1.0\r\n\r\n"), "200 OK"));
}

TEST(HttpServer, CutsOffWhoTakesNoAnswers) {
  HttpLimits limits;
  limits.answer_deadline = Millis{300};
  const Server server(limits);
  Client greedy(server.port());
  const std::string request = "GET /" + std::string(4000, 'x') + " HTTP/1.1\r\n\r\n";
  const Instant until = boot_now() + Millis{20'000};
  // Nothing is read: the server's and our buffers fill up, then it gives up.
  while (greedy.send(request) && boot_now() < until) {
  }
  EXPECT_LT(boot_now(), until);
  EXPECT_TRUE(has(exchange(server.port(), "GET / HTTP/1.0\r\n\r\n"), "200 OK"));
}

TEST(HttpServer, TheQuietestConnectionGivesWay) {
  HttpLimits limits;
  limits.connections = 3;
  const Server server(limits);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(server.port()));
    ASSERT_TRUE(clients.back()->send("GET / HTTP/1.1\r\n\r\n"));
    EXPECT_TRUE(has(clients.back()->read_answer(), "200 OK"));
  }
  ASSERT_TRUE(clients[0]->send("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(has(clients[0]->read_answer(), "200 OK"));
  EXPECT_TRUE(has(exchange(server.port(), "GET / HTTP/1.0\r\n\r\n"), "200 OK"));
  EXPECT_EQ(clients[1]->read_all(), "") << "it was quiet for longest";
  for (const int i : {0, 2}) {
    ASSERT_TRUE(clients[static_cast<std::size_t>(i)]->send("GET / HTTP/1.1\r\n\r\n"));
    EXPECT_TRUE(has(clients[static_cast<std::size_t>(i)]->read_answer(), "200 OK"));
  }
}

TEST(HttpServer, SurvivesAnExceptionOfItsHandler) {
  const Server server;
  EXPECT_TRUE(has(exchange(server.port(), "GET /bug HTTP/1.0\r\n\r\n"), " 500 "));
  EXPECT_TRUE(has(exchange(server.port(), "GET / HTTP/1.0\r\n\r\n"), "200 OK"));
}

TEST(HttpServer, EndsWithOpenConnections) {
  std::optional<Server> server(std::in_place);
  Client idle(server->port());
  Client begun(server->port());
  ASSERT_TRUE(begun.send("GET / HT"));
  const Instant began = boot_now();
  server.reset();
  EXPECT_LT(boot_now() - began, Nanos(Millis{5'000})) << "it waited for its clients";
}

TEST(HttpServer, SaysWhyItCannotListen) {
  Loop loop;
  auto task = []() -> awaitable<void> {
    const HttpLimits limits;
    auto opening = HttpServer::open("127.0.0.1", 0, limits);
    auto first = co_await std::move(opening);
    EXPECT_TRUE(first);
    if (!first) co_return;
    auto again = HttpServer::open("127.0.0.1", first->port(), limits);
    const auto second = co_await std::move(again);
    EXPECT_TRUE(!second && second.error().code() == ErrorCode::port_taken);
    auto nowhere = HttpServer::open("no such host", 0, limits);
    const auto third = co_await std::move(nowhere);
    EXPECT_TRUE(!third && third.error().code() == ErrorCode::config_invalid);
  };
  loop.run(task());
}

}  // namespace
}  // namespace evergres::net

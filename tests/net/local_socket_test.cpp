#include "net/local_socket.hpp"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <thread>

#include "net/local_client.hpp"
#include "net/loop.hpp"

namespace evergres::net {
namespace {

using namespace std::chrono_literals;
using boost::json::value;
constexpr Millis soon{20'000};

/// A server on a thread of its own until the end of the scope.
class Server {
 public:
  explicit Server(const std::filesystem::path& path)
      : server_(LocalServer::open(context_.get_executor(), path)), stop_(context_.get_executor()) {
    EXPECT_TRUE(server_) << server_.error().one_line();
    boost::asio::co_spawn(context_, serve(), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Server() {
    stop_.post();
    thread_.join();
  }
  Server(Server&&) = delete;

 private:
  awaitable<void> serve() {
    TaskGroup group(context_.get_executor());
    const auto handler = [](value request, LocalConversation& talk) -> awaitable<Result<value>> {
      const auto& verb = request.at("verb").as_string();
      if (verb == "steps") {
        for (const char* text : {"one", "two"}) {
          auto telling = talk.progress(text);
          co_await std::move(telling);
        }
      }
      if (verb == "fail") {
        co_return Error(ErrorCode::refused, "not now", "There is a reason.", "Wait");
      }
      if (verb == "hang") {
        auto pause = pause_for(1h);
        co_await std::move(pause);
      }
      co_return request;
    };
    group.spawn(server_->serve(handler));
    auto stopping = stop_.wait();
    co_await std::move(stopping);
    group.cancel();
    auto joining = group.join();
    co_await std::move(joining);
  }

  boost::asio::io_context context_;
  Result<LocalServer> server_;
  Wakeup stop_;
  std::thread thread_;
};

class LocalSocketTest : public testing::Test {
 protected:
  value request(const std::string& verb) {
    boost::json::object object;
    object["verb"] = verb;
    return object;
  }
  /// Sends raw bytes and returns everything until the server closes or a whole line is there.
  std::string raw(const std::string& bytes) {
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    std::string_view left = bytes;
    while (!left.empty()) {
      const ssize_t sent = ::send(descriptor, left.data(), left.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      left.remove_prefix(static_cast<std::size_t>(sent));
    }
    std::string answer;
    char chunk[4096];
    while (answer.find('\n') == std::string::npos) {
      const ssize_t got = ::recv(descriptor, chunk, sizeof chunk, 0);
      if (got <= 0) break;
      answer.append(chunk, static_cast<std::size_t>(got));
    }
    ::close(descriptor);
    return answer;
  }

  TemporaryDirectory directory;
  std::filesystem::path path = directory.path() / "agent.sock";
};

TEST_F(LocalSocketTest, AQuestionIsAnsweredWithProgress) {
  const Server server(path);
  std::vector<std::string> steps;
  auto answer = LocalClient::ask(path, request("steps"), soon,
                                 [&](const std::string& text) { steps.push_back(text); });
  ASSERT_TRUE(answer) << answer.error().one_line();
  EXPECT_EQ(answer.value(), request("steps"));
  EXPECT_EQ(steps, (std::vector<std::string>{"one", "two"}));
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
}

TEST_F(LocalSocketTest, AnErrorArrivesWhole) {
  const Server server(path);
  auto answer = LocalClient::ask(path, request("fail"), soon);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::refused);
  EXPECT_EQ(answer.error().for_people(),
            "error: not now\ndetail: There is a reason.\nhint: Wait\n");
}

TEST_F(LocalSocketTest, ASilentServerTimesOut) {
  const Server server(path);
  auto answer = LocalClient::ask(path, request("hang"), Millis(50));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::timed_out);
  EXPECT_TRUE(LocalClient::ask(path, request("again"), soon));
}

TEST_F(LocalSocketTest, NobodyThereIsUnreachable) {
  auto missing = LocalClient::ask(path, request("x"), soon);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::unreachable);
  EXPECT_EQ(missing.error().detail(), "There is no such socket.");
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(descriptor);
  auto refused = LocalClient::ask(path, request("x"), soon);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().detail(), "Nobody listens there.");
  const Server server(path);  // a stale socket is replaced
  EXPECT_TRUE(LocalClient::ask(path, request("x"), soon));
}

TEST_F(LocalSocketTest, TwoServersCannotShareAPathAndFilesAreNotTouched) {
  boost::asio::io_context context;
  {
    const Server server(path);
    auto second = LocalServer::open(context.get_executor(), path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), ErrorCode::already_exists);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  std::ofstream(path) << "precious";
  auto third = LocalServer::open(context.get_executor(), path);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().detail(), "There is a file that is no socket.");
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(LocalSocketTest, APathThatDoesNotFitIsNamed) {
  boost::asio::io_context context;
  const std::filesystem::path fits = "/" + std::string(106, 'x');
  const std::filesystem::path longer = "/" + std::string(107, 'x');
  EXPECT_TRUE(check_socket_path(fits));
  for (const Error& error : {LocalServer::open(context.get_executor(), longer).error(),
                             LocalClient::ask(longer, request("x"), soon).error()}) {
    EXPECT_EQ(error.code(), ErrorCode::config_invalid);
    EXPECT_NE(error.detail().find("has 108 bytes, but a socket address holds 107"),
              std::string::npos);
  }
}

TEST_F(LocalSocketTest, GarbageGetsAnErrorAndGiantsAreCut) {
  const Server server(path);
  EXPECT_NE(raw("this is not json\n").find("\"data_invalid\""), std::string::npos);
  EXPECT_NE(raw(std::string(5000, '[') + "\n").find("\"data_invalid\""), std::string::npos);
  EXPECT_NE(raw(std::string(2 * max_local_line_bytes, 'x')).find("the request is too long"),
            std::string::npos);
  EXPECT_TRUE(LocalClient::ask(path, request("x"), soon));
}

TEST_F(LocalSocketTest, AnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  // The server must not run as the caller, and root is always let in: the caller becomes nobody.
  const Server server(path);
  ::chmod(directory.path().c_str(), 0755);
  ::chmod(path.c_str(), 0666);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(9);
    auto answer = LocalClient::ask(path, request("x"), soon);
    ::_exit(!answer && answer.error().code() == ErrorCode::permission ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace evergres::net

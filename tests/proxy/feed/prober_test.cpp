#include "proxy/feed/prober.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <mutex>
#include <thread>

/// The prober, in front of something that speaks as much of PostgreSQL's protocol as it hears.
namespace evergres::proxy {
namespace {

namespace fs = std::filesystem;

std::string number(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = bytes; i-- > 0;) text += static_cast<char>(value >> (8U * static_cast<unsigned>(i)));
  return text;
}

std::string typed(char type, const std::string& body) {
  return type + number(static_cast<std::uint32_t>(body.size() + 4), 4) + body;
}

/// A primary on timeline 1 that listens on one address.
class FakePrimary {
 public:
  /// `port` 0: of the kernel's choice.
  explicit FakePrimary(const std::string& address, int port = 0)
      : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<std::uint16_t>(port));
    EXPECT_EQ(1, ::inet_pton(AF_INET, address.c_str(), &at.sin_addr));
    const int on = 1;
    ::setsockopt(listening_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    EXPECT_EQ(0, ::bind(listening_, reinterpret_cast<sockaddr*>(&at), sizeof at));
    EXPECT_EQ(0, ::listen(listening_, 8));
    socklen_t size = sizeof at;
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~FakePrimary() {
    ended_ = true;
    thread_.join();
    ::close(listening_);
  }
  FakePrimary(const FakePrimary&) = delete;
  FakePrimary& operator=(const FakePrimary&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] unsigned logins() const { return logins_; }
  /// Takes logins, and closes the connection when it is asked something.
  void answer_nothing() { silent_ = true; }
  /// The connection that it has ends.
  void hang_up() { hang_up_ = true; }

 private:
  void run() {
    while (!ended_) {
      pollfd waiting{listening_, POLLIN, 0};
      if (::poll(&waiting, 1, 10) != 1) continue;
      const int client = ::accept(listening_, nullptr, nullptr);
      if (client < 0) continue;
      hang_up_ = false;
      talk(client);
      ::close(client);
    }
  }
  void talk(int client) {
    for (bool is_first = true; !ended_ && !hang_up_;) {
      pollfd waiting{client, POLLIN, 0};
      if (::poll(&waiting, 1, 10) != 1) continue;
      std::array<char, 8192> heard{};
      const ssize_t got = ::recv(client, heard.data(), heard.size(), 0);
      if (got <= 0 || (!is_first && heard[0] != 'Q')) return;
      std::string told;
      if (std::exchange(is_first, false)) {
        ++logins_;
        told = typed('R', number(0, 4)) + typed('Z', "I");
      } else if (silent_) {
        return;
      } else {
        told = answer();
      }
      ::send(client, told.data(), told.size(), MSG_NOSIGNAL);
    }
  }
  static std::string answer() {
    const std::array<std::string, 6> cells{"f", "off", "7000", "1", "0/1000", "f"};
    std::string columns = number(cells.size(), 2);
    std::string row = columns;
    for (const std::string& cell : cells) {
      columns += std::string("c\0", 2) + number(0, 4) + number(0, 2) + number(25, 4) +
                 number(0xffff, 2) + number(0xffffffff, 4) + number(0, 2);
      row += number(static_cast<std::uint32_t>(cell.size()), 4) + cell;
    }
    return typed('T', columns) + typed('D', row) + typed('C', std::string("SELECT 1\0", 9)) +
           typed('Z', "I");
  }

  int listening_;
  int port_ = 0;
  std::atomic<unsigned> logins_{0};
  std::atomic<bool> silent_{false}, hang_up_{false}, ended_{false};
  std::thread thread_;
};

class ProberTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "evergres-pr-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    prober_.reset();
    fs::remove_all(directory_);
  }

  void probe(int port, Millis interval, const fs::path& known_file) {
    Prober::Options options;
    options.servers.hosts = {Address{"db.example.org", port}};
    options.servers.user = options.servers.database = "asker";
    options.servers.tls = false;
    options.interval = interval;
    options.known_file = known_file;
    options.note = [this](Loudness, const std::string& text) {
      const std::lock_guard lock(mutex_);
      said_.push_back(text);
    };
    options.look_up = [this](const Address& address) {
      const std::lock_guard lock(mutex_);
      return resolve({means_, address.port});
    };
    auto begun = Prober::start(std::move(options), [this](std::shared_ptr<const World> world) {
      const std::lock_guard lock(mutex_);
      world_ = std::move(world);
    });
    ASSERT_TRUE(begun) << begun.error().for_people();
    prober_ = std::move(*begun);
  }
  template <typename Condition>
  bool eventually(Condition condition) {
    const Instant deadline = boot_now() + Millis{20'000};
    while (boot_now() < deadline) {
      if (condition()) return true;
      ::usleep(2000);
    }
    return false;
  }
  std::shared_ptr<const World> world() {
    const std::lock_guard lock(mutex_);
    return world_ ? world_ : std::make_shared<const World>();
  }
  std::size_t said(const std::string& words) {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const std::string& text : said_) count += text.find(words) != std::string::npos ? 1 : 0;
    return count;
  }
  void name_means(const std::string& address) {
    const std::lock_guard lock(mutex_);
    means_ = address;
  }

  fs::path directory_;
  std::mutex mutex_;
  std::vector<std::string> said_;
  std::string means_ = "127.0.0.1";
  std::shared_ptr<const World> world_;
  std::unique_ptr<Prober> prober_;
};

TEST_F(ProberTest, NobodyLeadsUntilItIsWrittenDownWhichIsSaidOnce) {
  FakePrimary primary("127.0.0.1");
  const fs::path missing = directory_ / "missing";
  probe(primary.port(), Millis{50}, missing / "known");
  ASSERT_TRUE(eventually([&] { return said("Until it is written nobody leads") > 0; }));
  ASSERT_TRUE(eventually([&] { return said("is the primary, on timeline 1") > 0; }));
  // It is asked again and again meanwhile: a restart ends the connection and begins another.
  for (const unsigned before = primary.logins(); primary.logins() < before + 3;) {
    primary.hang_up();
    ::usleep(2000);
  }
  EXPECT_FALSE(world()->leader);
  EXPECT_EQ(said("Until it is written nobody leads"), 1U);
  fs::create_directory(missing);
  EXPECT_TRUE(eventually([&] { return world()->leader.has_value(); }));
}

TEST_F(ProberTest, AServerThatTakesLoginsAndNoQuestionIsNotLoggedInToWithoutRest) {
  FakePrimary primary("127.0.0.1");
  primary.answer_nothing();
  const Instant begun = boot_now();
  probe(primary.port(), Millis{1'000}, directory_ / "known");
  ASSERT_TRUE(eventually([&] { return primary.logins() >= 4; }));
  // A fifth of the interval lies between two.
  EXPECT_GE(boot_now() - begun, Millis{3 * 200});
}

TEST_F(ProberTest, AnAnswerBelongsToTheAddressThatItCameFrom) {
  FakePrimary first("127.0.0.1");
  FakePrimary second("127.0.0.2", first.port());
  probe(first.port(), Millis{50}, directory_ / "known");
  ASSERT_TRUE(eventually([&] { return world()->leader.has_value(); }));
  const auto before = world();
  EXPECT_EQ(before->nodes[0].resolved.front().text(), "127.0.0.1:" + std::to_string(first.port()));
  // A snapshot of it was started elsewhere: the same system, the same timeline.
  name_means("127.0.0.2");
  first.hang_up();
  ASSERT_TRUE(eventually([&] { return world()->highest > before->highest; }))
      << "servers of the old address have to be left";
  ASSERT_TRUE(eventually([&] { return world()->leader.has_value(); }));
  EXPECT_EQ(world()->leader->term, world()->highest);
  EXPECT_EQ(world()->nodes[0].resolved.front().text(), "127.0.0.2:" + std::to_string(first.port()));
}

}  // namespace
}  // namespace evergres::proxy

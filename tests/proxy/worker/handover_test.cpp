#include "proxy/worker/handover.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>

#include "proxy/io/sockets.hpp"

namespace evergres::proxy {
namespace {

namespace fs = std::filesystem;

Instant soon() {
  return boot_now() + Millis{20'000};
}

class HandoverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "evergres-ho-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    end();
    fs::remove_all(directory_);
  }
  [[nodiscard]] fs::path path() const { return handover_path(directory_); }

  /// A process that serves: two listening sockets and a door that is looked after by a thread.
  void serve() {
    for (const Port kind : {Port::read_write, Port::read_only}) {
      auto listening = listen_on("127.0.0.1", 0, true);
      ASSERT_TRUE(listening);
      ports_.push_back(listening->port);
      sockets_.push_back(std::move(listening->socket));
      listening_.push_back({{"127.0.0.1", 0, kind}, sockets_.back().number()});
    }
    auto door = HandoverDoor::open(path(), listening_);
    ASSERT_TRUE(door) << door.error().for_people();
    door_.emplace(std::move(*door));
    thread_ = std::thread([this] {
      while (!ended_ && !replaced_) {
        std::vector<pollfd> polled;
        for (const int number : door_->descriptors()) polled.push_back({number, POLLIN, 0});
        ::poll(polled.data(), polled.size(), 20);
        if (door_->step()) {
          sockets_.clear();
          replaced_ = true;
          door_->done();
        }
        if (!door_->trouble().empty()) ++troubles_;
      }
    });
  }
  void end() {
    ended_ = true;
    if (thread_.joinable()) thread_.join();
  }

  fs::path directory_;
  std::vector<Descriptor> sockets_;
  std::vector<int> ports_;
  std::vector<HandoverDoor::Listening> listening_;
  std::optional<HandoverDoor> door_;
  std::thread thread_;
  std::atomic<bool> ended_{false}, replaced_{false};
  std::atomic<int> troubles_{0};
};

TEST_F(HandoverTest, WhereNobodyServesThereIsNothingToTake) {
  auto nobody = Takeover::begin(path(), soon());
  ASSERT_TRUE(nobody) << nobody.error().for_people();
  EXPECT_FALSE(nobody->has_value());
  { ASSERT_TRUE(HandoverDoor::open(path(), {})); }
  auto dead = Takeover::begin(path(), soon());
  ASSERT_TRUE(dead) << "a file that a dead process left is nobody";
  EXPECT_FALSE(dead->has_value());
}

TEST_F(HandoverTest, TheSocketsAndThoseWhoWaitInThemChangeHands) {
  serve();
  auto taking = Takeover::begin(path(), soon());
  ASSERT_TRUE(taking && *taking);
  auto sockets = (*taking)->take();
  ASSERT_EQ(sockets.size(), 2U);
  EXPECT_EQ(sockets[0].listen.host, "127.0.0.1");
  EXPECT_EQ(sockets[0].listen.kind, Port::read_write);
  EXPECT_EQ(sockets[1].listen.kind, Port::read_only);
  EXPECT_EQ(port_of(sockets[0].socket), ports_[0]);
  // Somebody connects before the new process accepts: the kernel keeps it waiting.
  auto client = begin_connect(resolve({"127.0.0.1", ports_[0]})->front());
  ASSERT_TRUE(client);
  ASSERT_TRUE((*taking)->serving(soon()));
  end();
  EXPECT_TRUE(replaced_);
  Acceptor acceptor(std::move(sockets[0].socket));
  EXPECT_EQ(acceptor.next().kind, Acceptor::Step::Kind::client);
}

TEST_F(HandoverTest, ASuccessorThatDiesLeavesEverythingAsItWas) {
  serve();
  {
    auto dies = Takeover::begin(path(), soon());
    ASSERT_TRUE(dies && *dies);
  }
  const Instant deadline = soon();
  while (troubles_ == 0 && boot_now() < deadline) ::poll(nullptr, 0, 5);
  EXPECT_EQ(troubles_, 1);
  EXPECT_FALSE(replaced_);
  auto second = Takeover::begin(path(), soon());
  ASSERT_TRUE(second && *second) << "the next one gets them";
  EXPECT_TRUE((*second)->serving(soon()));
  end();
  EXPECT_TRUE(replaced_);
}

TEST_F(HandoverTest, WhoIsRefusedIsNotToldThatNobodyServes) {
  serve();
  auto first = Takeover::begin(path(), soon());
  ASSERT_TRUE(first && *first);
  const auto second = Takeover::begin(path(), boot_now() + Millis{500});
  ASSERT_FALSE(second) << "it would open the ports a second time";
  EXPECT_EQ(second.error().code(), ErrorCode::conflict);
  EXPECT_EQ(second.error().message(), "the running endpoint did not hand over its sockets");
  EXPECT_TRUE((*first)->serving(soon())) << "the first goes on";
  end();
  EXPECT_TRUE(replaced_);
}

TEST_F(HandoverTest, WhoServesIsHeardBeforeAnybodyWhoCameLater) {
  auto listening = listen_on("127.0.0.1", 0, true);
  ASSERT_TRUE(listening);
  listening_.push_back({{"127.0.0.1", 0, Port::read_write}, listening->socket.number()});
  auto door = HandoverDoor::open(path(), listening_);
  ASSERT_TRUE(door) << door.error().for_people();
  std::atomic<bool> taken{false};
  Result<std::optional<Takeover>> taking = std::optional<Takeover>();
  std::thread successor([&] {
    taking = Takeover::begin(path(), soon());
    taken = true;
  });
  const Instant deadline = soon();
  while (!taken && boot_now() < deadline) {
    EXPECT_FALSE(door->step());
    ::poll(nullptr, 0, 2);
  }
  successor.join();
  ASSERT_TRUE(taking && *taking);
  // It says that it serves, and somebody else comes before the old process looks.
  std::thread serves([&] { EXPECT_TRUE((*taking)->serving(soon())); });
  const int from_successor = door->descriptors().back();
  pollfd said{from_successor, POLLIN, 0};
  ASSERT_EQ(1, ::poll(&said, 1, 20'000));
  std::thread later([&] { EXPECT_FALSE(Takeover::begin(path(), boot_now())); });
  pollfd came{door->descriptors().front(), POLLIN, 0};
  EXPECT_EQ(1, ::poll(&came, 1, 20'000));
  EXPECT_TRUE(door->step());
  EXPECT_EQ("", door->trouble());
  door->done();
  serves.join();
  later.join();
}

TEST_F(HandoverTest, WhoSaysSomethingElseGetsNothing) {
  serve();
  const Descriptor stranger(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(
      0, ::connect(stranger.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  const std::string early = "evergres handover 1: serving";  // before it was given anything
  ASSERT_GT(::send(stranger.number(), early.data(), early.size(), 0), 0);
  std::array<char, 16> bytes{};
  EXPECT_EQ(0, ::recv(stranger.number(), bytes.data(), bytes.size(), 0)) << "it is closed";
  EXPECT_FALSE(replaced_);
}

TEST_F(HandoverTest, AnotherUserGetsNothing) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  serve();
  ASSERT_EQ(0, ::chmod(directory_.c_str(), 0755));
  ASSERT_EQ(0, ::chmod(path().c_str(), 0777));
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setuid(65'534) != 0) ::_exit(9);
    const auto taking = Takeover::begin(path(), soon());
    ::_exit(!taking && taking.error().code() == ErrorCode::permission ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(child, ::waitpid(child, &status, 0));
  EXPECT_EQ(status, 0) << "it does not take sockets of another user";
  const Instant deadline = soon();
  while (troubles_ == 0 && boot_now() < deadline) ::poll(nullptr, 0, 5);
  EXPECT_EQ(troubles_, 1) << "and it is given none";
  EXPECT_FALSE(replaced_);
}

}  // namespace
}  // namespace evergres::proxy

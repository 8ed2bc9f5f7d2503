#include "differential/relay.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "differential/surroundings.hpp"

namespace evergres::differential {
namespace {

/// Less than the five bytes with which a message of PostgreSQL begins.
constexpr std::size_t part = 3;
constexpr int look_again_ms = 10;

int unix_socket() {
  return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

int connected_to(const std::filesystem::path& path) {
  const sockaddr_un address = address_of(path);
  const int made = unix_socket();
  if (::connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return made;
  ::close(made);
  return -1;
}

int listening_at(const std::filesystem::path& path) {
  ::unlink(path.c_str());
  const sockaddr_un address = address_of(path);
  const int made = unix_socket();
  EXPECT_EQ(::bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(made, 5), 0);
  return made;
}

/// What is there now; empty at the end.
std::string read_from(int socket) {
  std::array<char, 65536> buffer{};
  const ssize_t size = ::recv(socket, buffer.data(), buffer.size(), 0);
  return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

bool write_to(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (size <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

}  // namespace

Relay::Relay(const std::filesystem::path& here, std::filesystem::path there)
    : there_(std::move(there)), listener_(listening_at(here)), thread_([this] { run(); }) {}

Relay::~Relay() {
  ends_ = true;
  thread_.join();
  disconnect();
  ::close(listener_);
}

void Relay::hold_wal() {
  holds_wal_ = true;
  is_holding_.wait(false);  // it may look at the sender until its next round
}

void Relay::run() {
  while (!ends_) {
    const bool holds = holds_wal_;
    if (holds && !is_holding_.exchange(true)) is_holding_.notify_all();
    if (is_cut_ && !cuts_replies_) {
      if (!write_to(sender_, std::exchange(rest_, {}))) disconnect();
      is_cut_ = false;
    }
    const int from_receiver = is_cut_ ? -1 : receiver_;  // negative: not looked at
    const int from_sender = holds ? -1 : sender_;
    std::array<pollfd, 3> watched{
        {{listener_, POLLIN, 0}, {from_receiver, POLLIN, 0}, {from_sender, POLLIN, 0}}};
    if (::poll(watched.data(), watched.size(), look_again_ms) <= 0) continue;
    if (watched[1].revents != 0) pass_up();
    if (watched[2].revents != 0) pass_down();
    if (watched[0].revents != 0) connect();
  }
}

void Relay::connect() {
  disconnect();
  receiver_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  sender_ = connected_to(there_);
  if (receiver_ < 0 || sender_ < 0) disconnect();
}

void Relay::disconnect() {
  for (int* each : {&receiver_, &sender_}) {
    if (*each >= 0) ::close(*each);
    *each = -1;
  }
  rest_.clear();
  is_cut_ = false;
}

void Relay::pass_up() {
  const std::string text = read_from(receiver_);
  const std::size_t whole = cuts_replies_ ? std::min(part, text.size()) : text.size();
  if (text.empty() || !write_to(sender_, std::string_view(text).substr(0, whole)))
    return disconnect();
  rest_ = text.substr(whole);
  is_cut_ = !rest_.empty();
}

void Relay::pass_down() {
  if (sender_ < 0) return;  // pass_up() has just ended the connection
  const std::string text = read_from(sender_);
  if (text.empty() || !write_to(receiver_, text)) disconnect();
}

namespace {

struct Ends {
  Ends() : server(listening_at(scratch() / "there")) {
    receiver = connected_to(scratch() / "here");
    sender = ::accept4(server, nullptr, nullptr, SOCK_CLOEXEC);
  }
  ~Ends() {
    for (const int each : {server, receiver, sender}) ::close(each);
  }
  int server;
  int receiver = -1;
  int sender = -1;
};

bool has_something(int socket) {
  pollfd watched{socket, POLLIN, 0};
  return ::poll(&watched, 1, 20 * look_again_ms) == 1;
}

TEST(Relay, HoldsWhatComesDownAndPassesWhatGoesUp) {
  Relay relay(scratch() / "here", scratch() / "there");
  const Ends ends;
  write_to(ends.sender, "wal");
  EXPECT_EQ(read_from(ends.receiver), "wal");
  relay.hold_wal();
  write_to(ends.receiver, "one");
  EXPECT_EQ(read_from(ends.sender), "one");
  write_to(ends.sender, "more");
  EXPECT_FALSE(has_something(ends.receiver));
}

TEST(Relay, CutsOneReplyAndCompletesItInOrder) {
  Relay relay(scratch() / "here", scratch() / "there");
  const Ends ends;
  relay.cut_reply();
  write_to(ends.receiver, "reply");
  EXPECT_EQ(read_from(ends.sender), "rep");
  write_to(ends.receiver, ", next");
  EXPECT_FALSE(has_something(ends.sender));
  EXPECT_TRUE(relay.reply_is_cut());
  relay.complete_reply();
  std::string came;
  while (came.size() < 8 && has_something(ends.sender)) came += read_from(ends.sender);
  EXPECT_EQ(came, "ly, next");
}

}  // namespace
}  // namespace evergres::differential

#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "proxy/io/reactor.hpp"
#include "proxy/io/sockets.hpp"
#include "proxy/io/stream.hpp"
#include "proxy/login/server_login.hpp"
#include "proxy/wire/walker.hpp"

namespace evergres::proxy {

/// Whose passage it is. On the same thread; any call may close the passage.
class PassageOwner {
 public:
  virtual void opened(ServerReady ready) = 0;
  /// It can take more of the client's again.
  virtual void goes_on() = 0;
  /// Whole or partial messages of the server. False: the owner is over.
  virtual bool arrived(std::string_view bytes) = 0;
  /// Whether the client can take more; else the server is not read until resume().
  [[nodiscard]] virtual bool takes() const = 0;
  /// There was no login: what to tell the client. Or the server ended it (`sqlstate` empty), and
  /// has told the client why itself. Nothing follows.
  virtual void closed(const std::string& sqlstate, const Error& error) = 0;

 protected:
  ~PassageOwner() = default;
};

/// A server for one client alone: replication goes through as it is and shares nothing. Bytes are
/// passed both ways; they are walked only to know where a command ends and whether the connection
/// calls itself like a standby that acknowledges commits. One thread.
class Passage final : public Watcher {
 public:
  struct Plan {
    Resolved address;
    Address named;  ///< what `address` was looked up from
    ServerLoginPlan login;
    const TlsContext* tls = nullptr;
    Instant deadline;  ///< of connecting and logging in
  };
  Passage(Reactor& reactor, PassageOwner& owner, Plan plan);
  ~Passage();
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;

  /// What fails is told to the owner, later.
  void begin();
  /// Whether a message of this type may be passed on now. One command at a time: what a command did
  /// to the name of the connection is known before the next one begins.
  [[nodiscard]] bool may_take(char type) const;
  void take(const Frame& frame);
  void resume();
  /// Ends it; the owner hears nothing any more.
  void close();
  /// For the owner's clock.
  [[nodiscard]] bool late() const { return step_ < Step::open && reactor_.now() > plan_.deadline; }
  [[nodiscard]] bool is_open() const { return step_ == Step::open; }
  [[nodiscard]] bool is_over() const { return step_ == Step::over; }
  /// The client has only whole messages of the server: an error of ours may follow.
  [[nodiscard]] bool between_messages() const { return !torn_; }

  // For the console.
  std::uint64_t number = 0;  ///< the owner's
  [[nodiscard]] const Stream& stream() const { return stream_; }
  [[nodiscard]] Instant born() const { return born_; }
  [[nodiscard]] const Address& named() const { return plan_.named; }

  unsigned cancels = 0;  ///< cancel requests that are on their way to its server
  /// For cancel requests, once it is open.
  [[nodiscard]] const Resolved& address() const { return plan_.address; }
  [[nodiscard]] std::int32_t pid() const { return pid_; }
  [[nodiscard]] const std::string& key() const { return key_; }

  void ready(Ready what) override;

 private:
  enum class Step { connecting, handshake, login, open, over };
  static constexpr std::size_t congestion = 256U << 10U;

  void connected();
  void shake_hands();
  void log_in();
  void step(ServerStep step);
  void read();
  bool walk(std::string_view& input);
  bool look(const Frame& frame);
  void fail(const std::string& sqlstate, const Error& error);

  Reactor& reactor_;
  PassageOwner& owner_;
  Plan plan_;
  Stream stream_;
  Reactor::Watch watch_;
  Step step_ = Step::connecting;
  Instant born_;
  std::unique_ptr<ServerLogin> login_;
  std::string out_;
  std::string pending_;
  Walker walker_{Side::backend, Phase::session};
  std::int32_t pid_ = 0;
  std::string key_;
  bool answering_ = false;  ///< a command was sent and its ReadyForQuery has not come
  bool unread_ = false;
  bool torn_ = false;  ///< what was handed out last ends inside of a message
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace evergres::proxy

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "proxy/io/reactor.hpp"
#include "proxy/io/stream.hpp"
#include "proxy/pool/server.hpp"

namespace evergres::proxy {

/// One cancel request on its way to a server: a connection of its own, which the server closes when
/// it has signalled (protocol documentation, "Canceling Requests in Progress"). Until then the
/// server is not given to anybody else.
class Canceller final : public Watcher {
 public:
  using Done = std::function<void(Canceller&)>;
  Canceller(Reactor& reactor, Server& server, Done done);
  ~Canceller();
  Canceller(const Canceller&) = delete;
  Canceller& operator=(const Canceller&) = delete;

  void begin();
  void ready(Ready what) override;
  /// It took too long.
  [[nodiscard]] bool late() const { return reactor_.now() > deadline_; }
  void give_up() {
    // It may still arrive: that server is for nobody else.
    if (sent_ && *server_alive_) server_->retire_when_free = true;
    over();
  }

 private:
  void over();

  Reactor& reactor_;
  Server* server_;
  std::shared_ptr<bool> server_alive_;
  Stream stream_;
  Reactor::Watch watch_;
  Resolved address_;
  std::string request_;
  Instant deadline_;
  bool sent_ = false;
  bool done_told_ = false;
  Done done_;
};

}  // namespace evergres::proxy

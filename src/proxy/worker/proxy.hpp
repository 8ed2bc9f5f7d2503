#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "proxy/configuration.hpp"
#include "proxy/console/command.hpp"
#include "proxy/console/snapshot.hpp"
#include "proxy/pool/surroundings.hpp"
#include "proxy/worker/handover.hpp"
#include "proxy/world.hpp"

namespace evergres::proxy {

/// The data plane: listens, and serves clients on threads of its own from start() until it is
/// destroyed. Who leads is told by set_world(); before the first word nobody leads and everybody
/// waits.
class Proxy {
 public:
  struct Hooks {
    /// From any thread.
    std::function<void(Loudness, const std::string&)> say;
    /// See Feed::applied(). From any thread.
    std::function<void(unsigned shard, std::uint64_t world, std::uint32_t busy)> applied = {};
    /// RELOAD and SHUTDOWN in the console: see Desk::Hooks.
    std::function<void(std::function<void(const Outcome&)>)> reload = {};
    std::function<void(Shutdown)> shut_down = {};
    std::string version = "?";  ///< that the console shows
  };
  /// `taken`: sockets of a process that this one replaces; those that the configuration does not
  /// name are closed. Errors: of the configuration's files, port_taken, permission.
  static Result<std::unique_ptr<Proxy>> start(Configuration configuration, Hooks hooks,
                                              std::vector<HandedSocket> taken = {});
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  /// Any thread.
  void set_world(std::shared_ptr<const World> world);
  /// Files are read anew, limits and times are those of `configuration`; nobody is disturbed. With
  /// an error everything stays as it was. Not from a shard's thread.
  Outcome reload(Configuration configuration);
  /// What the console shows, with clients and servers one by one if `connections`. Any thread;
  /// `then` is called on a shard's thread, or never if the proxy ends before.
  void look(bool connections, std::function<void(std::shared_ptr<const Snapshot>)> then);
  /// Lets nobody in any more; whoever is there stays. The sockets are closed when this returns. Not
  /// from a shard's thread.
  void shut_doors();
  /// Any thread: without those of the console.
  [[nodiscard]] std::size_t clients() const;
  /// The listening sockets, which stay the proxy's, until shut_doors() or leave().
  [[nodiscard]] std::vector<HandoverDoor::Listening> listening() const;
  /// Lets nobody in any more, tells those who are between transactions to go, and returns when all
  /// have gone or `grace` is over.
  void leave(Millis grace);

  /// The ports that it listens on, in the order of Configuration::listen.
  [[nodiscard]] std::vector<int> ports() const;
  [[nodiscard]] unsigned shards() const;

 private:
  struct Impl;
  explicit Proxy(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace evergres::proxy

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "proxy/configuration.hpp"
#include "proxy/pool/surroundings.hpp"
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
  };
  /// Errors: of the configuration's files, port_taken, permission.
  static Result<std::unique_ptr<Proxy>> start(Configuration configuration, Hooks hooks);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  /// Any thread.
  void set_world(std::shared_ptr<const World> world);
  /// Files are read anew, limits and times are those of `configuration`; nobody is disturbed. With
  /// an error everything stays as it was. Not from a shard's thread.
  Outcome reload(Configuration configuration);
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

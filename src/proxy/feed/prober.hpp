#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "proxy/feed/external_servers.hpp"
#include "proxy/loudness.hpp"
#include "proxy/world.hpp"

namespace evergres::proxy {

/// Where there are no agents: asks servers themselves, on a thread for each, who is the primary,
/// and judges with ExternalView. It connects once and asks again on that connection, so that a
/// server that goes is noticed at once. Its Worlds have no promotions and their leaders no
/// timeline: nobody recorded which transaction ids belong to whom, so that every fate of a COMMIT
/// stays unknown.
class Prober {
 public:
  struct Options {
    ExternalServers servers;
    std::string password;  ///< of servers.user; a secret
    Millis interval{1'000};
    Millis timeout{2'000};  ///< of one question, connecting included
    /// Remembers the database system and the highest timeline; made when they are known.
    std::filesystem::path known_file;
    std::function<void(Loudness, const std::string&)> note = {};  ///< from any thread
    /// What a name means now; from threads of the prober.
    std::function<Result<std::vector<Resolved>>(const Address&)> look_up = resolve;
  };
  /// At each change, and at most twice a second when only lags changed; from threads of the prober,
  /// one call at a time. It must not block.
  using OnWorld = std::function<void(std::shared_ptr<const World>)>;

  /// Begins. Errors: those of reading known_file; data_invalid if it is not ours.
  static Result<std::unique_ptr<Prober>> start(Options options, OnWorld on_world);
  /// `on_world` is not called any more when this returns. A name that is being looked up is waited
  /// for.
  ~Prober();
  /// For the connections that are made from now on. Any thread.
  void set_password(std::string password);
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

 private:
  struct Impl;
  explicit Prober(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace evergres::proxy

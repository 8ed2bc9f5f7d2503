#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "config/node_settings.hpp"
#include "net/secret.hpp"
#include "proxy/feed/world_maker.hpp"
#include "proxy/world.hpp"

namespace evergres::proxy {

/// How the endpoint learns who leads: it watches all agents of a cluster, on a thread of its own,
/// and believes the newest word. Agents that words name are dialled too, so that one address is
/// enough to begin with.
class Feed {
 public:
  struct Options {
    std::string cluster;                           ///< its name
    net::Secret watch_secret;                      ///< net::watch_secret() of the cluster's
    std::vector<WorldMaker::AgentAddress> agents;  ///< to begin with; dialled for ever
    std::optional<ClusterId> cluster_id;           ///< absent: that of the first word
    /// Where a server is: sockets.hpp's resolve(). Called on threads of the feed, where it may block.
    std::function<Result<std::vector<Resolved>>(const Address&)> look_up;
    unsigned shards = 1;        ///< how many report with applied(); 0: nobody, words are obeyed at once
    bool unix_sockets = true;   ///< servers of this machine are addressed by their unix sockets
    Millis stale_after{10'000};
    /// A sentence for the log: an agent is heard, is lost, cannot be believed. On the feed's thread.
    std::function<void(const std::string&)> note = {};
  };
  /// At each change, and at most twice a second when only lags changed; on the feed's thread, which
  /// must not be held up. The first comes with the first word.
  using OnWorld = std::function<void(std::shared_ptr<const World>)>;

  /// To begin with this node's own agent, as its node.yaml says, or without a node with those that
  /// the file names; `look_up` and the rest are left to
  /// the caller. Blocks for the time of a file read. Errors: those of load_secret().
  static Result<Options> options_of(const config::NodeSettings& node);

  /// Begins. Errors: config_invalid if there is no agent to dial.
  static Result<std::unique_ptr<Feed>> start(Options options, OnWorld on_world);
  /// `on_world` is not called any more when this returns.
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  /// Shard `shard` works with the World of this number or a later one, and `busy` of its
  /// transactions run on the leader. To be told for each World and, while one says `draining`, again
  /// whenever `busy` changes: a planned handover waits until all shards have said 0. Any thread,
  /// never blocks.
  void applied(unsigned shard, std::uint64_t world, std::uint32_t busy);

  struct Agent {
    WorldMaker::AgentAddress address;
    std::string name;     ///< of its node; "" before it was heard
    bool heard = false;   ///< connected now
    std::string trouble;  ///< a sentence: why it is not
  };
  struct Status {
    std::optional<ClusterId> cluster;
    std::vector<Agent> agents;
    std::optional<Nanos> last_word_age;
    /// No agent was heard for `stale_after`. The last leader is still believed: its own supervisor
    /// stops it when nobody entitles it any more.
    bool stale = false;
  };
  /// Any thread.
  [[nodiscard]] Status status() const;

 private:
  struct Impl;
  explicit Feed(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace evergres::proxy

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "proxy/console/console_session.hpp"
#include "proxy/console/snapshot.hpp"
#include "proxy/console/stats_history.hpp"
#include "proxy/worker/shard.hpp"

namespace evergres::proxy {

/// What concerns all shards at once: the tables of the console, and what admins do. It asks each
/// shard by a post and never waits; its own state belongs to the thread of the first shard.
class Desk {
 public:
  struct Hooks {
    /// RELOAD: does it on another thread and tells what became of it, from any thread.
    std::function<void(std::function<void(const Outcome&)>)> reload;
    /// SHUTDOWN: begins it on another thread.
    std::function<void(Shutdown)> shut_down;
  };
  /// A command of the client of a shard, which knows the client by the ticket.
  struct Asked {
    unsigned shard = 0;
    std::uint64_t ticket = 0;
    auto operator<=>(const Asked&) const = default;
  };
  using Then = std::function<void(std::shared_ptr<const Snapshot>)>;

  /// The shards outlive it and are not running yet.
  Desk(std::vector<Shard*> shards, Hooks hooks, std::string version,
       std::shared_ptr<const Configuration> configuration);

  // Any thread.
  void ask(const Asked& asked, Command command);
  /// Nobody waits for the answer any more. A PAUSE that was not answered yet is taken back.
  void give_up(const Asked& asked);
  /// `then` is called on the thread of the first shard; never, if the shards end before.
  void look(bool connections, Then then);
  void set_configuration(std::shared_ptr<const Configuration> configuration);

 private:
  /// A PAUSE or WAIT_CLOSE that is not answered yet.
  using Waiting = std::map<Asked, Command>;

  // The first shard's thread.
  void carry_out(const Asked& asked, const Command& command);
  void change(const Asked& asked, const Command& command);
  void decide(const Asked& asked, const Command& command, bool known);
  [[nodiscard]] std::optional<Refusal> why_not(const Command& command, bool known) const;
  void note(const Command& command);
  void end_waiting_pauses(const Shard::Database& database);
  void show(const Asked& asked, const Command& command);
  void reload(const Asked& asked);
  void kill_client(const Asked& asked, const Command& command);
  void look_again();
  void take_sample();
  void answer(const Asked& asked, ConsoleAnswer answer);
  /// `what` on the thread of each shard, then `then` on ours.
  void everywhere(std::function<void(Shard&, std::size_t place)> what, std::function<void()> then);
  void look_here(bool connections, Then then);
  Reactor& home() { return shards_.front()->reactor(); }

  std::vector<Shard*> shards_;
  Hooks hooks_;
  std::string version_;
  std::shared_ptr<const Configuration> configuration_;
  StatsHistory history_;
  bool paused_ = false;
  std::map<std::string, bool, std::less<>> paused_databases_;
  std::set<Asked> asking_;  ///< before decide()
  Waiting waiting_;
  bool looks_ = false;  ///< for whether waiting_ can be answered
};

}  // namespace evergres::proxy

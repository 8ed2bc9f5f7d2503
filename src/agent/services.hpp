#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/known_settings.hpp"
#include "agent/server_details.hpp"
#include "agent/tally.hpp"
#include "base/result.hpp"
#include "cluster/spec.hpp"
#include "cluster/status.hpp"
#include "config/node_settings.hpp"
#include "core/position.hpp"
#include "core/situation.hpp"

/// What an agent offers to those who show it to others (src/api/): its view of the cluster and of
/// itself, as values. The agent knows none of them by name; src/app/ brings both together.
namespace evergres::agent {

struct Knowledge;
struct Setup;

/// What this agent knows at the instant `now`. What it does not know is absent.
struct View {
  Instant now;
  std::int64_t wall_ms = 0;  ///< the same moment, for display
  cluster::ClusterStatus cluster;
  /// Ascending by term; null until it was read. At most a few seconds behind the record.
  std::shared_ptr<const std::vector<cluster::HistoryEntry>> history;
  std::vector<core::Lineage> lineage;
  std::map<std::string, std::string> api_urls;  ///< by node, as far as their cards tell

  // The record, and what it says of this node.
  bool record_known = false;
  bool paused = false;
  bool leader_is_open = false;  ///< its phase is "leading"
  bool named_leader = false;    ///< and it names this incarnation of this node
  bool named_heir = false;      ///< it names this node, but the barrier is not proven
  bool yields = false;          ///< an older agent of this name lives: this one may say nothing

  // The PostgreSQL of this node.
  core::Server server;
  std::optional<ServerDetails> details;  ///< while it runs and answers
  std::vector<PendingSetting> pending_restart;
  std::optional<std::string> operation;  ///< kind of what is done to it now
  /// The newest end of WAL that is known of the leader; without a leader, of anybody.
  std::optional<Lsn> leader_end;
  std::map<std::string, std::string> tags;
  /// The newest settings of the cluster that this node saw; null: none.
  std::shared_ptr<const cluster::Spec> cluster_settings;

  // The agent itself.
  std::optional<Nanos> store_age;  ///< since the last successful read of the store was begun
  Nanos loop_age{0};               ///< since it last began to decide
  Nanos loop_took{0};              ///< how long that took the last time
  std::uint64_t agent_restarts = 0;
  Tally tally;
  std::string version;  ///< of evergres; this and the next two are filled in by who shows it
  std::uint64_t http_changes = 0;  ///< asked for over HTTP by those who may
  std::uint64_t http_authentication_failures = 0;
  const config::NodeSettings* settings = nullptr;  ///< live as long as the agent
};

View view_of(const Knowledge& knowledge, const Setup& setup, Instant now);

/// For a service that runs inside an agent. Everything belongs to the thread of `executor`, which
/// is the agent's control thread: a service must never block it.
struct Services {
  boost::asio::any_io_executor executor;
  std::function<View()> view;
  /// What the command line asks on the control socket, by the same way: {"verb": …} is answered
  /// with its result. Takes as long as the verb does. Nobody is authenticated here.
  std::function<boost::asio::awaitable<Result<boost::json::value>>(boost::json::value)> control;
};

/// Runs until it is cancelled. It must not throw anything but its cancellation: that would end the
/// agent.
using Service = std::function<boost::asio::awaitable<void>(Services)>;

/// http://HOST:PORT/patroni, as the other nodes reach it.
std::string api_url(const config::NodeSettings& settings);

}  // namespace evergres::agent

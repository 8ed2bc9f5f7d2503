#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/field.hpp"

/// What an agent answers to the verb "status" on its control socket: the whole cluster as this
/// agent sees it. The command line prints it; the same struct is its JSON.
namespace evergres::cluster {

/// How far a node is with the settings of the cluster.
struct SettingsOfNode {
  std::uint64_t generation = 0;              ///< that PostgreSQL has; 0: none
  std::vector<std::string> pending_restart;  ///< "max_connections: 100 -> 150"
  std::string trouble;  ///< a sentence: why it has not the newest; "" if it has
  std::map<std::string, std::string> altered;  ///< by ALTER SYSTEM, name and value
  std::vector<std::string> edited;             ///< "work_mem: 4MB -> 8MB" in the managed file
  auto operator<=>(const SettingsOfNode&) const = default;
};
constexpr auto fields(const SettingsOfNode*) {
  return std::tuple{Field{"generation", &SettingsOfNode::generation},
                    Field{"pending_restart", &SettingsOfNode::pending_restart},
                    Field{"trouble", &SettingsOfNode::trouble},
                    Field{"altered", &SettingsOfNode::altered},
                    Field{"edited", &SettingsOfNode::edited}};
}

struct NodeStatus {
  std::string name;
  std::string host;
  int port = 0;       ///< PostgreSQL's
  std::string role;   ///< "leader", "voter", "replica", "unknown"
  std::string state;  ///< "running", "streaming", "promoting", "fenced", "rewinding", "cloning",
                      ///< "stopped", "silent", …
  std::optional<std::uint32_t> timeline;
  std::optional<std::string> receive_lsn;  ///< flushed end of WAL
  std::optional<std::string> replay_lsn;
  std::optional<std::uint64_t>
      receive_lag_bytes;  ///< behind the leader; absent for the leader and if unknown
  std::optional<std::uint64_t> replay_lag_bytes;
  std::optional<double> lag_seconds;  ///< age of the last replayed transaction while something
                                      ///< waits for replay, else 0
  std::optional<std::string>
      why_not;        ///< a sentence if this node could not lead now; absent if it could
  std::string doing;  ///< the running operation with its progress, "" if none
  std::optional<double>
      seen_seconds_ago;  ///< age of what is shown here; absent for the answering node
  std::optional<SettingsOfNode> settings;
  std::optional<std::map<std::string, std::string>> tags;  ///< absent: none
  std::optional<std::string> follows;                      ///< the node whose WAL it streams
  std::optional<std::string> fenced_by;  ///< a sentence if an operator took it out by hand
};
constexpr auto fields(const NodeStatus*) {
  return std::tuple{Field{"name", &NodeStatus::name},
                    Field{"host", &NodeStatus::host},
                    Field{"port", &NodeStatus::port},
                    Field{"role", &NodeStatus::role},
                    Field{"state", &NodeStatus::state},
                    Field{"timeline", &NodeStatus::timeline},
                    Field{"receive_lsn", &NodeStatus::receive_lsn},
                    Field{"replay_lsn", &NodeStatus::replay_lsn},
                    Field{"receive_lag_bytes", &NodeStatus::receive_lag_bytes},
                    Field{"replay_lag_bytes", &NodeStatus::replay_lag_bytes},
                    Field{"lag_seconds", &NodeStatus::lag_seconds},
                    Field{"why_not", &NodeStatus::why_not},
                    Field{"doing", &NodeStatus::doing},
                    Field{"seen_seconds_ago", &NodeStatus::seen_seconds_ago},
                    Field{"settings", &NodeStatus::settings},
                    Field{"tags", &NodeStatus::tags},
                    Field{"follows", &NodeStatus::follows},
                    Field{"fenced_by", &NodeStatus::fenced_by}};
}

/// A replication slot of the leader, as it was within the last ten seconds.
struct SlotStatus {
  std::string name;
  std::string type;  ///< "physical" or "logical"
  std::string node;  ///< the node that it keeps WAL for; "" if none
  bool declared = false;  ///< in the settings of the cluster
  bool active = false;
  std::optional<std::string> restart_lsn;  ///< WAL is kept from here
  std::uint64_t retained_bytes = 0;
  std::string wal_status;  ///< "reserved", "extended", "unreserved", "lost"; "" if it keeps none
  std::string note;        ///< a sentence for its consumer, "" if there is nothing to say
};
constexpr auto fields(const SlotStatus*) {
  return std::tuple{Field{"name", &SlotStatus::name},
                    Field{"type", &SlotStatus::type},
                    Field{"node", &SlotStatus::node},
                    Field{"declared", &SlotStatus::declared},
                    Field{"active", &SlotStatus::active},
                    Field{"restart_lsn", &SlotStatus::restart_lsn},
                    Field{"retained_bytes", &SlotStatus::retained_bytes},
                    Field{"wal_status", &SlotStatus::wal_status},
                    Field{"note", &SlotStatus::note}};
}

struct ClusterStatus {
  std::string cluster;
  std::string answered_by;
  std::string system_id;
  std::uint64_t term = 0;
  std::string phase;
  std::optional<std::string> leader;
  std::optional<std::uint32_t> timeline;
  std::string durability;  ///< "quorum"
  std::uint32_t k = 0;
  std::uint32_t wanted_k = 0;
  std::vector<std::string> voters;
  std::size_t unproven = 0;  ///< policies recorded and not yet proven
  std::optional<std::string>
      degraded;  ///< a sentence, e.g. "DEGRADED: commits are on n1 alone; nobody else may lead"
  std::optional<std::string> store_trouble;     ///< a sentence while the store cannot be used
  std::optional<std::string> request;           ///< the pending request of an operator
  bool paused = false;                          ///< no automatic failover (decision 0022)
  std::uint64_t settings_generation = 0;        ///< of the cluster's settings; 0: there are none
  std::optional<std::string> settings_trouble;  ///< a sentence while the store's cannot be used
  std::optional<std::vector<std::string>>
      weak_settings;  ///< of synchronous_commit, weaker than the durability: "role app: off"
  std::optional<std::uint32_t> weak_sessions;  ///< connected under them; absent: none are known
  std::optional<std::vector<SlotStatus>> slots;  ///< absent: the leader has not said
  std::vector<std::string> guards;  ///< of the answering node: "subreaper", "memory locked", …
  std::vector<NodeStatus> nodes;
};
constexpr auto fields(const ClusterStatus*) {
  return std::tuple{Field{"cluster", &ClusterStatus::cluster},
                    Field{"answered_by", &ClusterStatus::answered_by},
                    Field{"system_id", &ClusterStatus::system_id},
                    Field{"term", &ClusterStatus::term},
                    Field{"phase", &ClusterStatus::phase},
                    Field{"leader", &ClusterStatus::leader},
                    Field{"timeline", &ClusterStatus::timeline},
                    Field{"durability", &ClusterStatus::durability},
                    Field{"k", &ClusterStatus::k},
                    Field{"wanted_k", &ClusterStatus::wanted_k},
                    Field{"voters", &ClusterStatus::voters},
                    Field{"unproven", &ClusterStatus::unproven},
                    Field{"degraded", &ClusterStatus::degraded},
                    Field{"store_trouble", &ClusterStatus::store_trouble},
                    Field{"request", &ClusterStatus::request},
                    Field{"paused", &ClusterStatus::paused},
                    Field{"settings_generation", &ClusterStatus::settings_generation},
                    Field{"settings_trouble", &ClusterStatus::settings_trouble},
                    Field{"weak_settings", &ClusterStatus::weak_settings},
                    Field{"weak_sessions", &ClusterStatus::weak_sessions},
                    Field{"slots", &ClusterStatus::slots},
                    Field{"guards", &ClusterStatus::guards},
                    Field{"nodes", &ClusterStatus::nodes}};
}

/// WAL that a failover without the leader gave up.
struct LostTail {
  std::string leader;             ///< whose WAL it was
  std::string from;               ///< where the next leader's WAL leaves it
  std::optional<std::string> to;  ///< the furthest that is known of it
  std::optional<std::uint64_t> bytes;
  std::uint64_t silent_ms = 0;  ///< what it wrote in this time after its last word is not in `to`
  bool measured = false;        ///< read from that leader itself, after it came back
};
constexpr auto fields(const LostTail*) {
  return std::tuple{Field{"leader", &LostTail::leader},
                    Field{"from", &LostTail::from},
                    Field{"to", &LostTail::to},
                    Field{"bytes", &LostTail::bytes},
                    Field{"silent_ms", &LostTail::silent_ms},
                    Field{"measured", &LostTail::measured}};
}

/// One term in the history of the cluster, kept in the store under events/.
struct HistoryEntry {
  std::uint64_t term = 0;
  std::uint32_t timeline = 0;
  std::string switch_lsn;
  std::string kind;  ///< "bootstrap", "failover", "switchover", "restart", "forced failover"
  std::string from;  ///< the leader before, "" if none
  std::string to;
  std::string reason;               ///< one sentence
  std::int64_t wall_ms = 0;         ///< when the node opened
  std::vector<std::string> phases;  ///< "fence 31 ms", "promote 52 ms", … in order
  std::vector<std::string> facts;   ///< candidates with positions, who was excluded and why
  std::optional<LostTail> lost;     ///< what this failover gave up
};
constexpr auto fields(const HistoryEntry*) {
  return std::tuple{Field{"term", &HistoryEntry::term},
                    Field{"timeline", &HistoryEntry::timeline},
                    Field{"switch_lsn", &HistoryEntry::switch_lsn},
                    Field{"kind", &HistoryEntry::kind},
                    Field{"from", &HistoryEntry::from},
                    Field{"to", &HistoryEntry::to},
                    Field{"reason", &HistoryEntry::reason},
                    Field{"wall_ms", &HistoryEntry::wall_ms},
                    Field{"phases", &HistoryEntry::phases},
                    Field{"facts", &HistoryEntry::facts},
                    Field{"lost", &HistoryEntry::lost}};
}

/// What a node announces of itself in the store under nodes/<name>.
struct NodeCard {
  std::string name;
  std::string
      node_id;  ///< random, kept in the node's state directory: two nodes of one name differ here
  std::string peer_host;
  int peer_port = 0;
  std::string postgres_host;
  int postgres_port = 0;
  std::string incarnation;
  std::string version;  ///< of evergres
  int postgres_major = 0;
  std::uint64_t beat = 0;              ///< bumped each second while the agent lives
  std::vector<std::string> hears;      ///< names of the peers heard within suspect_after
  std::optional<std::string> agent;    ///< the run of the agent that wrote this
  std::optional<std::string> api_url;  ///< where it answers HTTP: "http://10.0.0.2:8008/patroni"
  std::optional<SettingsOfNode> settings;
  std::optional<std::map<std::string, std::string>> tags;  ///< as its node.yaml says
  /// Where its endpoint answers other endpoints; absent if it has none.
  std::optional<std::string> endpoint_host;
  std::optional<int> endpoint_port;
};
constexpr auto fields(const NodeCard*) {
  return std::tuple{Field{"name", &NodeCard::name},
                    Field{"node_id", &NodeCard::node_id},
                    Field{"peer_host", &NodeCard::peer_host},
                    Field{"peer_port", &NodeCard::peer_port},
                    Field{"postgres_host", &NodeCard::postgres_host},
                    Field{"postgres_port", &NodeCard::postgres_port},
                    Field{"incarnation", &NodeCard::incarnation},
                    Field{"version", &NodeCard::version},
                    Field{"postgres_major", &NodeCard::postgres_major},
                    Field{"beat", &NodeCard::beat},
                    Field{"hears", &NodeCard::hears},
                    Field{"agent", &NodeCard::agent},
                    Field{"api_url", &NodeCard::api_url},
                    Field{"settings", &NodeCard::settings},
                    Field{"tags", &NodeCard::tags},
                    Field{"endpoint_host", &NodeCard::endpoint_host},
                    Field{"endpoint_port", &NodeCard::endpoint_port}};
}

}  // namespace evergres::cluster

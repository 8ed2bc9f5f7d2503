#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "proxy/configuration.hpp"
#include "proxy/console/histogram.hpp"

/// What the console shows, as plain values. A worker fills a ShardSnapshot on its own thread; they
/// are merged here and shown by tables.hpp.
namespace evergres::proxy {

/// Counters since the start of the process; as averages the same per second, times per event.
struct StatsTotals {
  std::uint64_t assignments = 0;     ///< servers lent to clients
  std::uint64_t transactions = 0;
  std::uint64_t queries = 0;
  std::uint64_t received = 0;        ///< bytes from clients
  std::uint64_t sent = 0;            ///< bytes to clients
  std::uint64_t transaction_us = 0;  ///< microseconds that transactions took
  std::uint64_t query_us = 0;        ///< microseconds that queries took
  std::uint64_t wait_us = 0;         ///< microseconds for which clients waited for their server
  std::uint64_t client_parses = 0;   ///< Parse messages of clients
  std::uint64_t server_parses = 0;   ///< those that were sent to servers
  std::uint64_t binds = 0;

  bool operator==(const StatsTotals&) const = default;
};
inline constexpr std::array stats_members{
    &StatsTotals::assignments,   &StatsTotals::transactions,  &StatsTotals::queries,
    &StatsTotals::received,      &StatsTotals::sent,          &StatsTotals::transaction_us,
    &StatsTotals::query_us,      &StatsTotals::wait_us,       &StatsTotals::client_parses,
    &StatsTotals::server_parses, &StatsTotals::binds};
void add(StatsTotals& to, const StatsTotals& more);

/// One pool: a database and a user. Numbers of connections.
struct PoolFacts {
  std::string database;
  std::string user;
  std::uint32_t clients_active = 0;   ///< has a server, or wants none
  std::uint32_t clients_waiting = 0;  ///< wants one
  std::uint32_t cancels_sent = 0;     ///< cancel requests that a server is told
  std::uint32_t cancels_waiting = 0;
  std::uint32_t servers_active = 0;
  std::uint32_t servers_cancelling = 0;  ///< connections that carry a cancel request
  std::uint32_t servers_cancelled = 0;   ///< would be free but for a cancel request under way
  std::uint32_t servers_idle = 0;
  std::uint32_t servers_used = 0;    ///< idle, and looked at before they are lent
  std::uint32_t servers_tested = 0;  ///< being reset or looked at
  std::uint32_t servers_login = 0;
  std::uint64_t longest_wait_us = 0;  ///< of the client that waits longest
  PoolMode mode = PoolMode::session;
};

/// A client or a server.
struct SocketFacts {
  std::uint64_t id = 0;  ///< unique in the process; the column is an int4: keep it below 2^31
  /// Id of the server of a client, and the reverse.
  std::optional<std::uint64_t> link = std::nullopt;
  std::string user;
  std::string database;
  std::string replication = "none";  ///< or "logical", "physical"
  /// Clients: active, idle, waiting, active_cancel_req, waiting_cancel_req; servers: active, idle,
  /// used, tested, new, active_cancel, being_canceled.
  std::string state;
  std::string address;  ///< "unix" for a local socket
  std::uint16_t port = 0;
  std::string local_address;
  std::uint16_t local_port = 0;
  std::int64_t connected_wall_ms = 0;
  std::int64_t requested_wall_ms = 0;  ///< the last request; the connecting if there was none
  std::uint64_t wait_us = 0;
  bool close_needed = false;
  std::uint32_t remote_pid = 0;
  std::string tls;  ///< "TLSv1.3/…", "" without
  std::string application;
  std::uint32_t statements = 0;  ///< prepared
  std::uint32_t unread = 0;      ///< bytes that arrived and were not looked at
  std::uint32_t unsent = 0;
};

struct DatabaseFacts {
  std::string name;
  std::string host;
  std::uint16_t port = 0;
  std::string database;
  std::optional<std::string> forced_user = std::nullopt;
  std::uint32_t pool_size = 0;
  std::uint32_t least_pool_size = 0;
  std::uint32_t reserve_pool_size = 0;
  std::uint32_t server_lifetime_s = 0;
  std::optional<PoolMode> mode = std::nullopt;      ///< if it has its own
  std::uint32_t server_limit = 0;    ///< 0: none
  std::uint32_t servers = 0;
  std::uint32_t client_limit = 0;    ///< 0: none
  std::uint32_t clients = 0;
  bool paused = false;
  bool disabled = false;
};

struct UserFacts {
  std::string name;
  std::optional<std::uint32_t> pool_size = std::nullopt;  ///< if it has its own
  std::optional<std::uint32_t> reserve_pool_size = std::nullopt;
  std::optional<PoolMode> mode = std::nullopt;
  std::uint32_t server_limit = 0;
  std::uint32_t servers = 0;
  std::uint32_t client_limit = 0;
  std::uint32_t clients = 0;
};

/// One kind of memory block; sizes in bytes.
struct MemoryFacts {
  std::string name;
  std::uint32_t size = 0;  ///< of one block
  std::uint32_t used = 0;  ///< blocks
  std::uint32_t free = 0;  ///< blocks that are kept
};

/// What one worker knows. Limits that hold for the whole process are the same in each.
struct ShardSnapshot {
  std::vector<PoolFacts> pools;
  std::vector<SocketFacts> clients;
  std::vector<SocketFacts> servers;
  std::vector<DatabaseFacts> databases;
  std::vector<UserFacts> users;
  std::vector<MemoryFacts> memory;
  std::map<std::string, StatsTotals> totals;  ///< by database
  std::map<std::string, Times> times;         ///< by database
  std::uint32_t clients_in_login = 0;
  std::uint64_t failed_logins = 0;  ///< of the whole process, since its start
};

struct ConfigFacts {
  std::string key;
  std::string value;
  std::string preset;  ///< its value where nothing is said
  bool changeable = false;
};

/// What is shown.
struct Snapshot {
  ShardSnapshot all;                            ///< of all workers
  std::map<std::string, StatsTotals> averages;  ///< by database; see StatsHistory
  StatsTotals total_averages;                   ///< of all databases together
  std::vector<ConfigFacts> config;
  std::string version;  ///< of Evergres
  bool paused = false;
};

/// The workers together: numbers of the same pool, database, user or kind of memory are added,
/// waits are the longest, connections are put one behind the other. Sorted by name.
ShardSnapshot merged(std::span<const ShardSnapshot> shards);

/// The configuration under PgBouncer's names where it has them.
std::vector<ConfigFacts> config_facts(const Configuration& configuration);

}  // namespace evergres::proxy

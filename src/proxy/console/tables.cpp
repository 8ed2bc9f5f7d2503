#include "proxy/console/tables.hpp"

#include <array>
#include <utility>

#include "base/check.hpp"

namespace evergres::proxy {
namespace {

using Rows = std::vector<TableRow>;

template <typename Number>
std::string number(Number value) {
  return std::to_string(value);
}

std::optional<std::string> mode_text(const std::optional<PoolMode>& mode) {
  if (!mode) return std::nullopt;
  return std::string(word_of(*mode));
}

/// "2026-11-21 06:28:24 UTC"
std::string time_text(std::int64_t wall_ms) {
  return wall_text(wall_ms).substr(0, 19) + " UTC";
}

Rows pool_rows(const std::vector<PoolFacts>& pools) {
  Rows rows;
  for (const PoolFacts& pool : pools) {
    rows.push_back({pool.database, pool.user, number(pool.clients_active),
                    number(pool.clients_waiting), number(pool.cancels_sent),
                    number(pool.cancels_waiting), number(pool.servers_active),
                    number(pool.servers_cancelling), number(pool.servers_cancelled),
                    number(pool.servers_idle), number(pool.servers_used),
                    number(pool.servers_tested), number(pool.servers_login),
                    number(pool.longest_wait_us / 1'000'000),
                    number(pool.longest_wait_us % 1'000'000), std::string(word_of(pool.mode)),
                    std::nullopt});
  }
  return rows;
}

TableRow socket_row(const SocketFacts& socket, bool server, const std::string& state) {
  return {server ? "S" : "C",
          socket.user,
          socket.database,
          socket.replication,
          state,
          socket.address,
          number(socket.port),
          socket.local_address,
          number(socket.local_port),
          time_text(socket.connected_wall_ms),
          time_text(socket.requested_wall_ms),
          number(socket.wait_us / 1'000'000),
          number(socket.wait_us % 1'000'000),
          number(socket.close_needed ? 1 : 0),
          number(socket.id),  // an address of ours would be of no use, and says where things lie
          socket.link ? number(*socket.link) : std::string(),
          number(socket.remote_pid),
          socket.tls,
          socket.application,
          number(socket.statements),
          number(socket.id)};
}

Rows connection_rows(const std::vector<SocketFacts>& sockets, bool server) {
  Rows rows;
  for (const SocketFacts& socket : sockets) {
    rows.push_back(socket_row(socket, server, socket.state));
  }
  return rows;
}

/// PgBouncer shows its buffers; ours are lent only while something stands in them.
Rows socket_rows(const ShardSnapshot& all, bool only_active) {
  Rows rows;
  const auto take = [&](const std::vector<SocketFacts>& sockets, bool server) {
    for (const SocketFacts& socket : sockets) {
      if (only_active && socket.unread == 0 && socket.unsent == 0) continue;
      const std::string state = socket.state == "new" ? "login" : socket.state;
      TableRow row = socket_row(socket, server, (server ? "sv_" : "cl_") + state);
      for (int i = 0; i < 5; ++i) row.emplace_back("0");
      row.emplace_back(number(socket.unread));
      row.emplace_back(number(socket.unsent));
      rows.push_back(std::move(row));
    }
  };
  take(all.clients, false);
  take(all.servers, true);
  return rows;
}

Rows database_rows(const std::vector<DatabaseFacts>& databases) {
  Rows rows;
  for (const DatabaseFacts& database : databases) {
    rows.push_back({database.name,
                    database.host.empty() ? std::nullopt : std::optional(database.host),
                    number(database.port),
                    database.database,
                    database.forced_user,
                    number(database.pool_size),
                    number(database.least_pool_size),
                    number(database.reserve_pool_size),
                    number(database.server_lifetime_s),
                    mode_text(database.mode),
                    std::nullopt,
                    number(database.server_limit),
                    number(database.servers),
                    number(database.client_limit),
                    number(database.clients),
                    number(database.paused ? 1 : 0),
                    number(database.disabled ? 1 : 0),
                    number(database.reserve_pool_size)});
  }
  return rows;
}

Rows user_rows(const std::vector<UserFacts>& users) {
  // "" and not NULL for a size that is not said: admin.c has it so.
  const auto size = [](const std::optional<std::uint32_t>& own) {
    return own ? number(*own) : std::string();
  };
  Rows rows;
  for (const UserFacts& user : users) {
    rows.push_back({user.name, size(user.pool_size), size(user.reserve_pool_size),
                    mode_text(user.mode), number(user.server_limit), number(user.servers),
                    number(user.client_limit), number(user.clients)});
  }
  return rows;
}

void append(TableRow& row, const StatsTotals& values) {
  for (const auto member : stats_members) row.emplace_back(number(values.*member));
}

StatsTotals average_of(const Snapshot& snapshot, const std::string& database) {
  const auto found = snapshot.averages.find(database);
  return found == snapshot.averages.end() ? StatsTotals() : found->second;
}

Rows stats_rows(const Snapshot& snapshot, Show show) {
  Rows rows;
  for (const auto& [database, totals] : snapshot.all.totals) {
    TableRow row{database};
    if (show != Show::stats_averages) append(row, totals);
    if (show != Show::stats_totals) append(row, average_of(snapshot, database));
    if (show == Show::stats) row.emplace_back(number(totals.queries));
    rows.push_back(std::move(row));
  }
  return rows;
}

Rows total_rows(const Snapshot& snapshot) {
  static constexpr std::array<std::string_view, stats_members.size()> names{
      "server_assignment_count", "xact_count",   "query_count",
      "client_bytes",            "server_bytes", "xact_time",
      "query_time",              "wait_time",    "ps_client_parse_count",
      "ps_server_parse_count",   "ps_bind_count"};
  StatsTotals sum;
  for (const auto& [database, totals] : snapshot.all.totals) add(sum, totals);
  Rows rows;
  const auto take = [&](const std::string& prefix, const StatsTotals& values) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      rows.push_back({prefix + std::string(names[i]), number(values.*stats_members[i])});
    }
  };
  take("total_", sum);
  take("avg_", snapshot.total_averages);
  return rows;
}

Rows time_rows(const std::map<std::string, Times>& times) {
  Rows rows;
  for (const auto& [database, of] : times) {
    const auto take = [&](std::string name, const Histogram& histogram) {
      rows.push_back({database, std::move(name), number(histogram.count()),
                      number(histogram.quantile(0.5)), number(histogram.quantile(0.95)),
                      number(histogram.quantile(0.99)), number(histogram.most())});
    };
    take("wait", of.wait);
    take("hold", of.hold);
    take("query", of.query);
    take("transaction", of.transaction);
  }
  return rows;
}

Rows list_rows(const ShardSnapshot& all) {
  std::size_t free_clients = 0;
  std::size_t free_servers = 0;
  for (const MemoryFacts& kind : all.memory) {
    if (kind.name == "client") free_clients = kind.free;
    if (kind.name == "server") free_servers = kind.free;
  }
  Rows rows;
  const auto say = [&](std::string name, std::size_t items) {
    rows.push_back({std::move(name), number(items)});
  };
  say("databases", all.databases.size());
  say("users", all.users.size());
  say("peers", 0);
  say("pools", all.pools.size());
  say("peer_pools", 0);
  say("free_clients", free_clients);
  say("used_clients", all.clients.size() + all.clients_in_login);
  say("login_clients", all.clients_in_login);
  say("free_servers", free_servers);
  say("used_servers", all.servers.size());
  for (const char* name : {"dns_names", "dns_zones", "dns_queries", "dns_pending"}) say(name, 0);
  return rows;
}

Rows config_rows(const std::vector<ConfigFacts>& config) {
  Rows rows;
  for (const ConfigFacts& fact : config) {
    rows.push_back({fact.key, fact.value, fact.preset, fact.changeable ? "yes" : "no"});
  }
  return rows;
}

Rows memory_rows(const std::vector<MemoryFacts>& memory) {
  Rows rows;
  for (const MemoryFacts& kind : memory) {
    const std::uint64_t total = std::uint64_t{kind.size} * (std::uint64_t{kind.used} + kind.free);
    // The column is an int4.
    constexpr std::uint64_t most = 0x7fffffff;
    rows.push_back({kind.name, number(kind.size), number(kind.used), number(kind.free),
                    number(total < most ? total : most)});
  }
  return rows;
}

}  // namespace

std::vector<TableRow> rows_of(Show show, const Snapshot& snapshot) {
  const ShardSnapshot& all = snapshot.all;
  switch (show) {
    case Show::active_sockets: return socket_rows(all, true);
    case Show::sockets: return socket_rows(all, false);
    case Show::clients: return connection_rows(all.clients, false);
    case Show::servers: return connection_rows(all.servers, true);
    case Show::config: return config_rows(snapshot.config);
    case Show::databases: return database_rows(all.databases);
    case Show::lists: return list_rows(all);
    case Show::mem: return memory_rows(all.memory);
    case Show::pools: return pool_rows(all.pools);
    case Show::state:
      return {{"active", snapshot.paused ? "no" : "yes"},
              {"paused", snapshot.paused ? "yes" : "no"},
              {"suspended", "no"}};
    case Show::stats:
    case Show::stats_averages:
    case Show::stats_totals: return stats_rows(snapshot, show);
    case Show::stats_times: return time_rows(all.times);
    case Show::totals: return total_rows(snapshot);
    case Show::users: return user_rows(all.users);
    case Show::version:
      return {{"PgBouncer " + std::string(imitated_version) + " (Evergres " + snapshot.version +
               ")"}};
    // Agents say who leads: no names are looked up behind the operator's back. Proxies know each
    // other's cancel keys without being configured. Sockets and secrets are handed to nobody.
    case Show::dns_hosts:
    case Show::dns_zones:
    case Show::fds:
    case Show::help:
    case Show::peer_pools:
    case Show::peers: return {};
  }
  CHECK(false);
}

}  // namespace evergres::proxy

#include <array>

#include "base/check.hpp"
#include "proxy/console/tables.hpp"

namespace evergres::proxy {
namespace {

constexpr ColumnType text = ColumnType::text;
constexpr ColumnType int4 = ColumnType::int4;
constexpr ColumnType int8 = ColumnType::int8;
constexpr ColumnType numeric = ColumnType::numeric;

constexpr std::array pools{
    Column{"database", text},         Column{"user", text},
    Column{"cl_active", int4},        Column{"cl_waiting", int4},
    Column{"cl_active_cancel_req", int4}, Column{"cl_waiting_cancel_req", int4},
    Column{"sv_active", int4},        Column{"sv_active_cancel", int4},
    Column{"sv_being_canceled", int4}, Column{"sv_idle", int4},
    Column{"sv_used", int4},          Column{"sv_tested", int4},
    Column{"sv_login", int4},         Column{"maxwait", int4},
    Column{"maxwait_us", int4},       Column{"pool_mode", text},
    Column{"load_balance_hosts", text}};

constexpr std::array sockets{
    Column{"type", text},         Column{"user", text},         Column{"database", text},
    Column{"replication", text},  Column{"state", text},        Column{"addr", text},
    Column{"port", int4},         Column{"local_addr", text},   Column{"local_port", int4},
    Column{"connect_time", text}, Column{"request_time", text}, Column{"wait", int4},
    Column{"wait_us", int4},      Column{"close_needed", int4}, Column{"ptr", text},
    Column{"link", text},         Column{"remote_pid", int4},   Column{"tls", text},
    Column{"application_name", text}, Column{"prepared_statements", int4}, Column{"id", int4},
    Column{"recv_pos", int4},     Column{"pkt_pos", int4},      Column{"pkt_remain", int4},
    Column{"send_pos", int4},     Column{"send_remain", int4},  Column{"pkt_avail", int4},
    Column{"send_avail", int4}};
constexpr std::size_t columns_of_a_connection = 21;

constexpr std::array databases{
    Column{"name", text},
    Column{"host", text},
    Column{"port", int4},
    Column{"database", text},
    Column{"force_user", text},
    Column{"pool_size", int4},
    Column{"min_pool_size", int4},
    Column{"reserve_pool_size", int4},
    Column{"server_lifetime", int4},
    Column{"pool_mode", text},
    Column{"load_balance_hosts", text},
    Column{"max_connections", int4},
    Column{"current_connections", int4},
    Column{"max_client_connections", int4},
    Column{"current_client_connections", int4},
    Column{"paused", int4},
    Column{"disabled", int4},
    Column{"reserve_pool", int4}};

constexpr std::array users{
    Column{"name", text},
    Column{"pool_size", text},
    Column{"reserve_pool_size", text},
    Column{"pool_mode", text},
    Column{"max_user_connections", int4},
    Column{"current_connections", int4},
    Column{"max_user_client_connections", int4},
    Column{"current_client_connections", int4}};

constexpr std::array stats{
    Column{"database", text},
    Column{"total_server_assignment_count", numeric},
    Column{"total_xact_count", numeric},
    Column{"total_query_count", numeric},
    Column{"total_received", numeric},
    Column{"total_sent", numeric},
    Column{"total_xact_time", numeric},
    Column{"total_query_time", numeric},
    Column{"total_wait_time", numeric},
    Column{"total_client_parse_count", numeric},
    Column{"total_server_parse_count", numeric},
    Column{"total_bind_count", numeric},
    Column{"avg_server_assignment_count", numeric},
    Column{"avg_xact_count", numeric},
    Column{"avg_query_count", numeric},
    Column{"avg_recv", numeric},
    Column{"avg_sent", numeric},
    Column{"avg_xact_time", numeric},
    Column{"avg_query_time", numeric},
    Column{"avg_wait_time", numeric},
    Column{"avg_client_parse_count", numeric},
    Column{"avg_server_parse_count", numeric},
    Column{"avg_bind_count", numeric},
    Column{"total_requests", numeric}};

constexpr std::array stats_totals{
    Column{"database", text},
    Column{"server_assignment_count", numeric},
    Column{"xact_count", numeric},
    Column{"query_count", numeric},
    Column{"bytes_received", numeric},
    Column{"bytes_sent", numeric},
    Column{"xact_time", numeric},
    Column{"query_time", numeric},
    Column{"wait_time", numeric},
    Column{"client_parse_count", numeric},
    Column{"server_parse_count", numeric},
    Column{"bind_count", numeric}};

// Not all of them say avg_: stats.c has them so.
constexpr std::array stats_averages{
    Column{"database", text},
    Column{"server_assignment_count", numeric},
    Column{"xact_count", numeric},
    Column{"query_count", numeric},
    Column{"bytes_received", numeric},
    Column{"bytes_sent", numeric},
    Column{"xact_time", numeric},
    Column{"query_time", numeric},
    Column{"wait_time", numeric},
    Column{"avg_client_parse_count", numeric},
    Column{"avg_server_parse_count", numeric},
    Column{"avg_bind_count", numeric}};

/// Ours: PgBouncer has averages only.
constexpr std::array stats_times{Column{"database", text}, Column{"time", text},
                                 Column{"count", int8},    Column{"p50_us", int8},
                                 Column{"p95_us", int8},   Column{"p99_us", int8},
                                 Column{"max_us", int8}};

constexpr std::array totals{Column{"name", text}, Column{"value", numeric}};
constexpr std::array lists{Column{"list", text}, Column{"items", int4}};
constexpr std::array config{Column{"key", text}, Column{"value", text}, Column{"default", text},
                            Column{"changeable", text}};
constexpr std::array state{Column{"key", text}, Column{"value", text}};
constexpr std::array mem{Column{"name", text}, Column{"size", int4}, Column{"used", int4},
                         Column{"free", int4}, Column{"memtotal", int4}};
constexpr std::array version{Column{"version", text}};
constexpr std::array peers{Column{"peer_id", int4}, Column{"host", text}, Column{"port", int4},
                           Column{"pool_size", int4}};
constexpr std::array peer_pools{Column{"peer_id", int4}, Column{"cl_active_cancel_req", int4},
                                Column{"cl_waiting_cancel_req", int4},
                                Column{"sv_active_cancel", int4}, Column{"sv_login", int4}};
constexpr std::array dns_hosts{Column{"hostname", text}, Column{"ttl", int8},
                               Column{"addrs", text}};
constexpr std::array dns_zones{Column{"zonename", text}, Column{"serial", int8},
                               Column{"count", int4}};
constexpr std::array fds{Column{"fd", int4},
                         Column{"task", text},
                         Column{"user", text},
                         Column{"database", text},
                         Column{"addr", text},
                         Column{"port", int4},
                         Column{"cancel", int8},
                         Column{"link", int4},
                         Column{"client_encoding", text},
                         Column{"std_strings", text},
                         Column{"datestyle", text},
                         Column{"timezone", text},
                         Column{"password", text},
                         Column{"scram_client_key", ColumnType::bytea},
                         Column{"scram_server_key", ColumnType::bytea}};

}  // namespace

std::span<const Column> columns_of(Show show) {
  switch (show) {
    case Show::active_sockets:
    case Show::sockets: return sockets;
    case Show::clients:
    case Show::servers: return std::span(sockets).first(columns_of_a_connection);
    case Show::config: return config;
    case Show::databases: return databases;
    case Show::dns_hosts: return dns_hosts;
    case Show::dns_zones: return dns_zones;
    case Show::fds: return fds;
    case Show::help: return {};
    case Show::lists: return lists;
    case Show::mem: return mem;
    case Show::peer_pools: return peer_pools;
    case Show::peers: return peers;
    case Show::pools: return pools;
    case Show::state: return state;
    case Show::stats: return stats;
    case Show::stats_averages: return stats_averages;
    case Show::stats_times: return stats_times;
    case Show::stats_totals: return stats_totals;
    case Show::totals: return totals;
    case Show::users: return users;
    case Show::version: return version;
  }
  CHECK(false);
}

}  // namespace evergres::proxy

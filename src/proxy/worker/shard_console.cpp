#include <sys/socket.h>

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "proxy/io/sockets.hpp"
#include "proxy/worker/shard.hpp"

/// What the console wants of one shard: its numbers, and what admins do to databases.
namespace evergres::proxy {
namespace {

/// Ids are numbers below 2^31: the shard, and what is left of its own number of a connection. A
/// number is used again after 33 million connections of the shard.
constexpr unsigned bits_of_number = 25;
constexpr std::uint64_t number_mask = (std::uint64_t{1} << bits_of_number) - 1;

/// Of our end of a connection: "127.0.0.1" and 5432, "unix" and 0, nothing if it is closed.
std::pair<std::string, std::uint16_t> local_end(int descriptor) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  if (address.ss_family == AF_UNIX) return {"unix", std::uint16_t{0}};
  std::string text = Resolved(std::string(reinterpret_cast<const char*>(&address), length)).text();
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return {};
  const auto port = static_cast<std::uint16_t>(std::stoul(text.substr(colon + 1)));
  text.resize(colon);
  if (text.starts_with('[')) text = text.substr(1, text.size() - 2);
  return {std::move(text), port};
}

std::string setting_of(const Settings* settings, std::string_view name) {
  const std::string* value = settings != nullptr ? settings->find(name) : nullptr;
  return value != nullptr ? *value : std::string();
}

bool is_of(const Pool& pool, const Shard::Database& database) {
  return !database || pool.name().database == *database;
}

/// Also those who replicate, which are in no pool.
bool is_of(const Session& session, const Shard::Database& database) {
  if (session.pool() != nullptr) return is_of(*session.pool(), database);
  return session.replicates() && (!database || session.database() == *database);
}

std::string state_of(const Session& session) {
  if (session.waits()) return "waiting";
  const bool works = session.server() != nullptr || session.in_console() || session.replicates();
  return works ? "active" : "idle";
}

std::string shown_kind(Replication replication) {
  switch (replication) {
    case Replication::none: return "none";
    case Replication::physical: return "physical";
    case Replication::logical: return "logical";
  }
  return "none";
}

std::string state_of(const Server& server) {
  if (!server.logged_in()) return "new";
  if (server.borrower() != nullptr) return "active";
  if (server.cancels > 0) return "being_canceled";
  return server.free() ? "idle" : "tested";
}

std::uint32_t servers_of(const PoolFacts& pool) {
  return pool.servers_active + pool.servers_idle + pool.servers_tested + pool.servers_login +
         pool.servers_cancelled;
}

std::int64_t wall_of(Instant then, Instant now) {
  return wall_now_ms() - std::chrono::duration_cast<Millis>(now - then).count();
}

}  // namespace

// ---- what admins do

unsigned Shard::shard_of(std::uint64_t id) {
  return static_cast<unsigned>(id >> bits_of_number);
}

std::uint64_t Shard::id_of(std::uint64_t number) const {
  return (std::uint64_t{plan_.number} << bits_of_number) | (number & number_mask);
}

bool Shard::paused(const std::string& database) const {
  return admission_.paused || admission_.paused_databases.contains(database);
}

bool Shard::disabled(const std::string& database) const {
  return admission_.disabled.contains(database);
}

bool Shard::knows(const std::string& database) const {
  if (around_.configuration->databases.contains(database)) return true;
  if (admission_.disabled.contains(database)) return true;
  if (admission_.paused_databases.contains(database)) return true;
  for (const auto& [number, session] : sessions_) {
    if (session->replicates() && session->database() == database) return true;
  }
  return around_.tallies.all().contains(database);
}

/// Pools as `admission_` says.
void Shard::pause_pools() {
  for (const auto& [name, pool] : pools_) {
    const bool wanted = paused(name.database);
    if (wanted == pool->paused()) continue;
    if (wanted) {
      pool->pause();
    } else {
      pool->resume();
    }
  }
}

void Shard::carry_out(Verb verb, const Database& database) {
  switch (verb) {
    case Verb::disable: admission_.disabled.insert(*database); return;
    case Verb::enable: admission_.disabled.erase(*database); return;
    case Verb::resume:
      if (database) {
        admission_.paused_databases.erase(*database);
      } else {
        admission_.paused = false;
      }
      return pause_pools();
    case Verb::pause:
    case Verb::kill:
      if (database) {
        admission_.paused_databases.insert(*database);
      } else {
        admission_.paused = true;
      }
      pause_pools();
      if (verb == Verb::kill) return kill(database);
      break;
    case Verb::reconnect:
      for (const auto& [name, pool] : pools_) {
        if (is_of(*pool, database)) pool->reconnect();
      }
      break;
    default: return;
  }
  for (const auto& [number, session] : sessions_) {
    if (session->pool() != nullptr && is_of(*session->pool(), database)) session->give_way();
  }
}

void Shard::kill(const Database& database) {
  const std::string why = "An admin said KILL in the console.";
  for (const auto& [number, session] : sessions_) {
    if (is_of(*session, database)) session->kill(why);
  }
  for (const auto& [name, pool] : pools_) {
    if (is_of(*pool, database)) pool->kill(why);
  }
}

bool Shard::kill_client(std::uint64_t id) {
  for (const auto& [number, session] : sessions_) {
    if (id_of(number) != id) continue;
    session->kill("An admin said KILL_CLIENT in the console.");
    return true;
  }
  return false;
}

std::size_t Shard::servers(const Database& database, bool outdated) const {
  std::size_t count = 0;
  for (const auto& [name, pool] : pools_) {
    if (!is_of(*pool, database)) continue;
    for (const auto& server : pool->servers()) {
      if (!outdated || server->retire_when_free) ++count;
    }
  }
  return count;
}

// ---- clients of the console

void Shard::console_asks(Session& session, const Command& command) {
  const std::uint64_t ticket = ++last_ticket_;
  console_asks_.emplace(ticket, session.number());
  plan_.console_asks(ticket, command);
}

void Shard::console_gives_up(Session& session) {
  for (auto at = console_asks_.begin(); at != console_asks_.end(); ++at) {
    if (at->second != session.number()) continue;
    plan_.console_gives_up(at->first);
    console_asks_.erase(at);
    return;
  }
}

void Shard::console_answered(std::uint64_t ticket, const ConsoleAnswer& answer) {
  const auto asked = console_asks_.find(ticket);
  if (asked == console_asks_.end()) return;
  Session* const asking = session(asked->second);
  console_asks_.erase(asked);
  if (asking != nullptr) asking->console_answered(answer);
}

// ---- numbers

std::map<std::string, StatsTotals> Shard::totals() const {
  std::map<std::string, StatsTotals> totals;
  for (const auto& [database, tally] : around_.tallies.all()) totals[database] = tally->totals;
  return totals;
}

PoolFacts Shard::facts_of(const Pool& pool) const {
  PoolFacts facts;
  facts.database = pool.name().database;
  facts.user = pool.name().user;
  facts.mode = pool.limits().mode;
  for (const auto& server : pool.servers()) {
    facts.cancels_sent += server->cancels;
    facts.servers_cancelling += server->cancels;
    const std::string state = state_of(*server);
    if (state == "new") ++facts.servers_login;
    if (state == "active") ++facts.servers_active;
    if (state == "being_canceled") ++facts.servers_cancelled;
    if (state == "idle") ++facts.servers_idle;
    if (state == "tested") ++facts.servers_tested;
  }
  return facts;
}

SocketFacts Shard::facts_of(const Session& session, Instant now) const {
  SocketFacts facts;
  facts.id = id_of(session.number());
  if (session.server() != nullptr) facts.link = id_of(session.server()->number);
  if (session.passage() != nullptr) facts.link = id_of(session.passage()->number);
  facts.user = session.user();
  facts.database = session.database();
  facts.replication = shown_kind(session.replication());
  facts.state = state_of(session);
  facts.address = session.address().empty() ? "unix" : session.address();
  facts.port = static_cast<std::uint16_t>(session.client_port());
  std::tie(facts.local_address, facts.local_port) = local_end(session.descriptor());
  facts.connected_wall_ms = wall_of(session.connected(), now);
  facts.requested_wall_ms = wall_of(session.asked(), now);
  if (session.waits()) facts.wait_us = micros(now - session.wants_since.value_or(now));
  facts.close_needed = session.closing();
  if (session.inside_tls()) facts.tls = session.tls_version();
  facts.application = setting_of(session.told().get(), "application_name");
  facts.statements = static_cast<std::uint32_t>(session.statements());
  facts.unread = static_cast<std::uint32_t>(session.unread());
  facts.unsent = static_cast<std::uint32_t>(session.unsent());
  return facts;
}

SocketFacts Shard::facts_of(const Pool& pool, const Server& server, Instant now) const {
  SocketFacts facts;
  facts.id = id_of(server.number);
  if (server.client_number != 0) facts.link = id_of(server.client_number);
  facts.user = pool.name().user;
  facts.database = pool.name().database;
  facts.state = state_of(server);
  const Address& named = server.birth().named;
  facts.address = named.host.starts_with('/') ? "unix" : named.host;
  facts.port = static_cast<std::uint16_t>(named.port);
  std::tie(facts.local_address, facts.local_port) = local_end(server.descriptor());
  facts.connected_wall_ms = wall_of(server.born, now);
  facts.requested_wall_ms = wall_of(server.lent, now);
  facts.close_needed = server.retire_when_free;
  facts.remote_pid = static_cast<std::uint32_t>(std::max(0, server.pid()));
  if (server.inside_tls()) facts.tls = server.tls_version();
  facts.application = setting_of(&server.settings(), "application_name");
  facts.statements = static_cast<std::uint32_t>(server.statements().size());
  facts.unread = static_cast<std::uint32_t>(server.unread());
  facts.unsent = static_cast<std::uint32_t>(server.unsent());
  return facts;
}

/// The server of one who replicates.
SocketFacts Shard::facts_of(const Session& session, const Passage& passage, Instant now) const {
  SocketFacts facts;
  facts.id = id_of(passage.number);
  facts.link = id_of(session.number());
  facts.user = session.user();
  facts.database = session.database();
  facts.replication = shown_kind(session.replication());
  facts.state = passage.is_open() ? "active" : "new";
  const Address& named = passage.named();
  facts.address = named.host.starts_with('/') ? "unix" : named.host;
  facts.port = static_cast<std::uint16_t>(named.port);
  std::tie(facts.local_address, facts.local_port) = local_end(passage.stream().descriptor());
  facts.connected_wall_ms = facts.requested_wall_ms = wall_of(passage.born(), now);
  facts.remote_pid = static_cast<std::uint32_t>(std::max(0, passage.pid()));
  if (passage.stream().inside_tls()) facts.tls = passage.stream().tls_version();
  facts.application = setting_of(session.told().get(), "application_name");
  facts.unsent = static_cast<std::uint32_t>(passage.stream().unsent());
  return facts;
}

/// PgBouncer has a pool for each user and database, and those who replicate count there.
void Shard::add_replication(ShardSnapshot& to, bool connections) const {
  const Instant now = reactor_->now();
  for (const auto& [number, session] : sessions_) {
    if (!session->replicates() || session->closing()) continue;
    PoolFacts facts;
    facts.database = session->database();
    facts.user = session->user();
    if (session->waits()) {
      facts.clients_waiting = 1;
      facts.longest_wait_us = micros(now - session->wants_since.value_or(now));
    } else {
      facts.clients_active = 1;
    }
    if (const Passage* const passage = session->passage()) {
      (passage->is_open() ? facts.servers_active : facts.servers_login) = 1;
      facts.cancels_sent = facts.servers_cancelling = passage->cancels;
      if (connections) to.servers.push_back(facts_of(*session, *passage, now));
    }
    to.pools.push_back(std::move(facts));
  }
}

/// Also into the pools, which have to be there, in their order.
void Shard::add_clients(ShardSnapshot& to, bool connections) const {
  const Instant now = reactor_->now();
  std::unordered_map<const Pool*, PoolFacts*> facts;
  std::size_t place = 0;
  for (const auto& [name, pool] : pools_) facts.emplace(pool.get(), &to.pools[place++]);
  for (const auto& [number, session] : sessions_) {
    if (!session->let_in()) {
      ++to.clients_in_login;
      continue;
    }
    if (connections) to.clients.push_back(facts_of(*session, now));
    const auto found = facts.find(session->pool());
    if (found == facts.end()) continue;
    PoolFacts& pool = *found->second;
    if (!session->waits()) {
      ++pool.clients_active;
      continue;
    }
    ++pool.clients_waiting;
    const std::uint64_t waits = micros(now - session->wants_since.value_or(now));
    pool.longest_wait_us = std::max(pool.longest_wait_us, waits);
  }
}

void Shard::add_databases(ShardSnapshot& to) const {
  static const PoolOverride nothing;
  const Configuration& configuration = *around_.configuration;
  std::map<std::string, DatabaseFacts> found;
  for (const auto& [name, said] : configuration.databases) found[name].mode = said.mode;
  for (const auto& [name, tally] : around_.tallies.all()) found[name];
  for (const std::string& name : admission_.paused_databases) found[name];
  for (const std::string& name : admission_.disabled) found[name];
  for (const PoolFacts& pool : to.pools) found[pool.database];
  const auto& leader = around_.world->leader;
  const ServerNode* node = leader ? around_.world->node(leader->node) : nullptr;
  for (auto& [name, facts] : found) {
    const auto said = configuration.databases.find(name);
    const PoolOverride& own = said == configuration.databases.end() ? nothing : said->second;
    facts.name = facts.database = name;
    if (node != nullptr) {
      facts.host = node->address.host;
      facts.port = static_cast<std::uint16_t>(node->address.port);
    }
    facts.pool_size = own.pool_size.value_or(configuration.pool_size);
    facts.server_limit = own.server_limit.value_or(0);
    facts.client_limit = own.client_limit.value_or(0);
    facts.server_lifetime_s = static_cast<std::uint32_t>(
        own.server_lifetime.value_or(configuration.server_lifetime).count() / 1000);
    facts.paused = paused(name);
    facts.disabled = disabled(name);
    for (const PoolFacts& pool : to.pools) {
      if (pool.database != name) continue;
      facts.clients += pool.clients_active + pool.clients_waiting;
      facts.servers += servers_of(pool);
    }
    to.databases.push_back(std::move(facts));
  }
}

void Shard::add_users(ShardSnapshot& to) const {
  std::map<std::string, UserFacts> found;
  for (const auto& [name, said] : around_.configuration->users) {
    UserFacts& facts = found[name];
    facts.pool_size = said.pool_size;
    facts.mode = said.mode;
    facts.server_limit = said.server_limit.value_or(0);
    facts.client_limit = said.client_limit.value_or(0);
  }
  for (const PoolFacts& pool : to.pools) {
    UserFacts& facts = found[pool.user];
    facts.clients += pool.clients_active + pool.clients_waiting;
    facts.servers += servers_of(pool);
  }
  for (auto& [name, facts] : found) {
    facts.name = name;
    to.users.push_back(std::move(facts));
  }
}

ShardSnapshot Shard::snapshot(bool connections) const {
  ShardSnapshot taken;  // the pools of both ports are merged later
  std::size_t servers = 0;
  for (const auto& [name, pool] : pools_) {
    taken.pools.push_back(facts_of(*pool));
    servers += pool->servers().size();
    if (!connections) continue;
    for (const auto& server : pool->servers()) {
      taken.servers.push_back(facts_of(*pool, *server, reactor_->now()));
    }
  }
  add_clients(taken, connections);
  add_replication(taken, connections);
  add_databases(taken);
  add_users(taken);
  for (const auto& [database, tally] : around_.tallies.all()) {
    taken.totals[database] = tally->totals;
    taken.times[database] = tally->times;
  }
  taken.failed_logins = plan_.guard->throttle().counts().failures;
  const auto kind = [&](const char* name, std::size_t size, std::size_t used) {
    taken.memory.push_back(
        {name, static_cast<std::uint32_t>(size), static_cast<std::uint32_t>(used), 0});
  };
  kind("client", sizeof(Session), sessions_.size());
  kind("server", sizeof(Server), servers);
  kind("pool", sizeof(Pool), pools_.size());
  kind("tally", sizeof(Tally), around_.tallies.all().size());
  return taken;
}

}  // namespace evergres::proxy

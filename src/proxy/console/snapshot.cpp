#include "proxy/console/snapshot.hpp"

#include <algorithm>
#include <utility>

namespace evergres::proxy {
namespace {

void add(PoolFacts& to, const PoolFacts& more) {
  static constexpr std::array numbers{
      &PoolFacts::clients_active,    &PoolFacts::clients_waiting, &PoolFacts::cancels_sent,
      &PoolFacts::cancels_waiting,   &PoolFacts::servers_active,  &PoolFacts::servers_cancelling,
      &PoolFacts::servers_cancelled, &PoolFacts::servers_idle,    &PoolFacts::servers_used,
      &PoolFacts::servers_tested,    &PoolFacts::servers_login};
  for (const auto number : numbers) to.*number += more.*number;
  to.longest_wait_us = std::max(to.longest_wait_us, more.longest_wait_us);
}

void add(DatabaseFacts& to, const DatabaseFacts& more) {
  to.servers += more.servers;
  to.clients += more.clients;
  to.paused = to.paused || more.paused;
  to.disabled = to.disabled || more.disabled;
}

void add(UserFacts& to, const UserFacts& more) {
  to.servers += more.servers;
  to.clients += more.clients;
}

void add(MemoryFacts& to, const MemoryFacts& more) {
  to.used += more.used;
  to.free += more.free;
}

/// Adds each entry to the one with the same key, or keeps it as it is.
template <typename Facts, typename Key>
class Gathering {
 public:
  explicit Gathering(Key key) : key_(key) {}

  void take(const std::vector<Facts>& more) {
    for (const Facts& facts : more) {
      const auto [at, fresh] = found_.try_emplace(key_(facts), facts);
      if (!fresh) add(at->second, facts);
    }
  }
  std::vector<Facts> sorted() {
    std::vector<Facts> result;
    for (auto& [key, facts] : found_) result.push_back(std::move(facts));
    return result;
  }

 private:
  Key key_;
  std::map<decltype(std::declval<Key>()(std::declval<const Facts&>())), Facts> found_;
};

template <typename Facts, typename Key>
Gathering<Facts, Key> gathering(Key key) {
  return Gathering<Facts, Key>(key);
}

std::string seconds(Millis span) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(span);
  if (whole == span) return std::to_string(whole.count());
  std::string fraction = std::to_string((span - whole).count());
  fraction.insert(0, 3 - fraction.size(), '0');
  return std::to_string(whole.count()) + "." + fraction;
}

std::string_view reset_word(ResetMode mode) {
  switch (mode) {
    case ResetMode::smart: return "smart";
    case ResetMode::always: return "always";
    case ResetMode::never: return "never";
  }
  return "?";
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

void add(StatsTotals& to, const StatsTotals& more) {
  for (const auto member : stats_members) to.*member += more.*member;
}

ShardSnapshot merged(std::span<const ShardSnapshot> shards) {
  ShardSnapshot all;
  auto pools = gathering<PoolFacts>(
      [](const PoolFacts& pool) { return std::pair(pool.database, pool.user); });
  auto databases =
      gathering<DatabaseFacts>([](const DatabaseFacts& database) { return database.name; });
  auto users = gathering<UserFacts>([](const UserFacts& user) { return user.name; });
  auto memory = gathering<MemoryFacts>([](const MemoryFacts& kind) { return kind.name; });
  for (const ShardSnapshot& shard : shards) {
    pools.take(shard.pools);
    databases.take(shard.databases);
    users.take(shard.users);
    memory.take(shard.memory);
    all.clients.insert(all.clients.end(), shard.clients.begin(), shard.clients.end());
    all.servers.insert(all.servers.end(), shard.servers.begin(), shard.servers.end());
    for (const auto& [database, totals] : shard.totals) add(all.totals[database], totals);
    for (const auto& [database, times] : shard.times) all.times[database].merge(times);
    all.clients_in_login += shard.clients_in_login;
    all.failed_logins = std::max(all.failed_logins, shard.failed_logins);
  }
  all.pools = pools.sorted();
  all.databases = databases.sorted();
  all.users = users.sorted();
  all.memory = memory.sorted();
  return all;
}

std::vector<ConfigFacts> config_facts(const Configuration& configuration) {
  const Configuration preset;
  std::vector<ConfigFacts> facts;
  const auto say = [&](std::string key, auto text_of) {
    facts.push_back(ConfigFacts{std::move(key), text_of(configuration), text_of(preset), false});
  };
  const auto span = [&](std::string key, Millis Configuration::*member) {
    say(std::move(key), [member](const Configuration& of) { return seconds(of.*member); });
  };
  const auto number = [&](std::string key, std::uint32_t Configuration::*member) {
    say(std::move(key), [member](const Configuration& of) { return std::to_string(of.*member); });
  };
  say("admin_users", [](const Configuration& of) { return joined(of.admins); });
  span("client_idle_timeout", &Configuration::client_idle_timeout);
  span("client_login_timeout", &Configuration::client_login_timeout);
  number("default_pool_size", &Configuration::pool_size);
  span("hold_timeout", &Configuration::hold_timeout);
  span("idle_transaction_timeout", &Configuration::idle_transaction_timeout);
  number("max_client_conn", &Configuration::client_limit);
  number("max_db_connections", &Configuration::server_limit);
  number("max_prepared_statements", &Configuration::statements_per_server);
  say("max_replica_lag",
      [](const Configuration& of) { return std::to_string(of.max_replica_lag); });
  // Of a single user: there is no limit for each of them that is not said for one by name.
  say("max_user_connections", [](const Configuration&) { return std::string("0"); });
  say("pool_mode", [](const Configuration& of) { return std::string(word_of(of.mode)); });
  span("query_timeout", &Configuration::query_timeout);
  span("query_wait_timeout", &Configuration::query_wait_timeout);
  span("server_connect_timeout", &Configuration::server_connect_timeout);
  span("server_idle_timeout", &Configuration::server_idle_timeout);
  span("server_lifetime", &Configuration::server_lifetime);
  say("server_reset", [](const Configuration& of) { return std::string(reset_word(of.reset)); });
  say("stats_period", [](const Configuration&) { return std::string("60"); });
  say("stats_users", [](const Configuration& of) { return joined(of.observers); });
  say("threads", [](const Configuration& of) { return std::to_string(of.threads); });
  return facts;
}

}  // namespace evergres::proxy

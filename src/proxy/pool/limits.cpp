#include "proxy/pool/limits.hpp"

#include <map>

#include "proxy/login/shown.hpp"

namespace evergres::proxy {
namespace {

/// So many questions of ours are asked at the same time.
constexpr std::uint32_t servers_of_ours = 4;

const PoolOverride* said_for(const std::map<std::string, PoolOverride>& overrides,
                             const std::string& name) {
  const auto found = overrides.find(name);
  return found == overrides.end() ? nullptr : &found->second;
}

/// The first that says something about `option`, else what is said for all.
template <typename Value>
Value first_said(const std::array<const PoolOverride*, 3>& particular,
                 std::optional<Value> PoolOverride::*option, Value for_all) {
  for (const PoolOverride* const said : particular) {
    if (said != nullptr && said->*option) return *(said->*option);
  }
  return for_all;
}

}  // namespace

Limits limits_of(const Configuration& configuration, const PoolName& name) {
  const std::array particular{said_for(configuration.applications, name.application),
                              said_for(configuration.users, name.user),
                              said_for(configuration.databases, name.database)};
  Limits are;
  are.mode = first_said(particular, &PoolOverride::mode, configuration.mode);
  are.query_timeout =
      first_said(particular, &PoolOverride::query_timeout, configuration.query_timeout);
  are.idle_transaction_timeout = first_said(particular, &PoolOverride::idle_transaction_timeout,
                                            configuration.idle_transaction_timeout);
  are.client_idle_timeout =
      first_said(particular, &PoolOverride::client_idle_timeout, configuration.client_idle_timeout);
  are.server_lifetime =
      first_said(particular, &PoolOverride::server_lifetime, configuration.server_lifetime);
  are.servers[place_of(Level::pool)] =
      first_said(particular, &PoolOverride::pool_size, configuration.pool_size);
  are.ours = name.application == application_of_ours ||
             (!configuration.auth_user.empty() && name.user == configuration.auth_user);
  if (are.ours) {
    are.servers[place_of(Level::pool)] = servers_of_ours;
    return are;
  }
  for (const Level level : {Level::application, Level::user, Level::database}) {
    const PoolOverride* const said = particular[place_of(level) - place_of(Level::application)];
    if (said == nullptr) continue;
    are.servers[place_of(level)] = said->server_limit.value_or(0);
    are.clients[place_of(level)] = said->client_limit.value_or(0);
  }
  are.servers[place_of(Level::all)] = configuration.server_limit;
  are.clients[place_of(Level::all)] = configuration.client_limit;
  return are;
}

std::string named_application(const Configuration& configuration, std::string_view application) {
  const std::string name(application);
  return configuration.applications.contains(name) ? name : std::string();
}

std::string said_by(Level level, std::string_view option, const PoolName& name) {
  const std::string said(option);
  switch (level) {
    case Level::pool: return "pool_size";
    case Level::application: return said + " of the application " + shown_name(name.application);
    case Level::user: return said + " of the user " + shown_name(name.user);
    case Level::database: return said + " of the database " + shown_name(name.database);
    case Level::all: break;
  }
  return said;
}

Millis spread_lifetime(Millis lifetime, std::uint64_t number) {
  const std::uint64_t mixed = (number * 0x9E37'79B9'7F4A'7C15U) >> 54U;  // below 1024
  return lifetime - Millis{lifetime.count() / 10 * static_cast<std::int64_t>(mixed) / 1024};
}

}  // namespace evergres::proxy

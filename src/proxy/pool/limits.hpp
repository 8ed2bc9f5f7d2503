#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/configuration.hpp"
#include "proxy/pool/pool_name.hpp"

namespace evergres::proxy {

/// What a limit counts: the servers of one pool, the servers or clients of one application, user or
/// database, or all of them. The most particular first.
enum class Level : std::uint8_t { pool, application, user, database, all };
inline constexpr std::size_t levels = 5;
constexpr std::size_t place_of(Level level) {
  return static_cast<std::size_t>(level);
}

/// What holds for one pool and its clients. 0 means: none.
struct Limits {
  PoolMode mode = PoolMode::session;
  std::array<std::uint32_t, levels> servers{};  ///< by Level; each of them holds
  std::array<std::uint32_t, levels> clients{};  ///< by Level; of a pool there is no such limit
  Millis query_timeout{0};
  Millis idle_transaction_timeout{0};
  Millis client_idle_timeout{0};
  Millis server_lifetime{0};
  /// For questions of our own (auth_query, is it committing?): counts for nothing but its pool.
  bool ours = false;
  bool operator==(const Limits&) const = default;
};

/// Pure. Mode, size and times: what is said for the application, else for the user, else for the
/// database, else for all. server_limit and client_limit are not replaced by one another: all that
/// are said hold together. For logins and reloads, not for every transaction.
Limits limits_of(const Configuration& configuration, const PoolName& name);

/// PoolName::application of a client that calls itself `application`.
std::string named_application(const Configuration& configuration, std::string_view application);

/// The option that says a limit and whose it is, as in "server_limit of the user bob".
std::string said_by(Level level, std::string_view option, const PoolName& name);

/// When a server of this `number` is spent: up to a tenth earlier than `lifetime`, so that those
/// that were connected together do not all end together.
Millis spread_lifetime(Millis lifetime, std::uint64_t number);

}  // namespace evergres::proxy

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/field.hpp"
#include "base/instant.hpp"
#include "proxy/outcome/outcome.hpp"
#include "proxy/pool/reset.hpp"
#include "proxy/pool/route.hpp"

namespace evergres::proxy {

enum class PoolMode { session, transaction };
constexpr auto words(const PoolMode*) {
  return std::array{Word{"session", PoolMode::session}, Word{"transaction", PoolMode::transaction}};
}

/// What may be said for a database, a user or an application; what is absent is not said.
struct PoolOverride {
  std::optional<PoolMode> mode;
  std::optional<std::uint32_t> pool_size;
  std::optional<std::uint32_t> server_limit;  ///< servers of this database, user or application
  std::optional<std::uint32_t> client_limit;
  std::optional<Millis> query_timeout;
  std::optional<Millis> idle_transaction_timeout;
  std::optional<Millis> client_idle_timeout;
  std::optional<Millis> server_lifetime;
};

/// Everything the data plane is told. 0 as a time or a limit means: none.
struct Configuration {
  struct Listen {
    std::string host;
    int port = 0;
    Port kind = Port::read_write;
  };
  std::vector<Listen> listen;
  unsigned threads = 1;
  std::string zone;

  // TLS and login
  std::filesystem::path certificate;  ///< empty: no TLS
  std::filesystem::path certificate_key;
  std::filesystem::path client_authority;
  bool tls_required = false;        ///< of clients that come over TCP from other machines
  std::filesystem::path hba_file;   ///< empty: every user with a secret, SCRAM
  std::filesystem::path ident_file;  ///< empty: names in certificates are those of users
  std::filesystem::path auth_file;  ///< empty: auth_query alone
  std::string auth_user;            ///< who asks for secrets; empty: no auth_query
  std::string auth_password;        ///< of auth_user; a secret: never shown
  std::string auth_database = "postgres";
  std::vector<std::string> admins;     ///< may change things in the console
  std::vector<std::string> observers;  ///< may look in the console
  Millis client_login_timeout{15'000};

  // toward servers, over TCP
  std::filesystem::path server_authority;    ///< empty: no TLS
  std::filesystem::path server_certificate;  ///< ours, which servers ask for; empty: none
  std::filesystem::path server_certificate_key;
  /// Of this cluster and the same for all of its endpoints: for cancel keys, and for what users are
  /// shown that do not exist. A secret: never shown. Empty: nobody else's, random.
  std::string cluster_key;
  std::string node;  ///< the name of this machine's; empty: it has none

  // pools
  PoolMode mode = PoolMode::session;
  std::uint32_t pool_size = 20;
  std::uint32_t server_limit = 0;  ///< in all
  std::uint32_t client_limit = 10'000;
  std::map<std::string, PoolOverride> databases, users, applications;
  std::uint32_t statements_per_server = 200;
  std::uint32_t statements_per_client = 1000;
  ResetMode reset = ResetMode::smart;
  Millis server_lifetime{3'600'000};
  Millis server_idle_timeout{600'000};
  Millis server_connect_timeout{5'000};
  Millis query_wait_timeout{120'000};
  Millis query_timeout{0};
  Millis idle_transaction_timeout{0};
  Millis client_idle_timeout{0};

  // failover
  Millis hold_timeout{15'000};
  Millis handover_timeout{600'000};  ///< how long a replaced process serves the clients it has
  Replay replay = Replay::aborted;
  std::uint64_t max_replica_lag = 16U << 20U;  ///< bytes
  bool leader_may_read = true;
};

}  // namespace evergres::proxy

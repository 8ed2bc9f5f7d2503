#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/instant.hpp"
#include "proxy/auth/secret.hpp"
#include "proxy/configuration.hpp"
#include "proxy/login/cancel_keys.hpp"
#include "proxy/login/client_login.hpp"
#include "proxy/login/secret_cache.hpp"
#include "proxy/login/server_login.hpp"
#include "proxy/login/throttle.hpp"

namespace evergres::proxy {

/// What all shards know about who may come in: the rules, the secrets of auth_file, and those that
/// servers told. Any thread; asked at logins only.
class Guard {
 public:
  /// Reads the files that the configuration names. `key`: secret; of this cluster, or random.
  /// Errors: those of reading, and the first problem of a file, with its line.
  static Result<std::shared_ptr<Guard>> make(const Configuration& configuration, const Key& key);
  /// The same for files that have changed; with an error everything stays as it was.
  Outcome reload(const Configuration& configuration);

  std::shared_ptr<const LoginRules> rules() const;

  /// Of auth_file, or what a server told. Nothing: ask a server.
  std::optional<SecretCache::Found> secret_of(const std::string& user, Instant now);
  /// What opens servers for this user without a login of theirs: a password that auth_file has in
  /// the clear, or what an earlier login left.
  ServerCredential credential(const std::string& user);
  SecretCache& cache() { return cache_; }
  LoginThrottle& throttle() { return throttle_; }
  [[nodiscard]] const CancelKeys& cancel_keys() const { return cancel_keys_; }

 private:
  Guard(const Key& key, const std::string& node);

  Key key_;
  SecretCache cache_;
  LoginThrottle throttle_;
  CancelKeys cancel_keys_;
  mutable std::mutex mutex_;  ///< of what follows
  std::shared_ptr<const LoginRules> rules_;
  std::map<std::string, ScramSecret, std::less<>> file_;
  std::map<std::string, std::string, std::less<>> passwords_;  ///< of auth_file
  bool can_ask_ = false;
};

}  // namespace evergres::proxy

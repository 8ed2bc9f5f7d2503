#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/instant.hpp"
#include "proxy/auth/secret.hpp"
#include "proxy/configuration.hpp"
#include "proxy/login/client_login.hpp"

namespace evergres::proxy {

/// What all shards know about who may come in: the rules, the secrets of auth_file, and those that
/// servers told. Any thread; asked at logins only.
class Guard {
 public:
  /// Reads the files that the configuration names. Errors: those of reading, and the first problem
  /// of a file, with its line.
  static Result<std::shared_ptr<Guard>> make(const Configuration& configuration, const Key& key);
  /// The same for files that have changed; with an error everything stays as it was.
  Outcome reload(const Configuration& configuration);

  std::shared_ptr<const LoginRules> rules() const;

  /// A secret that is known and young enough. The outer one is absent if a server has to be asked,
  /// the inner one if there is no such user.
  std::optional<std::optional<ScramSecret>> secret_of(const std::string& user, Instant now);
  void learn(const std::string& user, std::optional<ScramSecret> secret, Instant now);
  /// The password was wrong, or a server refused it: perhaps it was changed.
  void doubt(const std::string& user, Instant now);
  /// Whether servers can be asked at all.
  [[nodiscard]] bool can_ask() const;

  /// How long the answer to a failed login is kept back: longer with each one from this address.
  Millis failed_from(const std::string& address, Instant now);

 private:
  explicit Guard(const Key& key) : key_(key) {}
  struct Known {
    std::optional<ScramSecret> secret;
    Instant at;
    Instant doubted;
  };
  struct Failures {
    unsigned count = 0;
    Instant last;
  };

  Key key_;
  mutable std::mutex mutex_;
  std::shared_ptr<const LoginRules> rules_;
  std::map<std::string, ScramSecret, std::less<>> file_;
  std::map<std::string, Known> known_;
  std::map<std::string, Failures> failures_;
  bool can_ask_ = false;
};

}  // namespace evergres::proxy

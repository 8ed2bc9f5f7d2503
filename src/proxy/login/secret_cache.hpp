#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/instant.hpp"
#include "proxy/auth/scram_server.hpp"
#include "proxy/login/recent.hpp"

namespace evergres::proxy {

/// What auth_query has answered, and the keys that clients' logins have left, by user. Shared by
/// all shards: one mutex, taken by logins only, held for the time of a look-up. Nobody waits in
/// here for an answer: two shards may ask about the same user at once, and the later answer stays.
class SecretCache {
 public:
  struct Limits {
    Millis fresh{30'000};    ///< as long an answer is believed
    Millis absent{5'000};    ///< as long "there is none" is believed
    Millis usable{600'000};  ///< as long an older answer does if nobody can be asked
    Millis again{5'000};     ///< a failed login has a user asked about anew, at most so often
    std::size_t users = 10'000;
    std::size_t strangers = 1'000;  ///< names without a secret: anybody can make them up
  };
  struct Found {
    std::optional<ScramSecret> secret;
    /// False: ask anew, and take this only if nobody can be asked.
    bool fresh = false;
  };

  explicit SecretCache(Limits limits)
      : limits_(limits), users_(limits.users), strangers_(limits.strangers) {}

  /// Nothing: ask.
  std::optional<Found> find(std::string_view user, Instant now);

  /// An answer, of auth_query or of a file. Keys that do not fit the secret are forgotten.
  void put(std::string_view user, const std::optional<ScramSecret>& secret, Instant now);

  /// A login failed: the password may have been changed. The next find() is not fresh, unless the
  /// answer is younger than Limits::again.
  void login_failed(std::string_view user, Instant now);

  /// A login left these keys. They are kept if the user's secret is still the one that they fit, or
  /// if none is known here (it came from a file).
  void learn(std::string_view user, const ScramKeys& keys);
  /// For logins to servers; they have to fit the server's salt, which ScramClient looks at.
  std::optional<ScramKeys> keys(std::string_view user);
  /// A server refused these keys. If others were learned since, those stay.
  void forget_keys(std::string_view user, const ScramKeys& stale);

  /// Configuration or cluster changed: everything is asked anew, and keys are forgotten.
  void clear();

  struct Counts {
    std::size_t users = 0;
    std::size_t strangers = 0;
    std::size_t pushed_out = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  struct User {
    std::optional<ScramSecret> secret;
    Instant asked;
    bool doubted = false;
    std::optional<ScramKeys> keys;
  };

  const Limits limits_;
  mutable std::mutex mutex_;
  Recent<User> users_;
  Recent<Instant> strangers_;  ///< when it was answered that there is none
};

}  // namespace evergres::proxy

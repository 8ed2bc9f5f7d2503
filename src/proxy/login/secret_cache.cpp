#include "proxy/login/secret_cache.hpp"

namespace evergres::proxy {
namespace {

bool fit(const ScramKeys& keys, const ScramSecret& secret) {
  return keys.salt == secret.salt && keys.iterations == secret.iterations &&
         sha256(keys.client_key.view()).same(secret.stored_key);
}

}  // namespace

std::optional<SecretCache::Found> SecretCache::find(std::string_view user, Instant now) {
  const std::lock_guard lock(mutex_);
  if (const Instant* asked = strangers_.find(user)) {
    if (now - *asked < limits_.absent) return Found{std::nullopt, true};
    strangers_.erase(user);
  }
  const User* known = users_.find(user);
  if (known == nullptr || !known->secret) return std::nullopt;
  const Nanos age = now - known->asked;
  if (age >= limits_.usable) return std::nullopt;
  return Found{known->secret, !known->doubted && age < limits_.fresh};
}

void SecretCache::put(std::string_view user, const std::optional<ScramSecret>& secret,
                      Instant now) {
  const std::lock_guard lock(mutex_);
  if (!secret) {
    // Also somebody who had a secret: a dropped role, one that may not log in any more.
    users_.erase(user);
    strangers_.at(user) = now;
    return;
  }
  strangers_.erase(user);
  User& known = users_.at(user);
  known.secret = secret;
  known.asked = now;
  known.doubted = false;
  if (known.keys && !fit(*known.keys, *secret)) known.keys.reset();
}

void SecretCache::login_failed(std::string_view user, Instant now) {
  const std::lock_guard lock(mutex_);
  // Of a stranger the answer is young enough, and a name that is made up costs nothing here.
  User* known = users_.find(user);
  if (known != nullptr && now - known->asked >= limits_.again) known->doubted = true;
}

void SecretCache::learn(std::string_view user, const ScramKeys& keys) {
  const std::lock_guard lock(mutex_);
  User& known = users_.at(user);
  if (!known.secret || fit(keys, *known.secret)) known.keys = keys;
}

std::optional<ScramKeys> SecretCache::keys(std::string_view user) {
  const std::lock_guard lock(mutex_);
  const User* known = users_.find(user);
  return known == nullptr ? std::nullopt : known->keys;
}

void SecretCache::forget_keys(std::string_view user, const ScramKeys& stale) {
  const std::lock_guard lock(mutex_);
  User* known = users_.find(user);
  if (known == nullptr || !known->keys || !known->keys->client_key.same(stale.client_key)) return;
  known->keys.reset();
  // The secret on the server is another one by now.
  known->doubted = true;
}

void SecretCache::clear() {
  const std::lock_guard lock(mutex_);
  users_.clear();
  strangers_.clear();
}

SecretCache::Counts SecretCache::counts() const {
  const std::lock_guard lock(mutex_);
  return Counts{users_.size(), strangers_.size(), users_.pushed_out() + strangers_.pushed_out()};
}

}  // namespace evergres::proxy

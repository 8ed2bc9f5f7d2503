#include "proxy/worker/guard.hpp"

#include <algorithm>
#include <utility>

#include "base/file.hpp"
#include "proxy/auth/auth_file.hpp"
#include "proxy/worker/cancel_forwards.hpp"

namespace evergres::proxy {
namespace {

Error problem_of(const std::filesystem::path& file, const FileProblem& problem) {
  return Error(ErrorCode::config_invalid, problem.text(file.string()), "The file is not used.",
               problem.hint);
}

}  // namespace

Guard::Guard(const Key& key, const std::string& node)
    : key_(key),
      cache_({}),
      throttle_({}),
      cancel_keys_(proxy_number(node), static_cast<std::uint64_t>(boot_now().nanos),
                   hmac(key.view(), "cancel")) {}

Result<std::shared_ptr<Guard>> Guard::make(const Configuration& configuration, const Key& key) {
  std::shared_ptr<Guard> guard(new Guard(key, configuration.node));
  if (Outcome loaded = guard->reload(configuration); !loaded) return loaded.error();
  return guard;
}

Outcome Guard::reload(const Configuration& configuration) {
  auto rules = std::make_shared<LoginRules>();
  rules->tls_required = configuration.tls_required;
  rules->mock_key = hmac(key_.view(), "mock");
  if (!configuration.hba_file.empty()) {
    auto text = read_file(configuration.hba_file);
    if (!text) return text.error();
    HbaFile file = read_hba(*text);
    if (!file.problems.empty()) return problem_of(configuration.hba_file, file.problems.front());
    rules->hosts = std::move(file.rules);
  }
  if (!configuration.ident_file.empty()) {
    auto text = read_file(configuration.ident_file);
    if (!text) return text.error();
    IdentFile file = read_ident_map(*text);
    if (!file.problems.empty()) return problem_of(configuration.ident_file, file.problems.front());
    rules->names = std::move(file.rules);
  }
  std::map<std::string, ScramSecret, std::less<>> users;
  std::map<std::string, std::string, std::less<>> passwords;
  if (!configuration.auth_file.empty()) {
    auto text = read_file(configuration.auth_file);
    if (!text) return text.error();
    AuthFile file = read_auth_file(*text, hmac(key_.view(), "salt"));
    if (!file.problems.empty()) return problem_of(configuration.auth_file, file.problems.front());
    users = std::move(file.users);
    passwords = std::move(file.passwords);
  }
  const std::lock_guard lock(mutex_);
  rules_ = std::move(rules);
  file_ = std::move(users);
  passwords_ = std::move(passwords);
  can_ask_ = !configuration.auth_user.empty();
  return {};
}

std::shared_ptr<const LoginRules> Guard::rules() const {
  const std::lock_guard lock(mutex_);
  return rules_;
}

ServerCredential Guard::credential(const std::string& user) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = passwords_.find(user);
    if (found != passwords_.end()) return ScramPassword{found->second};
  }
  if (auto keys = cache_.keys(user)) return std::move(*keys);
  return {};
}

std::optional<SecretCache::Found> Guard::secret_of(const std::string& user, Instant now) {
  {
    const std::lock_guard lock(mutex_);
    const auto in_file = file_.find(user);
    if (in_file != file_.end()) return SecretCache::Found{in_file->second, true};
    if (!can_ask_) return SecretCache::Found{std::nullopt, true};
  }
  return cache_.find(user, now);
}

}  // namespace evergres::proxy

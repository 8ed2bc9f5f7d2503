#include "proxy/worker/guard.hpp"

#include <algorithm>
#include <utility>

#include "base/file.hpp"
#include "proxy/auth/auth_file.hpp"

namespace evergres::proxy {
namespace {

constexpr std::size_t known_most = 100'000;
constexpr std::size_t failures_most = 10'000;
constexpr Millis believed_for{30'000};
constexpr Millis absent_for{1'000};
constexpr Millis between_doubts{1'000};
constexpr Millis forgotten_after{60'000};

Error problem_of(const std::filesystem::path& file, const FileProblem& problem) {
  return Error(ErrorCode::config_invalid, problem.text(file.string()), "The file is not used.",
               problem.hint);
}

}  // namespace

Result<std::shared_ptr<Guard>> Guard::make(const Configuration& configuration, const Key& key) {
  std::shared_ptr<Guard> guard(new Guard(key));
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
  std::map<std::string, ScramSecret, std::less<>> users;
  if (!configuration.auth_file.empty()) {
    auto text = read_file(configuration.auth_file);
    if (!text) return text.error();
    AuthFile file = read_auth_file(*text, hmac(key_.view(), "salt"));
    if (!file.problems.empty()) return problem_of(configuration.auth_file, file.problems.front());
    users = std::move(file.users);
  }
  const std::lock_guard lock(mutex_);
  rules_ = std::move(rules);
  file_ = std::move(users);
  can_ask_ = !configuration.auth_user.empty();
  return {};
}

std::shared_ptr<const LoginRules> Guard::rules() const {
  const std::lock_guard lock(mutex_);
  return rules_;
}

bool Guard::can_ask() const {
  const std::lock_guard lock(mutex_);
  return can_ask_;
}

std::optional<std::optional<ScramSecret>> Guard::secret_of(const std::string& user, Instant now) {
  const std::lock_guard lock(mutex_);
  if (const auto in_file = file_.find(user); in_file != file_.end()) return in_file->second;
  const auto known = known_.find(user);
  if (known != known_.end()) {
    const bool young = known->second.at + (known->second.secret ? believed_for : absent_for) > now;
    const bool doubted = known->second.doubted >= known->second.at &&
                         known->second.at + between_doubts <= now;
    if (young && !doubted) return known->second.secret;
  }
  if (!can_ask_) return std::optional<ScramSecret>();
  return std::nullopt;
}

void Guard::learn(const std::string& user, std::optional<ScramSecret> secret, Instant now) {
  const std::lock_guard lock(mutex_);
  if (known_.size() >= known_most) {
    std::erase_if(known_, [&](const auto& entry) {
      return !entry.second.secret || entry.second.at + believed_for <= now;
    });
    if (known_.size() >= known_most) return;
  }
  known_[user] = Known{std::move(secret), now, {}};
}

void Guard::doubt(const std::string& user, Instant now) {
  const std::lock_guard lock(mutex_);
  const auto known = known_.find(user);
  if (known != known_.end()) known->second.doubted = now;
}

Millis Guard::failed_from(const std::string& address, Instant now) {
  const std::lock_guard lock(mutex_);
  if (failures_.size() >= failures_most) {
    std::erase_if(failures_, [&](const auto& entry) {
      return entry.second.last + forgotten_after <= now;
    });
    // So many addresses: nobody can be told apart, everybody waits.
    if (failures_.size() >= failures_most && !failures_.contains(address)) return Millis{2'000};
  }
  Failures& failures = failures_[address];
  if (failures.last + forgotten_after <= now) failures.count = 0;
  failures.last = now;
  failures.count = std::min(failures.count + 1, 10U);
  return std::min(Millis{100} * (1 << (failures.count - 1)), Millis{5'000});
}

}  // namespace evergres::proxy

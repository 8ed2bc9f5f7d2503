#include "proxy/pool/permits.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "proxy/pool/turns.hpp"

namespace evergres::proxy {
namespace {

constexpr std::size_t served_at_once = 8;       ///< at each limit
constexpr std::size_t served_in_a_review = 64;  ///< at all of them
constexpr std::size_t excess_at_once = 64;
constexpr Millis patience{500};

std::string key_of(Level level, const PoolName& name) {
  switch (level) {
    case Level::pool: {
      std::string key = name.database;
      key.append(1, '\0').append(name.user).append(1, '\0').append(name.application);
      return key.append(1, name.port == Port::read_write ? 'w' : 'r');
    }
    case Level::application: return name.application;
    case Level::user: return name.user;
    case Level::database: return name.database;
    case Level::all: break;
  }
  return {};
}

/// Applications that the configuration does not name are not counted.
bool counts(Level level, const PoolName& name, const Limits& limits) {
  if (level == Level::pool) return true;
  return !limits.ours && (level != Level::application || !name.application.empty());
}

}  // namespace

std::shared_ptr<PermitAccount> Permits::open(PoolName name, const Limits& limits,
                                             PermitHolder& holder,
                                             std::function<void(std::function<void()>)> post) {
  auto account = std::make_shared<Account>();
  account->holder_ = &holder;
  account->post_ = std::move(post);
  account->name_ = std::move(name);
  account->limits_ = limits;
  const std::lock_guard lock(mutex_);
  for (const Level level :
       {Level::pool, Level::application, Level::user, Level::database, Level::all}) {
    if (!counts(level, account->name_, limits)) continue;
    std::string& key = account->keys_[place_of(level)];
    key = key_of(level, account->name_);
    auto& count = counts_[{level, key}];
    if (!count) count = std::make_shared<Account::Count>();
    account->counts_[place_of(level)] = count;
  }
  accounts_.push_back(account);
  return account;
}

void Permits::close(PermitAccount& account) {
  account.holder_ = nullptr;
  const std::lock_guard lock(mutex_);
  while (account.held_ > 0) subtract(account);
  const auto is_it = [&](const auto& other) { return other.get() == &account; };
  std::erase_if(waiting_, is_it);
  for (std::size_t i = 0; i < levels; ++i) {
    if (account.counts_[i] == nullptr) continue;
    account.counts_[i].reset();
    const auto known = counts_.find({static_cast<Level>(i), account.keys_[i]});
    if (known != counts_.end() && known->second.use_count() == 1) counts_.erase(known);
  }
  std::erase_if(accounts_, is_it);
  serve();
}

void Permits::set_limits(PermitAccount& account, const Limits& limits) {
  const std::lock_guard lock(mutex_);
  account.limits_ = limits;
  serve();
}

std::optional<Level> Permits::full(const Account& account) {
  for (std::size_t i = 0; i < levels; ++i) {
    const std::uint32_t most = account.limits_.servers[i];
    if (most == 0 || account.counts_[i] == nullptr) continue;
    if (account.counts_[i]->servers >= most) return static_cast<Level>(i);
  }
  return std::nullopt;
}

void Permits::add(Account& account) {
  ++account.held_;
  account.got_ = reviewed_;
  for (const auto& count : account.counts_) {
    if (count != nullptr) ++count->servers;
  }
}

void Permits::subtract(Account& account) {
  CHECK(account.held_ > 0);
  --account.held_;
  for (const auto& count : account.counts_) {
    if (count != nullptr) --count->servers;
  }
}

std::optional<Level> Permits::take(const std::shared_ptr<PermitAccount>& account, Instant now) {
  const std::lock_guard lock(mutex_);
  CHECK(!account->waits_);
  const auto reached = full(*account);
  if (!reached) {
    add(*account);
    return std::nullopt;
  }
  account->waits_ = true;
  account->waits_since_ = now;
  waiting_.push_back(account);
  ask_for(*account, now);
  return reached;
}

bool Permits::leave(PermitAccount& account) {
  const std::lock_guard lock(mutex_);
  if (!account.waits_) return false;
  account.waits_ = false;
  std::erase_if(waiting_, [&](const auto& other) { return other.get() == &account; });
  return true;
}

void Permits::give_back(PermitAccount& account) {
  const std::lock_guard lock(mutex_);
  subtract(account);
  const std::uint32_t owes = account.owes();
  if (owes > 0) {
    account.owes_.store(owes - 1, std::memory_order_relaxed);
    account.asked_since_.reset();
    // Whoever has given to others stands behind them.
    const auto at = std::find_if(waiting_.begin(), waiting_.end(),
                                 [&](const auto& other) { return other.get() == &account; });
    if (at != waiting_.end()) std::rotate(at, at + 1, waiting_.end());
  }
  serve();
}

/// Gives out what there is.
void Permits::serve() {
  for (;;) {
    std::size_t next = waiting_.size();
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      if (full(*waiting_[i])) continue;
      if (next == waiting_.size() || waiting_[i]->held_ < waiting_[next]->held_) next = i;
    }
    if (next == waiting_.size()) return;
    const std::shared_ptr<Account> account = waiting_[next];
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(next));
    account->waits_ = false;
    add(*account);
    account->post_([account] {
      if (account->holder_ != nullptr) account->holder_->granted();
    });
  }
}

void Permits::ask(const std::shared_ptr<Account>& account, std::uint32_t more) {
  account->owes_.fetch_add(more, std::memory_order_relaxed);
  if (account->told_.exchange(true)) return;
  account->post_([account] {
    account->told_.store(false);
    if (account->holder_ != nullptr) account->holder_->asked();
  });
}

/// Asks the one who should make room for `wanting`.
void Permits::ask_for(const Account& wanting, Instant now) {
  const auto reached = full(wanting);
  if (!reached) return;
  const auto& count = wanting.counts_[place_of(*reached)];
  std::vector<std::shared_ptr<Account>> sharing;
  std::vector<Party> parties;
  for (const auto& account : accounts_) {
    if (account.get() == &wanting || account->counts_[place_of(*reached)] != count) continue;
    if (account->held_ == 0) continue;
    const auto& asked = account->asked_since_;
    parties.push_back({account->held_, account->owes(),
                       account->idle_.load(std::memory_order_relaxed),
                       Instant{account->idle_since_.load(std::memory_order_relaxed)},
                       account->limits_.mode == PoolMode::transaction,
                       asked && *asked + patience <= now, account->got_});
    sharing.push_back(account);
  }
  const auto giver = choose_giver({wanting.held_, wanting.waits_since_}, parties, now);
  if (!giver) return;
  if (!sharing[*giver]->asked_since_) sharing[*giver]->asked_since_ = now;
  ask(sharing[*giver], 1);
}

/// Of those who count against a limit that is exceeded, and have not been asked for all of it: the
/// one with the most servers.
std::shared_ptr<PermitAccount> Permits::largest_over_its_limit() {
  std::shared_ptr<Account> largest;
  for (const auto& account : accounts_) {
    if (account->held_ <= account->owes()) continue;
    bool over = false;
    for (std::size_t i = 0; i < levels; ++i) {
      const std::uint32_t most = account->limits_.servers[i];
      const auto& count = account->counts_[i];
      over = over || (most > 0 && count != nullptr && count->servers - count->leaving > most);
    }
    if (!over) continue;
    if (!largest || account->held_ - account->owes() > largest->held_ - largest->owes()) {
      largest = account;
    }
  }
  return largest;
}

void Permits::ask_for_excess() {
  for (const auto& [key, count] : counts_) count->leaving = 0;
  for (std::size_t i = 0; i < excess_at_once; ++i) {
    const std::shared_ptr<Account> account = largest_over_its_limit();
    if (!account) return;
    for (const auto& count : account->counts_) {
      if (count != nullptr) ++count->leaving;
    }
    ask(account, 1);
  }
}

void Permits::review(Instant now) {
  const std::lock_guard lock(mutex_);
  reviewed_ = now;
  // What was asked for before may not be wanted any more.
  for (const auto& account : accounts_) {
    if (account->owes() == 0) account->asked_since_.reset();
    account->owes_.store(0, std::memory_order_relaxed);
  }
  ask_for_excess();
  std::vector<std::shared_ptr<Account>> first = waiting_;
  // Each time from another one on: those whom nobody can serve do not stand before all others.
  if (!first.empty()) {
    const std::size_t from = reviews_++ % first.size();
    std::rotate(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(from), first.end());
  }
  std::stable_sort(first.begin(), first.end(),
                   [](const auto& a, const auto& b) { return a->held_ < b->held_; });
  // Counted at each limit: many who wait at one of them do not hide those at another.
  std::map<const Account::Count*, std::size_t> asked;
  std::size_t in_all = 0;
  for (const auto& account : first) {
    const auto reached = full(*account);
    if (!reached || asked[account->counts_[place_of(*reached)].get()]++ >= served_at_once) continue;
    if (++in_all > served_in_a_review) return;
    ask_for(*account, now);
  }
}

std::optional<Level> Permits::let_in(PermitAccount& account) {
  const std::lock_guard lock(mutex_);
  for (const Level level : {Level::application, Level::user, Level::database}) {
    const std::size_t i = place_of(level);
    const std::uint32_t most = account.limits_.clients[i];
    const auto& count = account.counts_[i];
    if (most > 0 && count != nullptr && count->clients >= most) return level;
  }
  for (const auto& count : account.counts_) {
    if (count != nullptr) ++count->clients;
  }
  return std::nullopt;
}

void Permits::let_out(PermitAccount& account) {
  const std::lock_guard lock(mutex_);
  for (const auto& count : account.counts_) {
    if (count == nullptr) continue;
    CHECK(count->clients > 0);
    --count->clients;
  }
}

}  // namespace evergres::proxy

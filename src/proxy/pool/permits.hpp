#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/instant.hpp"
#include "proxy/pool/limits.hpp"

namespace evergres::proxy {

/// A pool, as those see it who count its servers. Called on its own thread.
class PermitHolder {
 public:
  /// It has waited for a permit and has it.
  virtual void granted() = 0;
  /// PermitAccount::owes() has grown, or is still not paid.
  virtual void asked() = 0;

 protected:
  ~PermitHolder() = default;
};

/// What one pool of one thread holds. Its own cache lines: the pool writes to it while it works.
class alignas(64) PermitAccount {
 public:
  /// So many servers are wanted elsewhere: idle ones now, else those that become free. Any thread.
  [[nodiscard]] std::uint32_t owes() const { return owes_.load(std::memory_order_relaxed); }
  /// On the pool's thread.
  void set_idle(std::uint32_t idle, Instant longest_since) {
    idle_.store(idle, std::memory_order_relaxed);
    idle_since_.store(longest_since.nanos, std::memory_order_relaxed);
  }

 private:
  friend class Permits;
  struct Count {
    std::uint32_t servers = 0;
    std::uint32_t clients = 0;
    std::uint32_t leaving = 0;  ///< of `servers`, while review() counts
  };
  std::atomic<std::uint32_t> owes_{0};
  std::atomic<std::uint32_t> idle_{0};
  std::atomic<std::int64_t> idle_since_{0};
  std::atomic<bool> told_{false};  ///< asked() is on its way

  PermitHolder* holder_ = nullptr;  ///< of the pool's thread; null: closed
  std::function<void(std::function<void()>)> post_;

  // Of Permits, under its lock.
  PoolName name_;
  Limits limits_;
  std::array<std::string, levels> keys_;
  std::array<std::shared_ptr<Count>, levels> counts_;  ///< null where it does not count
  std::uint32_t held_ = 0;
  bool waits_ = false;
  Instant waits_since_;
  std::optional<Instant> asked_since_;
  Instant got_;  ///< its last permit
};

/// Counts the servers of all threads against their limits, and the clients. Each server has a
/// permit of all its levels from before it is connected until it is closed. Where a limit is
/// reached pools wait for a permit: those that hold the fewest servers go first, equals take turns,
/// and somebody is asked to give one away (turns.hpp). Any thread; takes a lock, so that it is for
/// servers that are opened and closed and for logins, not for transactions.
class Permits {
 public:
  /// `post` runs a function on the thread of `holder`.
  std::shared_ptr<PermitAccount> open(PoolName name, const Limits& limits, PermitHolder& holder,
                                      std::function<void(std::function<void()>)> post);
  /// Gives back what it holds. On the holder's thread; it is told nothing any more.
  void close(PermitAccount& account);
  void set_limits(PermitAccount& account, const Limits& limits);

  /// A permit for one server; else the limit that is reached, and granted() follows unless
  /// leave(). One that waits does not take.
  std::optional<Level> take(const std::shared_ptr<PermitAccount>& account, Instant now);
  /// It does not wait any more. False: it has a permit, and granted() is on its way.
  bool leave(PermitAccount& account);
  void give_back(PermitAccount& account);

  /// A client of the pool. The limit that is reached, if it may not come in.
  std::optional<Level> let_in(PermitAccount& account);
  void let_out(PermitAccount& account);
  /// A connection of a client, whoever it may be; how many there are now.
  std::uint32_t came() { return clients_.fetch_add(1, std::memory_order_relaxed) + 1; }
  void went() { clients_.fetch_sub(1, std::memory_order_relaxed); }

  /// About ten times a second, by one thread: asks again on behalf of those who wait, and for what
  /// is above a limit that was lowered.
  void review(Instant now);

 private:
  using Account = PermitAccount;
  [[nodiscard]] static std::optional<Level> full(const Account& account);
  void add(Account& account);
  static void subtract(Account& account);
  void serve();
  void ask(const std::shared_ptr<Account>& account, std::uint32_t more);
  void ask_for(const Account& wanting, Instant now);
  void ask_for_excess();
  std::shared_ptr<Account> largest_over_its_limit();

  std::mutex mutex_;
  std::map<std::pair<Level, std::string>, std::shared_ptr<Account::Count>> counts_;
  std::vector<std::shared_ptr<Account>> accounts_;
  std::vector<std::shared_ptr<Account>> waiting_;  ///< those whose turn is next stand in front
  Instant reviewed_;
  std::size_t reviews_ = 0;
  std::atomic<std::uint32_t> clients_{0};
};

}  // namespace evergres::proxy

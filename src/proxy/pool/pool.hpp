#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proxy/auth/scram_server.hpp"
#include "proxy/pool/limits.hpp"
#include "proxy/pool/permits.hpp"
#include "proxy/pool/server.hpp"
#include "proxy/pool/statements.hpp"
#include "proxy/pool/surroundings.hpp"
#include "proxy/pool/tally.hpp"

namespace evergres::proxy {

/// Sessions that asked for the same settings when they connected share servers that were connected
/// with them: what RESET and DISCARD go back to is then what the client asked for.
struct Bucket {
  std::vector<std::pair<std::string, std::string>> settings;
  std::shared_ptr<const Settings> welcome;  ///< what a server reported; null until one has
  /// That the newest session with these settings began with; absent: none, or it was not told.
  std::optional<Millis> statement_timeout;
  std::size_t sessions = 0;
};

/// Why there will be no server.
struct TurnedAway {
  std::string sqlstate;
  Error error;
};

class Pool;

/// A borrower that can wait for its turn. Its links are the pool's.
class Waiter : public Borrower {
 public:
  virtual void lent(Server& server) = 0;
  virtual void turned_away(const TurnedAway& why) = 0;
  /// It waits for `which`; the same as long as it waits.
  Bucket* bucket = nullptr;
  /// Since when it wants the server that it will be lent next, a hold included.
  std::optional<Instant> wants_since;

 protected:
  virtual ~Waiter() = default;

 private:
  friend class Pool;
  Pool* waits_in_ = nullptr;
  Waiter* before_ = nullptr;
  Waiter* behind_ = nullptr;
  Instant since_;
};

/// The servers of one PoolName on one thread, and who waits for one. Idle servers are used last in,
/// first out; those who wait are served first in, first out. How many there may be is said by
/// Permits, which counts those of the other threads too. One thread.
class Pool final : public ServerKeeper, public PermitHolder {
 public:
  Pool(Surroundings& around, PoolName name, std::string chance);
  ~Pool();

  Bucket* acquire_bucket(std::vector<std::pair<std::string, std::string>> settings);
  void release_bucket(Bucket* bucket);
  /// Equal settings are kept once.
  std::shared_ptr<const Settings> intern(Settings settings);

  /// A server for `waiter` at once, or nullptr: then it waits, until lent(), turned_away() or
  /// leave(). Only where Surroundings::route() leads somewhere.
  Server* borrow(Waiter& waiter);
  [[nodiscard]] static bool waits(const Waiter& waiter) { return waiter.waits_in_ != nullptr; }
  void leave(Waiter& waiter);
  /// Of one that is free(): to whoever waits, or to the idle ones.
  void give_back(Server& server);
  /// Its borrower has gone and does not wait for what it is doing.
  void abandon(Server& server);

  /// The keys of whoever logged in last; the password of a role of our own.
  void learn(ScramKeys keys) { credential_ = std::move(keys); }
  void use_password(ScramPassword password) { credential_ = std::move(password); }
  /// Of another pool of the same user.
  void log_in_like(const Pool& other) { credential_ = other.credential_; }
  /// For a client that a certificate let in: what is known without it, unless there is something.
  void use_known(ServerCredential known) {
    if (std::holds_alternative<std::monostate>(credential_)) credential_ = std::move(known);
  }

  /// Servers of an older term end; those who wait may have to wait elsewhere: they are taken out,
  /// oldest first, and returned, if there is no route.
  void world_changed(std::vector<Waiter*>& homeless);
  /// About ten times a second.
  void tick();
  /// Servers end when they are free; new ones take their place.
  void reconnect();
  /// The configuration is another one.
  void configured();
  /// A session begins; the limit that keeps it out, if it may not.
  std::optional<Level> let_in();
  void let_out();
  /// Nothing is lent until resume(): whoever asks waits, as long as query_wait_timeout lets him.
  /// Servers end when they are free.
  void pause();
  void resume();
  [[nodiscard]] bool paused() const { return paused_; }
  /// Ends all servers, whatever they do.
  void kill(const std::string& reason);

  [[nodiscard]] const PoolName& name() const { return name_; }
  /// What holds now. Sessions keep the mode that was in force when they came.
  [[nodiscard]] const Limits& limits() const { return limits_; }
  StatementCatalog& catalog() { return catalog_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_; }
  [[nodiscard]] std::optional<Instant> oldest_wait() const;
  [[nodiscard]] const std::vector<std::unique_ptr<Server>>& servers() const { return servers_; }
  [[nodiscard]] std::size_t idle() const { return idle_.size(); }
  [[nodiscard]] bool unused() const { return servers_.empty() && waiting_ == 0 && sessions == 0; }

  std::size_t sessions = 0;

  /// Of its database, on this shard.
  const std::shared_ptr<Tally> tally;
  StatsTotals& totals = tally->totals;
  Times& times = tally->times;

  void ready(Server& server) override;
  void refused(Server& server, const ServerRefused& why) override;
  void free(Server& server) override;
  void ended(Server& server, const ServerEnd& end) override;

  void granted() override;
  void asked() override;

 private:
  [[nodiscard]] bool leads_to(const Route& route, const NodeName& node) const;
  Server* take_idle(const Bucket* bucket, const Route& route);
  void lend(Server& server, Waiter& waiter);
  void offer(Server& server);
  void offer_now(Server& server);
  void grow();
  void make_room();
  /// Whether one of its servers should go for the sake of others.
  [[nodiscard]] bool gives_away() const;
  void note_idle();
  [[nodiscard]] bool spent(const Server& server) const;
  [[nodiscard]] TurnedAway waited_too_long() const;
  bool connect(Bucket* bucket, const Route& route);
  void turn_away(Waiter& waiter, const TurnedAway& why);
  void turn_everybody_away(const TurnedAway& why);
  void unlink(Waiter& waiter);
  [[nodiscard]] bool outdated(const Server& server) const;
  void failed(std::string reason, Instant begun);
  [[nodiscard]] bool is_young_failure() const;
  [[nodiscard]] bool somebody_knocks() const;
  [[nodiscard]] bool is_over(const Server& server) const;
  void retire_idle();

  /// Where its servers are sought: another one begins without the failures of the last.
  struct Destination {
    Term term;
    std::optional<NodeName> node;
    bool resolved = false;
    bool operator==(const Destination&) const = default;
  };

  Surroundings& around_;
  PoolName name_;
  Limits limits_;
  std::shared_ptr<PermitAccount> permits_;
  std::optional<Level> lacks_;  ///< it waits for a permit, because this limit is reached
  StatementCatalog catalog_;
  std::variant<std::monostate, ScramPassword, ScramKeys> credential_;
  std::map<std::string, std::unique_ptr<Bucket>> buckets_;
  std::map<Settings, std::weak_ptr<const Settings>> interned_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<Server*> idle_;  ///< the last one was used last
  std::vector<Server*> offered_;
  bool offering_ = false;
  bool paused_ = false;
  std::size_t connecting_ = 0;
  Waiter* oldest_ = nullptr;
  Waiter* newest_ = nullptr;
  std::size_t waiting_ = 0;
  Instant failed_at_;
  Instant retry_at_;
  Millis backoff_{0};
  std::string last_failure_;
  /// Of class 28: since when, and the last time.
  std::optional<Instant> failing_since_;
  Instant turned_away_at_;
  Destination destination_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace evergres::proxy

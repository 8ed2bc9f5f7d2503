#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/console/console_session.hpp"
#include "proxy/console/snapshot.hpp"
#include "proxy/pool/hold_queue.hpp"
#include "proxy/session/session.hpp"
#include "proxy/worker/cancel_forwards.hpp"
#include "proxy/worker/canceller.hpp"
#include "proxy/worker/commit_look.hpp"
#include "proxy/worker/errand.hpp"
#include "proxy/worker/guard.hpp"

namespace evergres::proxy {

/// Whoever sent a cancel request: the session that it came in instead of a login.
struct CancelAsker {
  unsigned shard = 0;
  std::uint64_t session = 0;
};

/// One thread's part of the endpoint: its clients, its pools and its servers. What other threads
/// want of it they post to its reactor.
class Shard final : public SessionHost {
 public:
  struct Plan {
    unsigned number = 0;
    std::shared_ptr<const Configuration> configuration;
    std::shared_ptr<Guard> guard;  ///< secrets, rules and throttles of all shards
    std::shared_ptr<Permits> permits;
    std::function<void(Loudness, const std::string&)> say;
    /// To cancel_here() of the shard that may have the client.
    std::function<void(unsigned shard, const OwnSession&, const CancelAsker&)> forward_cancel;
    /// To cancel_answered() of the asker's shard, later.
    std::function<void(const CancelAsker&)> cancel_done;
    /// See Desk. The answer comes back by console_answered().
    std::function<void(std::uint64_t ticket, const Command&)> console_asks;
    std::function<void(std::uint64_t ticket)> console_gives_up;
    /// The last client has gone.
    std::function<void()> emptied;
    /// See Feed::applied().
    std::function<void(std::uint64_t world, std::uint32_t busy)> applied;
  };
  /// Errors: of the reactor, and of the certificates.
  static Result<std::unique_ptr<Shard>> make(Plan plan);
  ~Shard();

  Reactor& reactor() { return *reactor_; }
  /// A client is about to be handed over: it counts from now on. Any thread.
  void expect() { load_.fetch_add(1, std::memory_order_relaxed); }
  /// A client came that was expected; on the thread of the reactor.
  void adopt(Accepted accepted, Port port);
  void set_world(std::shared_ptr<const World> world);
  void set_configuration(std::shared_ptr<const Configuration> configuration);
  /// Lets nobody in any more; whoever is between transactions is told to go, now or later.
  void leave();
  /// Cancels what the client does that is meant, if it is one of ours. The asker is answered when
  /// the server has had the request: then it cannot hit what the client sends next. After five
  /// seconds it is answered in any case.
  void cancel_here(const OwnSession& meant, const CancelAsker& asker);
  void cancel_answered(std::uint64_t asker);
  [[nodiscard]] std::size_t clients() const { return sessions_.size(); }
  /// Of any thread: for whoever spreads new clients.
  [[nodiscard]] std::size_t load() const { return load_.load(); }
  /// Of any thread: those of its clients that talk to the console.
  [[nodiscard]] std::size_t consoles() const { return consoles_.load(); }

  // For the console (shard_console.cpp). `database`: absent means all of them.
  using Database = std::optional<std::string>;
  /// Clients and servers one by one only with `connections`.
  [[nodiscard]] ShardSnapshot snapshot(bool connections) const;
  [[nodiscard]] std::map<std::string, StatsTotals> totals() const;
  /// Whether there is, or was, such a database.
  [[nodiscard]] bool knows(const std::string& database) const;
  /// PAUSE, RESUME, DISABLE, ENABLE, RECONNECT or KILL of this shard's part.
  void carry_out(Verb verb, const Database& database);
  /// Ids as in SocketFacts. False if it has no such client.
  bool kill_client(std::uint64_t id);
  [[nodiscard]] static unsigned shard_of(std::uint64_t id);
  /// Servers that are there; with `outdated`, only those that are about to be replaced.
  [[nodiscard]] std::size_t servers(const Database& database, bool outdated) const;
  void console_answered(std::uint64_t ticket, const ConsoleAnswer& answer);

  // SessionHost
  Surroundings& around() override { return around_; }
  Pool& pool(const PoolName& name) override;
  void over(Session& session) override;
  bool may_pass(Port port) override;
  bool hold(Session& session, Port port) override;
  void leave_hold(Session& session) override;
  void find_secret(Session& session, const std::string& user) override;
  std::shared_ptr<const LoginRules> rules() override;
  void logged_in(Session& session, const std::optional<ScramKeys>& keys) override;
  void refused(Session& session, const Refused& why) override;
  ServerCredential credential(const std::string& user) override;
  Millis delay_of(const Session& session) override;
  CancelKey cancel_key(Session& session, ProtocolVersion spoken) override;
  bool cancel_asked(Session& session, const CancelRequest& request) override;
  void cancel(Server& server) override;
  void cancel(Session& session, Passage& passage) override;
  void find_fate(Session& session, FateQuestion question) override;
  void look_at(Session& session) override;
  [[nodiscard]] bool disabled(const std::string& database) const override;
  void console_asks(Session& session, const Command& command) override;
  void console_gives_up(Session& session) override;

 private:
  struct Waiting {
    HoldQueue queue{100'000};
    std::vector<Session*> by_slot;
    bool open = false;
    std::optional<Reactor::Timer> wake;
  };
  struct SecretQuestion {
    std::unique_ptr<SecretErrand> errand;
    std::vector<std::uint64_t> sessions;  ///< that want to know
    std::optional<ScramSecret> older;     ///< will do if nobody can be asked
    bool has_older = false;
    Instant since;
  };
  struct FateTask {
    std::unique_ptr<FateErrand> errand;
    std::uint64_t session = 0;
    Pool* pool = nullptr;
  };

  /// A cancel request that is carried out, and not answered yet.
  struct AskedCancel {
    std::uint64_t session = 0;  ///< that is meant
    CancelAsker asker;
    Instant deadline;
  };

  /// What admins have said about databases.
  struct Admission {
    bool paused = false;
    std::set<std::string, std::less<>> paused_databases, disabled;
  };

  Shard(std::unique_ptr<Reactor> reactor, Plan plan);
  Outcome load_certificates();
  Waiting& waiting(Port port) { return port == Port::read_write ? writers_ : readers_; }
  void serve_waiting(Port port);
  void wake_waiting(Port port);
  void ask_secrets();
  void secret_known(const std::string& user, AuthStep step);
  void no_secret(SecretQuestion question, const Error& why);
  void tick();
  void tell_busy();
  void watch_busy();
  Session* session(std::uint64_t number);
  Session* session(const OwnSession& meant);
  void answer_cancels();
  [[nodiscard]] bool paused(const std::string& database) const;
  void pause_pools();
  void kill(const Database& database);
  [[nodiscard]] std::uint64_t id_of(std::uint64_t number) const;
  [[nodiscard]] PoolFacts facts_of(const Pool& pool) const;
  [[nodiscard]] SocketFacts facts_of(const Session& session, Instant now) const;
  [[nodiscard]] SocketFacts facts_of(const Pool& pool, const Server& server, Instant now) const;
  [[nodiscard]] SocketFacts facts_of(const Session& session, const Passage& passage,
                                     Instant now) const;
  void add_clients(ShardSnapshot& to, bool connections) const;
  void add_replication(ShardSnapshot& to, bool connections) const;
  void add_databases(ShardSnapshot& to) const;
  void add_users(ShardSnapshot& to) const;

  std::unique_ptr<Reactor> reactor_;
  Plan plan_;
  Surroundings around_;
  std::map<PoolName, std::unique_ptr<Pool>> pools_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  /// By slot. A free one has no number.
  std::vector<SessionIdentity> identities_;
  std::vector<std::uint32_t> free_slots_;
  Waiting writers_;
  Waiting readers_;
  std::map<std::string, SecretQuestion> questions_;
  std::vector<std::unique_ptr<FateTask>> fates_;
  std::map<std::uint64_t, std::unique_ptr<CommitLook>> looks_;  ///< by session
  std::vector<std::unique_ptr<Canceller>> cancellers_;
  std::vector<AskedCancel> asked_cancels_;
  Admission admission_;
  std::map<std::uint64_t, std::uint64_t> console_asks_;  ///< sessions, by ticket
  std::uint64_t last_ticket_ = 0;
  CancelForwards cancel_forwards_;
  std::uint32_t told_busy_ = UINT32_MAX;
  std::uint64_t told_world_ = 0;
  unsigned ticks_ = 0;
  bool leaving_ = false;
  std::atomic<std::size_t> load_{0};
  std::atomic<std::size_t> consoles_{0};
};

}  // namespace evergres::proxy

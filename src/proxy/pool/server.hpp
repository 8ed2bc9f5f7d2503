#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/instant.hpp"
#include "base/names.hpp"
#include "proxy/io/batch.hpp"
#include "proxy/io/reactor.hpp"
#include "proxy/io/sockets.hpp"
#include "proxy/io/stream.hpp"
#include "proxy/login/server_login.hpp"
#include "proxy/pool/reset.hpp"
#include "proxy/pool/settings.hpp"
#include "proxy/pool/statements.hpp"
#include "proxy/session/ledger.hpp"
#include "proxy/wire/walker.hpp"

namespace evergres::proxy {

class Server;
struct Bucket;

/// Notes on what a server was sent (Owed::note). The rest of the number is a StatementId.
namespace note {
inline constexpr std::uint64_t close_for_parse = std::uint64_t{1} << 63U;  ///< stands for a Parse
inline constexpr std::uint64_t close_for_close = std::uint64_t{1} << 62U;  ///< stands for a Close
/// Of ours, in a segment of the client's: its failure is the client's.
inline constexpr std::uint64_t on_behalf = std::uint64_t{1} << 61U;
inline constexpr std::uint64_t xid = std::uint64_t{1} << 60U;  ///< answers with a transaction id
inline constexpr std::uint64_t id_mask = xid - 1;
}  // namespace note

/// How a server connection ended.
struct ServerEnd {
  bool shut_down = false;  ///< its last word was FATAL 57P01
  bool spoke = false;      ///< its last word was another FATAL: `last_word`
  std::string last_word;   ///< that ErrorResponse, as it came
  std::string reason;      ///< a sentence for the log
};

/// Who uses a server: a client's session, or an errand of ours.
class Borrower {
 public:
  /// A piece of an answer.
  virtual void heard(Server& server, const Frame& frame, const Answer& answer) = 0;
  /// A message that the server skipped because something before it failed, in order.
  virtual void skipped(Server& server, const Owed& message) = 0;
  /// Whether it can take more now; else the server is not read until resume().
  [[nodiscard]] virtual bool takes() const = 0;
  /// All that had arrived was told. The server may be given back if it is free().
  virtual void heard_all(Server& server) = 0;
  /// It is gone; it is destroyed after this call.
  virtual void lost(Server& server, const ServerEnd& end) = 0;

 protected:
  ~Borrower() = default;
};

/// What becomes of a server; implemented by its pool.
class ServerKeeper {
 public:
  virtual void ready(Server& server) = 0;  ///< logged in, idle
  virtual void refused(Server& server, const ServerRefused& why) = 0;
  virtual void free(Server& server) = 0;                         ///< not lent, and has become free
  virtual void ended(Server& server, const ServerEnd& end) = 0;  ///< destroys it

 protected:
  ~ServerKeeper() = default;
};

/// One connection to a PostgreSQL server. One thread.
class Server final : public Watcher {
 public:
  struct Birth {
    NodeName node;
    Term term;                           ///< the connection ends with it
    std::optional<TimelineId> timeline;  ///< that its leader writes, as we were told
    Resolved address;
    Address named;             ///< what `address` was looked up from
    Bucket* bucket = nullptr;  ///< of startup settings: see Pool
    ServerLoginPlan plan;
    const TlsContext* tls = nullptr;
    std::size_t statements_most = 200;
  };

  Server(Reactor& reactor, ServerKeeper& keeper, Birth birth);
  ~Server();

  /// Begins to connect. An error is told to the keeper later, as everything is.
  void connect();

  // Lending. The pool does it.
  void lend_to(Borrower* borrower) { borrower_ = borrower; }
  [[nodiscard]] Borrower* borrower() const { return borrower_; }

  /// Tells what is about to be sent. Each message of a batch, in its order, before the batch.
  void sending(const Owed& message);
  /// Sends it. What does not go out waits in the stream. A broken connection is told later.
  void send(Batch& batch);
  /// One of `cancels` has arrived, or never will.
  void cancel_over();
  /// True as long as it exists.
  [[nodiscard]] const std::shared_ptr<bool>& alive() const { return alive_; }
  /// Of one whose borrower has gone: it waits for a message that nobody will send.
  void end_if_nobody_ends_it();
  /// Its borrower takes more again.
  void resume();
  /// So much waits to be sent that nothing more should be read for it.
  [[nodiscard]] bool congested() const { return stream_.unsent() > congestion; }

  /// Idle, nothing outstanding, nothing unread, no cancel request on its way.
  [[nodiscard]] bool free() const;
  /// Runs what takes back the traces; `keeper.free()` follows, or `ended`. True if there is nothing
  /// to do. For one that is free and not lent.
  bool reset(ResetMode mode, Batch& batch);

  /// Ends it now. The borrower and the keeper are told later, once.
  void end(ServerEnd end);
  /// Ends it politely: for one that is free.
  void retire();

  void ready(Ready what) override;

  Ledger& ledger() { return ledger_; }
  ServerStatements& statements() { return statements_; }
  [[nodiscard]] const ServerStatements& statements() const { return statements_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }
  /// Settings of a client that were compared with the server's and are the same: whoever has these
  /// need not compare. Forgotten with each change.
  std::shared_ptr<const Settings> agreed;
  [[nodiscard]] const Birth& birth() const { return birth_; }
  /// That its session began with, as SHOW spells it; empty if it was not told.
  [[nodiscard]] const std::string& statement_timeout() const { return statement_timeout_; }
  [[nodiscard]] std::int32_t pid() const { return pid_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] bool logged_in() const { return state_ == State::session; }
  [[nodiscard]] bool was_ready() const { return was_ready_; }
  [[nodiscard]] bool ending() const { return state_ == State::over; }
  [[nodiscard]] bool inside_tls() const { return stream_.inside_tls(); }
  [[nodiscard]] std::string_view tls_version() const { return stream_.tls_version(); }
  [[nodiscard]] int descriptor() const { return stream_.descriptor(); }
  [[nodiscard]] std::size_t unread() const { return pending_.size(); }
  [[nodiscard]] std::size_t unsent() const { return stream_.unsent(); }

  Traces traces;                 ///< left behind by its borrowers since the last reset
  std::string sets;              ///< the SET commands that were run on it since: see Session
  std::uint64_t unnamed_of = 0;  ///< whose unnamed statement it has; 0: nobody's
  bool knows_xid_statement = false;
  unsigned cancels = 0;  ///< cancel requests that are on their way to it
  Instant born;
  Instant used;  ///< when it was last given back
  Instant lent;
  std::uint64_t number = 0;         ///< in the console
  std::uint64_t client_number = 0;  ///< who has it; 0: nobody
  bool retire_when_free = false;
  bool needs_reset = false;  ///< its borrower left it while it was busy

 private:
  enum class State { connecting, handshake, login, session, over };
  static constexpr std::size_t congestion = 256U << 10U;

  void step(ServerStep step);
  void log_in_further();
  void shake_hands();
  void read();
  bool take(std::string_view& input);
  void first_piece(const Frame& frame);
  void statement_answered(char type);
  bool error_answered(const Frame& frame);
  void tell_skipped();
  void settle_end();

  Reactor& reactor_;
  ServerKeeper& keeper_;
  Birth birth_;
  Stream stream_;
  Reactor::Watch watch_;
  State state_ = State::connecting;
  std::unique_ptr<ServerLogin> login_;
  std::string pending_;  ///< a message that has not arrived whole
  std::string out_;      ///< of the login
  Walker walker_{Side::backend, Phase::session};
  Ledger ledger_{4096};
  ServerStatements statements_;
  Settings settings_;
  std::string statement_timeout_;
  std::int32_t pid_ = 0;
  std::string key_;
  Borrower* borrower_ = nullptr;
  Answer answer_;  ///< where the message goes whose pieces are arriving
  std::vector<Owed> skipped_;
  ServerEnd end_;
  bool end_told_ = false;
  bool was_ready_ = false;
  bool reading_ = false;
  bool unread_ = false;  ///< something may wait to be read that nobody takes yet
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace evergres::proxy

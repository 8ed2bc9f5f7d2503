#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/console/console_session.hpp"
#include "proxy/io/outbox.hpp"
#include "proxy/io/reactor.hpp"
#include "proxy/io/stream.hpp"
#include "proxy/login/cancel_keys.hpp"
#include "proxy/outcome/outcome.hpp"
#include "proxy/pool/hold_queue.hpp"
#include "proxy/pool/pool.hpp"
#include "proxy/session/entrance.hpp"
#include "proxy/session/passage.hpp"
#include "proxy/session/segment.hpp"
#include "proxy/session/surrender.hpp"
#include "proxy/wire/frontend.hpp"
#include "proxy/wire/walker.hpp"

namespace evergres::proxy {

class Session;

/// What a session needs of its shard.
class SessionHost {
 public:
  virtual Surroundings& around() = 0;
  virtual Pool& pool(const PoolName& name) = 0;
  /// Destroys it after the current callback.
  virtual void over(Session& session) = 0;

  /// Whether a transaction may begin now; false if others wait before it.
  virtual bool may_pass(Port port) = 0;
  /// It waits for a leader until released(), expired() or leave_hold(). False if the queue is full.
  virtual bool hold(Session& session, Port port) = 0;
  virtual void leave_hold(Session& session) = 0;

  /// Answers with Session::secret_found() or secret_unavailable(), now or later.
  virtual void find_secret(Session& session, const std::string& user) = 0;
  virtual std::shared_ptr<const LoginRules> rules() = 0;
  virtual void logged_in(Session& session, const std::optional<ScramKeys>& keys) = 0;
  virtual void refused(Session& session, const Refused& why) = 0;
  /// What opens servers for a client whose own login did not leave it.
  virtual ServerCredential credential(const std::string& user) = 0;
  /// How long the answer to a refused login is kept back.
  virtual Millis delay_of(const Session& session) = 0;
  /// What the client is told to cancel with.
  virtual CancelKey cancel_key(Session& session, ProtocolVersion spoken) = 0;
  /// True if nothing comes of the request: whoever sent it may be told so by the end of its
  /// connection. Else Session::cancel_passed_on() follows, once it has been carried out.
  virtual bool cancel_asked(Session& session, const CancelRequest& request) = 0;
  /// Sends a cancel request to the server, which is not given to anybody else until it has arrived.
  virtual void cancel(Server& server) = 0;
  /// The same for a server that was never in a pool. Counts in Passage::cancels.
  virtual void cancel(Session& session, Passage& passage) = 0;
  /// Finds out what became of the transaction that `server` may have committed; answers with
  /// Session::fate_known().
  virtual void find_fate(Session& session, FateQuestion question) = 0;
  /// Looks whether its server waits for standbys; answers with Session::looked().
  virtual void look_at(Session& session) = 0;

  /// Nobody new may connect to it.
  [[nodiscard]] virtual bool disabled(const std::string& database) const = 0;
  /// Answers with Session::console_answered(), later.
  virtual void console_asks(Session& session, const Command& command) = 0;
  /// No answer is wanted any more, and none comes.
  virtual void console_gives_up(Session& session) = 0;

 protected:
  ~SessionHost() = default;
};

/// One client, from its first byte to its last. One thread.
class Session final : public Watcher, public Waiter, public PassageOwner, public Addressee {
 public:
  Session(SessionHost& host, Accepted accepted, Port port, std::uint64_t number);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Once, after it was made.
  void start();

  // What its host tells.
  void secret_found(std::optional<ScramSecret> secret);
  void secret_unavailable(const Error& error);
  /// Its statement_timeout ends its time in the hold queue then, unless hold_timeout ends it
  /// before.
  [[nodiscard]] std::optional<Instant> statement_deadline() const;
  void released();  ///< from the hold queue
  void expired();   ///< its time in the hold queue is over
  void fate_known(Fate fate);
  /// What was seen of the server that has this number; absent: it could not be seen.
  void looked(std::uint64_t server, std::optional<bool> commits);
  void cancel_asked();
  /// Of a cancel request that came instead of a login: one of those who may have the client that is
  /// meant has carried it out.
  void cancel_passed_on() {
    if (cancels_awaited > 0) --cancels_awaited;
    if (cancels_awaited == 0) finish();
  }
  /// A cancel request is on its way to the server that it has, or will be.
  [[nodiscard]] bool cancel_under_way() const;
  /// One of its passage's has arrived, or never will.
  void passage_cancel_over();
  /// Something changed about the leader: a planned end of its term may call for its server.
  void world_changed();
  /// Gives its server back if it stands between two transactions and needs nothing of it.
  void give_way();
  void console_answered(const ConsoleAnswer& answer);
  /// end(), whatever it is doing; what may be committing is told as unknown. `why` is a sentence.
  void kill(const std::string& why);
  void tick();
  /// client_limit, or one of its kind, is reached.
  void too_many(Level reached = Level::all, const Pool* pool = nullptr);
  /// An error of class FATAL, and the end.
  void end(std::string_view sqlstate, const Error& error);

  // Watcher
  void ready(Ready what) override;
  // Waiter, Borrower
  void lent(Server& server) override;
  void turned_away(const TurnedAway& why) override;
  void heard(Server& server, const Frame& frame, const Answer& answer) override;
  void skipped(Server& server, const Owed& message) override;
  void heard_all(Server& server) override;
  void lost(Server& server, const ServerEnd& end) override;
  [[nodiscard]] bool takes() const override { return stream_.unsent() < unsent_most; }

  // Addressee
  void deliver(std::string_view bytes) override;

  // PassageOwner
  void opened(ServerReady ready) override;
  void goes_on() override;
  bool arrived(std::string_view bytes) override;
  void closed(const std::string& sqlstate, const Error& error) override;

  // For the console.
  [[nodiscard]] bool in_console() const { return console_ != nullptr; }
  [[nodiscard]] bool closing() const { return closing_; }
  [[nodiscard]] int descriptor() const { return stream_.descriptor(); }
  [[nodiscard]] std::size_t unread() const { return pending_.size(); }
  [[nodiscard]] std::size_t unsent() const { return stream_.unsent(); }
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] const Server* server() const { return server_; }
  [[nodiscard]] Pool* pool() const { return pool_; }
  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] int client_port() const { return client_port_; }
  [[nodiscard]] Instant connected() const { return connected_; }
  [[nodiscard]] Instant asked() const { return asked_; }
  [[nodiscard]] bool held() const { return held_; }
  [[nodiscard]] bool waits() const { return held_ || Pool::waits(*this); }
  [[nodiscard]] bool let_in() const { return stage_ == Stage::ready || replicates(); }
  /// It has a server for itself, in no pool, or waits for a leader to get one.
  [[nodiscard]] bool replicates() const { return replication_ != Replication::none; }
  [[nodiscard]] Replication replication() const { return replication_; }
  /// The server of one who replicates; nullptr while there is none.
  [[nodiscard]] const Passage* passage() const {
    return passage_ && !passage_->is_over() ? passage_.get() : nullptr;
  }
  [[nodiscard]] bool inside_tls() const { return stream_.inside_tls(); }
  [[nodiscard]] std::string_view tls_version() const { return stream_.tls_version(); }
  [[nodiscard]] const std::shared_ptr<const Settings>& told() const { return told_; }
  [[nodiscard]] std::size_t statements() const { return statements_ ? statements_->size() : 0; }
  [[nodiscard]] Standing standing() const;
  [[nodiscard]] bool in_transaction() const;
  [[nodiscard]] const std::string& user() const { return user_; }
  [[nodiscard]] const std::string& database() const { return database_; }

  HoldQueue::Ticket ticket;                ///< the host's, while it is held
  std::uint32_t cancel_slot = UINT32_MAX;  ///< the host's
  unsigned cancels_awaited = 0;            ///< the host's; calls of cancel_passed_on()
  bool crowded = false;                    ///< there are too many beside it

 private:
  enum class Stage { opening, handshake, login, greeting, ready, passing, over };
  /// What has to be done before a server is as the client left its last one.
  enum class Settling { no, sets, parameters };
  static constexpr std::size_t unsent_most = 256U << 10U;
  static constexpr std::size_t login_most = 128U << 10U;
  static constexpr std::size_t kept_most = 16U << 10U;
  static constexpr std::size_t sets_most = 4U << 10U;

  // session.cpp: reading and ending
  void read();
  void consume(std::string_view& input);
  void use(std::string_view& input);
  bool may_go_on(char type);
  [[nodiscard]] bool server_stays() const;
  void hand_in();
  [[nodiscard]] bool has_message(std::string_view ahead) const;
  void gone();
  void gone_later();
  void finish();
  void send_to_client();
  void put_into_outbox();
  bool tell(std::string_view bytes);
  void send_what_was_put();
  void resume();

  // session_login.cpp
  void open(std::string_view& input);
  void shake_hands();
  void entered(StartupMessage startup);
  void log_in(ClientStep step);
  void feed_login(std::string_view& input);
  void admit(const Admitted& admitted);
  void greet();
  void say_refusal(Refused refused);

  // session_passage.cpp: replication
  void begin_replication(const Admitted& admitted);
  void open_passage();
  void pass_on(std::string_view& input);
  [[nodiscard]] bool passage_waits() const;
  void passage_looks();

  // session_client.cpp: what the client sends
  void frame(const Frame& frame);
  void query(const Frame& frame);
  void parse(const Frame& frame);
  void parse_unnamed(const Frame& frame, const ParseView& view);
  void bind(const Frame& frame);
  void target(const Frame& frame);
  void pass(const Frame& frame, Owed owed);
  bool need_statement(StatementId id, Owed parse);
  void need_unnamed();
  Segment& current();
  void note_look(const SqlLook& look, std::string_view sql);
  void before_commit(const SqlLook& look);
  void keep(const Frame& frame);

  // session_console.cpp: a client of the console
  void enter_console();
  void console_frame(const Frame& frame);

  // session_server.cpp: having a server
  bool want_server();
  bool settle();
  bool settle_sets();
  bool settle_parameters();
  void settled();
  [[nodiscard]] bool gives_back(const Server& server) const;
  void release();
  void let_go();
  void aside(const Frame& frame);
  void ours(Server& server, const Frame& frame, const Answer& answer);
  void answer(Server& server, const Frame& frame, const Answer& answer);
  void tell_withheld(const Verdict& verdict);
  void segment_answered();
  void completed(const Frame& frame);
  void rolled_back_to();
  void remember_sets();

  // session_times.cpp: what takes too long
  void login_late(Instant now);
  void request_late(Instant now);
  [[nodiscard]] bool may_be_committing() const;
  void cancel_late_request();
  void end_late_request();
  bool told_late(const Frame& frame);

  // session_outcome.cpp: losing one
  [[nodiscard]] Standing standing_of(std::size_t place) const;
  /// Its server has something of it that no other server can have; pinned() counts LISTEN too.
  [[nodiscard]] bool has_state() const;
  [[nodiscard]] bool pinned() const;
  [[nodiscard]] bool may_have_committed_behind() const;
  void suffer(Event event, const std::string& reason);
  void carry_out(const Verdict& verdict, std::size_t place, const std::string& reason);
  void wait_again(bool replay);
  void fail_segment(std::size_t place, const Failure& failure, TransactionStatus status);
  void succeed(std::string told, Event event, const std::string& reason);
  void fail_rest(Event event, const std::string& reason);
  void surrender_to(const Frame& frame);

  SessionHost& host_;
  Stream stream_;
  Reactor::Watch watch_;
  std::uint64_t number_;
  std::string address_;
  int client_port_;
  Port port_;
  Instant connected_;
  Instant login_since_;  ///< since when it is the client who takes so long
  Instant asked_;        ///< when its oldest unanswered request came
  Instant idle_since_;
  Stage stage_ = Stage::opening;
  bool readable_ = false;
  bool hung_up_ = false;
  bool closing_ = false;
  bool consuming_ = false;
  bool was_put_ = false;  ///< something of it waits in the outbox
  Instant closing_since_;
  std::string user_, database_;

  std::unique_ptr<Entrance> entrance_;  ///< until it was let in
  std::string pending_;                 ///< what has arrived and cannot be used yet
  Walker walker_{Side::frontend, Phase::session};
  bool to_server_ = false;  ///< where the pieces of the current message go

  std::unique_ptr<ConsoleSession> console_;      ///< instead of all that follows
  std::unique_ptr<Passage> passage_;             ///< of a replication connection, which has no pool
  Replication replication_ = Replication::none;  ///< once it was let in
  Term passage_term_;
  Pool* pool_ = nullptr;
  PoolMode mode_ = PoolMode::session;
  Server* server_ = nullptr;
  Settling settling_ = Settling::no;
  unsigned ours_open_ = 0;  ///< ReadyForQuery that answer what we sent for ourselves
  bool held_ = false;
  bool its_turn_ = false;                 ///< it was let go from the hold queue
  std::shared_ptr<const Settings> told_;  ///< what the client was told of its settings
  std::string sets_;                      ///< SET commands, each ended by a zero byte
  bool state_lost_ = false;               ///< its server is gone, with what no other can have
  bool sets_lost_ = false;                ///< more than could be kept
  std::optional<ClientStatements> statements_;
  std::unique_ptr<Unnamed> unnamed_;
  std::vector<NameChange> changes_;
  std::vector<Segment> segments_;  ///< sent and not answered
  std::string kept_;               ///< the bytes of the first of them, as the client sent them
  bool keeps_ = false;
  bool withhold_ = false;  ///< nothing of this segment is told any more
  Surrender surrender_;
  TransactionFacts transaction_;
  FateQuestion fate_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace evergres::proxy

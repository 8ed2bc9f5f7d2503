#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/names.hpp"
#include "core/position.hpp"
#include "postgres/observe.hpp"
#include "sim/network.hpp"
#include "sim/process.hpp"
#include "sim/sync_names.hpp"

/// One PostgreSQL server as far as losing commits is concerned: where its WAL is durable, whom a
/// commit waits for, what a receiver reports, when a promotion takes effect. Behaviour follows
/// PostgreSQL 15; each habit names the place where it was found (measured, or read in the source).
/// An LSN is the number of WAL records before it; a segment has `segment` of them.
namespace evergres::sim {

inline constexpr std::uint64_t segment = 32;

struct WalRecord {
  std::uint64_t id = 0;  ///< unique in the world
  TimelineId timeline;
  bool operator==(const WalRecord&) const = default;
};
using Wal = std::vector<WalRecord>;

/// The service file that a walreceiver reads when it connects.
struct ServiceFile {
  Place node = 0;
  std::string application_name;
  std::string slot = {};  ///< of the upstream; "": none
};

/// A timeline history file: where each ancestor was left, oldest first. A placeholder names nobody
/// (postgres::reserve_history).
struct HistoryFile {
  struct Step {
    TimelineId parent;
    Lsn at;
  };
  std::vector<Step> steps;
  bool placeholder = false;
};
using HistoryFiles = std::map<TimelineId, HistoryFile>;

/// What is on disk. A power loss cuts `wal` at `durable`.
struct DataDirectory {
  enum class Kind { absent, valid, rebuilding };
  Kind kind = Kind::absent;
  bool sentinel = false;  ///< a rewind or clone has not been seen to work
  Incarnation incarnation;
  Wal wal;
  std::uint64_t flushed = 0;                  ///< what PostgreSQL believes to be on disk
  std::uint64_t durable = 0;                  ///< what is; less only if the disk lies
  std::uint64_t redo = 0;                     ///< where crash recovery begins
  std::uint64_t least_end = 0;                ///< minRecoveryPoint of a copy
  std::uint64_t oldest = 0;                   ///< WAL before is removed
  bool clean = false;                         ///< shut down in an orderly way
  bool led = false;                           ///< was primary when it stopped
  HistoryFiles histories;                     ///< placeholders among them
  bool signal = false;                        ///< standby.signal
  std::set<TimelineId> begun;                 ///< evergres.begun: timelines of promotions here
  std::map<TimelineId, TimelineId> cut;       ///< in it too: of promotions that were cut off
  std::set<TimelineId> fresh_segments;        ///< the first segment that a promotion makes
  std::string names = "ANY 1 (\"~nobody\")";  ///< postgresql.auto.conf
  bool gate_open = false;                     ///< pg_hba.conf
  std::optional<ServiceFile> upstream;
  std::set<std::string> slots;  ///< physical ones, of members

  [[nodiscard]] std::uint64_t end() const { return wal.size(); }
  /// The timeline of the last record; 1 at the very beginning.
  [[nodiscard]] TimelineId timeline_at(std::uint64_t lsn) const;
  /// The newest timeline whose history file is here and no placeholder; 1 if there is none.
  [[nodiscard]] TimelineId newest_real() const;
  /// The highest id that any file names (postgres::newest_timeline).
  [[nodiscard]] TimelineId highest_id() const;
  /// The last timeline before the first id without a history file (timeline.c findNewestTimeLine).
  [[nodiscard]] TimelineId newest_from(TimelineId timeline) const;
  /// Where the search for the newest one begins: with what is to be recovered.
  [[nodiscard]] TimelineId control_timeline() const {
    return timeline_at(led ? end() : std::max(redo, least_end));
  }
  /// What the file of that timeline says, and no other, newest first.
  [[nodiscard]] std::vector<core::Fork> history_of(TimelineId timeline) const;
  /// Who wrote the record at this position, along the history of `timeline` (tliOfPointInHistory);
  /// nobody where that history goes backwards.
  [[nodiscard]] std::optional<TimelineId> timeline_in(TimelineId timeline, std::uint64_t lsn) const;
  /// Placeholders, so that the next promotion on `parent` takes the id `wanted`.
  void reserve(TimelineId parent, TimelineId wanted);
  /// Between the newest real timeline and its parent (postgres::reserve_below_newest).
  void reserve_below_newest();
  /// Placeholders above the newest real history make every start fail.
  void remove_leftover_placeholders();
  /// Whether a server can recover along `target`'s history: what it recovers from is on it, the
  /// last checkpoint of a crashed primary, the end of recovery of a standby (minRecoveryPoint). WAL
  /// behind may well be on another.
  [[nodiscard]] bool can_recover(TimelineId target) const;
  /// Where recovery ends that follows this timeline: segments of none but it and its ancestors are
  /// read, also beyond where they were left (XLogFileReadAnyTLI).
  [[nodiscard]] std::uint64_t end_towards(TimelineId target) const;
  /// The newest ones while what is recovered is not on the way to them, which makes every start
  /// fail (postgres::what_is_no_child). `of_all_wal`: also those that the WAL here passed by.
  [[nodiscard]] std::vector<TimelineId> what_is_no_child(bool of_all_wal) const;
  /// What postgres/begun.hpp finds in these files; kept before each start.
  struct Begun {
    std::set<TimelineId> begun;
    std::map<TimelineId, TimelineId> cut;
  };
  [[nodiscard]] Begun what_began() const;
  void note_begun();
  /// What pg_rewind leaves here: all of the other's that is flushed, and all of its pg_wal. Where
  /// there was nothing pg_basebackup does it, which fetches one history file, that of the timeline
  /// on which it streams WAL (receivelog.c ReceiveXlogStream).
  void become_copy_of(const DataDirectory& other);
};

/// What may ail a server.
struct Ailments {
  int disk_full = 0;
  int hung = 0;                           ///< accepts connections, answers nobody
  int late_receivers = 0;                 ///< a walreceiver is forked long after it was wanted
  int senders_frozen = 0;                 ///< walsenders are stopped, everybody else runs
  std::multiset<Place> sender_to_frozen;  ///< the walsender of one receiver is stopped, anywhere
  std::set<Place> idle_sender_to_frozen;  ///< the same while it has nothing to do
  std::set<Place> cut_replies_of;  ///< a reply arrives in part: the walsender waits inside it
  int replay_blocked = 0;          ///< a query holds up the replay, and with it a promotion
  int recovery_held = 0;           ///< recovery_end_command runs: a promotion takes no effect yet
  bool replay_paused = false;      ///< pg_wal_replay_pause: until a promotion or the next start
  int checkpointer_busy = 0;       ///< a restartpoint: settings are published when it is over
  int rewind_lacks_wal = 0;        ///< the WAL back to the last common checkpoint is gone
  bool fsync_lies = false;         ///< negative control
  std::int64_t slow_disk = 1;
  int disk_hung = 0;  ///< everybody runs, and whatever is to be on disk takes seconds
};

/// What everybody in the world must be able to tell about what a server does.
class PostgresWatcher {
 public:
  virtual ~PostgresWatcher() = default;
  virtual void promoted(Place node, const core::Fork& fork) = 0;
  virtual void attached(Place receiver, Place sender, const std::string& name) = 0;
  virtual std::uint64_t next_record() = 0;
};

class PostgresModel {
 public:
  enum class State { stopped, starting, standby, primary, stopping };
  enum class Answer { acknowledged, warned, refused };
  using Find = std::function<PostgresModel*(Place)>;

  PostgresModel(EventQueue& events, Network& network, Choices& choices, Place place, Find find,
                PostgresWatcher& watcher);

  DataDirectory disk;
  Ailments ails;
  bool powered = true;            ///< the machine is on: what does not listen refuses at once
  bool promoted_by_hand = false;  ///< the promotion of this run is somebody's behind our back
  bool conninfo_is_copied_early = false;     ///< planted: the address is not read at connect
  bool reports_written = false;              ///< planted: a receiver reports before it flushes
  std::function<void(SyncNames&)> misreads;  ///< planted: what it makes of its names
  /// The postmaster ended (its pidfd is readable). Not called for what stop() ends itself.
  std::function<void()> on_exit;

  [[nodiscard]] Place place() const { return place_; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool postmaster_lives() const { return postmaster_; }
  /// Whether any process of the data directory is alive.
  [[nodiscard]] bool anything_alive() const { return processes_.lives(); }
  [[nodiscard]] std::uint64_t replayed() const { return replayed_; }
  [[nodiscard]] Process& processes() { return processes_; }
  /// A connection is accepted and answered.
  [[nodiscard]] bool answers() const;
  /// It takes writes of applications.
  [[nodiscard]] bool admits() const { return answers() && state_ == State::primary && gate_; }

  // Life. The supervisor's business.
  /// Error if it ends at once. `as_primary`: without standby.signal, as nobody must start it.
  Outcome start(bool as_primary = false);
  /// SIGKILL of the postmaster alone: its children go on until reap().
  void kill_postmaster();
  /// The same, and the supervisor knows.
  void lose_postmaster() { postmaster_ = false; }
  /// All processes end at once (immediate stop and SIGKILL of what is left).
  void reap();
  /// Ends sessions, sends everything to whoever still streams, and writes a shutdown checkpoint.
  /// `done(true)` if that worked before the deadline; else everything is ended.
  void stop_fast(Nanos deadline, std::function<void(bool)> done);
  /// The machine loses power.
  void lose_power();

  // What a session may ask.
  using Answered = std::function<void(Answer, std::uint64_t record, std::uint64_t end)>;
  /// `has_wal` false: a transaction that has only an xid, which neither flushes nor waits.
  void commit(bool has_wal, Answered done);
  /// The same in a session that is there already: it needs no postmaster (a procedure that commits
  /// goes on after a SIGKILL of it). `local`: synchronous_commit is local there. The record of the
  /// commit; 0 if there is none.
  std::uint64_t commit_in_session(Answered done, bool local = false);
  /// A cancel request of whoever waits for this one: it is told with a warning that the commit is
  /// done here and perhaps nowhere else.
  void cancel(std::uint64_t record);
  /// So much WAL of a transaction that has not committed.
  void load(std::uint64_t records);
  /// The process reads its files: names and gate.
  void reload();
  /// What a new connection shows.
  [[nodiscard]] const std::string& names_shown() const { return loaded_.text; }
  /// Whether any process here, or the next reload, lets a walsender of this name release commits.
  [[nodiscard]] bool counts(const std::string& name) const;
  /// What an fsync takes longer just now.
  Nanos hang_of_disk();
  [[nodiscard]] bool gate_in_force() const { return gate_; }
  /// The walsender to this receiver has begun to read a reply of which the rest is not there.
  [[nodiscard]] bool reads_part_of_a_reply(Place receiver) const;
  [[nodiscard]] bool somebody_waits() const { return !waiting_.empty(); }
  /// Since when who has waited longest waits for an acknowledgement.
  [[nodiscard]] std::optional<Moment> waits_since() const;
  void end_sessions();
  /// Walsenders of these names whose flush position is below; "all but" for a handover.
  [[nodiscard]] std::vector<std::string> lagging(const std::vector<std::string>& names,
                                                 std::uint64_t lsn) const;
  /// How many of these names have a walsender whose flush position is not below.
  [[nodiscard]] std::size_t passed(const std::vector<std::string>& names, std::uint64_t lsn) const;
  /// A firewall has forgotten its replication connections: nothing arrives, nobody is told.
  /// Keepalives end a receiver (postgres/upstream.cpp), wal_sender_timeout a walsender.
  void forget_connections();
  void end_senders(const std::function<bool(const std::string&)>& which);
  /// The order; it may take effect long after whoever gave it lost patience.
  void promote();
  void unblock_replay();
  [[nodiscard]] std::optional<postgres::Observation> observe(Instant now) const;
  /// Whether the log says since then that the upstream refused us, and how.
  struct Refusals {
    std::optional<Moment> removed;
    std::optional<Moment> diverged;
    std::optional<Moment> behind;
    std::optional<Moment> slot;  ///< it is in use, or there is none
    std::optional<Moment> off_branch;
    std::optional<Moment> history;  ///< a history file is not there
  };
  [[nodiscard]] const Refusals& refusals() const { return refusals_; }

  /// On which it replays or writes.
  [[nodiscard]] TimelineId own_timeline() const;

  // The receiver, as its process is seen from outside.
  [[nodiscard]] bool receiver_process() const { return receiver_.has_value(); }
  void end_receiver();
  /// The startup process looks for a receiver again at once (SIGHUP sets its latch).
  void wake_startup();

 private:
  struct Waiter {
    Moment since;
    std::uint64_t lsn;
    std::uint64_t record;
    std::function<void(Answer, std::uint64_t, std::uint64_t)> done;
  };
  /// Both directions of one replication connection; each end may be gone without the other knowing.
  struct Connection {
    Connection(EventQueue& events, Network& network, Place sender_at, Place receiver_at)
        : down(events, network, sender_at, receiver_at, Traffic::replication),
          up(events, network, receiver_at, sender_at, Traffic::replication) {}
    Stream down;
    Stream up;
    std::uint64_t receiver = 0;  ///< its id there
    std::uint64_t sender = 0;
    bool given_up = false;  ///< by the receiver: what is still under way serves nobody
  };
  struct Sender {
    std::uint64_t id = 0;
    Place node = 0;
    std::string name;
    std::string slot;
    bool streaming = false;
    bool moving = false;
    bool ended = false;  ///< the end of the historic timeline was sent
    std::uint64_t sent = 0;
    std::optional<std::uint64_t> flush;
    TimelineId timeline;
    std::optional<core::Fork> until;  ///< a historic timeline ends here
    Moment replied;
    SyncNames names;                       ///< this process's own copy of the setting
    std::optional<std::uint64_t> told_at;  ///< what it had sent when a SIGHUP came that it has not
                                           ///< obeyed yet
    bool wakes_idle = false;    ///< it was stopped at the top of its loop: first it obeys a SIGHUP
    bool inside_reply = false;  ///< it obeys none before that reply is handled
    std::shared_ptr<Connection> connection;
  };
  enum class ReceiverPhase { forked, connecting, streaming };
  struct Receiver {
    std::uint64_t id = 0;
    ReceiverPhase phase = ReceiverPhase::forked;
    ServiceFile upstream;
    TimelineId timeline;
    std::uint64_t written = 0;
    std::uint64_t received = 0;  ///< flushed by this receiver
    std::uint64_t latest_end = 0;
    bool flushing = false;
    Moment heard;
    std::shared_ptr<Connection> connection;
  };
  struct Request {
    Place node = 0;
    std::string name;
    std::string slot;
    TimelineId timeline;
    std::uint64_t start = 0;
    std::set<TimelineId> known = {};  ///< what the receiver has history files of
    /// The sender's answer: history files from that timeline to its own, fetched before anything
    /// is streamed.
    TimelineId newest = {};
    HistoryFiles histories = {};
    std::shared_ptr<Connection> connection;
  };
  enum class Refusal { none, unreachable, removed, diverged, behind, slot, history };

  void become_ready(bool as_primary);
  void panic();
  void forget_run();
  Nanos disk_time();
  std::uint64_t append();
  void flush_up_to(std::uint64_t lsn);
  // Synchronous replication (syncrep.c).
  std::uint64_t write_commit(bool local, Answered done);
  void begin_to_wait(Waiter waiter);
  void publish_names();
  void read_names(Sender& sender);
  void release(const Sender& by);
  void wake(std::uint64_t up_to);
  // The sending side (walsender.c).
  [[nodiscard]] bool lends(const std::string& slot) const;
  [[nodiscard]] bool is_served(Place node) const;
  Refusal judge(const Request& request, std::optional<core::Fork>& until) const;
  [[nodiscard]] bool can_give_histories(const Request& request) const;
  [[nodiscard]] HistoryFiles histories_between(TimelineId first, TimelineId last) const;
  void accept(const Request& request);
  void push(Sender& sender);
  void push_all();
  void take_reply(std::uint64_t sender, std::uint64_t flush);
  bool cannot_take_reply(Sender& sender);
  [[nodiscard]] std::string sync_state(const Sender& sender) const;
  Sender* find_sender(std::uint64_t id);
  [[nodiscard]] bool is_stopped(const Sender& sender) const {
    return ails.senders_frozen > 0 || ails.sender_to_frozen.contains(sender.node) ||
           ails.idle_sender_to_frozen.contains(sender.node);
  }
  [[nodiscard]] bool is_frozen(const Sender& sender) const {
    return is_stopped(sender) || sender.inside_reply;
  }
  void watch_sender(std::uint64_t id);
  void drop_sender(std::uint64_t id);
  [[nodiscard]] std::uint64_t send_limit() const;
  void greet(Sender& sender, const Request& request, Refusal refusal);
  // The receiving side (walreceiver.c, xlogrecovery.c).
  void look_for_upstream();
  void fork_receiver(const std::optional<ServiceFile>& copied);
  void connect(const ServiceFile& upstream);
  void answered(std::uint64_t receiver, Refusal refusal, const Request& request);
  void take_wal(std::uint64_t receiver, std::uint64_t from, const Wal& records, std::uint64_t end);
  void flush_received(std::uint64_t receiver);
  void reply(std::uint64_t receiver);
  void timeline_ended(std::uint64_t receiver, const core::Fork& next,
                      const HistoryFiles& histories);
  void receiver_gone(std::uint64_t receiver);
  void replay();
  void try_to_promote();
  void begin_timeline(TimelineId fresh);
  void end_recovery(const core::Fork& fork);
  void keep_status(std::uint64_t receiver);
  void take_histories(TimelineId first, TimelineId last, const HistoryFiles& histories);
  void adopt_newest();
  [[nodiscard]] TimelineId timeline_to_request() const;
  void write_shutdown_checkpoint(bool leads);
  void check_stop();
  void end_in_order();

  EventQueue& events_;
  Network& network_;
  Choices& choices_;
  Place place_;
  Find find_;
  PostgresWatcher& watcher_;
  Process processes_;
  State state_ = State::stopped;
  bool postmaster_ = false;
  std::uint64_t replayed_ = 0;
  bool promote_asked_ = false;
  bool promoting_ = false;
  [[nodiscard]] SyncNames names_on_disk() const;
  SyncNames loaded_;  ///< of the postmaster, and of every new process
  bool gate_ = false;
  bool sync_defined_ = false;  ///< as the checkpointer published it
  std::uint64_t released_ = 0;
  std::vector<Waiter> waiting_;
  std::vector<Sender> senders_;
  std::uint64_t next_id_ = 0;
  std::optional<Receiver> receiver_;
  bool looking_ = false;  ///< the startup process has planned its next look
  TimelineId target_{1};  ///< recovery follows this one
  std::optional<TimelineId> received_timeline_;
  std::optional<std::uint64_t> received_end_;  ///< pg_last_wal_receive_lsn: since the start
  Refusals refusals_;
  std::function<void(bool)> stop_done_;
  std::optional<std::uint64_t> stop_end_;  ///< of the shutdown checkpoint, once it is written
};

}  // namespace evergres::sim

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/names.hpp"
#include "postgres/observe.hpp"

/// What a story may do to a server and may see of it. There are two kinds: sim::PostgresModel, and
/// PostgreSQL itself. A story is written once and must be told the same by both.
namespace evergres::differential {

/// What may be stopped with SIGSTOP.
enum class Part { checkpointer, senders, startup, postmaster, everything };
enum class Fate { waits, acknowledged, warned, lost };

/// From whom a walreceiver streams, under which name; of which slot, if any.
struct Upstream {
  std::string server;
  std::string application_name;
  std::string slot = {};
  bool relayed = false;  ///< over a relay, which can hold back either direction
};

/// One server. Its data directory is a copy of one that all servers share: timeline 1, no client
/// has ever written. What begins something returns at once.
class Server {
 public:
  explicit Server(std::string name) : name_(std::move(name)) {}
  virtual ~Server() = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  [[nodiscard]] const std::string& name() const { return name_; }

  // Files. Read at the next start or reload; the upstream when a receiver connects.
  virtual void write_names(const std::string& names) = 0;
  virtual void write_upstream(const std::optional<Upstream>& upstream) = 0;
  /// Placeholder history files, so that the next promotion takes this timeline
  /// (postgres::reserve_history).
  virtual void reserve(TimelineId next) = 0;
  /// A copy of another server's history files.
  virtual void take_histories(Server& from) = 0;
  /// One history file of this stopped server is gone.
  virtual void lose_history(TimelineId timeline) = 0;
  /// The history files of postgres::what_is_no_child are removed from this stopped server.
  /// `of_all_wal`: also those that its WAL has passed by.
  virtual void forget_what_is_no_child(bool of_all_wal) = 0;
  /// pg_rewind of this stopped server with a running one as its source; whether that worked.
  virtual bool rewind(Server& source) = 0;
  /// pg_basebackup of a running one in the place of this stopped one; whether that worked.
  virtual bool clone(Server& source) = 0;

  // Life. A server that starts is a standby.
  virtual void start() = 0;
  /// "stopped", "starting", "standby", "primary", "stopping", "survivors" (the postmaster is dead,
  /// a process of it is not), or "refused: WHY" after a start that failed.
  virtual std::string life() = 0;
  virtual void begin_fast_stop(Millis patience) = 0;
  /// True if it ended in an orderly way before the patience did; else everything is ended.
  virtual bool end_fast_stop() = 0;
  bool stop_fast(Millis patience) {
    begin_fast_stop(patience);
    return end_fast_stop();
  }
  /// Immediate: every process at once.
  virtual void stop_immediately() = 0;
  /// SIGKILL of the postmaster and nobody else.
  virtual void kill_postmaster() = 0;
  /// SIGKILL of every process.
  virtual void kill_everything() = 0;

  // Sessions.
  virtual void reload() = 0;
  /// Begins a transaction that writes WAL, or one that only has an xid. Returns its number.
  virtual int commit(bool has_wal = true) = 0;
  /// Begins one that computes, and commits only after finish_computing().
  virtual int commit_later() = 0;
  virtual void finish_computing() = 0;
  virtual Fate fate(int commit) = 0;
  /// pg_terminate_backend of every session that waits in a commit.
  virtual void end_sessions() = 0;
  virtual void promote() = 0;
  /// pg_promote with a second's patience: what it says.
  virtual bool promote_and_wait() = 0;
  /// A promotion of the next start writes its history and takes no effect before let_recovery_end()
  /// (recovery_end_command).
  virtual void hold_recovery() = 0;
  virtual void let_recovery_end() = 0;
  virtual void pause_replay() = 0;
  virtual void resume_replay() = 0;
  /// Redo begins here from now on; a restartpoint on a standby.
  virtual void checkpoint() = 0;
  virtual void make_slot(const std::string& name) = 0;

  // Processes.
  virtual void freeze(Part part) = 0;
  virtual void thaw(Part part) = 0;
  /// SIGSTOP of the walsender to the receiver of this name, while it has nothing to do.
  virtual void freeze_sender(const std::string& name) = 0;
  virtual void thaw_sender(const std::string& name) = 0;
  /// SIGTERM of the receiver.
  virtual void end_receiver() = 0;
  virtual bool receiver_process() = 0;
  /// Why its upstream last refused its receiver, since the start: "slot", "removed", "diverged",
  /// "behind", "history" (a file that it lacks is not there), "branch" (its newest timeline does
  /// not come from the one that is followed), or "".
  virtual std::string last_refusal() = 0;

  // The relay to its upstream.
  /// Nothing comes down any more. What the receiver says goes up.
  virtual void hold_wal() = 0;
  /// Only the beginning of its next reply arrives: the walsender, which reads whole messages, waits
  /// inside that one.
  virtual void cut_reply() = 0;
  virtual bool reply_is_cut() = 0;
  virtual void complete_reply() = 0;

  /// What it answers, if it answers.
  virtual std::optional<postgres::Observation> observe() = 0;
  /// Its real history files, ascending: the timeline, and the steps that led to it.
  struct History {
    TimelineId timeline;
    struct Step {
      TimelineId parent;
      std::uint64_t end = 0;
    };
    std::vector<Step> steps;
  };
  virtual std::vector<History> histories() = 0;
  /// The end of the WAL of a server that is stopped.
  virtual std::uint64_t end_when_stopped() = 0;

 private:
  std::string name_;
};

/// Three servers and their time.
class World {
 public:
  virtual ~World() = default;
  virtual Server& at(std::size_t index) = 0;
  /// A little time passes, 10 ms or so.
  virtual void pass() = 0;
  /// How long a story may wait for one thing, in its own time.
  virtual Instant now() = 0;
};
inline constexpr std::size_t servers_in_a_world = 3;

/// `seed`: of what the model leaves to chance.
std::unique_ptr<World> make_model(std::uint64_t seed);
/// Servers of the PostgreSQL in `programs`, in a temporary directory of their own, on unix sockets.
/// They end with the calling thread. Null, with a failed test, if one could not be made.
std::unique_ptr<World> make_real(const std::string& programs);
/// The directories of the programs of each installed PostgreSQL from 14 on.
std::vector<std::string> installed_programs();

}  // namespace evergres::differential

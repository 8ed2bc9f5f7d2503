#include "postgres/probe.hpp"

#include <algorithm>
#include <set>

#include "postgres/cells.hpp"
#include "postgres/look_again.hpp"
#include "postgres/promotion.hpp"

namespace evergres::postgres {

namespace {

constexpr Millis between_answers{5};
constexpr const char* impossible_names = "ANY 1 (\"~nobody\")";
/// Transactional, hence with an xid and a commit record that is flushed and waited for; a
/// transaction that has only an xid neither flushes nor waits.
constexpr const char* probe_sql = "SELECT pg_logical_emit_message(true, 'evergres', 'probe')";

Error timed_out(std::string detail) {
  return Error(ErrorCode::timed_out, "the policy is not proven", std::move(detail),
               "Look at whether the voters stream from this node.");
}

/// One proof, step by step. The probe's session waits for standbys, `control()` never does.
class Prover {
 public:
  Prover(const Server& server, const ProofRequest& request, Instant deadline,
         const std::stop_token& stop, std::optional<Session> at_hand)
      : server_(server),
        request_(request),
        deadline_(deadline),
        stop_(stop),
        at_hand_(std::move(at_hand)) {}

  Result<Proof> run() {
    const Instant begun = boot_now();
    if (request_.leaving_empty && request_.safety.synchronous_standby_names != "") {
      if (auto seen = see_a_probe_wait(); !seen) return seen.error();
    }
    auto probe = session_with_names_in_force();
    if (!probe) return probe.error();
    for (std::size_t cut = 1; cut != 0;) {
      const auto lsn = acknowledged_probe(*probe);
      if (!lsn) return lsn.error();
      proof_.lsn = *lsn;
      const std::size_t before = proof_.cut.size();
      if (auto passed = wait_for_senders(*probe); !passed) return passed.error();
      // A walsender that had to be ended may have released this probe with its old copy of the
      // settings: only a probe that was sent after its end counts.
      cut = proof_.cut.size() - before;
    }
    proof_.took = boot_now() - begun;
    return proof_;
  }

 private:
  Outcome go_on(const char* doing) {
    if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "the proof was stopped");
    if (boot_now() < deadline_) return {};
    return timed_out(std::string("The deadline passed while ") + doing + ".");
  }

  Result<Session> waiting_session() { return session_with("on"); }

  /// Under the impossible names no commit is acknowledged. Its probe is one that is only written:
  /// the old voters' walsenders must have passed it all the same.
  [[nodiscard]] const char* commit_of_probe() const {
    return request_.safety.synchronous_standby_names == impossible_names ? "local" : "on";
  }

  /// A new one, or that at hand, made like a new one. Whatever keeps that from serving, a new one
  /// may do.
  Result<Session> probe_session() {
    auto given = std::exchange(at_hand_, std::nullopt);
    if (!given) return session_with(commit_of_probe());
    const std::string settings =
        std::string("SET statement_timeout = 0; SET synchronous_commit = ") + commit_of_probe();
    if (given->simple(settings, deadline_)) return std::move(*given);
    return session_with(commit_of_probe());
  }

  Result<Session> session_with(const char* synchronous_commit) {
    SessionOptions options;
    options.synchronous_commit = synchronous_commit;
    options.statement_timeout = Millis{0};  // a cancelled wait would look like an acknowledgement
    return Session::connect(server_, options, deadline_);
  }

  /// The session that never waits for standbys; opened when it is needed first.
  Result<Session*> control(Instant deadline) {
    if (!control_ || !control_->usable()) {
      auto session = Session::connect(server_, {}, deadline);
      if (!session) return session.error();
      control_ = std::move(session).value();
    }
    return &*control_;
  }

  /// A probe's session that was opened after the names had come into force. After a promotion they
  /// are written and in force already; then nothing is written or reloaded again. The session at
  /// hand is of before what is written here.
  Result<Session> session_with_names_in_force() {
    if (safety_is_written(server_, request_.safety)) {
      auto probe = probe_session();
      if (!probe) return probe;
      const auto differing = differing_safety(*probe, request_.safety, deadline_);
      if (!differing) return differing.error();
      if (differing->empty()) return probe;
    }
    at_hand_.reset();
    auto session = control(deadline_);
    if (!session) return session.error();
    auto set = set_names(server_, **session, request_.safety, deadline_);
    if (!set) return set.error();
    return probe_session();
  }

  /// Ends the waiting backend, so that no orphan of ours waits until somebody acknowledges it.
  void terminate(const Session& probe) {
    const auto grace = boot_now() + Millis{1000};  // the proof's own deadline may have passed
    auto session = control(grace);
    if (!session) return;
    const auto ended = (*session)->query("SELECT pg_terminate_backend($1::int)",
                                         {std::to_string(probe.backend_pid())}, grace);
    static_cast<void>(ended);  // best effort: the names in force decide, not this backend
  }

  /// (b): from now on every commit that begins to wait is waited for by somebody who publishes it.
  Outcome see_a_probe_wait() {
    SafetySettings nobody = request_.safety;
    nobody.synchronous_standby_names = impossible_names;
    auto session = control(deadline_);
    if (!session) return session.error();
    if (auto set = set_names(server_, **session, nobody, deadline_); !set) return set;
    for (;;) {
      auto probe = waiting_session();
      if (!probe) return probe.error();
      if (auto sent = probe->send(probe_sql, deadline_); !sent) return sent;
      const auto waits = waits_for_standby(*probe);
      if (!waits) {
        terminate(*probe);
        return waits.error();
      }
      if (*waits) {
        terminate(*probe);
        return {};
      }
    }
  }

  /// True: seen waiting. False: it was acknowledged without.
  Result<bool> waits_for_standby(Session& probe) {
    for (;;) {
      const auto done = probe.finish(boot_now() + between_answers);
      if (!done) return done.error();
      if (*done) {
        look_again_after(between_answers);
        if (auto fine = go_on("a probe still did not wait for a standby"); !fine) {
          return fine.error();
        }
        return false;
      }
      const auto rows = control_->query(
          "SELECT coalesce(wait_event, '') = 'SyncRep' FROM pg_stat_activity WHERE pid = $1::int",
          {std::to_string(probe.backend_pid())}, deadline_);
      if (!rows) return rows.error();
      if (!rows->empty() && is_true(rows->front().front())) return true;
      if (auto fine = go_on("waiting for a probe to wait"); !fine) return fine.error();
    }
  }

  /// (a): the position up to which everything is acknowledged.
  Result<Lsn> acknowledged_probe(Session& probe) {
    if (auto sent = probe.send(probe_sql, deadline_); !sent) return sent.error();
    for (;;) {
      const auto rows = probe.finish(boot_now() + between_answers);
      if (!rows) return rows.error();
      if (*rows && !probe.last_warning().empty()) {
        return Error(ErrorCode::postgres_failed, "the probe's wait was cancelled",
                     "PostgreSQL warned: " + probe.last_warning() + ".", "Try again.");
      }
      if (*rows) break;
      if (auto fine = go_on("no voter had acknowledged the probe"); !fine) {
        terminate(probe);
        return fine.error();
      }
    }
    // The statement returned the begin of the message; its commit record lies behind it, and before
    // what is flushed now.
    const auto rows = probe.query("SELECT pg_current_wal_flush_lsn()", deadline_);
    if (!rows) return rows.error();
    const auto lsn = rows->empty() ? std::nullopt : lsn_of(rows->front().front());
    if (!lsn) return Error(ErrorCode::data_invalid, "PostgreSQL gave no flush position");
    return *lsn;
  }

  struct Sender {
    pid_t pid;
    std::string name;
  };
  struct Senders {
    std::vector<Sender> lagging;   ///< of old and new voters
    std::set<std::string> passed;  ///< new voters that have flushed the probe
  };

  Result<Senders> senders_of_voters(Session& session) {
    const auto rows = session.query(
        "SELECT s.pid, a.application_name, coalesce(s.flush_lsn >= $1::pg_lsn, false)"
        "  FROM pg_stat_get_wal_senders() s"  // pg_stat_replication without its joins
        "  JOIN pg_stat_get_activity(NULL) a USING (pid)",
        {proof_.lsn.text()}, deadline_);
    if (!rows) return rows.error();
    const auto has = [](const std::vector<std::string>& names, const std::string& name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    Senders senders;
    for (const auto& row : *rows) {
      const std::string name = row[1].value_or("");
      const auto pid = number_of<pid_t>(row[0]);
      if (is_true(row[2])) {
        if (has(request_.new_voters, name)) senders.passed.insert(name);
      } else if (pid && has(request_.voters, name)) {
        senders.lagging.push_back({*pid, name});
      }
    }
    return senders;
  }

  /// (c): each voter's walsender shows that it has passed the probe, or is gone; and enough of the
  /// new voters have it.
  Outcome wait_for_senders(Session& session) {
    const Instant patience = boot_now() + request_.sender_patience;
    std::vector<pid_t> told;
    for (;;) {
      const auto senders = senders_of_voters(session);
      if (!senders) return senders.error();
      if (senders->lagging.empty() && senders->passed.size() >= request_.k) return {};
      if (boot_now() >= patience) {
        for (const auto& sender : senders->lagging) {
          if (std::find(told.begin(), told.end(), sender.pid) != told.end()) continue;
          const auto ended = session.query("SELECT pg_terminate_backend($1::int)",
                                           {std::to_string(sender.pid)}, deadline_);
          if (!ended) return ended.error();
          told.push_back(sender.pid);
          proof_.cut.push_back(sender.name);
        }
      }
      look_again_after(between_answers);
      if (auto fine =
              go_on("a voter's walsender had neither passed the probe nor ended, or too few "
                    "voters had it");
          !fine) {
        return fine;
      }
    }
  }

  const Server& server_;
  const ProofRequest& request_;
  Instant deadline_;
  const std::stop_token& stop_;
  std::optional<Session> at_hand_;
  std::optional<Session> control_;
  Proof proof_;
};

}  // namespace

Result<Proof> prove(const Server& server, const ProofRequest& request, Instant deadline,
                    const std::stop_token& stop, std::optional<Session> at_hand) {
  return Prover(server, request, deadline, stop, std::move(at_hand)).run();
}

}  // namespace evergres::postgres

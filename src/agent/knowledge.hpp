#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/known_settings.hpp"
#include "agent/server_details.hpp"
#include "agent/tally.hpp"
#include "agent/watcher_acks.hpp"
#include "cluster/status.hpp"
#include "core/decide.hpp"
#include "core/situation.hpp"
#include "supervisor/protocol.hpp"

namespace evergres::agent {

class KeptSession;
class SharedObserver;

/// When what ended in the term that is under way, as this node saw it: the phases in the history.
struct TermTimes {
  struct Step {
    std::string name;
    Instant ended;
  };
  Term term;
  std::optional<Instant> began;  ///< nobody was in charge any more
  std::vector<Step> steps;       ///< in the order in which they ended, each name once

  void note(std::string_view name, Instant ended);
  /// "fence 34 ms" for each step, from the end of the one before it.
  [[nodiscard]] std::vector<std::string> phases() const;
};

/// The first transaction id that our server gives out as leader of a term, as its promotion read
/// it.
struct NextXid {
  Term term;
  std::uint64_t id = 0;
};

/// What an operator asked for and did not get.
struct Refusal {
  std::string request_id;  ///< "" if it never became a request
  std::int64_t wall_ms = 0;
  std::string text;  ///< who refused (a rule or a check of the request), why, and the facts
};
inline constexpr std::size_t most_refusals = 20;

/// Everything this agent knows. It belongs to the control thread; other threads hand over functions
/// (Learn) that change it there.
struct Knowledge {
  core::Situation situation;  ///< `now` is set when it is used
  supervisor::Status supervisor;
  bool supervisor_known = false;
  std::map<NodeName, cluster::NodeCard> cards;
  std::optional<TimelineId>
      received_timeline;  ///< of the last receiver that streamed in this start
  std::string own_host;   ///< of our PostgreSQL, as the members reach it
  std::optional<std::vector<std::string>>
      gate_hosts;                           ///< that this run wrote into pg_hba.conf last
  std::optional<Instant> position_seen_at;  ///< on a primary: when the look began that saw it
  Instant server_changed_at;     ///< observations that were begun earlier are out of date
  Instant slots_changed_at;      ///< the same of the slots
  Instant all_slots_changed_at;  ///< the same of server.slots
  std::optional<std::string> applied_names;  ///< what we last wrote as synchronous_standby_names
  std::optional<std::string>
      upstream_name;          ///< application name in the service file that we found at our start
  std::string progress;       ///< of the running operation, for people
  std::string last_decision;  ///< as journalled
  std::optional<std::string>
      yields;  ///< a sentence: an older agent of this very name lives, we must not act
  std::optional<ServerDetails> details;  ///< while PostgreSQL runs and answers
  Tally tally;
  KnownSettings settings;
  TermTimes times;
  std::optional<NextXid> next_xid;  ///< of the last promotion, if it is certain
  std::vector<std::string> recent_errors;
  std::deque<Refusal> refusals;                   ///< the last ones of this run, oldest first
  std::optional<core::WeakCommits> weak_commits;  ///< of our primary; absent: none
  std::shared_ptr<const std::vector<cluster::HistoryEntry>>
      history;                   ///< ascending by term; null until it was read
  std::optional<Term> draining;  ///< we lead this term and let transactions end before a handover
  /// A fact about the transactions that ended before our handover to this term; "": none were open.
  std::pair<Term, std::string> drained;
  /// What our watchers have acknowledged; shared by all copies, for every thread.
  std::shared_ptr<WatcherAcks> watchers = std::make_shared<WatcherAcks>();
  /// Shared by all copies as well; null in tests that have no PostgreSQL.
  std::shared_ptr<SharedObserver> observer;
  std::shared_ptr<KeptSession> promoted_over;
  struct Loop {
    Instant began;  ///< the last round of the control loop
    Nanos took{0};  ///< the last complete one, without its wait
  } loop;
};

using Learn = std::function<void(Knowledge&)>;
/// Hands a Learn to the control thread; callable from every thread, never blocks.
using Tell = std::function<void(Learn)>;

/// Addresses of the PostgreSQL servers of all known nodes, each once, in order.
std::vector<std::string> member_hosts(const Knowledge& knowledge);

/// The record became known, from a peer or by our own writing. Older revisions are ignored.
void learn_record(Knowledge& knowledge, const core::Record& record, Revision revision, Instant now);

/// The same of what was read in the store, which wins at an equal revision: a peer of an older
/// version leaves out the members that it does not know.
void learn_stored_record(Knowledge& knowledge, const core::Record& record, Revision revision,
                         Instant now);

/// The service file was written by this run: what stood there at our start counts no more.
void learn_upstream(Knowledge& knowledge, std::optional<core::Upstream> upstream);

/// The slot of a node was made or dropped here by this run.
void learn_slot(Knowledge& knowledge, const NodeName& node, bool exists);

/// What our server says of its slots, by their names; `at`: when it was asked.
void learn_slots(Knowledge& knowledge, const std::vector<std::string>& names, Instant at);

/// All slots of our server; `at`: when it was asked.
void learn_all_slots(Knowledge& knowledge, std::vector<core::Slot> slots, Instant at);

/// Forgets what was true of the last start of the server.
void forget_server_run(Knowledge& knowledge);

/// Derives what depends on the clock and returns the situation as of now.
const core::Situation& look(Knowledge& knowledge, Instant now);

/// What synchronous_standby_names has to be now; nothing while a policy or a promotion is under
/// way.
std::optional<std::string> expected_names(const core::Situation& situation);

/// What is done while `yields` holds: our server is stopped, nothing else.
core::Decision yield_decision(const Knowledge& knowledge);

/// Keeps the last most_refusals.
void note_refusal(Knowledge& knowledge, Refusal refusal);

/// What this node is doing, for people; "" if nothing special.
std::string doing(const Knowledge& knowledge);

/// What this agent says to its peers.
core::Heartbeat heartbeat_of(const Knowledge& knowledge, Instant now);
/// As of the last look of the agent.
core::Heartbeat heartbeat_of(const Knowledge& knowledge);

}  // namespace evergres::agent

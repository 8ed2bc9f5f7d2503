#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "agent/knowledge.hpp"
#include "base/result.hpp"
#include "cluster/cluster_store.hpp"
#include "config/node_settings.hpp"
#include "core/intent.hpp"
#include "postgres/observe.hpp"
#include "postgres/server.hpp"
#include "postgres/settings.hpp"
#include "postgres/upstream.hpp"
#include "supervisor/client.hpp"

namespace evergres::agent {

/// What never changes during the life of an agent.
struct Setup {
  config::NodeSettings settings;
  postgres::Server server;
  int major = 0;
  std::string secret;
};

/// The hands of one running operation. It lives on the operation thread: everything may block, but
/// never past a deadline, and long waits ask `stop`.
class Hands {
 public:
  Hands(const Setup& setup, Knowledge snapshot, std::function<void(Learn)> tell,
        std::stop_token stop);

  const Setup& setup;
  const Knowledge known;  ///< as of the moment of the decision
  const std::stop_token stop;

  [[nodiscard]] const core::Situation& situation() const { return known.situation; }
  [[nodiscard]] const postgres::Server& server() const { return setup.server; }

  /// Hands a change of knowledge to the control thread; in order.
  void learn(Learn change) { tell_(std::move(change)); }
  /// Says how far it is, for people.
  void progress(const std::string& text);
  [[nodiscard]] bool stopped() const { return stop.stop_requested(); }
  [[nodiscard]] Error cancelled() const;

  /// The supervisor, on a connection of this operation.
  Result<boost::json::object> ask_supervisor(const supervisor::Request& request, Millis deadline);
  Result<supervisor::Status> supervisor_status();

  /// Reads the record, changes it by `transition`, compares-and-sets; again with what it finds if
  /// somebody else was faster (the transition refuses what no longer fits). The new record is
  /// learned.
  using Transition = std::function<Result<core::Record>(core::Record)>;
  Result<core::Record> change_record(const Transition& transition);
  /// The same in two parts, where something is to be ready before anybody hears of the new record.
  using Written = cluster::Versioned<core::Record>;
  Result<Written> write_record(const Transition& transition);
  void learn_written(const Written& written);
  Result<cluster::ClusterStore*> store();

  /// Where a node's PostgreSQL is reached, as its card says.
  Result<postgres::Upstream> upstream_to(const NodeName& node,
                                         const std::string& application_name) const;

  /// The rendered configuration with these names in force.
  [[nodiscard]] postgres::Configuration configuration(const std::string& names) const;
  [[nodiscard]] postgres::SafetySettings safety(const std::string& names) const;

 private:
  std::function<void(Learn)> tell_;
  std::optional<supervisor::Client> supervisor_;
  std::optional<cluster::ClusterStore> store_;
};

/// Deadlines of single steps.
inline constexpr Millis store_deadline{2000};
inline constexpr Millis sql_deadline{5000};

/// Every intent that is an operation has one function here (the file is named after it). Done, or
/// an Error; what was learned is told through Hands::learn.
Outcome carry_out(const core::StartServer& intent, Hands& hands);
Outcome carry_out(const core::StopServer& intent, Hands& hands);
Outcome carry_out(const core::RestartServer& intent, Hands& hands);
Outcome carry_out(const core::Fence& intent, Hands& hands);
Outcome carry_out(const core::ClaimTerm& intent, Hands& hands);
Outcome carry_out(const core::Vacate& intent, Hands& hands);
Outcome carry_out(const core::ChooseLeader& intent, Hands& hands);
Outcome carry_out(const core::Promote& intent, Hands& hands);
Outcome carry_out(const core::ProveBarrier& intent, Hands& hands);
Outcome carry_out(const core::ResumeLeadership& intent, Hands& hands);
Outcome carry_out(const core::OpenGate& intent, Hands& hands);
Outcome carry_out(const core::MendSettings& intent, Hands& hands);
Outcome carry_out(const core::ApplySettings& intent, Hands& hands);
Outcome carry_out(const core::MakeSlots& intent, Hands& hands);
Outcome carry_out(const core::ReleaseSlots& intent, Hands& hands);
Outcome carry_out(const core::KeepSlots& intent, Hands& hands);
Outcome carry_out(const core::AllowRewinds& intent, Hands& hands);
Outcome carry_out(const core::ChangePolicy& intent, Hands& hands);
Outcome carry_out(const core::RecordDurability& intent, Hands& hands);
Outcome carry_out(const core::RecordLoss& intent, Hands& hands);
Outcome carry_out(const core::AddMember& intent, Hands& hands);
Outcome carry_out(const core::BeginHandover& intent, Hands& hands);
Outcome carry_out(const core::StopForHandover& intent, Hands& hands);
Outcome carry_out(const core::Follow& intent, Hands& hands);
Outcome carry_out(const core::Rewind& intent, Hands& hands);
Outcome carry_out(const core::Clone& intent, Hands& hands);
Outcome carry_out(const core::ClearRequest& intent, Hands& hands);

// Steps that several operations share.

/// Writes the configuration with the resting names, no upstream and a closed gate, starts, and
/// waits until PostgreSQL answers or has ended.
Outcome start_as_standby(Hands& hands, bool without_hot_standby);
/// Stops the running standby and starts it without the histories of timelines that its WAL, which
/// ends there, has passed by (postgres::what_is_no_child). Waits for the postmaster alone: others
/// may not need this server, and recovery takes its time.
Outcome restart_without_what_was_passed_by(Hands& hands, const core::Position& end);
/// The start for a rewound server, which is consistent only after it streamed from `upstream`.
Outcome start_streaming(Hands& hands, const postgres::Upstream& upstream);
/// Stops until no process of the data directory is alive. Returns whether it was a clean shutdown.
Result<bool> stop_server(Hands& hands, supervisor::StopMode mode, Millis deadline);
/// Stops and learns that it is stopped.
Result<bool> stop_and_learn(Hands& hands, supervisor::StopMode mode, Millis deadline);
/// Promises on disk, before anything of the term is done.
Outcome make_promise(Hands& hands, Term term, const Claim& claim);
/// The fence's answer of this server, without its position.
core::Fenced answer_without_position(const Hands& hands, Term term, SystemId system_id);
/// The fence's answer of a stopped server: the end of its WAL read offline.
Result<core::Fenced> read_offline(Hands& hands, Term term);
/// The configuration for a start: settings of the cluster that were never applied here are left out
/// if PostgreSQL would not start with them.
postgres::Configuration configuration_for_start(Hands& hands, const std::string& names);
/// Has PostgreSQL read its files again and waits until it says that it has.
Outcome reload_postgres(Hands& hands);
/// Writes pg_hba.conf in this state and reloads.
Outcome set_gate(Hands& hands, postgres::Gate gate);
/// Asks the supervisor for the grant; counted from `asked_at`.
Outcome ask_grant(Hands& hands, supervisor::GrantKind kind, Term term, Instant asked_at);

/// Test builds and stories: if EVERGRES_TEST_CRASH_AFTER names this step and
/// state_directory/crash-once exists, the file is removed and this agent dies by SIGKILL.
void crash_point(const Hands& hands, const char* step);

}  // namespace evergres::agent

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/transition.hpp"
#include "sim/agent_model.hpp"

namespace evergres::sim {

/// The hands of one running operation, as agent::Hands: a snapshot of what was known when it was
/// decided, and calls that take their time. Every one may be the last: the run may end at each.
class Hands {
 public:
  Hands(AgentModel& at_agent, std::weak_ptr<int> run);

  AgentModel& agent;
  const agent::Knowledge known;
  std::weak_ptr<int> run;

  [[nodiscard]] const core::Situation& situation() const { return known.situation; }
  [[nodiscard]] bool stopped() const { return agent.stop_requested_; }
  [[nodiscard]] bool planted(Bug bug) const { return agent.world_.planted.contains(bug); }
  [[nodiscard]] Instant now() const { return agent.home_.clock(); }
  [[nodiscard]] PostgresModel& postgres() { return agent.home_.postgres; }
  [[nodiscard]] SupervisorModel& supervisor() { return agent.home_.supervisor; }
  [[nodiscard]] StateDirectory& state() { return agent.home_.state; }
  [[nodiscard]] Choices& choices() { return agent.world_.choices; }
  [[nodiscard]] const Surroundings& world() const { return agent.world_; }
  [[nodiscard]] Process& process() { return agent.home_.process; }
  /// For a drawing of the run.
  void mark(Mark::Kind kind, std::string what);
  /// A change of knowledge, on the control thread: after this step.
  void learn(const agent::Learn& change);

  [[nodiscard]] Answered<int> pause_for(Nanos span);
  /// Begins something that our primary does, and waits for it: until it is done, the operation is
  /// asked to stop, or the session is lost with the server. What was begun goes on without us.
  using Begin = std::function<void(const std::function<void()>& done)>;
  [[nodiscard]] Answered<int> ask_server(Begin begin);
  /// A file is written and fsynced.
  [[nodiscard]] Answered<int> write_file();
  /// A step of its own between two that nobody must take for one, also after a long proof.
  [[nodiscard]] Answered<int> crash_point();
  /// Reads the record, changes it, compares-and-sets; with what it finds again if it must.
  using Transition = std::function<Result<core::Record>(core::Record)>;
  Task<Result<core::Record>> change_record(Transition transition);
  /// The same in two parts, where something is to be ready before anybody hears of the new record.
  using Written = cluster::Versioned<core::Record>;
  Task<Result<Written>> write_record(Transition transition);
  void learn_written(const Written& written);
  Task<StoreModel::Read> read_record();
  /// SQL: nothing if the server does not answer before the deadline.
  Task<Outcome> connect(Instant deadline);
  Task<Result<bool>> stop_server(supervisor::StopMode mode, Nanos deadline);
  /// Writes names, reloads, and waits until a new connection shows them.
  Task<Outcome> set_names(std::string names, Instant deadline);
  void write_names(const std::string& names);
  Outcome ask_grant(supervisor::GrantKind kind, Term term, Instant asked_at);

 private:
  void step();
  void watch_session(std::uint64_t server_run, const Answered<int>::Reply& lost);
  Task<StoreModel::Write> compare_and_set(core::Record record, Revision expected);
};

inline constexpr Millis store_deadline{2000};
inline constexpr Millis sql_deadline{5000};

Task<Outcome> carry_out(core::Intent intent, Hands& hands);

// Steps that several operations share.
Task<Outcome> start_as_standby(Hands& hands, std::optional<ServiceFile> upstream);
/// Its first half: what becomes of the server is for others to see. `passed_by`: without the
/// histories of timelines that the WAL has passed by.
Task<Outcome> begin_start(Hands& hands, std::optional<ServiceFile> upstream, bool passed_by);
Task<Result<bool>> stop_and_learn(Hands& hands, supervisor::StopMode mode, Nanos deadline);
Task<Outcome> checkpoint(Hands& hands, Nanos longest);
Task<Outcome> make_promise(Hands& hands, Term term, Claim claim);
core::Fenced fenced_answer(Hands& hands, Term term, std::uint64_t end, bool can_run);
Outcome set_gate(Hands& hands, bool open);
void note_own_upstream(agent::Knowledge& k, std::optional<core::Upstream> upstream);

/// What a policy must have been proven by (postgres::ProofRequest).
struct Proof {
  std::string names;
  std::vector<std::string> voters;
  std::vector<std::string> new_voters;
  std::size_t k = 0;
  bool leaving_empty = false;
};
Task<Outcome> prove(Hands& hands, Proof request);

// One file each, as in src/agent/operations.
Task<Outcome> fence(core::Fence intent, Hands& hands);
Task<Outcome> promote(core::Promote intent, Hands& hands);
Task<Outcome> prove_barrier(core::ProveBarrier intent, Hands& hands);
Task<Outcome> change_policy(core::ChangePolicy intent, Hands& hands);
Task<Outcome> begin_handover(core::BeginHandover intent, Hands& hands);
Task<Outcome> stop_for_handover(core::StopForHandover intent, Hands& hands);
Task<Outcome> follow(core::Follow intent, Hands& hands);
Task<Outcome> rewind(core::Rewind intent, Hands& hands);
Task<Outcome> clone(core::Clone intent, Hands& hands);

}  // namespace evergres::sim

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/knowledge.hpp"
#include "agent/learning.hpp"
#include "core/decide.hpp"
#include "core/grant.hpp"
#include "core/transition.hpp"
#include "sim/network.hpp"
#include "sim/planted.hpp"
#include "sim/store_model.hpp"
#include "sim/supervisor_model.hpp"
#include "sim/task.hpp"
#include "sim/trace.hpp"

/// The agent as the simulator runs it: the real knowledge, what the real agent learns from what it
/// is told, the real decisions and grant wishes. Threads and sockets are events here, and
/// operations are coroutines that do step by step what src/agent/operations does.
namespace evergres::sim {

class AgentModel;

/// What all parts of a world share.
struct Surroundings {
  EventQueue& events;
  Choices& choices;
  Network& network;
  StoreModel& store;
  Trace& trace;
  const Planted& planted;
  PostgresWatcher& watcher;
  std::function<PostgresModel*(Place)> postgres_at;
  std::function<AgentModel*(Place)> agent_at;
  std::function<Place(const NodeName&)> place_of;
  /// Each decision that differs from the agent's last one.
  std::function<void(const NodeName&, const core::Decision&)> decided;
  /// An operation of this kind ended; whether it was done.
  std::function<void(const NodeName&, const std::string& kind, bool done)> ended;
  /// An operation of this kind is about to take its next step, the first one is 1.
  std::function<void(Place, const std::string& kind, int step)> stepped;
  /// WAL is about to be destroyed here by a rewind or a clone.
  std::function<void(Place)> destroys;
  /// The data of a place is given up for this copy, which is whole.
  std::function<void(Place, const DataDirectory& copy)> replaces;
};

/// The agent's state directory: it survives the agent and the power.
struct StateDirectory {
  core::Promise promise;
  std::set<std::string> asked_to_promote;  ///< runs of the server
};

class Hands;

class AgentModel {
 public:
  struct Home {
    NodeName name;
    Place place;
    Process& process;
    PostgresModel& postgres;
    SupervisorModel& supervisor;
    StateDirectory& state;
    std::function<Instant()> clock;
    core::Tuning tuning;
    core::Wanted wanted;
    core::Tags tags;
  };
  AgentModel(const Surroundings& world, Home home);
  ~AgentModel();

  /// A new run of the agent: it knows what is on disk and nothing else.
  void begin();
  /// The process is gone; `told`: its connections were closed by its machine.
  void end(bool told);
  /// The operator's settings say another mode from now on.
  void want(core::Durability mode) {
    home_.wanted.durability = mode;
    know_.settings.node_wanted = home_.wanted;
  }
  /// The operator's settings give the node these tags from now on.
  void tag(const core::Tags& tags) {
    home_.tags = tags;
    know_.situation.tags = tags;
  }
  /// The supervisor saw the loop turn.
  [[nodiscard]] Moment last_turn() const { return last_turn_; }

  [[nodiscard]] const agent::Knowledge& knowledge() const { return know_; }
  [[nodiscard]] unsigned run() const { return runs_; }

  struct Letter {
    NodeName from;
    unsigned run = 0;
    std::uint64_t number = 0;
    Instant sent;
    agent::Word word;
  };
  void hear(const Letter& letter);
  void peer_closed(const NodeName& name, unsigned run);
  void take_status(const supervisor::Status& status);

 private:
  friend class Hands;
  void think();
  void think_soon();
  void note_run();
  void say(const core::Decision& decision);
  void pursue(const core::Intent& intent);
  void start_operation(const core::Intent& intent);
  void operation_ended(const std::string& kind, Term term, const Outcome& outcome);
  void speak(bool to_all_at_once);
  void speak_to(const NodeName& peer);
  void look_at_server();
  void see(Instant began, std::uint64_t start_id);
  void look_at_stopped();
  void read_the_log(Instant now);
  void store_round();
  void after_reading(Instant asked_at, const StoreModel::Read& read);
  void announce();
  void renew();
  void read_cards();
  void take_cards(const cluster::ClusterStore::Cards& cards);
  void keep_grant();
  void extend_grant();
  Task<int> drive(core::Intent intent, std::string kind, Term term);
  void remember();
  [[nodiscard]] core::Situation twisted(core::Situation s) const;
  /// Planted: altered names are nothing to it.
  [[nodiscard]] core::Situation without_wrong_names(core::Situation s) const;

  const Surroundings& world_;
  Home home_;
  agent::Knowledge know_;
  unsigned runs_ = 0;
  bool thinking_soon_ = false;
  bool calm_ = false;
  Moment last_turn_;
  Instant minute_began_;
  core::Heartbeat told_;
  std::optional<core::Record> told_record_;
  Revision told_revision_;
  std::map<NodeName, Instant> last_sent_of_;
  std::map<NodeName, std::pair<unsigned, std::uint64_t>> last_letter_of_;
  std::uint64_t letters_ = 0;
  std::optional<core::Intent> running_;
  bool stop_requested_ = false;
  int steps_ = 0;  ///< of the running operation
  std::shared_ptr<int> run_token_;
  std::unique_ptr<Hands> hands_;
  std::optional<Task<int>> operation_;
  std::uint64_t answered_start_ = 0;
  std::string files_seen_of_;
  Millis look_period_{500};
  Moment log_read_;
  std::map<std::string, std::pair<std::uint64_t, Instant>> beats_;
  std::uint64_t beat_ = 0;
  core::GrantWish wish_;
  std::optional<core::GrantWish> granted_;
};

}  // namespace evergres::sim

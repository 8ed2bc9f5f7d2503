#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/bounds.hpp"
#include "sim/clients.hpp"
#include "sim/nemesis.hpp"
#include "sim/stage.hpp"

namespace evergres::sim {

/// What a seed draws before anything else.
struct Shape {
  std::size_t machines = 3;
  core::Durability mode = core::Durability::quorum;
  std::uint32_t acknowledgements = 1;
  core::Tuning tuning;
  std::size_t writers = 6;
  Nanos pause{0};                   ///< of a writer between two writes
  std::uint32_t step_faults = 0;    ///< permille of decisions to act that a fault follows
  std::uint32_t step_crashes = 0;   ///< permille of steps of operations before which one begins
  std::int64_t store_slowness = 1;  ///< of every answer
  bool procedures = false;          ///< some applications call procedures that commit
  std::uint64_t max_loss = 0;       ///< async: what a failover may lose
  std::vector<core::Tags> tags;     ///< of each machine
  std::vector<std::size_t> scenes;  ///< played one after the other; empty: none
  bool plan = true;                 ///< faults at random times as well
  Nanos chaos{0};
};

struct Story;

/// A fault that began, with the moment in which it did. One that has ended has lasted as it says.
struct BegunFault {
  Moment at;
  PlannedFault fault;
  std::size_t number = 0;  ///< among those that end
};

/// How much of a run is kept to be looked at.
struct Keep {
  std::size_t lines = 0;  ///< of the trace, the last ones
  bool marks = false;     ///< for a drawing
};

/// How a run ended.
struct Verdict {
  std::string violation;  ///< a safety or liveness invariant; empty if none was broken
  std::string unmet;      ///< the step of a told story that did not come true, and why
  std::uint64_t hash = 0;
  std::uint64_t events = 0;
  Nanos simulated{0};
  std::optional<Millis> healthy_after;  ///< the healing
  bool needs_a_person = false;          ///< nobody may lead before somebody chose (decision 0051)
  Clients::Counts writes;
  int leaderships = 0;
  std::vector<Millis> gaps;
  std::map<std::string, int> faults;
  std::map<std::string, int> scenes;
  std::uint64_t lost = 0;  ///< acknowledged under async, given up and told
  std::map<std::string, int> rules;
  std::map<std::string, int> reasons;  ///< rule and the words of its why, without numbers
  std::vector<std::string> trace;      ///< the last lines, if any were to be kept
  std::vector<Mark> marks;
  Moment chaos_began;
  std::vector<BegunFault> begun;
};

/// One cluster from its first start through chaos to health again, all from one source of choices.
class World : private PostgresWatcher {
 public:
  World(Choices choices, Planted planted, std::size_t trace_lines = 0);
  World(Choices choices, Planted planted, Keep keep);
  /// Shape, mistakes and faults are those of the story, which must outlive this.
  World(const Story& story, Choices choices, Keep keep);
  Verdict run();

  // For the nemesis.
  [[nodiscard]] EventQueue& events() { return events_; }
  [[nodiscard]] Choices& choices() { return choices_; }
  [[nodiscard]] Network& network() { return network_; }
  [[nodiscard]] StoreModel& store() { return store_; }
  [[nodiscard]] Judge::Machines& machines() { return machines_; }
  [[nodiscard]] Place store_place() const { return shape_.machines; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] const Planted& planted() const { return planted_; }
  [[nodiscard]] Place place_of(const NodeName& name) const { return surroundings_.place_of(name); }
  /// A mode that this world does not have.
  [[nodiscard]] core::Durability other_mode() const;
  /// Once in a world, and only where everybody else has what is there.
  [[nodiscard]] bool may_lose_disk(Place place);
  /// The number is for end_fault(), which may come before its time; 0 if it is over already.
  std::size_t begin_fault(const PlannedFault& fault);
  void end_fault(std::size_t number);
  void run_procedure(Place server, std::uint32_t commits) {
    clients_->run_procedure(server, commits);
  }
  void scene_begins(std::string_view name);
  /// Right behind the next answer to a client, or when none came for so long; not after the chaos.
  void behind_the_next_answer(Nanos patience, EventQueue::Action action);
  /// A leader is open, and everybody who should vote does.
  [[nodiscard]] bool is_whole();

 private:
  friend class Telling;
  World(Choices choices, Planted planted, const Story* story);
  void promoted(Place node, const core::Fork& fork) override { judge_.promoted(node, fork); }
  void attached(Place receiver, Place sender, const std::string& name) override {
    judge_.attached(receiver, sender, name);
  }
  std::uint64_t next_record() override { return ++records_; }

  Surroundings surroundings();
  void bootstrap();
  void watch();
  void run_for(Nanos span);
  /// Until nothing is missing for a while; nothing if that does not come.
  std::optional<Nanos> run_until_healthy(Nanos patience);
  void unleash(const std::vector<PlannedFault>& plan);
  [[nodiscard]] PlannedFault aimed(PlannedFault fault);
  void draw_fault(const PlannedFault& fault, std::string text);
  /// The faults of the plan, or the steps of the story.
  void suffer();
  void heal();
  void finish();
  [[nodiscard]] std::string missing();
  [[nodiscard]] bool needs_a_person();
  /// An operator takes the tags nofailover away, if one of them is why nobody leads.
  bool untag_who_could_lead();
  [[nodiscard]] bool everybody_votes(const core::Record& record) const;
  void note(const NodeName& node, const core::Decision& decision);
  void step(Place place, int number);

  Choices choices_;
  Planted planted_;
  Shape shape_;
  EventQueue events_;
  Trace trace_;
  Network network_;
  StoreModel store_;
  Judge::Machines machines_;
  Judge judge_;
  Bounds bounds_;
  Surroundings surroundings_;
  std::unique_ptr<Clients> clients_;
  std::uint64_t records_ = 0;
  std::vector<std::pair<std::size_t, PlannedFault>> active_;
  std::size_t begun_ = 0;
  bool in_chaos_ = false;
  const Story* story_ = nullptr;
  bool disk_lost_ = false;
  std::unique_ptr<Stage> stage_;
  std::optional<Task<int>> play_;
  Verdict verdict_;
};

}  // namespace evergres::sim

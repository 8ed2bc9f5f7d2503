#include "sim/world.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include "core/transition.hpp"
#include "core/view.hpp"
#include "sim/story.hpp"
#include "sim/telling.hpp"

namespace evergres::sim {
namespace {

constexpr Millis warm_up{90'000};
constexpr Millis quiet_time{3000};
constexpr Millis settle{180'000};

/// What a failover may lose, in records: nothing, a little, or anything.
void draw_async(Shape& shape, Choices& choices) {
  shape.mode = core::Durability::async;
  const std::vector<std::uint64_t> limits{0, 5, 40, 1000};
  shape.max_loss = choices.one_of(limits);
}

void draw_tags(Shape& shape, Choices& choices) {
  for (std::size_t machine = 0; machine < shape.machines; ++machine) {
    core::Tags tags;
    tags.nofailover = choices.chance(250);
    tags.clonefrom = choices.chance(250);
    tags.nosync = choices.chance(120) && shape.mode != core::Durability::strict;
    tags.failover_priority = choices.chance(300) ? choices.below(4) : 1;
    if (choices.chance(300)) tags.zone = choices.chance(500) ? "east" : "west";
    shape.tags.push_back(tags);
  }
}

/// Faults at random times, or scenes, or both. Scenes alone leave each other time to come true.
void draw_course(Shape& shape, Choices& choices) {
  const std::uint32_t course = choices.below(10);
  shape.plan = course < 6;
  if (course < 4) return;
  const auto all = static_cast<std::uint32_t>(scenes().size());
  for (std::uint32_t more = 1 + choices.below(3); more > 0; --more) {
    shape.scenes.push_back(choices.below(all));
  }
  if (!shape.plan) shape.step_faults = shape.step_crashes = 0;
}

Shape draw_shape(Choices& choices) {
  const Choices::Aside aside(choices);
  Shape shape;
  const std::vector<std::size_t> sizes{3, 3, 3, 2, 4, 5, 3, 5, 2, 7, 6};
  shape.machines = choices.one_of(sizes);
  if (choices.chance(200)) shape.mode = core::Durability::strict;
  if (choices.chance(120)) draw_async(shape, choices);
  if (choices.chance(250)) draw_tags(shape, choices);
  const bool two = shape.machines >= 4 && choices.chance(400);
  shape.acknowledgements = two ? 2 : 1;
  shape.tuning.suspect_after = Millis{600 + 200 * choices.below(7)};
  shape.tuning.voter_timeout = Millis{2000 + 500 * choices.below(5)};
  if (choices.chance(250)) shape.tuning.grant_length = Millis{3000 + 1000 * choices.below(6)};
  if (choices.chance(250)) shape.store_slowness = 2 + choices.below(4);
  shape.tuning.promote_timeout = Millis{choices.chance(300) ? 2000 : 60'000};
  shape.writers = 3 + choices.below(6);
  shape.pause = choices.between(Millis{50}, Millis{900});
  shape.step_faults = choices.chance(500) ? choices.below(120) : 0;
  shape.procedures = choices.chance(600);
  shape.step_crashes = choices.chance(300) ? 2 + choices.below(15) : 0;
  shape.chaos = choices.between(Millis{20'000}, Millis{70'000});
  draw_course(shape, choices);
  return shape;
}

/// The same sentence with other numbers and names is the same reason.
std::string without_numbers(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = std::isdigit(static_cast<unsigned char>(text[i])) != 0;
    if (!digit) plain += text[i];
    if (digit && (plain.empty() || plain.back() != '#')) plain += '#';
  }
  return plain;
}

}  // namespace

World::World(Choices choices, Planted planted, std::size_t trace_lines)
    : World(std::move(choices), std::move(planted), Keep{trace_lines, false}) {}

World::World(Choices choices, Planted planted, Keep keep)
    : World(std::move(choices), std::move(planted), nullptr) {
  trace_.keep(keep.lines);
  if (keep.marks) trace_.keep_marks();
}

World::World(const Story& story, Choices choices, Keep keep)
    : World(std::move(choices), story.planted, &story) {
  trace_.keep(keep.lines);
  if (keep.marks) trace_.keep_marks();
}

World::World(Choices choices, Planted planted, const Story* story)
    : choices_(std::move(choices)),
      planted_(std::move(planted)),
      shape_(story != nullptr ? story->shape : draw_shape(choices_)),
      trace_(events_),
      network_(events_, choices_, shape_.machines + 1),
      store_(events_, network_, choices_, shape_.machines, shape_.store_slowness),
      judge_(events_, machines_, trace_),
      bounds_(events_, machines_, network_, judge_, shape_.tuning),
      surroundings_(surroundings()),
      story_(story) {
  core::Wanted wanted;
  wanted.durability = shape_.mode;
  wanted.acknowledgements = shape_.acknowledgements;
  wanted.max_loss_bytes = shape_.max_loss;
  for (Place place = 0; place < shape_.machines; ++place) {
    const Machine::Settings settings{
        shape_.tuning, wanted, place < shape_.tags.size() ? shape_.tags[place] : core::Tags{}};
    machines_.push_back(std::make_unique<Machine>(surroundings_, place, settings));
  }
  clients_ = std::make_unique<Clients>(surroundings_, machines_, judge_);
}

Surroundings World::surroundings() {
  return Surroundings{
      events_,
      choices_,
      network_,
      store_,
      trace_,
      planted_,
      *this,
      [this](Place place) { return &machines_[place]->postgres; },
      [this](Place place) { return &machines_[place]->agent; },
      [](const NodeName& name) { return static_cast<Place>(std::stoul(name.value.substr(1)) - 1); },
      [this](const NodeName& node, const core::Decision& decision) { note(node, decision); },
      [this](const NodeName& node, const std::string& kind, bool) {
        if (stage_) stage_->note(place_of(node), kind, true);
      },
      [this](Place place, const std::string&, int number) { step(place, number); },
      [this](Place place) { judge_.destroys(place); },
      [this](Place place, const DataDirectory& copy) { judge_.replaces(place, copy); }};
}

void World::note(const NodeName& node, const core::Decision& decision) {
  ++verdict_.rules[decision.rule];
  ++verdict_.reasons[decision.rule + ": " + without_numbers(decision.why)];
  const bool acts = !std::holds_alternative<core::StayPut>(decision.intent) &&
                    !std::holds_alternative<core::Wait>(decision.intent);
  if (acts && stage_) stage_->note(place_of(node), std::string(kind_of(decision.intent)), false);
  const Choices::Aside aside(choices_);
  if (!acts || !in_chaos_ || !choices_.chance(shape_.step_faults)) return;
  const PlannedFault fault =
      draw_step_fault(choices_, shape_.machines, surroundings_.place_of(node));
  begin_at_step(fault);
}

// A fault before a certain step of an operation (F32). The operation is in the middle of its turn:
// the fault comes a moment later, and the step with it.
void World::step(Place place, int number) {
  constexpr int last = 60;  // what goes on for longer only polls
  const Choices::Aside aside(choices_);
  if (!in_chaos_ || shape_.step_crashes == 0 || number > last) return;
  if (!choices_.chance(shape_.step_crashes)) return;
  PlannedFault fault = draw_step_fault(choices_, shape_.machines, place);
  fault.after = Nanos{1000};
  begin_at_step(fault);
}

void World::begin_at_step(const PlannedFault& fault) {
  events_.after(fault.after, [this, fault] {
    if (!in_chaos_) return;
    ++verdict_.at_steps;
    begin_fault(fault);
  });
}

core::Durability World::other_mode() const {
  using core::Durability;
  return shape_.mode == Durability::quorum ? Durability::strict : Durability::quorum;
}

bool World::may_lose_disk(Place place) {
  const auto current = store_.read_now();
  // Who is tagged nofailover could not replace it.
  if (disk_lost_ || !shape_.tags.empty() || !current) return false;
  if (current->value.phase != core::Phase::leading) return false;
  const core::Record& record = current->value;
  // A policy may be on its way to the record, by which only this one would do.
  const bool changes = machines_[place]->agent.knowledge().situation.operation.has_value();
  if (changes && record.leader && record.leader->node == machines_[place]->name) return false;
  const bool alone = record.policy.current.voters.empty();
  if (alone || !record.policy.unproven.empty() || !judge_.is_spare(place)) return false;
  disk_lost_ = true;
  return true;
}

bool World::is_whole() {
  const auto current = store_.read_now();
  return current && current->value.phase == core::Phase::leading && everybody_votes(current->value);
}

void World::behind_the_next_answer(Nanos patience, EventQueue::Action action) {
  const auto once = std::make_shared<EventQueue::Action>(std::move(action));
  const auto act = [this, once] {
    if (in_chaos_ && *once) std::exchange(*once, nullptr)();
  };
  judge_.at_next_acknowledgement([this, act] { events_.after(Nanos{1000}, act); });
  events_.after(patience, act);
}

void World::scene_begins(std::string_view name) {
  trace_.mark(Mark::Kind::fault, 0, shape_.machines - 1, "scene: " + std::string(name));
  ++verdict_.scenes[std::string(name)];
}

// What `init` leaves behind on the first machine: a stopped server on timeline 1 and a record of
// term 0. The others have nothing.
void World::bootstrap() {
  DataDirectory& disk = machines_[0]->postgres.disk;
  disk.kind = DataDirectory::Kind::valid;
  disk.incarnation = Incarnation{"i1"};
  disk.wal.push_back({++records_, TimelineId{1}});
  disk.flushed = disk.durable = disk.redo = disk.end();
  disk.clean = true;
  const Claim claim{"init"};
  const core::Record begun = core::claim_bootstrap(ClusterId{"c"}, machines_[0]->name, claim);
  // Async is recorded by the first leader.
  const bool async = shape_.mode == core::Durability::async;
  const auto record = core::finish_bootstrap(begun, claim, SystemId{77},
                                             core::Seat{machines_[0]->name, disk.incarnation},
                                             async ? core::Durability::quorum : shape_.mode);
  network_.before_change = [this] { bounds_.note_ways(); };
  store_.watch([this](const core::Record& written) {
    judge_.recorded(written);
    bounds_.recorded(written);
  });
  static_cast<void>(store_.put_now(*record));
  for (const auto& machine : machines_) machine->power_on();
}

void World::watch() {
  events_.after(Millis{100}, [this] {
    judge_.look();
    bounds_.look();
    watch();
  });
}

void World::run_for(Nanos span) {
  const Moment end = events_.now() + span;
  while (judge_.violation().empty() && events_.step(end)) {
  }
}

std::optional<Nanos> World::run_until_healthy(Nanos patience) {
  constexpr Millis period{250};
  constexpr Millis steady{2000};
  const Moment began = events_.now();
  std::optional<Moment> since;
  while (events_.now() - began < patience && judge_.violation().empty()) {
    run_for(period);
    if (!missing().empty()) {
      since.reset();
      continue;
    }
    if (!since) since = events_.now();
    if (events_.now() - *since >= steady) return *since - began;
  }
  return std::nullopt;
}

// With async nobody votes, and tags are there to keep nodes out.
bool World::everybody_votes(const core::Record& record) const {
  const core::Policy& policy = record.policy.current;
  if (policy.mode != shape_.mode) return false;
  if (policy.mode == core::Durability::async) return true;
  return std::all_of(machines_.begin(), machines_.end(), [&](const auto& machine) {
    const core::Tags tags =
        machine->place < shape_.tags.size() ? shape_.tags[machine->place] : core::Tags{};
    return tags.nofailover || tags.nosync || core::counts_node(policy, machine->name);
  });
}

// I21, I24, I25: somebody leads and takes writes, everybody follows, every policy is proven.
std::string World::missing() {
  const auto current = store_.read_now();
  if (!current) return "there is no record";
  const core::Record& record = current->value;
  if (record.phase != core::Phase::leading) return "I21: no leader is open";
  const Place place = surroundings_.place_of(record.leader->node);
  PostgresModel& leader = machines_[place]->postgres;
  if (!leader.admits()) return "I21: the leader takes no writes";
  for (const auto& machine : machines_) {
    if (machine->place == place) continue;
    const core::Server& server = machine->agent.knowledge().situation.server;
    const std::string last = machine->agent.knowledge().last_decision;
    if (!machine->postgres.receiver_process() || !server.receiving) {
      return "I24: " + machine->name.value + " does not stream: " + last;
    }
    if (machine->postgres.disk.end() + segment < leader.disk.end()) {
      return "I24: " + machine->name.value + " does not catch up";
    }
  }
  if (!record.policy.unproven.empty()) return "I24: a policy is unproven";
  if (!everybody_votes(record)) return "I24: not everybody votes";
  if (core::acknowledges_nothing(record.policy.current)) return {};
  const Millis long_wait{5000};
  if (events_.now() - judge_.last_acknowledgement() > long_wait) return "I25: commits hang";
  const auto oldest = leader.waits_since();
  if (oldest && events_.now() - *oldest > long_wait) return "I25: a commit hangs";
  return {};
}

void World::unleash(const std::vector<PlannedFault>& plan) {
  for (const PlannedFault& planned : plan) {
    events_.after(planned.after, [this, planned] { begin_fault(aimed(planned)); });
  }
}

// Across those whom it hits.
void World::draw_fault(const PlannedFault& fault, std::string text) {
  const int named = machines_of_fault(fault.kind);
  const bool at_store = named == 0 && phrase_of(fault).find("store") != std::string::npos;
  Place from = fault.a;
  Place to = named == 2 ? fault.b : fault.a;
  if (named == 0) from = at_store ? store_place() : 0;
  if (named == 0) to = at_store ? store_place() : shape_.machines - 1;
  trace_.mark(Mark::Kind::fault, from, to, std::move(text));
}

std::size_t World::begin_fault(const PlannedFault& fault) {
  const FaultKind& kind = fault_kinds()[fault.kind];
  const bool passes = kind.end == nullptr || fault.lasts == Nanos{0};
  const std::string what = phrase_of(fault) + (passes ? "" : " for " + text_of(fault.lasts));
  trace_.say("nemesis", what);
  draw_fault(fault, what);
  verdict_.begun.push_back({events_.now(), fault, begun_ + 1});
  ++verdict_.faults[std::string(kind.name)];
  bounds_.disturbed();
  kind.begin(*this, fault.a, fault.b);
  if (kind.end == nullptr) return 0;
  const std::size_t number = ++begun_;
  active_.emplace_back(number, fault);
  if (fault.lasts > Nanos{0}) events_.after(fault.lasts, [this, number] { end_fault(number); });
  return number;
}

void World::end_fault(std::size_t number) {
  const auto found = std::find_if(active_.begin(), active_.end(),
                                  [&](const auto& each) { return each.first == number; });
  if (found == active_.end()) return;  // the healing was quicker
  const PlannedFault over = found->second;
  active_.erase(found);
  bounds_.disturbed();
  for (BegunFault& each : verdict_.begun) {
    if (each.number == number && each.fault.kind == over.kind) {
      each.fault.lasts = events_.now() - each.at;
    }
  }
  trace_.say("nemesis", "over: " + phrase_of(over));
  draw_fault(over, "over: " + phrase_of(over));
  fault_kinds()[over.kind].end(*this, over.a, over.b);
}

PlannedFault World::aimed(PlannedFault fault) {
  const auto current = store_.read_now();
  if (!fault.on_leader || !current || !current->value.leader) return fault;
  fault.a = surroundings_.place_of(current->value.leader->node);
  if (fault.b == fault.a) fault.b = (fault.a + 1) % machines_.size();
  return fault;
}

void World::heal() {
  trace_.say("nemesis", "all is healed");
  trace_.mark(Mark::Kind::fault, 0, shape_.machines - 1, "all is healed");
  while (!active_.empty()) {
    bounds_.disturbed();
    const PlannedFault over = active_.back().second;
    active_.pop_back();
    fault_kinds()[over.kind].end(*this, over.a, over.b);
  }
  for (const auto& machine : machines_) machine->power_on();
}

void World::suffer() {
  if (story_ != nullptr) {
    verdict_.unmet = Telling(*this, *story_).tell();
    return;
  }
  const auto plan = [&] {
    const Choices::Aside aside(choices_);
    return draw_plan(choices_, machines_.size(), shape_.chaos);
  };
  if (shape_.plan) unleash(plan());
  if (!shape_.scenes.empty()) {
    stage_ = std::make_unique<Stage>(*this);
    play_.emplace(play(*stage_, shape_.scenes));
    play_->start();
  }
  run_for(shape_.chaos);
  play_.reset();
  stage_.reset();
}

// What is acknowledged under async may be lost, and is told elsewhere (I6).
void World::finish() {
  const auto last = store_.read_now();
  if (!last || last->value.phase != core::Phase::leading || !last->value.leader) return;
  judge_.finish(last->value);
  judge_.compare_copies(last->value);
  const Place leader = surroundings_.place_of(last->value.leader->node);
  for (const checks::Anomaly& anomaly : clients_->anomalies(machines_[leader]->postgres.disk.wal)) {
    const bool lost = anomaly.kind == "lost";
    if (lost && shape_.mode == core::Durability::async) continue;
    judge_.complain((lost ? "I5: " : "I7: ") + anomaly.sentence);
  }
}

Verdict World::run() {
  bootstrap();
  watch();
  clients_->begin(shape_.writers, shape_.pause, shape_.procedures);
  if (!run_until_healthy(warm_up)) judge_.complain("it never came up: " + missing());
  judge_.expect_quiet(true);
  run_for(quiet_time);
  judge_.expect_quiet(false);
  if (judge_.violation().empty()) {
    in_chaos_ = true;
    verdict_.chaos_began = events_.now();
    suffer();
    in_chaos_ = false;
  }
  if (judge_.violation().empty() && verdict_.unmet.empty()) {
    heal();
    const auto healthy = run_until_healthy(settle);
    if (healthy) verdict_.healthy_after = std::chrono::duration_cast<Millis>(*healthy);
    verdict_.needs_a_person = !healthy && needs_a_person();
    const bool wedged = !healthy && !verdict_.needs_a_person;
    if (wedged && !(untag_who_could_lead() && run_until_healthy(settle))) {
      judge_.complain("wedged after the healing: " + missing());
    }
    finish();
  }
  verdict_.violation = judge_.violation();
  verdict_.hash = trace_.hash();
  verdict_.events = events_.done();
  verdict_.simulated = events_.now() - Moment{};
  verdict_.writes = clients_->counts();
  verdict_.leaderships = judge_.leaderships();
  verdict_.lost = judge_.lost();
  verdict_.gaps = judge_.gaps();
  verdict_.trace.assign(trace_.kept().begin(), trace_.kept().end());
  verdict_.marks = trace_.marks();
  return verdict_;
}

}  // namespace evergres::sim

#include <array>
#include <map>

#include "differential/server.hpp"
#include "sim/postgres_model.hpp"

/// The simulator's servers as a story sees them.
namespace evergres::differential {
namespace {

using sim::PostgresModel;

struct ModelWorld;

class ModelServer : public Server {
 public:
  ModelServer(ModelWorld& world, std::size_t index);

  void write_names(const std::string& names) override { disk().names = names; }
  void write_upstream(const std::optional<Upstream>& upstream) override;
  void reserve(TimelineId next) override;
  void take_histories(Server& from) override;
  void lose_history(TimelineId timeline) override { disk().histories.erase(timeline); }
  void forget_what_is_no_child(bool of_all_wal) override {
    for (const TimelineId id : disk().what_is_no_child(of_all_wal)) disk().histories.erase(id);
  }
  bool rewind(Server& source) override;
  bool clone(Server& source) override;
  void start() override;
  std::string life() override;
  void begin_fast_stop(Millis patience) override;
  bool end_fast_stop() override;
  void stop_immediately() override { model.reap(); }
  void kill_postmaster() override;
  void kill_everything() override { model.reap(); }
  void reload() override { model.reload(); }
  int commit(bool has_wal) override;
  int commit_later() override;
  void finish_computing() override;
  Fate fate(int commit) override;
  void end_sessions() override { model.end_sessions(); }
  void promote() override { model.promote(); }
  bool promote_and_wait() override;
  void hold_recovery() override { model.ails.recovery_held = 1; }
  void let_recovery_end() override { model.ails.recovery_held = 0; }
  void pause_replay() override;
  void resume_replay() override;
  void checkpoint() override;
  void make_slot(const std::string& name) override { disk().slots.insert(name); }
  void freeze(Part part) override;
  void thaw(Part part) override;
  void freeze_sender(const std::string& name) override;
  void thaw_sender(const std::string& name) override;
  void hold_wal() override;
  void cut_reply() override;
  bool reply_is_cut() override;
  void complete_reply() override;
  void end_receiver() override { model.end_receiver(); }
  bool receiver_process() override { return model.receiver_process(); }
  std::string last_refusal() override;
  std::optional<postgres::Observation> observe() override;
  std::vector<History> histories() override;
  std::uint64_t end_when_stopped() override { return disk().end(); }

  sim::DataDirectory& disk() { return model.disk; }

  PostgresModel model;

 private:
  struct Commit {
    std::optional<PostgresModel::Answer> answer;
    bool computes = false;
    bool under_way = false;  ///< until it is let go on, it has no answer
    unsigned start = 0;
  };
  void run_commit(const std::shared_ptr<Commit>& commit, bool has_wal);
  int& ailment(Part part);
  sim::Place receiver_of(const std::string& name);
  PostgresModel& upstream();

  ModelWorld& world_;
  std::vector<std::shared_ptr<Commit>> commits_;
  unsigned starts_ = 0;
  std::optional<bool> stopped_cleanly_;
  std::string refused_;
};

struct ModelWorld : World, sim::PostgresWatcher {
  explicit ModelWorld(std::uint64_t seed) : choices(sim::Choices::of_seed(seed)) {
    for (std::size_t i = 0; i < servers_in_a_world; ++i) {
      servers.push_back(std::make_unique<ModelServer>(*this, i));
    }
  }
  Server& at(std::size_t index) override { return *servers[index]; }
  void pass() override { run(Millis{10}); }
  Instant now() override { return Instant{events.now().nanos}; }
  void promoted(sim::Place, const core::Fork&) override {}
  void attached(sim::Place, sim::Place, const std::string&) override {}
  std::uint64_t next_record() override { return ++records; }

  void run(Nanos span) {
    const sim::Moment end = events.now() + span;
    while (events.step(end)) {
    }
  }

  sim::EventQueue events;
  sim::Choices choices;
  sim::Network network{events, choices, servers_in_a_world};
  std::uint64_t records = 1000;
  std::vector<std::unique_ptr<ModelServer>> servers;
};

ModelServer::ModelServer(ModelWorld& world, std::size_t index)
    : Server("n" + std::to_string(index + 1)),
      model(
          world.events, world.network, world.choices, index,
          [&world](sim::Place at) { return &world.servers[at]->model; }, world),
      world_(world) {
  disk().kind = sim::DataDirectory::Kind::valid;
  disk().wal.push_back({1, TimelineId{1}});
  disk().flushed = disk().durable = disk().redo = 1;
}

void ModelServer::write_upstream(const std::optional<Upstream>& upstream) {
  disk().upstream.reset();
  if (!upstream) return;
  const auto place = static_cast<sim::Place>(upstream->server.back() - '1');
  disk().upstream = sim::ServiceFile{place, upstream->application_name, upstream->slot};
}

void ModelServer::reserve(TimelineId next) {
  disk().reserve(disk().newest_real(), next);
}

void ModelServer::take_histories(Server& from) {
  for (const auto& [timeline, file] : dynamic_cast<ModelServer&>(from).disk().histories) {
    if (!file.placeholder) disk().histories.insert_or_assign(timeline, file);
  }
}

bool ModelServer::clone(Server& source) {
  disk().wal.clear();
  return rewind(source);
}

bool ModelServer::rewind(Server& source) {
  const std::string names = disk().names;
  disk().become_copy_of(dynamic_cast<ModelServer&>(source).disk());
  disk().names = names;
  return true;
}

void ModelServer::start() {
  refused_.clear();
  model.on_exit = [this] { refused_ = "refused: history"; };
  if (model.start()) {
    ++starts_;
  } else {
    refused_ = "refused: survivors";
  }
}

std::string ModelServer::life() {
  if (!refused_.empty()) return refused_;
  if (!model.anything_alive()) return "stopped";
  if (!model.postmaster_lives()) return "survivors";
  switch (model.state()) {
    case PostgresModel::State::stopped: return "stopped";
    case PostgresModel::State::starting: return "starting";
    case PostgresModel::State::standby: return "standby";
    case PostgresModel::State::primary: return "primary";
    case PostgresModel::State::stopping: return "stopping";
  }
  return "unknown";
}

void ModelServer::begin_fast_stop(Millis patience) {
  stopped_cleanly_.reset();
  model.on_exit = nullptr;
  model.stop_fast(patience, [this](bool was) { stopped_cleanly_ = was; });
}

bool ModelServer::end_fast_stop() {
  while (!stopped_cleanly_) world_.pass();
  return *stopped_cleanly_;
}

// The session that computes is inside its commit when the postmaster dies.
void ModelServer::kill_postmaster() {
  for (const auto& commit : commits_) {
    if (!std::exchange(commit->computes, false)) continue;
    run_commit(commit, true);
    commit->under_way = true;
  }
  model.on_exit = nullptr;
  model.kill_postmaster();
}

void ModelServer::run_commit(const std::shared_ptr<Commit>& commit, bool has_wal) {
  commit->start = starts_;
  model.commit(has_wal, [commit](PostgresModel::Answer answer, std::uint64_t, std::uint64_t) {
    commit->answer = answer;
  });
}

int ModelServer::commit(bool has_wal) {
  commits_.push_back(std::make_shared<Commit>());
  run_commit(commits_.back(), has_wal);
  return static_cast<int>(commits_.size());
}

int ModelServer::commit_later() {
  commits_.push_back(std::make_shared<Commit>());
  commits_.back()->computes = true;
  commits_.back()->start = starts_;
  return static_cast<int>(commits_.size());
}

void ModelServer::finish_computing() {
  for (const auto& commit : commits_) {
    if (std::exchange(commit->computes, false)) run_commit(commit, true);
  }
  world_.run(Millis{1000});
  for (const auto& commit : commits_) commit->under_way = false;
}

Fate ModelServer::fate(int number) {
  const Commit& commit = *commits_.at(static_cast<std::size_t>(number) - 1);
  if (commit.under_way) return Fate::waits;
  if (commit.answer == PostgresModel::Answer::acknowledged) return Fate::acknowledged;
  if (commit.answer == PostgresModel::Answer::warned) return Fate::warned;
  const bool gone = !model.anything_alive() || commit.start != starts_;
  const bool orphaned = !model.postmaster_lives() && !model.somebody_waits();
  return commit.answer || gone || orphaned ? Fate::lost : Fate::waits;
}

bool ModelServer::promote_and_wait() {
  model.promote();
  world_.run(Millis{1000});
  return model.state() == PostgresModel::State::primary;
}

void ModelServer::pause_replay() {
  model.ails.replay_paused = true;
}

void ModelServer::resume_replay() {
  model.ails.replay_paused = false;
  model.unblock_replay();
}

void ModelServer::checkpoint() {
  disk().redo = model.replayed();
}

int& ModelServer::ailment(Part part) {
  switch (part) {
    case Part::checkpointer: return model.ails.checkpointer_busy;
    case Part::senders: return model.ails.senders_frozen;
    case Part::startup: return model.ails.replay_blocked;
    case Part::postmaster: return model.ails.late_receivers;
    case Part::everything: break;
  }
  return model.ails.hung;
}

void ModelServer::freeze(Part part) {
  if (part == Part::everything) return model.processes().freeze();
  ++ailment(part);
}

void ModelServer::thaw(Part part) {
  if (part == Part::everything) return model.processes().thaw();
  --ailment(part);
  if (part == Part::startup) model.unblock_replay();
}

sim::Place ModelServer::receiver_of(const std::string& name) {
  sim::Place place = 0;
  while (world_.servers.at(place)->disk().upstream.value_or(sim::ServiceFile{}).application_name !=
         name) {
    ++place;
  }
  return place;
}

PostgresModel& ModelServer::upstream() {
  return world_.servers[disk().upstream->node]->model;
}

void ModelServer::freeze_sender(const std::string& name) {
  model.ails.idle_sender_to_frozen.insert(receiver_of(name));
}

void ModelServer::thaw_sender(const std::string& name) {
  model.ails.idle_sender_to_frozen.erase(receiver_of(name));
}

void ModelServer::hold_wal() {
  world_.network.cut(disk().upstream->node, model.place(), sim::Traffic::replication, 1);
}

void ModelServer::cut_reply() {
  upstream().ails.cut_replies_of.insert(model.place());
}

bool ModelServer::reply_is_cut() {
  return upstream().reads_part_of_a_reply(model.place());
}

void ModelServer::complete_reply() {
  upstream().ails.cut_replies_of.erase(model.place());
}

std::optional<postgres::Observation> ModelServer::observe() {
  return model.observe(world_.now());
}

std::string ModelServer::last_refusal() {
  const auto& refusals = model.refusals();
  const std::pair<std::optional<sim::Moment>, const char*> all[] = {
      {refusals.slot, "slot"},     {refusals.removed, "removed"},   {refusals.diverged, "diverged"},
      {refusals.behind, "behind"}, {refusals.off_branch, "branch"}, {refusals.history, "history"}};
  std::pair<std::optional<sim::Moment>, const char*> last{std::nullopt, ""};
  for (const auto& each : all) {
    if (each.first && last.first < each.first) last = each;
  }
  return last.second;
}

std::vector<Server::History> ModelServer::histories() {
  std::vector<History> all;
  for (const auto& [timeline, file] : disk().histories) {
    if (file.placeholder) continue;
    History history{timeline, {}};
    for (const auto& step : file.steps) {
      history.steps.push_back({step.parent, step.at.value});
    }
    all.push_back(std::move(history));
  }
  return all;
}

}  // namespace

std::unique_ptr<World> make_model(std::uint64_t seed) {
  return std::make_unique<ModelWorld>(seed);
}

}  // namespace evergres::differential

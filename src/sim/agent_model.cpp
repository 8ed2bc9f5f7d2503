#include "sim/agent_model.hpp"

#include <algorithm>
#include <utility>

#include "core/view.hpp"
#include "sim/hands.hpp"

/// The control loop: observe, decide, act. What it is told is in agent_senses.cpp.
namespace evergres::sim {

AgentModel::AgentModel(const Surroundings& world, Home home)
    : world_(world), home_(std::move(home)) {}

AgentModel::~AgentModel() = default;

void AgentModel::begin() {
  agent::Knowledge fresh;
  know_ = std::move(fresh);
  ++runs_;
  remember();
  told_ = core::Heartbeat{};
  told_record_.reset();
  told_revision_ = Revision{};
  last_sent_of_.clear();
  last_letter_of_.clear();
  beats_.clear();
  beat_ = 0;
  running_.reset();
  granted_.reset();
  wish_ = core::GrantWish{};
  answered_start_ = 0;
  files_seen_of_.clear();
  calm_ = thinking_soon_ = stop_requested_ = false;
  last_turn_ = world_.events.now();
  minute_began_ = home_.clock();
  Process& process = home_.process;
  process.after(Millis{1}, [this] { take_status(home_.supervisor.status()); });
  process.after(Millis{2}, [this] { think(); });
  process.after(Millis{3}, [this] { store_round(); });
  process.after(Millis{5}, [this] { look_at_server(); });
  process.after(Millis{6}, [this] { speak(true); });
  process.after(Millis{7}, [this] { keep_grant(); });
}

void AgentModel::remember() {
  core::Situation& s = know_.situation;
  s.me = home_.name;
  know_.own_host = home_.name.value;
  const bool same = world_.planted.contains(Bug::claim_outlives_its_run);
  s.agent = Claim{home_.name.value + "-run" + (same ? "" : std::to_string(runs_))};
  s.started_at = home_.clock();
  s.tuning = home_.tuning;
  know_.settings.node_wanted = home_.wanted;
  know_.settings.store_read = true;
  s.tags = home_.tags;
  s.promise = home_.state.promise;
  const DataDirectory& disk = home_.postgres.disk;
  if (disk.kind != DataDirectory::Kind::absent) {
    s.server.incarnation = disk.incarnation;
    s.server.system_id = SystemId{77};
  }
  if (!disk.upstream) return;
  const std::string& name = disk.upstream->application_name;
  const auto at = name.rfind("_t");
  if (at == std::string::npos) return;
  core::Upstream upstream{NodeName{"n" + std::to_string(disk.upstream->node + 1)},
                          Term{std::stoull(name.substr(at + 2))}};
  if (name.starts_with("evgc_")) upstream.voteless = true;
  note_own_upstream(know_, upstream);
}

void AgentModel::end(bool told) {
  operation_.reset();
  run_token_.reset();
  hands_.reset();
  running_.reset();
  if (!told || !home_.process.lives()) return;
  for (Place place = 0; place + 1 < world_.network.places(); ++place) {
    if (place == home_.place) continue;
    world_.network.send(
        home_.place, place, Traffic::peers, [this, place, run = runs_, name = home_.name] {
          AgentModel* there = world_.agent_at(place);
          there->home_.process.deliver([there, name, run] { there->peer_closed(name, run); });
        });
  }
}

void AgentModel::note_run() {
  const std::string run =
      know_.supervisor.supervisor_run + "/" + std::to_string(know_.supervisor.start_id);
  if (home_.state.asked_to_promote.contains(run)) know_.situation.server.asked_to_promote = true;
}

core::Situation AgentModel::without_wrong_names(core::Situation s) const {
  if (world_.planted.contains(Bug::altered_names_stay)) s.server.names_wrong_since.reset();
  return s;
}

void AgentModel::think_soon() {
  if (std::exchange(thinking_soon_, true)) return;
  home_.process.after(Nanos{200'000}, [this] {
    thinking_soon_ = false;
    know_.loop.began = home_.clock();
    const core::Situation& s = agent::look(know_, home_.clock());
    last_turn_ = world_.events.now();
    note_run();
    if (know_.supervisor_known) {
      const core::Decision decision = core::decide(twisted(s));
      say(decision);
      pursue(decision.intent);
    }
    const core::Situation& after = agent::look(know_, home_.clock());
    const bool leads =
        after.record && core::record_names_me(after) && after.record->phase == core::Phase::leading;
    calm_ = after.record && after.record->phase == core::Phase::leading &&
            !after.nobody_in_charge_since && !after.operation;
    look_period_ = !calm_ ? Millis{25} : leads ? Millis{500} : Millis{1000};
    const core::GrantWish wish = core::grant_wish(without_wrong_names(after));
    const bool urgent =
        wish.revoke != wish_.revoke || wish.kind != wish_.kind || wish.term != wish_.term;
    wish_ = wish;
    if (urgent) home_.process.after(Nanos{100'000}, [this] { extend_grant(); });
    speak(false);
  });
}

// The regular turn: 50 ms, or 250 ms while all is well.
void AgentModel::think() {
  if (home_.clock() - minute_began_ > Millis{60'000}) {
    minute_began_ = home_.clock();
    know_.situation.recent_terms = 0;
  }
  think_soon();
  home_.process.after(calm_ ? Millis{250} : Millis{50}, [this] { think(); });
}

void AgentModel::say(const core::Decision& decision) {
  const std::string text = core::describe(decision);
  if (text == know_.last_decision) return;
  know_.last_decision = text;
  world_.trace.say(home_.name.value, text);
  if (core::kind_of(decision.intent) == core::ChooseLeader::kind) {
    for (const std::string& fact : decision.facts) world_.trace.say(home_.name.value, "  " + fact);
  }
  world_.decided(home_.name, decision);
}

void AgentModel::pursue(const core::Intent& intent) {
  const bool nothing = std::holds_alternative<core::StayPut>(intent);
  const bool wait = std::holds_alternative<core::Wait>(intent);
  if (running_ && !know_.situation.operation) running_.reset();
  if (running_) {
    if (!wait && *running_ != intent) stop_requested_ = true;
    return;
  }
  if (!nothing && !wait) start_operation(intent);
}

void AgentModel::start_operation(const core::Intent& intent) {
  const std::string kind(core::kind_of(intent));
  const Term term = know_.situation.record ? know_.situation.record->term : Term{0};
  running_ = intent;
  stop_requested_ = false;
  steps_ = 0;
  know_.situation.operation = core::Operation{kind, term, home_.clock()};
  operation_.reset();
  run_token_ = std::make_shared<int>(0);
  hands_ = std::make_unique<Hands>(*this, run_token_);
  operation_.emplace(drive(intent, kind, term));
  // The thread of the operation begins a little later.
  home_.process.after(Nanos{100'000}, [this, token = std::weak_ptr<int>(run_token_)] {
    if (!token.expired()) operation_->start();
  });
}

Task<int> AgentModel::drive(core::Intent intent, std::string kind, Term term) {
  auto working = carry_out(std::move(intent), *hands_);
  const Outcome outcome = co_await working;
  const std::weak_ptr<int> token = run_token_;
  home_.process.after(Nanos{100'000}, [this, kind, term, outcome, token] {
    if (!token.expired()) operation_ended(kind, term, outcome);
  });
  co_return 0;
}

void AgentModel::operation_ended(const std::string& kind, Term term, const Outcome& outcome) {
  core::Attempt& attempt = know_.situation.attempts[kind];
  const bool cancelled = !outcome && outcome.error().code() == ErrorCode::cancelled;
  const bool timed_out = !outcome && outcome.error().code() == ErrorCode::timed_out;
  attempt.ending = outcome     ? core::Ending::done
                   : cancelled ? core::Ending::unknown
                   : timed_out ? core::Ending::timed_out
                               : core::Ending::failed;
  attempt.term = term;
  attempt.ended = home_.clock();
  if (outcome) attempt.failures = 0;
  if (!outcome && !cancelled) attempt.failures += 1;
  attempt.error = outcome ? "" : outcome.error().message();
  world_.trace.say(home_.name.value,
                   (outcome ? "done: " : "not done: ") + kind + " " + attempt.error);
  world_.ended(home_.name, kind, bool(outcome));
  know_.situation.operation.reset();
  operation_.reset();
  run_token_.reset();
  hands_.reset();
  think_soon();
}

void AgentModel::keep_grant() {
  extend_grant();
  home_.process.after(Millis{250}, [this] { keep_grant(); });
}

void AgentModel::extend_grant() {
  const core::GrantWish wish = wish_;
  wish_.revoke = false;
  if (wish.revoke) {
    home_.supervisor.revoke();
  } else if (wish.kind) {
    const bool same = granted_ && granted_->kind == wish.kind && granted_->term == wish.term;
    const bool endless = world_.planted.contains(Bug::async_without_a_lease);
    if (!same || endless || wish.counted_from - granted_->counted_from >= Millis{900}) {
      supervisor::AskGrant ask;
      ask.kind = *wish.kind == core::GrantKind::lead ? supervisor::GrantKind::lead
                                                     : supervisor::GrantKind::promote;
      ask.term = wish.term;
      ask.asked_at = wish.counted_from;
      if (world_.planted.contains(Bug::async_without_a_lease)) ask.asked_at = home_.clock();
      ask.length = wish.length;
      ask.start_id = know_.supervisor.start_id;
      if (home_.supervisor.grant(ask)) granted_ = wish;
      take_status(home_.supervisor.status());
    }
  }
}

}  // namespace evergres::sim

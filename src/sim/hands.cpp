#include "sim/hands.hpp"

#include <algorithm>

namespace evergres::sim {

Hands::Hands(AgentModel& at_agent, std::weak_ptr<int> token)
    : agent(at_agent), known(at_agent.know_), run(std::move(token)) {}

void Hands::mark(Mark::Kind kind, std::string what) {
  world().trace.mark(kind, agent.home_.place, agent.home_.place, std::move(what));
}

void Hands::learn(const agent::Learn& change) {
  change(agent.know_);
  agent.think_soon();
}

void Hands::step() {
  const auto& operation = agent.know_.situation.operation;
  if (operation) world().stepped(agent.home_.place, operation->kind, ++agent.steps_);
}

Answered<int> Hands::pause_for(Nanos span) {
  step();
  return Answered<int>(run, [this, span](const Answered<int>::Reply& reply) {
    process().after(span, [reply] { reply(0); });
  });
}

Answered<int> Hands::ask_server(Begin begin) {
  step();
  return Answered<int>(run, [this, begin = std::move(begin)](const Answered<int>::Reply& reply) {
    begin([this, token = run, reply] {
      if (!token.expired()) process().deliver([reply] { reply(0); });
    });
    watch_session(postgres().processes().life(), reply);
  });
}

void Hands::watch_session(std::uint64_t server_run, const Answered<int>::Reply& lost) {
  process().after(Millis{100}, [this, token = run, server_run, lost] {
    if (token.expired()) return;
    const bool lasts = postgres().processes().life() == server_run &&
                       postgres().state() == PostgresModel::State::primary;
    if (stopped() || !lasts) return lost(0);
    watch_session(server_run, lost);
  });
}

Answered<int> Hands::write_file() {
  return pause_for(postgres().hang_of_disk() +
                   choices().skewed(Nanos{400'000}, Millis{25}) * postgres().ails.slow_disk);
}

Answered<int> Hands::crash_point() {
  agent.steps_ = 0;
  return pause_for(choices().skewed(Nanos{100'000}, Millis{10}));
}

Task<StoreModel::Read> Hands::read_record() {
  step();
  using Reply = Answered<StoreModel::Read>::Reply;
  Answered<StoreModel::Read> reading(run, [this](const Reply& reply) {
    world().store.read_record(process(), agent.home_.place, store_deadline, reply);
  });
  auto read = co_await reading;
  co_return read;
}

Task<StoreModel::Write> Hands::compare_and_set(core::Record record, Revision expected) {
  step();
  using Reply = Answered<StoreModel::Write>::Reply;
  Answered<StoreModel::Write> writing(run, [this, &record, expected](const Reply& reply) {
    Revision expects = expected;
    if (planted(Bug::writes_blindly)) {
      if (const auto there = world().store.read_now()) expects = there->revision;
    }
    world().store.write_record(process(), agent.home_.place, record, expects, store_deadline,
                               reply);
  });
  auto written = co_await writing;
  co_return written;
}

Task<Result<core::Record>> Hands::change_record(Transition transition) {
  auto writing = write_record(std::move(transition));
  const auto written = co_await writing;
  if (!written) co_return written.error();
  learn_written(*written);
  co_return written->value;
}

void Hands::learn_written(const Written& written) {
  learn([written, at = now()](agent::Knowledge& k) {
    agent::learn_record(k, written.value, written.revision, at);
  });
}

// As agent::Hands::write_record: our own change under somebody's renewal is ours all the same.
Task<Result<Hands::Written>> Hands::write_record(Transition transition) {
  auto reading = read_record();
  auto read = co_await reading;
  if (!read) co_return read.error();
  if (!*read) co_return Error(ErrorCode::not_found, "the store has no record of this cluster");
  auto current = **read;
  constexpr int tries = 8;
  for (int attempt = 0; attempt < tries; ++attempt) {
    auto wanted = transition(current.value);
    if (!wanted) co_return wanted.error();
    auto& unproven = wanted->policy.unproven;
    if (planted(Bug::one_slot_for_unproven) && unproven.size() > 1) {
      unproven.erase(unproven.begin(), unproven.end() - 1);
    }
    auto writing = compare_and_set(*wanted, current.revision);
    auto outcome = co_await writing;
    if (!outcome && planted(Bug::silence_is_success)) {
      co_return Written{*wanted, Revision{current.revision.value + 1}};
    }
    if (!outcome) co_return outcome.error();
    if (const auto* applied = std::get_if<cluster::RecordApplied>(&*outcome)) {
      co_return Written{*wanted, applied->revision};
    }
    auto& conflict = std::get<cluster::RecordConflict>(*outcome);
    if (!conflict.current) co_return Error(ErrorCode::not_found, "the record vanished");
    const bool large = !core::differs_only_in_small_things(current.value, *wanted);
    current = *conflict.current;
    const bool renewed = large && core::differs_only_in_small_things(current.value, *wanted);
    if (current.value == *wanted || renewed) co_return current;
  }
  co_return Error(ErrorCode::conflict, "the record changed under every try to change it");
}

Task<Outcome> Hands::connect(Instant deadline) {
  for (;;) {
    auto pause = pause_for(choices().skewed(Millis{1}, Millis{12}));
    co_await pause;
    if (postgres().answers()) co_return Outcome{};
    if (postgres().state() == PostgresModel::State::stopped || now() >= deadline) {
      co_return Error(ErrorCode::unreachable, "PostgreSQL does not accept connections");
    }
  }
}

Task<Result<bool>> Hands::stop_server(supervisor::StopMode mode, Nanos deadline) {
  Answered<bool> stopping(run, [this, mode, deadline](const Answered<bool>::Reply& reply) {
    // The reply may come when this run of the agent is long gone.
    supervisor().stop(mode, deadline, [own = &process(), reply](bool clean) {
      own->after(Nanos{200'000}, [reply, clean] { reply(clean); });
    });
  });
  const bool clean = co_await stopping;
  co_return clean;
}

void Hands::write_names(const std::string& names) {
  postgres().disk.names = names;
}

Task<Outcome> Hands::set_names(std::string names, Instant deadline) {
  write_names(names);
  mark(Mark::Kind::names, "names '" + names + "'");
  postgres().reload();
  while (postgres().names_shown() != names || !postgres().answers()) {
    if (now() >= deadline) co_return Error(ErrorCode::timed_out, "the names are not in force");
    auto pause = pause_for(Millis{2});
    co_await pause;
  }
  co_return Outcome{};
}

Outcome Hands::ask_grant(supervisor::GrantKind kind, Term term, Instant asked_at) {
  supervisor::AskGrant ask;
  ask.kind = kind;
  ask.term = term;
  ask.asked_at = planted(Bug::counted_from_the_reply) ? now() : asked_at;
  ask.length = core::grant_length(situation());
  ask.start_id = known.supervisor.start_id;
  if (auto granted = supervisor().grant(ask); !granted) return granted;
  const auto core_kind =
      kind == supervisor::GrantKind::lead ? core::GrantKind::lead : core::GrantKind::promote;
  learn([core_kind, term, deadline = asked_at + ask.length](agent::Knowledge& k) {
    k.situation.server.grant = core::Grant{core_kind, term, deadline};
  });
  return {};
}

void note_own_upstream(agent::Knowledge& k, std::optional<core::Upstream> upstream) {
  agent::learn_upstream(k, std::move(upstream));
}

// The file first; the supervisor reloads only a server that runs.
Outcome set_gate(Hands& hands, bool open) {
  hands.postgres().disk.gate_open = open;
  if (hands.supervisor().status().state != supervisor::State::running) {
    return Error(ErrorCode::refused, "PostgreSQL is not running");
  }
  hands.postgres().reload();
  hands.learn([open](agent::Knowledge& k) {
    k.situation.server.gate_open = open;
    k.gate_hosts = agent::member_hosts(k);
  });
  return {};
}

Task<Outcome> make_promise(Hands& hands, Term term, Claim claim) {
  const core::Promise promise{term, std::move(claim)};
  const bool obeys = !hands.planted(Bug::promise_ignored);
  if (obeys && promise.term < hands.state().promise.term) {
    co_return Error(ErrorCode::refused, "a higher term was promised");
  }
  auto writing = hands.write_file();
  co_await writing;
  if (hands.postgres().ails.disk_full > 0) {
    co_return Error(ErrorCode::no_space, "the promise could not be written");
  }
  if (!hands.planted(Bug::promise_in_memory_only)) hands.state().promise = promise;
  hands.mark(Mark::Kind::promise, "promises term " + std::to_string(term.value));
  hands.learn([promise](agent::Knowledge& k) { k.situation.promise = promise; });
  co_return Outcome{};
}

Task<Result<bool>> stop_and_learn(Hands& hands, supervisor::StopMode mode, Nanos deadline) {
  hands.learn([at = hands.now()](agent::Knowledge& k) {
    k.situation.server.state = core::ServerState::stopping;
    k.server_changed_at = at;
  });
  auto stopping = hands.stop_server(mode, deadline);
  auto clean = co_await stopping;
  hands.learn([clean = *clean, at = hands.now()](agent::Knowledge& k) {
    const auto position = k.situation.server.position;
    const auto fenced = k.situation.fenced;
    agent::forget_server_run(k);
    k.situation.fenced = fenced;
    k.situation.server.position = position;
    k.situation.server.state = core::ServerState::stopped;
    k.situation.server.clean = clean;
    k.situation.server.grant.reset();
    k.supervisor.state = supervisor::State::stopped;
    k.supervisor.grant.reset();
    k.server_changed_at = at;
  });
  co_return clean;
}

namespace {

Task<Outcome> wait_until_it_answers(Hands& hands) {
  while (!hands.stopped()) {
    auto pause = hands.pause_for(Millis{10});
    co_await pause;
    if (hands.postgres().answers()) co_return Outcome{};
    const auto state = hands.supervisor().status().state;
    if (state != supervisor::State::running && state != supervisor::State::starting) {
      co_return Error(ErrorCode::postgres_failed, "PostgreSQL ended while it started");
    }
  }
  co_return Error(ErrorCode::cancelled, "the operation was given up");
}

}  // namespace

// Files first: resting names, a closed gate, no upstream. Then the supervisor's start verb.
Task<Outcome> begin_start(Hands& hands, std::optional<ServiceFile> upstream, bool passed_by) {
  auto writing = hands.write_file();
  co_await writing;
  if (hands.postgres().disk.kind == DataDirectory::Kind::absent) {
    co_return Error(ErrorCode::postgres_failed, "there is no data directory");
  }
  const std::string resting = hands.planted(Bug::rests_on_empty_names) ? "" : core::names_nobody;
  if (!hands.planted(Bug::restart_keeps_names)) hands.write_names(resting);
  if (!hands.planted(Bug::gate_stays_open)) hands.postgres().disk.gate_open = false;
  hands.postgres().disk.upstream = std::move(upstream);
  hands.postgres().disk.note_begun();
  std::vector<TimelineId> forget = hands.postgres().disk.what_is_no_child(passed_by);
  if (hands.planted(Bug::keeps_what_is_no_child)) forget.clear();
  if (auto started = hands.supervisor().start(forget); !started) co_return started;
  const std::uint64_t start_id = hands.supervisor().status().start_id;
  hands.learn([start_id, at = hands.now()](agent::Knowledge& k) {
    agent::forget_server_run(k);
    k.gate_hosts = agent::member_hosts(k);
    k.supervisor.start_id = start_id;
    k.supervisor.state = supervisor::State::running;
    k.supervisor.grant.reset();
    k.situation.server.grant.reset();
    k.situation.server.state = core::ServerState::starting;
    k.situation.server.clean = false;
    note_own_upstream(k, std::nullopt);
    k.applied_names = core::names_nobody;
    k.server_changed_at = at;
  });
  co_return Outcome{};
}

Task<Outcome> start_as_standby(Hands& hands, std::optional<ServiceFile> upstream) {
  auto starting = begin_start(hands, std::move(upstream), false);
  Outcome outcome = co_await starting;
  if (!outcome) co_return outcome;
  auto waiting = wait_until_it_answers(hands);
  outcome = co_await waiting;
  co_return outcome;
}

}  // namespace evergres::sim

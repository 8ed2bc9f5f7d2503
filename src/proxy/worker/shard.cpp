#include "proxy/worker/shard.hpp"

#include <algorithm>
#include <utility>

#include "base/names.hpp"
#include "proxy/login/shown.hpp"

namespace evergres::proxy {
namespace {

constexpr Millis tick_length{100};
constexpr Millis drain_look{1};
constexpr std::size_t anybody = 1'000'000;
constexpr std::uint32_t crowd_most = 64;  ///< above client_limit

}  // namespace

Result<std::unique_ptr<Shard>> Shard::make(Plan plan) {
  auto reactor = Reactor::make();
  if (!reactor) return reactor.error();
  std::unique_ptr<Shard> shard(new Shard(std::move(*reactor), std::move(plan)));
  if (Outcome loaded = shard->load_certificates(); !loaded) return loaded.error();
  shard->reactor_->defer([raw = shard.get()] { raw->tick(); });
  shard->reactor_->at_turn_end([raw = shard.get()] { raw->around_.outbox.send(); });
  return shard;
}

Shard::Shard(std::unique_ptr<Reactor> reactor, Plan plan)
    : reactor_(std::move(reactor)),
      plan_(std::move(plan)),
      around_{*reactor_, plan_.configuration, std::make_shared<const World>(), {}, {}, {}, {},
              plan_.say, plan_.permits},
      cancel_forwards_(around_, [this](std::uint64_t number) { cancel_answered(number); }) {
  around_.last_number = std::uint64_t{plan_.number} << 48U;
}

Shard::~Shard() {
  fates_.clear();
  looks_.clear();
  questions_.clear();
  cancellers_.clear();
  for (auto& [number, session] : sessions_) session.reset();
  sessions_.clear();
  pools_.clear();
}

Outcome Shard::load_certificates() {
  const Configuration& configuration = *around_.configuration;
  if (!configuration.certificate.empty()) {
    auto context = TlsContext::for_clients(
        {configuration.certificate, configuration.certificate_key, configuration.client_authority});
    if (!context) return context.error();
    around_.client_tls = std::move(*context);
  }
  if (!configuration.server_authority.empty()) {
    auto context = TlsContext::for_servers(
        TlsContext::Verify::authority_and_name, configuration.server_authority,
        {configuration.server_certificate, configuration.server_certificate_key});
    if (!context) return context.error();
    around_.server_tls = std::move(*context);
  }
  return {};
}

void Shard::adopt(Accepted accepted, Port port) {
  const std::uint64_t number = ++around_.last_number;
  const std::string address = accepted.address;
  auto session = std::make_unique<Session>(*this, std::move(accepted), port, number);
  Session& added = *session;
  sessions_.emplace(number, std::move(session));
  const std::uint32_t limit = around_.configuration->client_limit;
  const std::uint32_t clients = plan_.permits->came();
  // Within a margin it may say what it wants: a cancel request is always let in.
  if (limit > 0 && clients > limit) added.crowded = true;
  added.start();
  if (leaving_) {
    added.end("57P01",
              Error(ErrorCode::refused, "the endpoint is shutting down", "", "Try again."));
  } else if (added.crowded && clients > limit + crowd_most) {
    added.too_many();
  }
}

void Shard::over(Session& session) {
  reactor_->defer([this, number = session.number()] {
    const auto gone = sessions_.find(number);
    if (gone == sessions_.end()) return;
    if (const std::uint32_t slot = gone->second->cancel_slot; slot != UINT32_MAX) {
      identities_[slot] = {};
      free_slots_.push_back(slot);
    }
    if (gone->second->in_console()) --consoles_;
    sessions_.erase(gone);
    plan_.permits->went();
    load_.fetch_sub(1);
    if (sessions_.empty() && plan_.emptied) plan_.emptied();
  });
}

Session* Shard::session(std::uint64_t number) {
  const auto found = sessions_.find(number);
  return found == sessions_.end() ? nullptr : found->second.get();
}

Pool& Shard::pool(const PoolName& name) {
  auto& pool = pools_[name];
  if (!pool) {
    pool = std::make_unique<Pool>(around_, name, random_hex(8));
    if (!around_.configuration->auth_user.empty() &&
        name.user == around_.configuration->auth_user) {
      pool->use_password({around_.configuration->auth_password});
    }
    if (paused(name.database)) pool->pause();
  }
  return *pool;
}

// ---- waiting for a leader

bool Shard::may_pass(Port port) {
  if (!around_.route(port).node) return false;
  Waiting& waiting = this->waiting(port);
  return waiting.queue.size() == 0 || waiting.queue.pass(reactor_->now());
}

bool Shard::hold(Session& session, Port port) {
  Waiting& waiting = this->waiting(port);
  Instant deadline = reactor_->now() + around_.configuration->hold_timeout;
  if (const auto own = session.statement_deadline()) deadline = std::min(deadline, *own);
  const auto ticket = waiting.queue.join(deadline);
  if (!ticket) return false;
  session.ticket = *ticket;
  if (waiting.by_slot.size() <= ticket->slot) waiting.by_slot.resize(ticket->slot + 1);
  waiting.by_slot[ticket->slot] = &session;
  wake_waiting(port);
  return true;
}

void Shard::leave_hold(Session& session) {
  for (Waiting* waiting : {&writers_, &readers_}) {
    const std::uint32_t slot = session.ticket.slot;
    if (slot < waiting->by_slot.size() && waiting->by_slot[slot] == &session) {
      waiting->queue.leave(session.ticket);
      waiting->by_slot[slot] = nullptr;
    }
  }
}

void Shard::wake_waiting(Port port) {
  Waiting& waiting = this->waiting(port);
  if (waiting.wake) reactor_->cancel(*waiting.wake);
  waiting.wake.reset();
  const auto at = waiting.queue.next_wake(reactor_->now(), anybody);
  if (!at) return;
  waiting.wake = reactor_->call_at(*at, [this, port] {
    this->waiting(port).wake.reset();
    serve_waiting(port);
  });
}

void Shard::serve_waiting(Port port) {
  Waiting& waiting = this->waiting(port);
  const Instant now = reactor_->now();
  std::vector<HoldQueue::Ticket> tickets;
  waiting.queue.expire(now, tickets);
  // Whoever is told may join again, in the slot of another who is not told yet.
  std::vector<Session*> told;
  for (const HoldQueue::Ticket& ticket : tickets) {
    told.push_back(std::exchange(waiting.by_slot[ticket.slot], nullptr));
  }
  for (Session* session : told) {
    if (session != nullptr && session->held()) session->expired();
  }
  tickets.clear();
  if (around_.route(port).node) waiting.queue.release(now, anybody, tickets);
  told.clear();
  for (const HoldQueue::Ticket& ticket : tickets) {
    told.push_back(std::exchange(waiting.by_slot[ticket.slot], nullptr));
  }
  for (Session* session : told) {
    if (session != nullptr && session->held()) session->released();
  }
  wake_waiting(port);
}

void Shard::set_world(std::shared_ptr<const World> world) {
  const bool was_draining = around_.world->draining;
  around_.world = std::move(world);
  std::vector<Waiter*> homeless;
  for (const auto& [name, pool] : pools_) pool->world_changed(homeless);
  for (Waiter* waiter : homeless) {
    // An errand asks again by itself.
    if (auto* session = dynamic_cast<Session*>(waiter)) session->released();
  }
  for (const auto& [number, session] : sessions_) session->world_changed();
  for (const Port port : {Port::read_write, Port::read_only}) {
    Waiting& waiting = this->waiting(port);
    const bool open = around_.route(port).node.has_value();
    if (open && !waiting.open) {
      const auto first = std::max<std::uint32_t>(1, around_.configuration->pool_size);
      waiting.queue.open(reactor_->now(), Ramp{first, Millis{20}});
    }
    if (!open) waiting.queue.close();
    waiting.open = open;
    serve_waiting(port);
  }
  for (const auto& task : fates_) task->errand->proceed(*task->pool);
  ask_secrets();
  tell_busy();
  if (around_.world->draining && !was_draining) watch_busy();
}

/// How many transactions run on the leader: a planned switchover waits for them.
void Shard::tell_busy() {
  std::uint32_t busy = 0;
  for (const auto& [name, pool] : pools_) {
    if (name.port == Port::read_only) continue;
    for (const auto& server : pool->servers()) {
      if (server->borrower() != nullptr && server->logged_in() && !server->free()) ++busy;
    }
  }
  if (!plan_.applied || (busy == told_busy_ && around_.world->number == told_world_)) return;
  told_busy_ = busy;
  told_world_ = around_.world->number;
  plan_.applied(told_world_, busy);
}

/// While a planned handover waits for the last transactions, each end of one counts.
void Shard::watch_busy() {
  if (!around_.world->draining) return;
  tell_busy();
  reactor_->call_at(reactor_->now() + drain_look, [this] { watch_busy(); });
}

void Shard::set_configuration(std::shared_ptr<const Configuration> configuration) {
  const auto before = std::exchange(around_.configuration, std::move(configuration));
  if (Outcome loaded = load_certificates(); !loaded) {
    around_.say(Loudness::warning, loaded.error().one_line());
  }
  for (const auto& [name, pool] : pools_) pool->configured();
}

// ---- logging in

std::shared_ptr<const LoginRules> Shard::rules() {
  return plan_.guard->rules();
}

void Shard::find_secret(Session& session, const std::string& user) {
  const auto known = plan_.guard->secret_of(user, reactor_->now());
  const std::uint64_t number = session.number();
  if (known && known->fresh) {
    reactor_->defer([this, number, secret = known->secret] {
      if (Session* asking = this->session(number)) asking->secret_found(secret);
    });
    return;
  }
  SecretQuestion& question = questions_[user];
  if (question.sessions.empty()) question.since = reactor_->now();
  question.sessions.push_back(number);
  question.has_older = known.has_value();
  if (known) question.older = known->secret;
  ask_secrets();
  if (!question.errand && question.has_older) {
    // There is nobody to ask.
    reactor_->defer([this, user] {
      const auto found = questions_.find(user);
      if (found == questions_.end() || found->second.errand) return;
      SecretQuestion unasked = std::move(found->second);
      questions_.erase(found);
      no_secret(std::move(unasked), Error(ErrorCode::unreachable, "nobody can be asked"));
    });
  }
}

/// Nobody could be asked: what was known before will do.
void Shard::no_secret(SecretQuestion question, const Error& why) {
  for (const std::uint64_t number : question.sessions) {
    Session* const asking = session(number);
    if (asking == nullptr) continue;
    if (question.has_older) {
      asking->secret_found(question.older);
    } else {
      asking->secret_unavailable(why);
    }
  }
}

/// Asks about everybody who is waited for and not asked about yet.
void Shard::ask_secrets() {
  const Configuration& configuration = *around_.configuration;
  for (auto& [user, question] : questions_) {
    if (question.errand && question.errand->under_way()) continue;
    Port port = Port::read_write;
    if (!around_.route(port).node) port = Port::read_only;
    if (!around_.route(port).node) continue;
    question.errand =
        std::make_unique<SecretErrand>(around_, user, [this, user = user](AuthStep step) {
          reactor_->defer([this, user, step = std::move(step)]() mutable {
            secret_known(user, std::move(step));
          });
        });
    question.errand->go(pool({configuration.auth_database, configuration.auth_user, port}));
  }
}

void Shard::secret_known(const std::string& user, AuthStep step) {
  const auto found = questions_.find(user);
  if (found == questions_.end()) return;
  const Instant now = reactor_->now();
  if (const auto* failed = std::get_if<AuthFailed>(&step)) {
    // It may be the leader that is going: the next one is asked, as long as clients wait for one.
    if (found->second.since + around_.configuration->hold_timeout > now &&
        failed->sqlstate.starts_with("08")) {
      found->second.errand.reset();
      return;
    }
    around_.say(Loudness::warning, "auth_query: " + failed->error.one_line());
    SecretQuestion unanswered = std::move(found->second);
    questions_.erase(found);
    return no_secret(std::move(unanswered), failed->error);
  }
  auto* answer = std::get_if<AuthAnswer>(&step);
  if (answer == nullptr) return;
  plan_.guard->cache().put(user, answer->secret, now);
  const auto sessions = std::move(found->second.sessions);
  questions_.erase(found);
  for (const std::uint64_t number : sessions) {
    if (Session* asking = session(number)) asking->secret_found(answer->secret);
  }
}

void Shard::logged_in(Session& session, const std::optional<ScramKeys>& keys) {
  if (session.in_console()) ++consoles_;
  if (keys) plan_.guard->cache().learn(session.user(), *keys);
  around_.say(Loudness::info, "login of " + shown_name(session.user()) + " to " +
                                  shown_name(session.database()) + " from " + session.address());
}

void Shard::refused(Session& session, const Refused& why) {
  if (why.guessed) plan_.guard->cache().login_failed(session.user(), reactor_->now());
  around_.say(Loudness::warning, "login of " + shown_name(session.user()) + " from " +
                                     session.address() + " refused: " + why.error.one_line());
}

ServerCredential Shard::credential(const std::string& user) {
  return plan_.guard->credential(user);
}

Millis Shard::delay_of(const Session& session) {
  return plan_.guard->throttle().failed(IpAddress::parse(session.address()), session.user(),
                                        reactor_->now());
}

// ---- fates

void Shard::find_fate(Session& session, FateQuestion question) {
  auto task = std::make_unique<FateTask>();
  task->session = session.number();
  task->pool = session.pool();
  FateTask* raw = task.get();
  const Instant deadline = reactor_->now() + around_.configuration->hold_timeout;
  task->errand = std::make_unique<FateErrand>(
      around_, std::move(question), deadline, [this, raw](Fate fate, std::string_view because) {
        around_.say(Loudness::info, "fate of a commit: " + std::string(word_of(fate)) + ". " +
                                        std::string(because));
        reactor_->defer([this, raw, fate] {
          const std::uint64_t number = raw->session;
          std::erase_if(fates_, [raw](const auto& owned) { return owned.get() == raw; });
          if (Session* asking = this->session(number)) asking->fate_known(fate);
        });
      });
  fates_.push_back(std::move(task));
  raw->errand->proceed(*raw->pool);
}

// ---- what is late

void Shard::look_at(Session& session) {
  const std::uint64_t number = session.number();
  auto& look = looks_[number];
  if (look) return;  // it is under way
  PoolName name = session.pool()->name();
  name.application = application_of_ours;
  Pool& ours = pool(name);
  ours.log_in_like(*session.pool());
  look = std::make_unique<CommitLook>(around_, *session.server(), [this, number](CommitLook& done) {
    reactor_->defer([this, number, server = done.server_number(), commits = done.commits()] {
      looks_.erase(number);
      Session* const asking = this->session(number);
      if (asking != nullptr) asking->looked(server, commits);
      answer_cancels();
    });
  });
  look->go(ours);
}

// ---- time

void Shard::tick() {
  ++ticks_;
  if (plan_.number == 0) plan_.permits->review(reactor_->now());
  for (const auto& [name, pool] : pools_) pool->tick();
  for (const auto& task : fates_) task->errand->proceed(*task->pool);
  const Instant now = reactor_->now();
  ask_secrets();
  for (auto at = questions_.begin(); at != questions_.end();) {
    if (at->second.since + around_.configuration->hold_timeout > now) {
      ++at;
      continue;
    }
    SecretQuestion late = std::move(at->second);
    at = questions_.erase(at);
    no_secret(std::move(late),
              Error(ErrorCode::unreachable, "there is no server to ask for the role's secret",
                    "None became available within hold_timeout.",
                    "Try again. `evergres list` shows the cluster."));
  }
  for (const auto& canceller : cancellers_) {
    if (canceller->late()) canceller->give_up();
  }
  cancel_forwards_.tick();
  answer_cancels();
  // Anybody who logs in can make one by naming a database.
  if (ticks_ % 100 == 0 && fates_.empty() && questions_.empty() && looks_.empty()) {
    std::erase_if(pools_, [](const auto& entry) { return entry.second->unused(); });
    around_.tallies.forget_unknown();
  }
  if (leaving_) leave();
  if (ticks_ % 5 == 0) {
    for (const auto& [number, session] : sessions_) session->tick();
  }
  reactor_->call_at(now + tick_length, [this] { tick(); });
}

void Shard::leave() {
  leaving_ = true;
  for (const auto& [number, session] : sessions_) {
    const Standing where = session->standing();
    const bool may_go = where == Standing::idle || where == Standing::replication;
    if (session->in_transaction() || !may_go) continue;
    session->end("57P01", Error(ErrorCode::cancelled, "the endpoint is shutting down", {},
                                "Connect again."));
  }
}

}  // namespace evergres::proxy

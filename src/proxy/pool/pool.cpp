#include "proxy/pool/pool.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "proxy/session/statement_timeout.hpp"

namespace evergres::proxy {
namespace {

constexpr std::size_t connects_at_once = 4;
constexpr std::size_t catalog_bytes = 16U << 20U;
constexpr std::size_t interned_most = 1000;
constexpr Millis gate_opens_within{5000};
constexpr Millis gate_usually_open{100};
constexpr Millis gate_backoff{5};
constexpr Millis first_backoff{10};
constexpr Millis longest_backoff{1000};
constexpr Millis overdue{200};

/// As a server of version 14 or later says by itself.
bool is_standby(const Settings& reported) {
  const std::string* value = reported.find("in_hot_standby");
  return value != nullptr && *value == "on";
}

}  // namespace

Pool::Pool(Surroundings& around, PoolName name, std::string chance)
    : tally(around.tallies.of(name.database)),
      around_(around),
      name_(std::move(name)),
      limits_(limits_of(*around.configuration, name_)),
      catalog_(catalog_bytes, std::move(chance)) {
  permits_ = around.permits->open(
      name_, limits_, *this,
      [&reactor = around.reactor](std::function<void()> what) { reactor.post(std::move(what)); });
}

Pool::~Pool() {
  *alive_ = false;
  around_.permits->close(*permits_);
}

Bucket* Pool::acquire_bucket(std::vector<std::pair<std::string, std::string>> settings) {
  std::sort(settings.begin(), settings.end());
  std::string key;
  for (const auto& [name, value] : settings) {
    key.append(name).append(1, '\0').append(value).append(1, '\0');
  }
  auto& bucket = buckets_[key];
  if (!bucket) {
    bucket = std::make_unique<Bucket>();
    bucket->settings = std::move(settings);
  }
  ++bucket->sessions;
  return bucket.get();
}

void Pool::release_bucket(Bucket* bucket) {
  CHECK(bucket->sessions > 0);
  // What a server reported once is worth keeping: logins go on while there is no leader.
  if (--bucket->sessions > 0 || buckets_.size() <= 64) return;
  for (const auto& server : servers_) {
    if (server->birth().bucket == bucket) return;
  }
  std::erase_if(buckets_, [&](const auto& entry) { return entry.second.get() == bucket; });
}

std::shared_ptr<const Settings> Pool::intern(Settings settings) {
  const auto known = interned_.find(settings);
  if (known != interned_.end()) {
    if (auto shared = known->second.lock()) return shared;
  }
  if (interned_.size() >= interned_most) {
    std::erase_if(interned_, [](const auto& entry) { return entry.second.expired(); });
  }
  auto shared = std::make_shared<const Settings>(settings);
  if (interned_.size() < interned_most) interned_[std::move(settings)] = shared;
  return shared;
}

bool Pool::outdated(const Server& server) const {
  if (server.ending() || server.retire_when_free) return true;
  if (name_.port == Port::read_write) return server.birth().term != around_.world->highest;
  const ServerNode* node = around_.world->node(server.birth().node);
  return node == nullptr || !node->answers;
}

/// Reads may go to any replica that is near enough, also if it is another one's turn.
bool Pool::leads_to(const Route& route, const NodeName& node) const {
  if (name_.port == Port::read_only) return around_.may_read_from(node);
  return route.node == node;
}

Server* Pool::take_idle(const Bucket* bucket, const Route& route) {
  for (std::size_t i = idle_.size(); i-- > 0;) {
    Server* server = idle_[i];
    if (server->birth().bucket != bucket || outdated(*server) || !server->free()) continue;
    if (!leads_to(route, server->birth().node)) continue;
    idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(i));
    note_idle();
    return server;
  }
  return nullptr;
}

void Pool::lend(Server& server, Waiter& waiter) {
  const Instant now = around_.reactor.now();
  server.lend_to(&waiter);
  server.lent = now;
  tally->waited(micros(now - waiter.wants_since.value_or(now)));
  waiter.wants_since.reset();
}

Server* Pool::borrow(Waiter& waiter) {
  CHECK(waiter.waits_in_ == nullptr);
  const Route route = around_.route(name_.port);
  if (!waiter.wants_since) waiter.wants_since = around_.reactor.now();
  if (waiting_ == 0 && route.node && !paused_) {
    if (Server* server = take_idle(waiter.bucket, route)) {
      lend(*server, waiter);
      return server;
    }
  }
  waiter.waits_in_ = this;
  waiter.since_ = around_.reactor.now();
  waiter.before_ = newest_;
  waiter.behind_ = nullptr;
  (newest_ != nullptr ? newest_->behind_ : oldest_) = &waiter;
  newest_ = &waiter;
  ++waiting_;
  grow();
  return nullptr;
}

void Pool::unlink(Waiter& waiter) {
  (waiter.before_ != nullptr ? waiter.before_->behind_ : oldest_) = waiter.behind_;
  (waiter.behind_ != nullptr ? waiter.behind_->before_ : newest_) = waiter.before_;
  waiter.before_ = waiter.behind_ = nullptr;
  waiter.waits_in_ = nullptr;
  --waiting_;
}

void Pool::leave(Waiter& waiter) {
  if (waiter.waits_in_ == this) unlink(waiter);
  waiter.wants_since.reset();
}

void Pool::turn_away(Waiter& waiter, const TurnedAway& why) {
  unlink(waiter);
  waiter.wants_since.reset();
  waiter.turned_away(why);
}

std::optional<Instant> Pool::oldest_wait() const {
  if (oldest_ == nullptr) return std::nullopt;
  return oldest_->since_;
}

void Pool::give_back(Server& server) {
  server.lend_to(nullptr);
  server.client_number = 0;
  server.used = around_.reactor.now();
  if (outdated(server) || spent(server)) return server.retire();
  if (server.reset(around_.configuration->reset, around_.to_server)) offer(server);
}

void Pool::abandon(Server& server) {
  server.lend_to(nullptr);
  server.client_number = 0;
  server.needs_reset = true;
  if (server.free()) return free(server);
  server.end_if_nobody_ends_it();
  // Its borrower may have been too slow to take what it says.
  server.resume();
}

void Pool::free(Server& server) {
  if (outdated(server) || spent(server)) return server.retire();
  if (std::exchange(server.needs_reset, false) &&
      !server.reset(around_.configuration->reset, around_.to_server)) {
    return;
  }
  offer(server);
}

/// One after the other: whoever is lent one may give it back at once.
void Pool::offer(Server& server) {
  offered_.push_back(&server);
  if (std::exchange(offering_, true)) return;
  while (!offered_.empty()) {
    Server& next = *offered_.back();
    offered_.pop_back();
    offer_now(next);
  }
  offering_ = false;
}

/// To the first who can use it, else to the idle ones.
void Pool::offer_now(Server& server) {
  if (server.ending() || server.borrower() != nullptr) return;
  if (paused_) return server.retire();
  if (std::find(idle_.begin(), idle_.end(), &server) != idle_.end()) return;
  const Route route = around_.route(name_.port);
  const bool usable = leads_to(route, server.birth().node);
  if (permits_->owes() > 0 && gives_away()) return server.retire();
  if (usable && oldest_ != nullptr && oldest_->bucket != server.birth().bucket &&
      connecting_ == 0 && lacks_ && oldest_->since_ + overdue <= around_.reactor.now()) {
    // Those who can use this one must not keep the others waiting for ever.
    return server.retire();
  }
  if (usable) {
    for (Waiter* waiter = oldest_; waiter != nullptr; waiter = waiter->behind_) {
      if (waiter->bucket != server.birth().bucket) continue;
      unlink(*waiter);
      lend(server, *waiter);
      return waiter->lent(server);
    }
  }
  idle_.push_back(&server);
  note_idle();
  if (waiting_ > 0) grow();
}

void Pool::grow() {
  if (paused_) return;
  std::size_t covered = connecting_;
  for (Waiter* waiter = oldest_; waiter != nullptr; waiter = waiter->behind_) {
    if (covered > 0) {
      --covered;
      continue;
    }
    if (lacks_) return make_room();
    if (connecting_ >= connects_at_once || around_.reactor.now() < retry_at_) return;
    // A gate that is still closed turns all away: one knocks for all.
    if (is_young_failure() && somebody_knocks()) return;
    const Route route = around_.route(name_.port);
    if (!route.node) return;
    lacks_ = around_.permits->take(permits_, around_.reactor.now());
    if (lacks_) return make_room();
    if (!connect(waiter->bucket, route)) return around_.permits->give_back(*permits_);
  }
}

/// With a permit. False: it was not used.
bool Pool::connect(Bucket* bucket, const Route& route) {
  const ServerNode* node = around_.world->node(*route.node);
  if (node == nullptr || node->resolved.empty()) {
    failed("The address of " + route.node->value + " is not known.", around_.reactor.now());
    return false;
  }
  Server::Birth birth{*route.node,
                      around_.world->highest,
                      std::nullopt,
                      node->resolved.front(),
                      node->address,
                      bucket,
                      {},
                      nullptr,
                      around_.configuration->statements_per_server};
  const auto& leader = around_.world->leader;
  if (leader && leader->node == *route.node) birth.timeline = leader->timeline;
  const bool local = node->address.host.starts_with('/');
  birth.plan.tls = local || !around_.server_tls ? ServerTls::disable : ServerTls::require;
  birth.plan.without_proof = false;
  birth.plan.user = name_.user;
  birth.plan.database = name_.database;
  birth.plan.settings = bucket->settings;
  birth.plan.credential = credential_;
  birth.plan.asks_timeout = name_.application != application_of_ours;
  birth.plan.nonce = random_hex(18);
  if (around_.server_tls) birth.tls = &*around_.server_tls;
  servers_.push_back(std::make_unique<Server>(around_.reactor, *this, std::move(birth)));
  servers_.back()->number = ++around_.last_number;
  ++connecting_;
  if (name_.port == Port::read_only) ++around_.readers[*route.node];
  servers_.back()->connect();
  return true;
}

void Pool::ready(Server& server) {
  --connecting_;
  if (name_.port == Port::read_write && is_standby(server.settings())) {
    failed("It is a standby: writers wait until it is not.", server.born);
    return server.retire();
  }
  backoff_ = Millis{0};
  retry_at_ = {};
  failing_since_.reset();
  if (!last_failure_.empty()) {
    around_.say(Loudness::info,
                "servers of " + name_.database + " as " + name_.user + " can be reached again");
    last_failure_.clear();
  }
  Bucket& bucket = *server.birth().bucket;
  bucket.welcome = intern(server.settings());
  if (!server.statement_timeout().empty()) {
    bucket.statement_timeout = read_timeout(server.statement_timeout());
  }
  if (outdated(server)) return server.retire();
  offer(server);
  if (waiting_ > 0) grow();
}

void Pool::refused(Server& server, const ServerRefused& why) {
  (void)server;
  switch (why.problem) {
    case LoginProblem::retry_later: return;
    case LoginProblem::wrong_credentials:
      // The gate of a server that was promoted opens a moment after its leadership.
      if (why.sqlstate == "28000") {
        const Instant now = around_.reactor.now();
        if (!failing_since_ || turned_away_at_ + gate_opens_within <= now) failing_since_ = now;
        turned_away_at_ = now;
        if (is_young_failure()) return;
      }
      // A password of ours does not become another one by that.
      if (std::holds_alternative<ScramKeys>(credential_)) credential_ = std::monostate{};
      return turn_everybody_away({"28P01", why.error});
    case LoginProblem::no_such:
    case LoginProblem::other: return turn_everybody_away({why.sqlstate, why.error});
  }
}

/// Whether what has begun to fail just now may still come right by itself.
bool Pool::is_young_failure() const {
  return failing_since_ && *failing_since_ + gate_opens_within > around_.reactor.now();
}

/// One that has just begun; who takes longer holds nobody up.
bool Pool::somebody_knocks() const {
  const Instant since = around_.reactor.now() - gate_usually_open;
  return std::ranges::any_of(servers_, [&](const auto& server) {
    return !server->was_ready() && !server->ending() && server->born >= since;
  });
}

void Pool::turn_everybody_away(const TurnedAway& why) {
  while (oldest_ != nullptr) turn_away(*oldest_, why);
}

bool Pool::is_over(const Server& server) const {
  return name_.port == Port::read_write ? server.birth().term < around_.world->highest
                                        : outdated(server) && !server.retire_when_free;
}

/// `begun`: when the attempt was made. Those that were made together fail together, and are one
/// failure.
void Pool::failed(std::string reason, Instant begun) {
  const Instant now = around_.reactor.now();
  if (begun >= failed_at_) {
    failed_at_ = now;
    const bool gate_opens = failing_since_ && *failing_since_ + gate_usually_open > now;
    backoff_ = gate_opens ? gate_backoff : std::clamp(backoff_ * 2, first_backoff, longest_backoff);
    retry_at_ = now + backoff_;
  }
  around_.reactor.call_at(retry_at_, [this, alive = alive_] {
    if (*alive && waiting_ > 0) grow();
  });
  if (reason != last_failure_) {
    around_.say(Loudness::warning, "no server of " + name_.database + " as " + name_.user + ": " +
                                       reason + (reason.ends_with('.') ? "" : ".") +
                                       " Trying again.");
    last_failure_ = std::move(reason);
  }
}

void Pool::ended(Server& server, const ServerEnd& end) {
  std::erase(idle_, &server);
  note_idle();
  std::erase(offered_, &server);
  const auto at = std::find_if(servers_.begin(), servers_.end(),
                               [&](const auto& owned) { return owned.get() == &server; });
  CHECK(at != servers_.end());
  if (!server.was_ready()) {
    --connecting_;
    const bool superseded =
        name_.port == Port::read_write && server.birth().term < around_.world->highest;
    if (!superseded) failed(end.reason, server.born);
  }
  if (name_.port == Port::read_only) --around_.readers[server.birth().node];
  servers_.erase(at);
  around_.permits->give_back(*permits_);
  if (waiting_ > 0) grow();
}

void Pool::world_changed(std::vector<Waiter*>& homeless) {
  for (const auto& server : servers_) {
    if (is_over(*server)) server->end({false, false, {}, "The term of its leader is over."});
  }
  const Route route = around_.route(name_.port);
  const ServerNode* node = route.node ? around_.world->node(*route.node) : nullptr;
  // What is told of lags twice a second begins nothing anew.
  Destination destination{around_.world->highest, route.node, node && !node->resolved.empty()};
  if (destination != destination_) {
    destination_ = std::move(destination);
    retry_at_ = {};
    backoff_ = Millis{0};
    failing_since_.reset();
  }
  if (route.node) return grow();
  while (oldest_ != nullptr) {
    homeless.push_back(oldest_);
    unlink(*oldest_);
  }
}

void Pool::tick() {
  const Configuration& configuration = *around_.configuration;
  const Instant now = around_.reactor.now();
  const Millis patience = configuration.query_wait_timeout;
  while (oldest_ != nullptr && patience.count() > 0 && oldest_->since_ + patience <= now) {
    turn_away(*oldest_, waited_too_long());
  }
  if (lacks_ && waiting_ == 0 && around_.permits->leave(*permits_)) lacks_.reset();
  for (std::size_t i = idle_.size(); i-- > 0;) {
    Server& server = *idle_[i];
    const bool unused = configuration.server_idle_timeout.count() > 0 &&
                        server.used + configuration.server_idle_timeout <= now;
    if ((unused || spent(server) || outdated(server)) && server.free()) server.retire();
  }
  for (const auto& server : servers_) {
    if (!server->was_ready() && server->born + configuration.server_connect_timeout <= now) {
      server->end({false, false, {}, "It did not answer within server_connect_timeout."});
    }
  }
  if (waiting_ > 0) grow();
}

void Pool::reconnect() {
  for (const auto& server : servers_) server->retire_when_free = true;
  retire_idle();
}

void Pool::pause() {
  paused_ = true;
  reconnect();
}

void Pool::resume() {
  paused_ = false;
  grow();
}

void Pool::kill(const std::string& reason) {
  for (const auto& server : servers_) server->end({false, false, {}, reason});
}

void Pool::retire_idle() {
  for (Server* server : std::vector<Server*>(idle_)) {
    if (server->free()) server->retire();
  }
}

}  // namespace evergres::proxy

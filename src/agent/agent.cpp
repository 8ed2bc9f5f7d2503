#include "agent/agent.hpp"

#include <spdlog/spdlog.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

#include "agent/control.hpp"
#include "agent/journal.hpp"
#include "agent/kept_session.hpp"
#include "agent/observing.hpp"
#include "agent/peers.hpp"
#include "agent/performer.hpp"
#include "agent/promise_file.hpp"
#include "agent/setup.hpp"
#include "agent/shared_observer.hpp"
#include "agent/store_keeper.hpp"
#include "agent/supervisor_link.hpp"
#include "agent/watchers.hpp"
#include "base/file.hpp"
#include "core/explain.hpp"
#include "core/grant.hpp"
#include "core/view.hpp"
#include "postgres/control_file.hpp"
#include "postgres/data_directory.hpp"

namespace evergres::agent {
namespace {

class Agent {
 public:
  Agent(Setup setup, Service service) : setup_(std::move(setup)), service_(std::move(service)) {}
  int run();

 private:
  Outcome remember();
  net::awaitable<void> live();
  net::awaitable<void> think();
  void say(const core::Decision& decision);
  void look_around(const core::Situation& s);
  void resolve_upstream();

  Setup setup_;
  Service service_;
  boost::asio::io_context context_{1};
  net::Wakeup wake_{context_.get_executor()};
  Knowledge know_;
  Tell tell_ = [this](Learn change) {
    boost::asio::post(context_, [this, change = std::move(change)] {
      change(know_);
      wake_.set();
    });
  };
  std::string node_id_;
  std::string run_noted_;
  Instant minute_began_;
  bool calm_ = false;  ///< a leader is open and nothing is under way
  std::optional<Journal> journal_;
  std::optional<SupervisorWatch> supervisor_;
  std::optional<LeaseKeeper> lease_;
  std::optional<Observing> observing_;
  std::optional<StoreKeeper> store_;
  std::optional<Performer> performer_;
  std::optional<Watchers> watchers_;
  std::optional<Peers> peers_;
  std::optional<Control> control_;
};

/// What this node knew before: promise, data directory, service file.
Outcome Agent::remember() {
  core::Situation& s = know_.situation;
  const auto& settings = setup_.settings;
  s.me = settings.node;
  know_.own_host = settings.postgres_host;
  s.agent = Claim{random_hex(8)};
  s.started_at = boot_now();
  s.tuning.suspect_after = settings.suspect_after;
  s.tuning.voter_timeout = settings.voter_timeout;
  s.tuning.grant_length = settings.grant_length;
  s.tuning.promote_timeout = settings.promote_timeout;
  know_.settings.node_wanted.acknowledgements = settings.synchronous_nodes;
  know_.settings.node_wanted.durability = durability_named(settings.durability);
  know_.settings.node_wanted.max_loss_bytes = settings.max_loss;
  if (auto kept = read_settings_file(settings.state_directory)) {
    know_.settings.applied = std::make_shared<const cluster::Spec>(std::move(*kept));
    know_.settings.newest = know_.settings.applied;
  }
  s.tags = core::tags_from(settings.tags);
  auto promise = read_promise(settings.state_directory);
  if (!promise) return promise.error();
  // What is known is on disk: whoever died may have renamed the file and not more.
  if (auto synced = sync_directory(settings.state_directory); !synced) return synced;
  s.promise = *promise;
  auto id = node_id(settings.state_directory);
  if (!id) return id.error();
  node_id_ = *id;
  // Of a clone that was killed; its files go in the background.
  if (auto aside = postgres::set_copies_aside(setup_.server); !aside) return aside;
  auto incarnation = postgres::read_incarnation(setup_.server.data, settings.node);
  if (incarnation) s.server.incarnation = *incarnation;
  if (s.server.incarnation) {
    auto control =
        postgres::read_control_file(setup_.server, setup_.server.data, boot_now() + Millis{5000});
    if (control) s.server.system_id = control->system_id;
  }
  auto upstream = postgres::read_upstream(setup_.server);
  if (upstream && *upstream)
    know_.upstream_name = (*upstream)->application_name + "@" + (*upstream)->host + ":" +
                          std::to_string((*upstream)->port);
  return {};
}

/// The service file names an address and a term; whose address it is the cards tell.
void Agent::resolve_upstream() {
  if (!know_.upstream_name || know_.situation.server.upstream) return;
  const std::string& name = *know_.upstream_name;
  const auto at = name.rfind('@');
  const auto t = name.rfind("_t", at);
  if (at == std::string::npos || t == std::string::npos) return;
  const std::string address = name.substr(at + 1);
  for (const auto& [node, card] : know_.cards) {
    if (card.postgres_host + ":" + std::to_string(card.postgres_port) != address) continue;
    const std::string digits = name.substr(t + 2, at - t - 2);
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos ||
        digits.size() > 18)
      return;
    core::Upstream upstream{node, Term{std::stoull(digits)}};
    if (name.starts_with("evgc_")) upstream.voteless = true;
    learn_upstream(know_, std::move(upstream));
    return;
  }
}

/// The rhythm and the duties of the background threads follow from the situation.
void Agent::look_around(const core::Situation& s) {
  const bool leads =
      s.record && core::record_names_me(s) && s.record->phase == core::Phase::leading;
  const auto leader =
      s.record && s.record->leader ? s.peers.find(s.record->leader->node) : s.peers.end();
  const bool leader_refuses = leader != s.peers.end() && leader->second.refused;
  const bool calm = s.record && s.record->phase == core::Phase::leading &&
                    !s.nobody_in_charge_since && !s.operation && !leader_refuses;
  calm_ = calm;
  // Everybody waits until the heir has seen the last WAL of the stopped leader; before that stop
  // its looks would only hold it up, on a machine with few cores.
  const bool inherits = s.record && s.record->phase == core::Phase::handover &&
                        s.record->heir == s.me && !core::record_names_me(s) &&
                        s.server.state == core::ServerState::standby && !s.nobody_in_charge_since;
  const bool stopped = leader != s.peers.end() && leader->second.said &&
                       leader->second.said->fenced &&
                       leader->second.said->fenced->term == s.record->term;
  // While one leader follows another, operations and words tell what happens to a running server.
  const bool runs =
      s.server.state == core::ServerState::standby || s.server.state == core::ServerState::primary;
  const bool chosen = s.record && s.record->phase == core::Phase::electing && s.record->leader;
  const bool on_its_way =
      runs && (chosen || (s.record && s.record->phase == core::Phase::handover));
  const Millis hurried{inherits && stopped ? 4 : on_its_way ? 50 : 25};
  observing_->set_period(!calm ? hurried : leads ? Millis{500} : Millis{1000});
  observing_->set_expected_names(s.operation ? std::nullopt : expected_names(s));
  observing_->set_settings(know_.settings.applied ? know_.settings.applied : know_.settings.newest);
  observing_->set_local_is_enough(s.record && s.record->durability == core::Durability::async);
  observing_->set_files_in_flux(s.operation && (s.operation->kind == core::Clone::kind ||
                                                s.operation->kind == core::Rewind::kind));
  StoreKeeper::Duty duty;
  duty.renew = leads && core::claim_is_mine(s);
  duty.agent = s.agent;
  duty.incarnation = s.server.incarnation.value_or(Incarnation{});
  if (s.record && s.record->phase == core::Phase::leading) duty.open_term = s.record->term;
  for (const auto& [name, peer] : s.peers) {
    if (core::is_heard(s, peer)) duty.hears.push_back(name.value);
  }
  duty.settings = settings_of_node(know_.settings);
  store_->set_duty(std::move(duty));
  if (leads && s.server.grant && s.server.grant->kind == core::GrantKind::lead) {
    const Nanos left = s.server.grant->deadline - s.now;
    know_.tally.grant_used.note(Nanos(setup_.settings.grant_length) - left, s.now);
  }
  const core::GrantWish wish = know_.yields ? core::GrantWish{} : core::grant_wish(s);
  lease_->set_wish(wish, know_.supervisor.start_id);
}

void Agent::say(const core::Decision& decision) {
  const std::string text = core::describe(decision);
  if (text == know_.last_decision) return;
  know_.last_decision = text;
  know_.tally.decisions[std::string(decision.rule)] += 1;
  journal_->record(know_.situation, decision);
  std::string facts;
  for (const std::string& fact : decision.facts) facts += "; " + fact;
  spdlog::info("{}{}", text, facts);
  if (const auto* const refusing = std::get_if<core::ClearRequest>(&decision.intent)) {
    note_refusal(know_, {refusing->request_id, wall_now_ms(), "rule " + text + facts});
  }
}

/// observe -> decide -> act, woken by everything that is learned.
net::awaitable<void> Agent::think() {
  supervisor::Status shown;
  for (;;) {
    const Instant now = boot_now();
    know_.loop.began = now;
    if (now - minute_began_ > Millis{60'000}) {
      minute_began_ = now;
      know_.situation.recent_terms = 0;
    }
    if (know_.recent_errors.size() > 20) know_.recent_errors.erase(know_.recent_errors.begin());
    if (!(know_.supervisor == shown)) {
      shown = know_.supervisor;
      observing_->set_supervisor(shown);
      const std::string run = shown.supervisor_run + "/" + std::to_string(shown.start_id);
      if (run != run_noted_) {
        run_noted_ = run;
        auto asked = was_asked_to_promote(setup_.settings.state_directory, run);
        know_.situation.server.asked_to_promote = !asked || *asked;  // unreadable: it may have been
      }
    }
    resolve_upstream();
    const core::Situation& s = look(know_, now);
    if (know_.supervisor_known) {
      const core::Decision decision = know_.yields ? yield_decision(know_) : core::decide(s);
      say(decision);
      performer_->pursue(decision.intent, know_);
    }
    look_around(look(know_, boot_now()));
    peers_->refresh();
    watchers_->refresh();
    know_.loop.took = boot_now() - now;
    know_.tally.loop_took.note(know_.loop.took, now);
    auto waiting = wake_.wait(calm_ ? Millis{250} : Millis{50});
    co_await std::move(waiting);
  }
}

net::awaitable<void> Agent::live() {
  net::TaskGroup tasks(context_.get_executor());
  tasks.spawn(think());
  tasks.spawn(peers_->serve());
  tasks.spawn(control_->serve());
  if (service_) {
    const auto view = [this] {
      const Instant now = boot_now();
      look(know_, now);
      return view_of(know_, setup_, now);
    };
    const auto control = [this](boost::json::value request) {
      return control_->ask_quietly(std::move(request));
    };
    tasks.spawn(service_(Services{context_.get_executor(), view, control}));
  }
  auto joining = tasks.join();
  co_await std::move(joining);
}

int Agent::run() {
  if (auto remembered = remember(); !remembered) {
    spdlog::error("{}", remembered.error().one_line());
    return 1;
  }
  journal_.emplace(setup_.settings.state_directory);
  watchers_.emplace(context_.get_executor(), setup_, know_);
  peers_.emplace(
      context_.get_executor(), setup_, know_, [this] { wake_.set(); },
      [this](net::Channel channel) { return watchers_->serve(std::move(channel)); });
  control_.emplace(context_.get_executor(), setup_, know_, tell_);
  for (const Outcome& opened : {peers_->open(), control_->open()}) {
    if (opened) continue;
    spdlog::error("{}", opened.error().one_line());
    return 1;
  }
  know_.observer = std::make_shared<SharedObserver>(setup_.server);
  know_.promoted_over = std::make_shared<KeptSession>();
  performer_.emplace(setup_, tell_);
  lease_.emplace(setup_, tell_);
  observing_.emplace(setup_, know_.observer, tell_);
  store_.emplace(setup_, node_id_, know_.situation.agent, tell_);
  supervisor_.emplace(setup_, tell_);
  boost::asio::signal_set signals(context_, SIGTERM, SIGINT);
  signals.async_wait([this](const boost::system::error_code& failure, int) {
    if (!failure) context_.stop();
  });
  std::exception_ptr failure;
  boost::asio::co_spawn(context_, live(), [&](std::exception_ptr ended) {
    failure = std::move(ended);
    context_.stop();
  });
  spdlog::info("the agent of {} runs as {}", setup_.settings.node.value,
               know_.situation.agent.value);
  context_.run();
  if (!failure) std::_Exit(0);  // threads may be inside a blocking step; the supervisor cleans up
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& what) {
    spdlog::critical("the agent ends: {}", what.what());
  }
  std::_Exit(1);
}

}  // namespace

int run_agent(const config::NodeSettings& settings, Service service) {
  auto setup = make_setup(settings);
  if (!setup) {
    spdlog::error("{}", setup.error().one_line());
    return 1;
  }
  return Agent(std::move(setup).value(), std::move(service)).run();
}

}  // namespace evergres::agent

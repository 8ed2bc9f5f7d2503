#include "agent/supervisor_link.hpp"

#include "agent/learning.hpp"

namespace evergres::agent {

SupervisorWatch::SupervisorWatch(const Setup& setup, Tell tell)
    : setup_(setup),
      tell_(std::move(tell)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void SupervisorWatch::run(const std::stop_token& stop) {
  Pulse pause;
  do {
    const Outcome outcome = listen(stop);
    if (!outcome) {
      tell_(
          [text = outcome.error().one_line()](Knowledge& k) { k.situation.server.trouble = text; });
    }
  } while (pause.wait(stop, Millis{200}));
}

Outcome SupervisorWatch::listen(const std::stop_token& stop) {
  auto client = supervisor::Client::connect(supervisor::socket_path(setup_.settings.run_directory),
                                            Millis{2000});
  if (!client) return client.error();
  auto first = client->ask(supervisor::AskSubscribe{}, Millis{2000});
  if (!first) return first.error();
  auto status = supervisor::status_from_json(*first);
  if (!status) return status.error();
  tell_([now = *status](Knowledge& k) { learn_status(k, now); });
  while (!stop.stop_requested()) {
    auto event = client->next_event(Millis{500});
    if (!event && event.error().code() == ErrorCode::timed_out) continue;
    if (!event) return event.error();
    auto changed = supervisor::status_from_json(*event);
    if (!changed) return changed.error();
    tell_([now = *changed](Knowledge& k) { learn_status(k, now); });
  }
  return {};
}

LeaseKeeper::LeaseKeeper(const Setup& setup, Tell tell)
    : setup_(setup),
      tell_(std::move(tell)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void LeaseKeeper::set_wish(const core::GrantWish& wish, std::uint64_t start_id) {
  bool urgent = false;
  {
    const std::lock_guard lock(mutex_);
    urgent = wish.revoke != wish_.revoke || wish.kind != wish_.kind || wish.term != wish_.term;
    wish_ = wish;
    start_id_ = start_id;
    control_alive_at_ = boot_now();
  }
  if (urgent) pulse_.poke();
}

Outcome LeaseKeeper::extend(supervisor::Client& client, const core::GrantWish& wish,
                            std::uint64_t start_id) {
  if (wish.revoke) {
    auto revoked = client.ask(supervisor::AskRevoke{}, Millis{2000});
    if (!revoked) return revoked.error();
    tell_([why = wish.why](Knowledge& k) {
      k.recent_errors.push_back("the grant was revoked: " + why);
    });
    return {};
  }
  if (!wish.kind) return {};
  const bool same = granted_kind_ == wish.kind && granted_term_ == wish.term;
  if (same && wish.counted_from - granted_from_ < Millis{900}) return {};
  supervisor::AskGrant ask;
  ask.kind = *wish.kind == core::GrantKind::lead ? supervisor::GrantKind::lead
                                                 : supervisor::GrantKind::promote;
  ask.term = wish.term;
  ask.asked_at = wish.counted_from;
  ask.length = wish.length;
  ask.start_id = start_id;
  auto granted = client.ask(ask, Millis{2000});
  if (!granted) return granted.error();
  granted_kind_ = wish.kind;
  granted_term_ = wish.term;
  granted_from_ = wish.counted_from;
  return {};
}

void LeaseKeeper::run(const std::stop_token& stop) {
  std::optional<supervisor::Client> client;
  Instant said_alive;
  while (pulse_.wait(stop, Millis{250})) {
    core::GrantWish wish;
    std::uint64_t start_id = 0;
    Instant control_alive_at;
    {
      const std::lock_guard lock(mutex_);
      wish = wish_;
      start_id = start_id_;
      control_alive_at = control_alive_at_;
      wish_.revoke = false;
    }
    if (!client) {
      auto connected = supervisor::Client::connect(
          supervisor::socket_path(setup_.settings.run_directory), Millis{500});
      if (!connected) continue;
      client.emplace(std::move(connected).value());
    }
    const Instant now = boot_now();
    Outcome outcome;
    const bool control_lives = now - control_alive_at < Millis{3000};
    if (control_lives && now - said_alive >= Millis{1000}) {
      auto alive = client->ask(supervisor::AskAlive{}, Millis{2000});
      if (!alive) outcome = alive.error();
      said_alive = now;
    }
    if (outcome) outcome = extend(*client, wish, start_id);
    const bool refused = !outcome && outcome.error().code() == ErrorCode::refused;
    if (!outcome && !refused) client.reset();
    if (!outcome) {
      tell_([text = outcome.error().one_line()](Knowledge& k) {
        k.recent_errors.push_back("grant: " + text);
      });
    }
  }
}

}  // namespace evergres::agent

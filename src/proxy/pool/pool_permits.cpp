#include <algorithm>

#include "base/check.hpp"
#include "proxy/pool/pool.hpp"

/// How a pool lives with its limits, and with the other pools that share them.
namespace evergres::proxy {

void Pool::configured() {
  limits_ = limits_of(*around_.configuration, name_);
  around_.permits->set_limits(*permits_, limits_);
}

std::optional<Level> Pool::let_in() {
  const auto reached = around_.permits->let_in(*permits_);
  if (!reached) ++sessions;
  return reached;
}

void Pool::let_out() {
  CHECK(sessions > 0);
  --sessions;
  around_.permits->let_out(*permits_);
}

/// What it has waited for: to whoever is next.
void Pool::granted() {
  lacks_.reset();
  std::size_t covered = connecting_;
  Waiter* next = oldest_;
  for (; next != nullptr && covered > 0; --covered) next = next->behind_;
  const Route route = around_.route(name_.port);
  const bool may = next != nullptr && !paused_ && route.node && around_.reactor.now() >= retry_at_;
  if (!may || !connect(next->bucket, route)) return around_.permits->give_back(*permits_);
  grow();
}

void Pool::asked() {
  while (permits_->owes() > 0 && gives_away()) {
    const auto idle = std::find_if(idle_.begin(), idle_.end(), [](const Server* server) {
      return !server->ending() && server->free();
    });
    if (idle == idle_.end()) return;
    (*idle)->retire();
  }
}

bool Pool::gives_away() const {
  const auto going = std::count_if(servers_.begin(), servers_.end(),
                                   [](const auto& server) { return server->ending(); });
  return permits_->owes() > static_cast<std::uint32_t>(going);
}

/// At a limit an idle server of other settings makes room, one at a time.
void Pool::make_room() {
  for (Server* const server : idle_) {
    if (server->ending()) return;
    if (!server->free()) continue;
    return server->retire();
  }
}

void Pool::note_idle() {
  permits_->set_idle(static_cast<std::uint32_t>(idle_.size()),
                     idle_.empty() ? Instant{} : idle_.front()->used);
}

bool Pool::spent(const Server& server) const {
  if (limits_.server_lifetime.count() == 0) return false;
  return server.born + spread_lifetime(limits_.server_lifetime, server.number) <=
         around_.reactor.now();
}

TurnedAway Pool::waited_too_long() const {
  std::string detail = "The client waited for query_wait_timeout. Of " +
                       std::to_string(servers_.size()) +
                       " connections of this pool none became free";
  if (lacks_) detail += ", and " + said_by(*lacks_, "server_limit", name_) + " is reached";
  const std::string option = lacks_ ? said_by(*lacks_, "server_limit", name_) : "pool_size";
  return {"57014", Error(ErrorCode::timed_out, "no server connection became free in time",
                         detail + ".", "Make transactions shorter, or " + option + " larger.")};
}

}  // namespace evergres::proxy

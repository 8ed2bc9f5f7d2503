#include <algorithm>
#include <utility>

#include "base/names.hpp"
#include "proxy/worker/shard.hpp"

/// Cancel keys, and what becomes of the requests that come with them.
namespace evergres::proxy {
namespace {

constexpr std::uint32_t slots_of_shard = CancelKeys::slots_most / 16;

}  // namespace

/// Slots of the process: the shard, and the place in identities_.
CancelKey Shard::cancel_key(Session& session, ProtocolVersion spoken) {
  std::uint32_t place = static_cast<std::uint32_t>(identities_.size());
  if (!free_slots_.empty()) {
    place = free_slots_.back();
    free_slots_.pop_back();
  } else if (place < slots_of_shard) {
    identities_.emplace_back();
  } else {
    return {0, std::string(cancel_key_least, '\0')};  // cannot be cancelled
  }
  SessionIdentity& identity = identities_[place];
  identity.slot = plan_.number * slots_of_shard + place;
  identity.number = session.number();
  const Key random = sha256(random_hex(16));
  std::copy_n(random.view().begin(), identity.secret.size(), identity.secret.begin());
  session.cancel_slot = place;
  return plan_.guard->cancel_keys().issue(identity, spoken);
}

bool Shard::cancel_asked(Session& session, const CancelRequest& request) {
  const CancelKeys& keys = plan_.guard->cancel_keys();
  const CancelMeaning meaning = keys.read(request);
  if (const auto* other = std::get_if<OtherProxy>(&meaning)) {
    return !cancel_forwards_.pass_on(keys, request, other->proxy, session.number());
  }
  const auto* meant = std::get_if<OwnSession>(&meaning);
  if (meant == nullptr) return true;
  const unsigned shard = meant->slot / slots_of_shard;
  if (shard == plan_.number) {
    cancel_here(*meant);
  } else {
    plan_.forward_cancel(shard, *meant);
  }
  // A short key does not tell whether another endpoint with our number made it.
  if (meant->number) return true;
  return !cancel_forwards_.pass_on(keys, request, keys.proxy(), session.number());
}

void Shard::cancel_here(const OwnSession& meant) {
  const std::uint32_t place = meant.slot % slots_of_shard;
  if (place >= identities_.size() || identities_[place].number == 0) return;
  if (!CancelKeys::names(meant, identities_[place])) return;
  if (Session* asked = session(identities_[place].number)) asked->cancel_asked();
}

void Shard::cancel(Server& server) {
  if (server.cancels >= 2) return;  // one more changes nothing
  cancellers_.push_back(std::make_unique<Canceller>(*reactor_, server, [this](Canceller& done) {
    reactor_->defer([this, raw = &done] {
      std::erase_if(cancellers_, [raw](const auto& owned) { return owned.get() == raw; });
    });
  }));
  cancellers_.back()->begin();
}

void Shard::cancel(const Passage& passage) {
  cancel_forwards_.send(passage.address(), passage.pid(), passage.key());
}

}  // namespace evergres::proxy

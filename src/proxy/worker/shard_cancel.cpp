#include <algorithm>
#include <utility>

#include "base/names.hpp"
#include "proxy/worker/shard.hpp"

/// Cancel keys, and what becomes of the requests that come with them.
namespace evergres::proxy {
namespace {

constexpr std::uint32_t slots_of_shard = CancelKeys::slots_most / 16;
constexpr unsigned cancels_most = 2;  ///< to one server: one more changes nothing
constexpr std::size_t asked_most = 1024;
constexpr Millis answered_within{5'000};

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
  const std::uint64_t number = session.number();
  if (const auto* other = std::get_if<OtherProxy>(&meaning)) {
    return !cancel_forwards_.pass_on(keys, request, other->proxy, number);
  }
  const auto* meant = std::get_if<OwnSession>(&meaning);
  if (meant == nullptr) return true;
  session.cancels_awaited = 1;
  // A short key does not tell whether another endpoint with our number made it.
  if (!meant->number && cancel_forwards_.pass_on(keys, request, keys.proxy(), number)) {
    ++session.cancels_awaited;
  }
  const unsigned shard = meant->slot / slots_of_shard;
  const CancelAsker asker{plan_.number, number};
  if (shard == plan_.number) {
    cancel_here(*meant, asker);
  } else {
    plan_.forward_cancel(shard, *meant, asker);
  }
  return false;
}

Session* Shard::session(const OwnSession& meant) {
  const std::uint32_t place = meant.slot % slots_of_shard;
  if (place >= identities_.size() || identities_[place].number == 0) return nullptr;
  if (!CancelKeys::names(meant, identities_[place])) return nullptr;
  return session(identities_[place].number);
}

void Shard::cancel_here(const OwnSession& meant, const CancelAsker& asker) {
  if (Session* const asked = session(meant)) {
    asked->cancel_asked();
    if (asked->cancel_under_way() && asked_cancels_.size() < asked_most) {
      asked_cancels_.push_back({asked->number(), asker, reactor_->now() + answered_within});
      return;
    }
  }
  plan_.cancel_done(asker);
}

void Shard::answer_cancels() {
  std::erase_if(asked_cancels_, [this](const AskedCancel& cancel) {
    const Session* const asked = session(cancel.session);
    if (asked != nullptr && asked->cancel_under_way() && reactor_->now() < cancel.deadline) {
      return false;
    }
    plan_.cancel_done(cancel.asker);
    return true;
  });
}

void Shard::cancel_answered(std::uint64_t asker) {
  if (Session* const asking = session(asker)) asking->cancel_passed_on();
}

void Shard::cancel(Server& server) {
  if (server.cancels >= cancels_most) return;
  cancellers_.push_back(std::make_unique<Canceller>(*reactor_, server, [this](Canceller& done) {
    reactor_->defer([this, raw = &done] {
      std::erase_if(cancellers_, [raw](const auto& owned) { return owned.get() == raw; });
      answer_cancels();
    });
  }));
  cancellers_.back()->begin();
}

void Shard::cancel(Session& session, Passage& passage) {
  if (passage.cancels >= cancels_most) return;
  const auto over = [this, number = session.number()] {
    if (Session* const asked = this->session(number)) asked->passage_cancel_over();
    answer_cancels();
  };
  if (cancel_forwards_.send(passage.address(), passage.pid(), passage.key(), over)) {
    ++passage.cancels;
  }
}

}  // namespace evergres::proxy

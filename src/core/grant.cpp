#include "core/grant.hpp"

#include <algorithm>
#include <functional>

#include "core/view.hpp"

namespace evergres::core {
namespace {

GrantWish none(std::string why) {
  return GrantWish{std::nullopt, {}, {}, {}, false, std::move(why)};
}

bool confirms(const Situation& s, const Seat& voter, const Peer& peer) {
  if (!peer.said || !peer.alive_at) return false;
  const Heartbeat& said = *peer.said;
  return said.seat == voter && said.promise.term <= s.record->term && said.term <= s.record->term &&
         said.upstream && said.upstream->node == s.me && said.upstream->term == s.record->term;
}

/// The instant at which k voters were last known to obey nobody newer: a rival would need |S|-k+1
/// promises. Without voters nobody else may lead at all.
std::optional<Instant> confirmed_by_voters(const Situation& s, const Policy& policy) {
  if (policy.voters.empty()) return s.now;
  std::vector<Instant> instants;
  for (const Seat& voter : policy.voters) {
    const auto found = s.peers.find(voter.node);
    if (found == s.peers.end() || !confirms(s, voter, found->second)) continue;
    instants.push_back(*found->second.alive_at);
  }
  if (instants.size() < policy.k) return std::nullopt;
  std::sort(instants.begin(), instants.end(), std::greater<>());
  return instants[policy.k - 1];
}

/// A rival must cover every recorded policy, so one policy whose voters hold is enough; the current
/// one is asked, because unproven ones may never have been in force. Once an async policy is in the
/// book, proven or not, a rival need not ask any voter of it: it waits until `renewed` has stood
/// still for a lease, so that only our own renewal says that it has to wait.
std::optional<Instant> evidence_of_leading(const Situation& s) {
  if (some_async(s.record->policy)) return s.renewed_at;
  std::optional<Instant> newest = confirmed_by_voters(s, s.record->policy.current);
  // It counts from when it was read, whatever became of the store since.
  if (s.store_read_at && !s.record_missing) {
    newest = newest ? std::max(*newest, *s.store_read_at) : *s.store_read_at;
  }
  return newest;
}

}  // namespace

Millis grant_length(const Situation& s) {
  const bool bound = s.record && s.record->lease_ms && lease_is_fixed(*s.record);
  if (!bound) return s.tuning.grant_length;
  return std::min(s.tuning.grant_length, Millis{static_cast<std::int64_t>(*s.record->lease_ms)});
}

GrantWish grant_wish(const Situation& s) {
  if (!s.record) return none("the record is not known");
  if (!record_names_me(s)) return none("the record does not name us");
  const Term term = s.record->term;
  if (s.record->phase == Phase::electing) {
    if (!claim_is_mine(s)) return none("the promotion belongs to an earlier run of the agent");
    const bool at_work = s.server.grant && s.server.grant->term == term;
    if (!at_work) return none("the promotion has not begun");
    if (!s.store_read_at) return none("the record was never read");
    return GrantWish{GrantKind::promote, term, *s.store_read_at, grant_length(s), false,
                     "we were chosen"};
  }
  if (s.record->phase != Phase::leading) return none("the record shows no open leader");
  if (!s.server.grant || s.server.grant->term != term)
    return none("our server has no grant of this term");
  if (s.server.state != ServerState::primary) return none("our server does not answer as primary");
  if (s.server.names_wrong_since && s.now - *s.server.names_wrong_since >= s.tuning.heartbeat) {
    GrantWish wish = none("synchronous_standby_names is not what the policy says");
    wish.revoke = true;
    return wish;
  }
  const auto evidence = evidence_of_leading(s);
  if (!evidence) {
    return none(some_async(s.record->policy)
                    ? "this run has not renewed its lease yet"
                    : "the store is away and too few voters confirm our term");
  }
  return GrantWish{GrantKind::lead, term, *evidence, grant_length(s), false, "we lead"};
}

}  // namespace evergres::core

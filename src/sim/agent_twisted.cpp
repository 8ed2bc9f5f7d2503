#include <algorithm>

#include "core/view.hpp"
#include "sim/agent_model.hpp"

/// Planted mistakes of deciding: what the deciding code is shown is not what is true.
namespace evergres::sim {
namespace {

void forget_terms(core::Record& record) {
  for (core::Lineage& entry : record.lineage) entry.term = Term{0};
}

/// Every policy wants fewer answers than |S|-k+1: one, or a majority of its voters.
void loosen(core::PolicyBook& book, bool to_a_majority) {
  const auto loosened = [&](core::Policy& policy) {
    const auto size = static_cast<std::uint32_t>(policy.voters.size());
    policy.k = std::max(policy.k, to_a_majority ? size - size / 2 : size);
  };
  loosened(book.current);
  for (core::Policy& policy : book.unproven) loosened(policy);
}

void believe_old_answers(core::Situation& s) {
  for (auto& [name, peer] : s.peers) {
    if (peer.said && peer.said->fenced) peer.said->fenced->term = s.record->term;
  }
}

/// The heir counts as complete before the last WAL of the stopped leader has arrived.
void take_the_heir_for_complete(core::Situation& s) {
  std::optional<core::Position> heirs;
  core::Fenced* leaders = nullptr;
  const auto look = [&](const NodeName& node, std::optional<core::Fenced>& fenced,
                        const std::optional<core::Position>& position) {
    if (node == *s.record->heir) heirs = position;
    if (node == s.record->leader->node && fenced) leaders = &*fenced;
  };
  look(s.me, s.fenced, s.server.position);
  for (auto& [name, peer] : s.peers) {
    if (peer.said) look(name, peer.said->fenced, peer.said->position);
  }
  if (heirs && leaders != nullptr && leaders->position && heirs->lsn < leaders->position->lsn) {
    leaders->position->lsn = heirs->lsn;
  }
}

/// Whoever hears nobody campaigns as if all others had agreed.
void imagine_consent(core::Situation& s) {
  if (core::somebody_in_charge(s).yes || !s.record->leader) return;
  for (auto& [name, peer] : s.peers) {
    peer.card_hears.clear();
    if (!peer.said || name == s.record->leader->node) continue;
    peer.said->sees_somebody_in_charge = false;
    peer.said->term = s.record->term;
    peer.refused = false;
    peer.alive_at = s.now;
  }
}

void attach_whatever_the_end(core::Situation& s) {
  const bool follows = s.fenced && s.record->leader && s.record->leader->node != s.me &&
                       s.record->phase == core::Phase::leading;
  if (!follows) return;
  s.fenced->position = core::Position{TimelineId{1}, Lsn{0}};
  s.server.diverged = false;
}

}  // namespace

core::Situation AgentModel::twisted(core::Situation s) const {
  if (!s.record || world_.planted.empty()) return s;
  const auto has = [&](Bug bug) { return world_.planted.contains(bug); };
  const bool leading = s.record->phase == core::Phase::leading;
  if (has(Bug::lsn_without_term)) forget_terms(*s.record);
  const bool elects = !leading || !core::record_names_me(s);
  if (has(Bug::too_few_fenced) && elects) loosen(s.record->policy, false);
  if (has(Bug::majority_fences) && elects) loosen(s.record->policy, true);
  if (has(Bug::old_fence_answers_count)) believe_old_answers(s);
  // Whoever is chosen in this term still knows it.
  if (has(Bug::asked_to_promote_is_forgotten) && !core::record_names_me(s)) {
    s.server.asked_to_promote = false;
  }
  if (has(Bug::promise_ignored)) s.promise.term = std::min(s.promise.term, s.record->term);
  if (has(Bug::half_a_copy_counts) && !leading) s.server.rebuilding = false;
  if (has(Bug::no_pre_vote) && leading) imagine_consent(s);
  if (has(Bug::max_loss_ignored) && elects && s.record->max_loss_bytes) {
    s.record->max_loss_bytes = core::unlimited_loss;
  }
  const bool hands_over = s.record->phase == core::Phase::handover && s.record->heir;
  if (has(Bug::heir_without_the_end) && hands_over && s.record->leader) {
    take_the_heir_for_complete(s);
  }
  if (has(Bug::attach_without_comparing)) attach_whatever_the_end(s);
  return s;
}

}  // namespace evergres::sim

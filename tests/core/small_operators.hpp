#pragma once

#include "small_world.hpp"

/// World: operators who take nodes out by hand or accept losses, and what makes that hard.
namespace evergres::core::small {

inline void World::fence_or_unfence(const NodeName& node) {
  const bool out = hand_fence(register_.record, node) != nullptr;
  auto changed = out ? end_hand_fence(register_.record, node)
                     : fence_by_hand(register_.record, HandFence{node, "op", "", 0}, chance(50));
  if (!changed) return;
  register_.record = *changed;
  ++register_.revision;
}

inline std::string World::take_a_voter_out() {
  const Policy& policy = register_.record.policy.current;
  if (register_.record.phase != Phase::leading || policy.voters.empty()) return {};
  const Node& voter = nodes_[index_of(policy.voters.front().node)];
  if (!is_out(voter)) fence_or_unfence(voter.name);
  const auto runs_on = [&] {
    return voter.postgres.runs() || voter.postgres.state == ServerState::starting;
  };
  for (int i = 0; i < 600 && runs_on() && violation.empty(); ++i) step();
  if (!is_out(voter) || !runs_on()) return {};
  return voter.name.value + " runs although it was taken out in the end";
}

inline bool World::all_is_async() const {
  const PolicyBook& book = register_.record.policy;
  const auto is_async = [](const Policy& policy) { return policy.mode == Durability::async; };
  return is_async(book.current) && std::ranges::all_of(book.unproven, is_async);
}

/// An operator accepts the loss where all that may be lost is async: only there a lease has ended
/// whoever else may still be leading.
inline void World::force_a_failover() {
  if (!all_is_async()) return;
  const Request wish{"f" + std::to_string(tick_), RequestKind::failover, {}, true, 0};
  const auto asked = ask(register_.record, wish);
  if (!asked) return;
  register_.record = *asked;
  ++register_.revision;
}

/// Whoever is to lead next dies before it opens.
inline void World::kill_the_chosen() {
  const Record& record = register_.record;
  if (record.phase != Phase::electing || !record.leader) return;
  nodes_[index_of(record.leader->node)].postgres.kill();
}

inline void World::withdraw_a_forced_failover() {
  const auto& request = register_.record.request;
  if (!request || !request->accept_data_loss || all_is_async()) return;
  register_.record = *clear_request(register_.record, request->id);
  ++register_.revision;
}

}  // namespace evergres::core::small

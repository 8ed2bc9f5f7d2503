#include "proxy/pool/route.hpp"

#include <tuple>

namespace evergres::proxy {
namespace {

bool may_read(const Candidate& candidate, const RouteWish& wish,
              const std::optional<OpenLeader>& leader) {
  if (leader && leader->node == candidate.node) return false;
  if (!near_enough(candidate.answers, candidate.replays, candidate.lag, wish.max_lag)) return false;
  return !wish.at_least || (candidate.replayed && *candidate.replayed >= *wish.at_least);
}

}  // namespace

bool near_enough(bool answers, bool replays, const std::optional<std::uint64_t>& lag,
                 std::uint64_t max_lag) {
  return answers && replays && lag && *lag <= max_lag;
}

Route choose_route(const RouteWish& wish, Term highest, const std::optional<OpenLeader>& leader,
                   const std::vector<Candidate>& candidates) {
  const bool open = leader && leader->term == highest;
  if (wish.port == Port::read_write) {
    if (open) return {leader->node, highest, "It is the open leader of the highest known term."};
    return {std::nullopt, highest, "There is no open leader."};
  }
  std::vector<const Candidate*> best;
  const auto rank = [&](const Candidate& candidate) {
    return std::tuple{candidate.zone != wish.zone, candidate.busy};
  };
  for (const Candidate& candidate : candidates) {
    if (!may_read(candidate, wish, leader)) continue;
    if (!best.empty() && rank(candidate) > rank(*best.front())) continue;
    if (!best.empty() && rank(candidate) < rank(*best.front())) best.clear();
    best.push_back(&candidate);
  }
  if (!best.empty()) {
    return {best[wish.turn % best.size()]->node, highest, "It is a replica that is near enough."};
  }
  if (wish.leader_may_read && open) {
    return {leader->node, highest, "No replica is near enough; the leader may read."};
  }
  return {std::nullopt, highest, "No replica is near enough."};
}

}  // namespace evergres::proxy

#include "agent/operations/head_start.hpp"

#include <algorithm>

#include "agent/pulse.hpp"
#include "core/view.hpp"

namespace evergres::agent {

Nanos left_after_opening(const TermTimes& times, Term term, Instant now) {
  if (times.term != term) return Nanos::zero();
  for (const TermTimes::Step& step : times.steps) {
    if (step.name == "opening") return std::max(step.ended + head_start - now, Nanos::zero());
  }
  return Nanos::zero();
}

Nanos left_after_handover(const core::Situation& situation, Instant now) {
  constexpr Millis soon{3000};
  if (!situation.record || situation.record->phase != core::Phase::leading) return Nanos::zero();
  const Term term = situation.record->term;
  const bool stopped_for_it = situation.fenced && situation.fenced->term == term &&
                              situation.claimed_at && now - *situation.claimed_at < soon;
  if (!stopped_for_it || core::record_names_me(situation)) return Nanos::zero();
  return head_start;
}

Outcome let_clients_go_first(Hands& hands, Nanos left) {
  if (left <= Nanos::zero()) return {};
  Pulse clock;
  if (!clock.wait(hands.stop, std::chrono::ceil<Millis>(left))) return hands.cancelled();
  return {};
}

}  // namespace evergres::agent

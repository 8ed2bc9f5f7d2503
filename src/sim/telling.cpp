#include "sim/telling.hpp"

#include <algorithm>

namespace evergres::sim {

Telling::Telling(World& world, const Story& story)
    : world_(world), story_(story), began_(world.events_.now()) {
  if (const auto now = record()) term_ = now->term;
}

std::string Telling::tell() {
  for (const Step& step : story_.steps) {
    const Nanos until = step.at ? *step.at : world_.events_.now() - began_ + step.after;
    const Nanos wait = began_ + until - world_.events_.now();
    if (wait > Nanos{0}) world_.run_for(wait);
    if (!world_.judge_.violation().empty()) return {};
    const std::string trouble = take(step);
    if (!world_.judge_.violation().empty()) return {};
    if (!trouble.empty()) return story_.file + ":" + std::to_string(step.line) + ": " + trouble;
  }
  const Nanos left = began_ + story_.shape.chaos - world_.events_.now();
  if (left > Nanos{0}) world_.run_for(left);
  return {};
}

std::string Telling::take(const Step& step) {
  switch (step.kind) {
    case Step::Kind::fault: world_.begin_fault(fault_of(step)); return {};
    case Step::Kind::mend: mend(step); return {};
    case Step::Kind::heal: world_.heal(); return {};
    case Step::Kind::await_leader:
    case Step::Kind::await_another_leader: return await_leader(step);
    case Step::Kind::await_health: {
      std::string missing;
      const auto healthy = [&] { return (missing = world_.missing()).empty(); };
      const std::string trouble = await(healthy, "health", step.span);
      return trouble.empty() ? trouble : trouble + ": " + missing;
    }
    case Step::Kind::await_writes: {
      const std::size_t wanted = world_.judge_.acknowledgements() + step.number;
      return await([&] { return world_.judge_.acknowledgements() >= wanted; },
                   std::to_string(step.number) + " more acknowledged writes", step.span);
    }
    case Step::Kind::await_voters: {
      const auto agrees = [&] {
        const auto now = record();
        return now && now->policy.unproven.empty() &&
               now->policy.current.voters.size() == step.number;
      };
      return await(agrees, "a proven policy with " + std::to_string(step.number) + " voters",
                   step.span);
    }
    default: return expect(step);
  }
}

std::string Telling::expect(const Step& step) {
  const auto now = record();
  const Term term = now ? now->term : Term{0};
  switch (step.kind) {
    case Step::Kind::expect_leader:
      if (leader() == place_of(step.who)) return {};
      return "somebody else leads, or nobody";
    case Step::Kind::expect_same_term:
      if (term == term_) return {};
      return "the term went from " + std::to_string(term_.value) + " to " +
             std::to_string(term.value);
    case Step::Kind::expect_higher_term:
      if (term > term_) return {};
      return "the term is still " + std::to_string(term_.value);
    case Step::Kind::expect_no_write: {
      const std::size_t before = world_.judge_.acknowledgements();
      world_.run_for(step.span);
      const std::size_t more = world_.judge_.acknowledgements() - before;
      if (more == 0) return {};
      return std::to_string(more) + " writes were acknowledged";
    }
    default:
      if (now) world_.judge_.finish(*now);
      return {};
  }
}

std::string Telling::await(const std::function<bool()>& came, const std::string& what, Nanos most) {
  constexpr Millis period{20};
  const Moment end = world_.events_.now() + most;
  while (!came()) {
    if (!world_.judge_.violation().empty()) return {};
    if (world_.events_.now() >= end) return "waited " + text_of(most) + " for " + what;
    world_.run_for(period);
  }
  return {};
}

std::string Telling::await_leader(const Step& step) {
  const Place who = place_of(step.who);
  const bool other = step.kind == Step::Kind::await_another_leader;
  const std::string name = world_.machines_[who]->name.value;
  const auto came = [&] {
    const auto now = leader();
    return now && (other ? *now != who : *now == who);
  };
  return await(came, other ? "a leader other than " + name : name + " as leader", step.span);
}

PlannedFault Telling::fault_of(const Step& step) {
  PlannedFault fault;
  fault.kind = step.fault;
  fault.lasts = step.span;
  fault.a = place_of(step.who);
  fault.b = place_of(step.other);
  if (fault.b == fault.a) fault.b = (fault.a + 1) % world_.machines_.size();
  return fault;
}

// Who led when the fault began need not lead any more: without a name the last fault of the kind
// is meant.
void Telling::mend(const Step& step) {
  const bool named = step.who.kind == Who::Kind::machine && machines_of_fault(step.fault) > 0;
  const auto& active = world_.active_;
  const auto found = std::find_if(active.rbegin(), active.rend(), [&](const auto& each) {
    return each.second.kind == step.fault && (!named || each.second.a == step.who.place);
  });
  if (found != active.rend()) world_.end_fault(found->first);
}

std::optional<core::Record> Telling::record() {
  auto now = world_.store_.read_now();
  if (!now) return std::nullopt;
  return now->value;
}

std::optional<Place> Telling::leader() {
  const auto now = record();
  if (!now || now->phase != core::Phase::leading || !now->leader) return std::nullopt;
  const Place place = world_.surroundings_.place_of(now->leader->node);
  if (!world_.machines_[place]->postgres.admits()) return std::nullopt;
  return last_leader_ = place;
}

Place Telling::place_of(const Who& who) {
  if (who.kind == Who::Kind::machine) return who.place;
  if (const auto now = record(); now && now->leader) {
    last_leader_ = world_.surroundings_.place_of(now->leader->node);
  }
  return who.kind == Who::Kind::leader ? last_leader_
                                       : (last_leader_ + 1) % world_.machines_.size();
}

}  // namespace evergres::sim

#include "sim/stage.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "sim/world.hpp"

namespace evergres::sim {

Answered<int> Stage::pause(Nanos least, Nanos most) {
  const Nanos span = between(least, most);
  return Answered<int>(run_, [this, span](const Answered<int>::Reply& reply) {
    world.events().after(span, [reply] { reply(0); });
  });
}

Answered<std::optional<Place>> Stage::wait_for(const Wish& wish, Nanos patience) {
  using Reply = Answered<std::optional<Place>>::Reply;
  return Answered<std::optional<Place>>(run_, [this, wish, patience](const Reply& reply) {
    wish_ = wish;
    wish_->reply = reply;
    world.events().after(patience, [reply] { reply(std::nullopt); });
  });
}

Answered<std::optional<Place>> Stage::decided(std::string_view kind, std::vector<Place> by,
                                              Nanos patience) {
  return wait_for(Wish{std::string(kind), false, std::move(by), {}}, patience);
}

Answered<std::optional<Place>> Stage::ended(std::string_view kind, std::vector<Place> by,
                                            Nanos patience) {
  return wait_for(Wish{std::string(kind), true, std::move(by), {}}, patience);
}

// The agent that decided is in the middle of its turn: nothing may happen to it before that is
// over.
void Stage::note(Place node, const std::string& kind, bool is_end) {
  if (!wish_ || wish_->kind != kind || wish_->is_end != is_end) return;
  if (std::find(wish_->by.begin(), wish_->by.end(), node) == wish_->by.end()) return;
  const auto reply = wish_->reply;
  wish_.reset();
  world.events().after(Nanos{1000}, [reply, node] { reply(node); });
}

Task<bool> Stage::until(std::function<bool()> condition, Nanos patience) {
  const Moment end = world.events().now() + patience;
  while (!condition()) {
    if (world.events().now() >= end) co_return false;
    auto waiting = pause(Millis{20}, Millis{60});
    co_await waiting;
  }
  co_return true;
}

std::size_t Stage::begin(std::string_view fault, Place a, Nanos lasts, std::optional<Place> b) {
  const auto kind = fault_called(fault);
  CHECK(kind.has_value());
  PlannedFault planned;
  planned.kind = *kind;
  planned.a = a;
  planned.b = b ? *b : (a + 1) % world.machines().size();
  planned.lasts = lasts;
  return world.begin_fault(planned);
}

void Stage::end(std::size_t fault) {
  world.end_fault(fault);
}

bool Stage::chance(std::uint32_t permille) {
  const Choices::Aside aside(world.choices());
  return world.choices().chance(permille);
}

std::uint32_t Stage::below(std::uint32_t limit) {
  const Choices::Aside aside(world.choices());
  return world.choices().below(limit);
}

Nanos Stage::between(Nanos least, Nanos most) {
  const Choices::Aside aside(world.choices());
  return world.choices().between(least, most);
}

std::optional<core::Record> Stage::record() const {
  const auto current = world.store().read_now();
  return current ? std::optional(current->value) : std::nullopt;
}

std::optional<Place> Stage::leader() const {
  const auto now = record();
  if (!now || now->phase != core::Phase::leading || !now->leader) return std::nullopt;
  return world.place_of(now->leader->node);
}

std::vector<Place> Stage::voters() const {
  std::vector<Place> places;
  const auto now = record();
  if (!now) return places;
  for (const core::Seat& voter : now->policy.current.voters) {
    places.push_back(world.place_of(voter.node));
  }
  return places;
}

std::vector<Place> Stage::all() const {
  std::vector<Place> places;
  for (const auto& machine : world.machines()) places.push_back(machine->place);
  return places;
}

std::vector<Place> Stage::all_but(Place one, std::optional<Place> another) const {
  std::vector<Place> places = all();
  std::erase_if(places, [&](Place place) { return place == one || place == another; });
  return places;
}

Place Stage::any_of(const std::vector<Place>& many) {
  const Choices::Aside aside(world.choices());
  return world.choices().one_of(many);
}

}  // namespace evergres::sim

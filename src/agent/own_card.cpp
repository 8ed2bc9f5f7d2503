#include "agent/own_card.hpp"

#include <spdlog/spdlog.h>

namespace evergres::agent {
namespace {

std::string place_of(const cluster::NodeCard& card) {
  return card.peer_host + ":" + std::to_string(card.peer_port);
}

}  // namespace

/// The sentence if `theirs` is the card of the run that was there before us and lives.
std::optional<std::string> OwnCard::yield_to(const cluster::NodeCard& theirs) {
  if (!before_ || theirs.agent != before_->agent || theirs.beat <= before_->beat)
    return std::nullopt;
  before_->beat = theirs.beat;
  before_->moved_at = boot_now();
  yielding_ = true;
  return "another agent runs as \"" + theirs.name + "\" at " + place_of(theirs) +
         " and was there first: the state directory of one was copied; this one does nothing";
}

/// While it yields: whether the earlier agent has been gone for long enough.
Result<bool> OwnCard::elder_stands_still(cluster::ClusterStore& store,
                                         const cluster::NodeCard& card, Millis deadline) {
  auto listed = store.list_cards(deadline);
  if (!listed) return listed.error();
  for (const auto& entry : listed->cards) {
    if (entry.value.name != card.name) continue;
    written_ = entry.revision;
    // Whoever moves it lives, also another run of it.
    if (entry.value.beat == before_->beat && entry.value.agent == before_->agent) continue;
    before_ = Other{entry.value.agent, entry.value.beat, boot_now()};
  }
  return boot_now() - before_->moved_at >= yields_for;
}

Result<std::optional<std::string>> OwnCard::announce(cluster::ClusterStore& store,
                                                     const cluster::NodeCard& card,
                                                     Millis deadline) {
  using Answer = std::optional<std::string>;
  if (yielding_) {
    auto still = elder_stands_still(store, card, deadline);
    if (!still) return still.error();
    if (!*still)
      return Answer("another agent runs as \"" + card.name + "\"; this one does nothing");
    yielding_ = false;
  }
  auto expect = written_ ? store::Expect::at(*written_) : store::Expect::absent();
  constexpr int tries = 8;
  for (int attempt = 0; attempt < tries; ++attempt) {
    auto put = store.put_card(card, expect, deadline);
    if (!put &&
        put.error().code() == ErrorCode::data_invalid) {  // nobody's card: it may be replaced
      put = store.put_card(card, store::Expect::anything(), deadline);
    }
    if (!put) return put.error();
    if (const auto* applied = std::get_if<cluster::CardApplied>(&*put)) {
      written_ = applied->revision;
      return Answer();
    }
    const auto& current = std::get<cluster::CardConflict>(*put).current;
    expect = current ? store::Expect::at(current->revision) : store::Expect::absent();
    if (!current || current->value.agent == card.agent) continue;
    if (auto elder = yield_to(current->value)) return Answer(std::move(elder));
    if (!written_) {
      before_ = Other{current->value.agent, current->value.beat, boot_now()};
    } else if (const std::string agent = current->value.agent.value_or("?");
               agent != last_intruder_) {
      last_intruder_ = agent;
      spdlog::error(
          "another agent announced itself as \"{}\" at {}: was the state directory copied?",
          card.name, place_of(current->value));
    }
  }
  return Error(ErrorCode::conflict, "the card of this node changed under every try to write it");
}

}  // namespace evergres::agent

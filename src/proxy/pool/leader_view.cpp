#include "proxy/pool/leader_view.hpp"

#include <tuple>

namespace evergres::proxy {
namespace {

bool same_leadership(const LeaderWord& one, const LeaderWord& other) {
  return one.term == other.term && one.open == other.open &&
         (!one.open || one.leader == other.leader);
}

}  // namespace

LeaderView::Heard LeaderView::hear(const LeaderWord& word) {
  if (word.cluster != cluster_) return Heard::foreign;
  if (!newest_) return believe(word);
  const auto known = std::tie(newest_->term, newest_->revision);
  const auto told = std::tie(word.term, word.revision);
  if (told > known) return believe(word);
  if (told == known && !same_leadership(word, *newest_)) {
    if (disputed_) return Heard::nothing_new;
    disputed_ = true;
    return Heard::disputed;
  }
  // The leader's agent may know an older revision than others and still be alone to know this.
  if (disputed_ || !same_leadership(word, *newest_)) return Heard::nothing_new;
  return take_draining(word) ? Heard::news : Heard::nothing_new;
}

LeaderView::Heard LeaderView::believe(const LeaderWord& word) {
  // A renewal that another agent tells does not call off what the leader's own agent announced.
  if (!newest_ || disputed_ || !same_leadership(word, *newest_)) draining_ = false;
  newest_ = word;
  disputed_ = false;
  take_draining(word);
  return Heard::news;
}

bool LeaderView::take_draining(const LeaderWord& word) {
  if (!word.draining || *word.draining == draining_) return false;
  draining_ = *word.draining;
  return true;
}

std::optional<OpenLeader> LeaderView::leader() const {
  if (!newest_ || disputed_ || !newest_->open || newest_->leader.empty()) return std::nullopt;
  return OpenLeader{newest_->term, newest_->leader, newest_->timeline};
}

}  // namespace evergres::proxy

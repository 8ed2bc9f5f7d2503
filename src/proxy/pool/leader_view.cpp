#include "proxy/pool/leader_view.hpp"

#include <tuple>

namespace evergres::proxy {

LeaderView::Heard LeaderView::hear(const LeaderWord& word) {
  if (word.cluster != cluster_) return Heard::foreign;
  if (newest_) {
    const auto known = std::tie(newest_->term, newest_->revision);
    const auto told = std::tie(word.term, word.revision);
    if (told < known) return Heard::nothing_new;
    if (told == known) {
      const bool same =
          word.open == newest_->open && (!word.open || word.leader == newest_->leader);
      if (same || disputed_) return Heard::nothing_new;
      disputed_ = true;
      return Heard::disputed;
    }
  }
  newest_ = word;
  disputed_ = false;
  return Heard::news;
}

std::optional<OpenLeader> LeaderView::leader() const {
  if (!newest_ || disputed_ || !newest_->open || newest_->leader.empty()) return std::nullopt;
  return OpenLeader{newest_->term, newest_->leader};
}

}  // namespace evergres::proxy

#include "core/loss.hpp"

#include <algorithm>
#include <cstdio>

#include "core/quorum.hpp"

namespace evergres::core {
namespace {

bool is_async(const Policy& policy) {
  return policy.mode == Durability::async;
}

/// Where the WAL of the lost leader, known up to `end`, is left by whoever leads from `chosen` on.
void measure_against(Loss& loss, Position end, Position chosen, const TimelineTree& tree) {
  if (tree.is_prefix(chosen, end)) {
    loss.to = std::max(loss.from, end.lsn);
  } else if (tree.is_prefix(end, chosen)) {
    loss.to = loss.from;
  } else if (const auto parting = where_they_part(chosen, end, tree)) {
    loss.from = *parting;
    loss.to = std::max(*parting, end.lsn);
  }
}

std::string seconds_text(std::uint64_t millis) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(millis) / 1e3);
  return text;
}

}  // namespace

bool some_async(const PolicyBook& book) {
  return is_async(book.current) ||
         std::any_of(book.unproven.begin(), book.unproven.end(), is_async);
}

bool lease_is_fixed(const Record& record) {
  return record.durability == Durability::async || some_async(record.policy);
}

bool only_async_is_uncovered(const PolicyBook& book, const std::vector<Seat>& fenced) {
  const auto may_stay_uncovered = [&](const Policy& policy) {
    return is_async(policy) || covers(policy, fenced);
  };
  return some_async(book) && may_stay_uncovered(book.current) &&
         std::all_of(book.unproven.begin(), book.unproven.end(), may_stay_uncovered);
}

bool is_majority(const Record& record, const std::vector<Seat>& seats) {
  std::size_t count = 0;
  for (const NodeName& member : record.members) {
    const auto is_it = [&](const Seat& seat) { return seat.node == member; };
    count += std::any_of(seats.begin(), seats.end(), is_it) ? 1U : 0U;
  }
  return 2 * count > record.members.size();
}

std::optional<Lsn> held_of_the_lost(const Record& record, Position end, const TimelineTree& tree) {
  const auto& lineage = record.lineage;
  const auto began = std::ranges::find(lineage.rbegin(), lineage.rend(), record.policy.current.term,
                                       &Lineage::term);
  if (began == lineage.rend()) return std::nullopt;
  return where_they_part(end, end_of(began->timeline), tree);
}

Loss possible_loss(const Record& record, const std::optional<LastWord>& word, Position chosen,
                   const TimelineTree& tree) {
  // A policy of anybody else in the book was never opened: nobody was told of a commit under it.
  const Policy& lost = record.policy.current;
  Loss loss;
  loss.leader = lost.leader;
  loss.term = record.term;
  loss.from = tree.normalised(chosen).lsn;
  // It may stand beyond that: on the timeline of a leadership that never opened, or on what an
  // earlier failover gave up.
  loss.from = held_of_the_lost(record, chosen, tree).value_or(loss.from);
  if (!word || word->leader != lost.leader || word->term != lost.term) return loss;
  measure_against(loss, word->position, chosen, tree);
  return loss;
}

bool took_effect(const Record& record, const Loss& loss) {
  // Of a version that did not write it down: its timeline began, as far as anybody showed.
  const auto began = [&](const Lineage& entry) { return entry.term == loss.term && entry.begins; };
  return loss.opened.value_or(std::ranges::any_of(record.lineage, began));
}

std::optional<Loss> inherited_loss(const Record& record, const Seat& leader, Position chosen,
                                   const TimelineTree& tree) {
  const auto& before = record.loss;
  if (!before || took_effect(record, *before) || leader == before->leader) return std::nullopt;
  // It may have been chosen again since, in vain: such a policy tells of nothing that it had
  // acknowledged before.
  const Term since = before->since.value_or(before->term);
  const auto is_theirs = [&](const Policy& policy) {
    return policy.leader == before->leader && policy.term < since;
  };
  const PolicyBook& book = record.policy;
  if (is_theirs(book.current) || std::ranges::any_of(book.unproven, is_theirs)) return std::nullopt;
  Loss loss = *before;
  loss.term = record.term;
  loss.since = since;
  loss.from = tree.normalised(chosen).lsn;
  for (const Lineage& entry : record.lineage) {
    if (entry.term != before->term) continue;
    measure_against(loss, {entry.parent, before->to.value_or(before->from)}, chosen, tree);
  }
  // Where that server left the timeline of the lost leader may be forgotten with it. The lost one
  // may have been chosen again, in vain: that one began nowhere.
  const auto is_its_own = [&](const Lineage& entry) {
    const bool began = entry.parent.value == 0 || entry.begins;
    return began && entry.node == before->leader.node && entry.term < since;
  };
  const auto own = std::ranges::find_if(record.lineage.rbegin(), record.lineage.rend(), is_its_own);
  if (own != record.lineage.rend()) {
    const auto parting = where_they_part(chosen, end_of(own->timeline), tree);
    loss.from = std::min(loss.from, parting.value_or(loss.from));
  }
  // Whoever was chosen for that failover may have stood on the timeline of another one that never
  // opened, not on that of the lost leader. Too much is put right when that leader is read.
  loss.from = std::min(loss.from, before->from);
  loss.to = before->to;  // of a leader that nobody heard since
  return loss;
}

std::vector<Loss> unmeasured_losses(const Record& record) {
  std::vector<Loss> losses = record.earlier_losses.value_or(std::vector<Loss>{});
  if (record.loss) losses.push_back(*record.loss);
  std::erase_if(losses,
                [&](const Loss& loss) { return loss.measured || !took_effect(record, loss); });
  return losses;
}

std::uint64_t silence_since(const std::optional<LastWord>& word, Instant now) {
  if (!word) return 0;
  const auto silent = std::chrono::duration_cast<Millis>(now - word->heard_at).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(silent, 0));
}

Loss measured_loss(const Record& record, Loss loss, Position end, const TimelineTree& tree) {
  for (const Lineage& entry : record.lineage) {
    if (entry.term != loss.term || !entry.begins) continue;
    // That failover's timeline may come from one that left the lost leader's own earlier.
    const Position next{entry.timeline, *entry.begins};
    const TimelineId lost = tree.normalised(end).timeline;
    loss.from = where_they_part(next, end_of(lost), tree).value_or(*entry.begins);
  }
  const bool has_nothing_else = tree.fits(end, record.lineage.back().timeline);
  loss.to = has_nothing_else ? loss.from : std::max(loss.from, end.lsn);
  loss.silent_ms = 0;
  loss.measured = true;
  return loss;
}

std::optional<std::uint64_t> bytes_of(const Loss& loss) {
  if (!loss.to) return std::nullopt;
  return bytes_between(loss.from, *loss.to);
}

bool is_tolerable(const Loss& loss, const Record& record) {
  const std::uint64_t most = record.max_loss_bytes.value_or(0);
  if (most == 0) return false;
  if (most == unlimited_loss) return true;
  const auto bytes = bytes_of(loss);
  return bytes && *bytes <= most;
}

std::string too_much(const Loss& loss, const Record& record) {
  const std::string text = "it would lose " + describe(loss) + "; max_loss ";
  const std::uint64_t most = record.max_loss_bytes.value_or(0);
  if (most == 0) return text + "0 never gives a leader up";
  return text + "is " + std::to_string(most) + " bytes";
}

std::string describe(const Loss& loss) {
  const std::string whose = " of " + loss.leader.node.value;
  const auto bytes = bytes_of(loss);
  if (!bytes) return "an unknown number of bytes" + whose + " after " + loss.from.text();
  std::string text = std::to_string(*bytes) + " bytes" + whose;
  if (*bytes > 0) text += " (" + loss.from.text() + " to " + loss.to->text() + ")";
  if (loss.measured) return text + ", read from its own WAL";
  if (loss.silent_ms == 0) return text + ", as far as it is known";
  return text + ", and what it wrote in its last " + seconds_text(loss.silent_ms);
}

}  // namespace evergres::core

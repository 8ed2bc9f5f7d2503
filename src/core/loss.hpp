#pragma once

#include <string>
#include <vector>

#include "base/instant.hpp"
#include "core/position.hpp"
#include "core/record.hpp"

/// What a failover without its async leader gives up, and when it may.
namespace evergres::core {

/// The furthest position at which anybody heard a leader. Beyond it that leader can only have
/// written after `heard_at`.
struct LastWord {
  Seat leader;
  Term term;  ///< of its leadership
  Position position;
  Instant heard_at;
  auto operator<=>(const LastWord&) const = default;
};
constexpr auto fields(const LastWord*) {
  return std::tuple{Field{"leader", &LastWord::leader}, Field{"term", &LastWord::term},
                    Field{"position", &LastWord::position}, Field{"heard_at", &LastWord::heard_at}};
}

/// The others wait so much longer than the lease: meanwhile a supervisor ends its primary, and two
/// clocks do not run quite alike.
inline constexpr Millis lease_margin{1000};

/// Whether an async policy is in the book: its leader acknowledges alone, and only as long as its
/// lease lasts.
bool some_async(const PolicyBook& book);

/// Whether others may be counting the lease of the record: async is wanted, or an async policy is
/// in the book. As long as that is so the lease does not change, and no grant is longer.
bool lease_is_fixed(const Record& record);

/// Whether nothing but async policies is left uncovered. Only then may a coordinator go on without
/// the leader; a quorum or strict policy never lets it.
bool only_async_is_uncovered(const PolicyBook& book, const std::vector<Seat>& fenced);

/// More than half of the members of the record are among `seats`.
bool is_majority(const Record& record, const std::vector<Seat>& seats);

/// How far a server that ends at `end` holds the WAL of whoever leads by the current policy. Empty
/// if nothing known connects the two.
std::optional<Lsn> held_of_the_lost(const Record& record, Position end, const TimelineTree& tree);

/// What is lost if the node at `chosen` leads next, as far as `word` tells. `to` stays empty if
/// nothing is known of the leader that loses it. `silent_ms` stays 0, see silence_since().
Loss possible_loss(const Record& record, const std::optional<LastWord>& word, Position chosen,
                   const TimelineTree& tree);

/// Milliseconds between `word` and `now`: so long that leader may have written what nobody heard
/// of. 0 without a word. It changes with each look and is therefore no part of an intent; whoever
/// carries the choice out adds it.
std::uint64_t silence_since(const std::optional<LastWord>& word, Instant now);

/// Whether the failover of this loss opened, so that the loss is a fact.
bool took_effect(const Record& record, const Loss& loss);

/// What a failover had given up that never opened, though an operator had the policy of that leader
/// dropped for it: no policy in the book tells of it any more, so that it is lost with whoever
/// leads in its stead, here `leader` at `chosen`, however many failovers in a row do not open. It
/// is never less than was known before. Nothing if that is the leader that lost it.
std::optional<Loss> inherited_loss(const Record& record, const Seat& leader, Position chosen,
                                   const TimelineTree& tree);

/// The losses that took effect and wait until their leader is read; oldest first.
std::vector<Loss> unmeasured_losses(const Record& record);

/// One of them read from the stopped leader itself, whose WAL ends at `end`.
Loss measured_loss(const Record& record, Loss loss, Position end, const TimelineTree& tree);

/// Bytes of WAL between `from` and `to`; nothing if the end is not known.
std::optional<std::uint64_t> bytes_of(const Loss& loss);

/// Whether the operator lets an automatic failover lose so much. The unknown is too much, unless
/// nothing is. With a max_loss of 0 a leader that may hold more is never given up, however little
/// is known to be missing: what it wrote after its last word nobody knows.
bool is_tolerable(const Loss& loss, const Record& record);

/// The sentence for a loss that is not tolerable.
std::string too_much(const Loss& loss, const Record& record);

/// "8192 bytes of n1 (0/3000060 to 0/3002060), and what it wrote in its last 1.4 s".
std::string describe(const Loss& loss);

}  // namespace evergres::core

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/instant.hpp"

namespace evergres::proxy {

/// A pool of one thread that has servers which count against the limit that somebody has reached.
struct Party {
  std::uint32_t held = 0;  ///< servers
  std::uint32_t owes = 0;  ///< of them, so many were asked for already
  std::uint32_t idle = 0;
  Instant idle_since = {};   ///< of the one that is idle longest
  bool transactions = true;  ///< its servers become free with each transaction
  bool slow = false;         ///< it was asked a while ago and has not given
  Instant got = {};          ///< when it was given its last one
};

/// Who waits for one more.
struct Wanting {
  std::uint32_t held = 0;
  Instant since = {};
};

/// Which of `parties` gives a server away. Pure.
///
/// An idle server goes first: at once from a pool with more than the one that waits, else if nobody
/// has used it for a second, so that two pools do not take each other's servers in turns. Then a
/// busy one, when its transaction ends: at once from a pool with two or more above the one that
/// waits, the largest first; from one with a single one more, after a turn (0.2 s; 1 s if the one
/// that waits has servers) of both, so that each connection is worth its price. Nothing: it goes on waiting.
std::optional<std::size_t> choose_giver(const Wanting& wanting, std::span<const Party> parties,
                                        Instant now);

}  // namespace evergres::proxy

#pragma once

#include <optional>
#include <string>

#include "core/situation.hpp"

namespace evergres::core {

/// What the agent asks the supervisor for, or why it asks for nothing. The grant lasts grant_length
/// from `counted_from`, the instant at which the newest evidence was asked for, never from now.
struct GrantWish {
  std::optional<GrantKind> kind;  ///< absent: do not extend
  Term term;
  Instant counted_from;
  bool revoke = false;  ///< end it at once: the leader's settings are not its policy's
  std::string why;
};

/// Pure. Called each second by the lease task, and at once when something changed.
GrantWish grant_wish(const Situation& situation);

}  // namespace evergres::core

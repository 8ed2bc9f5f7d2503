#pragma once

#include <optional>
#include <string>

#include "core/situation.hpp"

namespace evergres::core {

/// What the agent asks the supervisor for, or why it asks for nothing. The grant lasts `length`
/// from `counted_from`, the instant at which the newest evidence was asked for, never from now.
struct GrantWish {
  std::optional<GrantKind> kind;  ///< absent: do not extend
  Term term;
  Instant counted_from;
  Millis length{0};
  bool revoke = false;  ///< end it at once: the leader's settings are not its policy's
  std::string why;
};

/// How long a grant lasts after its evidence: from the moment that async is wanted until no async
/// policy is in the book never longer than the lease in the record, which the others wait out.
Millis grant_length(const Situation& situation);

/// Pure. Called each second by the lease task, and at once when something changed.
GrantWish grant_wish(const Situation& situation);

}  // namespace evergres::core

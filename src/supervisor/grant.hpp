#pragma once

#include <cstdint>
#include <optional>

#include "base/result.hpp"
#include "supervisor/protocol.hpp"

namespace evergres::supervisor {

/// What the rule about grants looks at.
struct GrantFacts {
  State state = State::stopped;
  std::uint64_t start_id = 0;
  std::optional<Grant> held;
  Instant now;
};

/// Whether the running postmaster may be primary as asked, and until when. Pure. Refused (code
/// refused) if PostgreSQL does not run (a grant may still be extended while a fast stop is under
/// way, so that the stop can end cleanly), if another start was meant, if the term is lower than
/// that of the grant held, if either the wanted grant or the grant held is already over, if
/// `asked_at` lies in the future, or if a lead would become a promote in the same term. A repeated
/// grant of the same kind and term never ends earlier than before, so that requests may overtake
/// each other.
Result<Grant> decide_grant(const AskGrant& asked, const GrantFacts& facts);

}  // namespace evergres::supervisor

#include "supervisor/grant.hpp"

#include <algorithm>

namespace evergres::supervisor {

namespace {

Error refused(std::string message, std::string detail, std::string hint = {}) {
  return Error(ErrorCode::refused, "the grant is refused: " + std::move(message), std::move(detail),
               std::move(hint));
}

}  // namespace

Result<Grant> decide_grant(const AskGrant& asked, const GrantFacts& facts) {
  const bool extends =
      facts.held && facts.held->kind == asked.kind && facts.held->term == asked.term;
  if (facts.state != State::running && !(facts.state == State::stopping && extends)) {
    return refused("PostgreSQL is not running",
                   "Its state is " + std::string(word_of(facts.state)) + ".", "Start it first.");
  }
  if (asked.start_id && *asked.start_id != facts.start_id) {
    return refused("another start was meant",
                   "The request names start " + std::to_string(*asked.start_id) +
                       ", running is start " + std::to_string(facts.start_id) + ".");
  }
  if (asked.asked_at > facts.now) {
    return refused("it was asked in the future", "asked_at is read on CLOCK_BOOTTIME.");
  }
  Grant wanted{asked.kind, asked.term, asked.asked_at + asked.length};
  if (wanted.deadline <= facts.now) {
    return refused("it would already be over", "The request took longer than the grant's length.");
  }
  if (!facts.held) return wanted;
  const Grant& held = *facts.held;
  if (held.deadline <= facts.now) {
    return refused("the last one has ended", "PostgreSQL is about to be stopped.");
  }
  if (wanted.term < held.term) {
    return refused("its term is over", "Term " + std::to_string(wanted.term.value) +
                                           " was asked for, the grant held is of term " +
                                           std::to_string(held.term.value) + ".");
  }
  if (wanted.term == held.term) {
    if (held.kind == GrantKind::lead && wanted.kind == GrantKind::promote) {
      return refused("this term leads already", "A lead does not become a promote again.");
    }
    if (held.kind == wanted.kind) wanted.deadline = std::max(wanted.deadline, held.deadline);
  }
  return wanted;
}

}  // namespace evergres::supervisor

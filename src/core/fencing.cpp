#include "core/view.hpp"

namespace evergres::core {
namespace {

/// In a handover the heir goes on receiving until it holds all that the stopped leader wrote.
Verdict heir_must_fence(const Situation& s) {
  const Heartbeat* leader = fresh_word(s, s.record->leader->node);
  if (leader == nullptr) return {false, "the leader that hands over is silent"};
  if (!leader->fenced || leader->fenced->term != s.record->term || !leader->fenced->position) {
    return {false, "the leader that hands over has not stopped yet"};
  }
  if (!s.server.position || s.server.position->lsn < leader->fenced->position->lsn) {
    return {false, "the last WAL of the stopped leader has not arrived"};
  }
  return {true, "all WAL of the stopped leader has arrived"};
}

Verdict already_fenced(const Situation& s) {
  if (s.fenced && s.fenced->term == s.record->term) {
    // Read while its server was down; now that it runs the node can say that it could lead.
    const bool can_say_more = !s.fenced->can_run && s.server.state == ServerState::standby;
    if (can_say_more) return {false, "our server runs again since it was read"};
    return {true, "fenced for this term"};
  }
  if (s.server.upstream && s.server.upstream->term == s.record->term) {
    return {true, "follows the leader of this term"};
  }
  return {false, "not fenced since the start of our server"};
}

}  // namespace

Verdict must_fence(const Situation& s) {
  if (!s.record || !s.server.incarnation) return {false, "no record or no data directory"};
  const Record& record = *s.record;
  if (record.term.value == 0) return {false, "nobody has taken a term yet"};
  const bool newer = s.promise.term < record.term;
  if (record_names_me(s)) {
    const bool ours = record.phase == Phase::leading || claim_is_mine(s);
    if (record.phase == Phase::handover && ours && s.server.state == ServerState::standby) {
      const Verdict fenced = already_fenced(s);  // we stopped, and our server runs again
      return {!fenced.yes, fenced.why};
    }
    if (ours) return {false, "this node leads or is about to"};
  }
  const bool heir = record.phase == Phase::handover && record.heir == s.me;
  if (heir && newer) {
    const Verdict in_charge = somebody_in_charge(s);
    return in_charge.yes ? heir_must_fence(s) : Verdict{false, "the handover was left alone"};
  }
  if (newer)
    return {true, "term " + std::to_string(record.term.value) + " is newer than our promise"};
  const Verdict fenced = already_fenced(s);
  return {!fenced.yes, fenced.why};
}

}  // namespace evergres::core
